#!/usr/bin/env python3
"""Measure how fast the server is.

    python scripts/bench.py [--seconds 1] [--rounds 3] [--connections 1,8,32] [--workers own:2x8,sync:2x1] [--large]
    python scripts/bench.py --files 1024 [--rounds 3]  (of a bucket with STORAGE_URL, S3_ENDPOINT_URL and the usual AWS_…)
    python scripts/bench.py --mlflow .venv/mlflow/bin/mlflow [--seconds 3] [--rounds 3]
    python scripts/bench.py --sizes [--scale 0.1 | --small-only] [--keep FOLDER] [--write docs/benchmark.md]

Every rate is also shown as a ratio to the floor of the same run: a bare Flask route under the same gunicorn and database, with one
SELECT by key, or one INSERT and commit. So a figure of one machine says something about another. Nothing here passes or fails.

With `--large` the database holds 100,000 deployments and a model of 100,000 versions, and rates are compared with a page of 100
versions.

With `--sizes` a small registry is compared with one of a million versions, five million audit entries and about 300,000
deployments, which takes about 12 GB of disk while it runs. `--scale` makes the large one smaller, and `--keep` loads it only once.

The load comes from wrk (Debian: `apt install wrk`), which takes little of the processor that the server is measured on; if wrk is
not installed, from threads of Python, which take much.
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))  # a file that is run finds only the modules beside it

from catapult.embedded import Embedded, serving
from scripts.benchmark import files, measuring, mlflow, report


def main() -> None:
    """Print the measurements, or write them."""
    options = _options()
    if not shutil.which("wrk"):
        print("bench: wrk is not installed (on Debian, apt install wrk): threads of Python send the requests")
    logs = tempfile.TemporaryFile()  # noqa: SIM115 - one line for each request, as in production
    stderr = os.dup(2)
    os.dup2(logs.fileno(), 2)
    try:
        with _server(options.keep) as server:
            if options.files:
                measure = files.measure_bucket if os.environ.get("STORAGE_URL") else files.measure
                measure(server, options.files * files.MIB, options.rounds)
                return
            if options.mlflow:
                mlflow.measure(server, options.mlflow, options.rounds, options.seconds)
                return
            if not options.sizes:
                measuring.floors(server, options)
                return
            page = report.page(measuring.sizes(server, options), options)
    except BaseException:
        os.dup2(stderr, 2)  # where somebody reads it
        raise
    if options.write:
        options.write.write_text(page)
    print(page)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=1, help="length of a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", help="by default 1,8,32, and 1,8 with --sizes")
    parser.add_argument(
        "--workers", default="own:2x8", help="kinds of workers, ours or gunicorn's; with --sizes only the first one"
    )
    parser.add_argument("--large", action="store_true", help="measure what could grow with a large database")
    parser.add_argument("--sizes", action="store_true", help="compare a small registry with a large one")
    parser.add_argument("--scale", type=float, default=1.0, help="size of the large one, as a share")
    parser.add_argument("--small-only", action="store_true", help="without the large one")
    parser.add_argument("--keep", type=Path, help="a folder that keeps the registries for the next run")
    parser.add_argument(
        "--files",
        type=int,
        metavar="MIB",
        help="measure files, with one of so many MiB, through nginx; with STORAGE_URL uploads to that bucket",
    )
    parser.add_argument(
        "--mlflow", type=Path, metavar="PROGRAM", help="measure MLflow's door beside MLflow's own server"
    )
    parser.add_argument("--write", type=Path, help="a file for the page")
    options = parser.parse_args()
    options.connections = options.connections or ("1,8" if options.sizes else "1,8,32")
    return options


@contextmanager
def _server(keep: Path | None) -> Iterator[Embedded]:
    """Start a PostgreSQL in that folder, or in one that is removed afterwards."""
    home = keep or Path(tempfile.mkdtemp(prefix="catapult-bench-"))
    try:
        with serving(home) as server:
            yield server
    finally:
        if keep is None:
            shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
