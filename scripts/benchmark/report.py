"""The measurements as Markdown: on which machine, on which data, and whether each bound holds."""

import argparse
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from .asking import Figures
from .cases import Case
from .measuring import Measured
from .registries import Registry, run

ROOT = Path(__file__).parent.parent.parent
COMMAND = "make bench"


def page(measured: Measured, options: argparse.Namespace) -> str:
    """Return the whole page."""
    parts = [HEAD, *_machine(measured, options), *_registries(measured.registries), ""]
    for connections in dict.fromkeys(key[0] for key in measured.figures):
        parts += [f"## Over {connections} connection{'s' * (connections > 1)}", "", *_table(measured, connections), ""]
    return "\n".join([*parts, *_missed(measured), ""])


HEAD = f"""# Benchmark

What a registry of a million versions costs beside a small one: written by `{COMMAND}`, which loads both, asks both in turn and \
writes this page.

Times are milliseconds until an answer is read whole, p50, p95 and p99, and `/s` is requests a second; each is the median of the \
rounds. `of floor` is the rate beside that of a bare Flask route on the same database, which does one SELECT by key, or one INSERT \
and its commit, under the same gunicorn. `times` is the p50 in the large registry by the p50 in the small one, and `bound` \
what it may be: 1.5 where nothing should grow but depths of indexes, and 4 for what shows up to 50 models, of which the \
small registry has ten.
"""


def _machine(measured: Measured, options: argparse.Namespace) -> Iterator[str]:
    version = run(measured.registries[0].url, "SHOW server_version")[0][0]
    settings = run(measured.registries[0].url, "SELECT current_setting('shared_buffers')")[0][0]
    yield "| | |"
    yield "| --- | --- |"
    yield f"| machine | {_processor()}, {os.cpu_count()} cores, {_memory():.0f} GB; server, database and load on it together |"
    yield f"| software | PostgreSQL {version} (shared_buffers {settings}), Python {platform.python_version()}, {_tool()} |"
    yield f"| commit | {_commit()}, {datetime.now(UTC):%Y-%m-%d} |"
    yield f"| server | gunicorn, {options.workers} |"
    yield f"| rounds | {options.rounds} of {options.seconds} s each |"


def _registries(registries: list[Registry]) -> Iterator[str]:
    for there in registries:
        models, versions, deployments, entries = there.counts
        took = f"loaded by COPY in {there.loaded:.0f} s" if there.loaded else "kept from a run before"
        disk = run(there.url, "SELECT pg_size_pretty(pg_database_size(current_database()))")[0][0]
        yield (
            f"| {there.name} | {models:,} models, {versions:,} versions, {deployments:,} deployments, "
            f"{entries:,} audit entries; {disk}, {took} |"
        )


def _table(measured: Measured, connections: int) -> Iterator[str]:
    names = [there.name for there in measured.registries]
    yield (
        "| request |" + "".join(f" {name}: p50 | p95 | p99 | /s | of floor |" for name in names) + " times | bound | |"
    )
    yield "| --- |" + " ---: |" * (5 * len(names) + 2) + " --- |"
    for case in measured.cases:
        sides = [measured.figures[connections, case.name, name] for name in names]
        floors = [measured.figures[connections, case.floor, name] for name in names]
        cells = [cell for figures, floor in zip(sides, floors, strict=True) for cell in _cells(figures, floor)]
        yield "| " + " | ".join([case.name, *cells, *_verdict(case, sides)]) + " |"


def _cells(figures: Figures, floor: Figures) -> list[str]:
    times = [f"{time:.1f}" for time in (figures.p50, figures.p95, figures.p99)]
    return [*times, f"{figures.rate:,.0f}", f"{figures.rate / floor.rate:.2f}"]


def _verdict(case: Case, sides: list[Figures]) -> tuple[str, str, str]:
    if len(sides) == 1:
        return "", "", ""
    if case.bound is None:
        return f"{_times(sides):.2f}", "", ""
    return f"{_times(sides):.2f}", f"{case.bound}", "holds" if _holds(case, sides) else "**missed**"


def _times(sides: list[Figures]) -> float:
    return sides[-1].p50 / sides[0].p50


def _holds(case: Case, sides: list[Figures]) -> bool:
    return case.bound is None or _times(sides) <= case.bound


def _missed(measured: Measured) -> Iterator[str]:
    """Say which bounds are missed, and which requests failed."""
    names = [there.name for there in measured.registries]
    for connections in dict.fromkeys(key[0] for key in measured.figures):
        for case in measured.cases:
            sides = [measured.figures[connections, case.name, name] for name in names]
            if len(sides) > 1 and not _holds(case, sides):
                took = f"takes {_times(sides):.2f} times as long, and its bound is {case.bound}"
                yield f"- Missed over {connections}: {case.name} {took}."
            for name, figures in zip(names, sides, strict=True):
                if figures.faults:
                    yield f"- Failed over {connections}: {figures.faults} of {figures.requests} requests, {case.name}, {name}."


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _memory() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9


def _tool() -> str:
    if not shutil.which("wrk"):
        return "load from threads of Python, because wrk is not installed"
    return " ".join(_output("wrk", "-v").split()[:2])


def _commit() -> str:
    return _output("git", "-C", str(ROOT), "describe", "--always", "--dirty").strip() or "unknown"


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout
