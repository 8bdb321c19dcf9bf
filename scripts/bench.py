#!/usr/bin/env python3
"""How fast is it?

    python scripts/bench.py [--seconds 1] [--rounds 3] [--connections 1,8,32] [--workers gthread:2x8,sync:2x1] [--large]
    python scripts/bench.py --sizes [--scale 0.1 | --small-only] [--keep FOLDER] [--write docs/benchmark.md]

Beside the bare floor of the same run: a bare Flask route with one `text()` SELECT by key through the session (for writes: one
INSERT and commit) under the same gunicorn and database. Everything is printed in requests a second and as a ratio to the
floor, so that a figure of one machine says something about another. Nothing here passes or fails.

With `--large` it asks a database of 100,000 deployments and as many versions of one model (`large.sql`), and what stands beside
is a page of 100 versions.

With `--sizes` it compares a small registry with one of a million versions, five million audit entries and 300,000 deployments,
which take about 12 GB of disk while it runs; `--scale` makes the large one smaller, and `--keep` loads them only once.

It asks by wrk (Debian: `apt install wrk`), which takes little of the processor that the server is measured on; without it by
threads of Python, which take much.
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))  # run as a file, it finds only what is beside it

from catapult.embedded import Embedded, serving
from scripts.benchmark import floors, report, sizes


def main() -> None:
    """Print what was measured, or write it."""
    options = _options()
    if not shutil.which("wrk"):
        print("bench: wrk is not installed (on Debian, apt install wrk): threads of Python ask in its place")
    logs = tempfile.TemporaryFile()  # noqa: SIM115 - a line a request is written, as in production
    said = os.dup(2)
    os.dup2(logs.fileno(), 2)
    try:
        with _server(options.keep) as server:
            if not options.sizes:
                floors.compare(server.url, options)
                return
            page = report.written(sizes.measure(server, options), options)
    except BaseException:
        os.dup2(said, 2)  # where it is read
        raise
    if options.write:
        options.write.write_text(page)
    print(page)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=1, help="of each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", help="1,8,32 where nothing is said; 1,8 with --sizes")
    parser.add_argument("--workers", default="gthread:2x8", help="with --sizes only one kind")
    parser.add_argument("--large", action="store_true", help="ask a large database what grows with it elsewhere")
    parser.add_argument("--sizes", action="store_true", help="compare a small registry with a large one")
    parser.add_argument("--scale", type=float, default=1.0, help="of the large one")
    parser.add_argument("--small-only", action="store_true", help="no large one")
    parser.add_argument("--keep", type=Path, help="a folder in which the registries stay, to be measured again")
    parser.add_argument("--write", type=Path, help="a file for the tables")
    options = parser.parse_args()
    options.connections = options.connections or ("1,8" if options.sizes else "1,8,32")
    return options


@contextmanager
def _server(kept: Path | None) -> Iterator[Embedded]:
    """A PostgreSQL of its own, in that folder or in one that is removed afterwards."""
    home = kept or Path(tempfile.mkdtemp(prefix="catapult-bench-"))
    try:
        with serving(home) as server:
            yield server
    finally:
        if kept is None:
            shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
