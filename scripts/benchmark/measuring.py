"""Registries behind servers of their own, and the bare floor on the same database, which get their requests in turn.

All run at once, so that whatever else the machine does affects them alike.
"""

import argparse
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from catapult.app import create_app
from catapult.embedded import Embedded

from . import made_up
from .asking import Client, Figures
from .cases import Access, Case, access, basic_cases, cases, control_plane_cases
from .made_up import Size
from .registries import Registry, registry
from .servers import SALT, floor_app, free_port, memory, running, settings_for

SMALL = Size(10, 1_000, 5_000)
FULL = Size(1_000, 1_000_000, 5_000_000)
CONTROL_PLANE = (1_000, 66, 100_000)
"""About 100,000 deployments of 1,000 models, and one model of 100,000 versions."""

WARM = (1, 8)
"""Seconds and connections before anything is measured."""


class Measured(NamedTuple):
    """The medians of the rounds, by connections, case and registry."""

    registries: list[Registry]
    cases: list[Case]
    figures: dict[tuple[int, str, str], Figures]


class Side:
    """A registry behind its server and its floor, and how many requests of each case were sent to it."""

    def __init__(
        self, side: Registry, listed: Callable[[str, Access], list[Case]], workers: str, stack: ExitStack
    ) -> None:
        self.name = side.name
        settings = settings_for(side.url)
        bare_settings = replace(settings, port=free_port())
        app, bare = create_app(settings), floor_app(settings)
        granted = access(app)
        self.cases = {case.name: case for case in listed(side.url, granted)}
        self.process = stack.enter_context(running(app, settings, workers))
        stack.enter_context(running(bare, bare_settings, workers))
        self.clients = {False: Client(settings.port, granted.key), True: Client(bare_settings.port, granted.key)}
        self.sent: Counter[str] = Counter()

    def ask(self, name: str, seconds: int, connections: int) -> Figures:
        case = self.cases[name]
        figures = self.clients[case.bare].ask(case.asked, seconds, connections, self.sent[name])
        self.sent[name] += figures.requests
        failed = f"{name}, {self.name}: {figures.faults} of {figures.requests} requests failed"
        if figures.faults * 2 > figures.requests:
            raise SystemExit(f"bench: {failed}; no figure of this run would mean anything")
        if figures.faults:
            print(f"  {failed}", flush=True)
        return figures


def sizes(server: Embedded, options: argparse.Namespace) -> Measured:
    """Compare a small registry with a large one."""
    large = [max(least, int(most * options.scale)) for least, most in zip(SMALL, FULL, strict=True)]
    wanted = {"small": SMALL} if options.small_only else {"small": SMALL, "large": Size(*large)}
    registries = [_loaded(server, name, size) for name, size in wanted.items()]
    with ExitStack() as stack:
        sides = [Side(each, cases, options.workers.split(",")[0], stack) for each in registries]
        return Measured(registries, list(sides[0].cases.values()), _measure(sides, options))


def floors(server: Embedded, options: argparse.Namespace) -> None:
    """Print a table for each kind of workers: requests/s of one registry, and their ratio to the floor."""
    if options.large:
        planned = partial(made_up.control_plane, *CONTROL_PLANE)
        there = registry(server, "control", str(CONTROL_PLANE), lambda: made_up.events(planned(), SALT))
    else:
        there = registry(server, "small", str(SMALL), partial(made_up.registry, SMALL, SALT))
    listed = control_plane_cases if options.large else basic_cases
    for workers in options.workers.split(","):
        print(
            f"\n{workers}: requests/s at {options.connections} connections, and as a ratio to the floor (least wanted)"
        )
        with ExitStack() as stack:
            side = Side(there, listed, workers, stack)
            figures = _measure([side], options)
            print(f"  memory (PSS) of gunicorn: {memory(side.process):.0f} MB")
        rates: dict[str, list[float]] = defaultdict(list)
        for (_, name, _), measured in figures.items():
            rates[name].append(measured.rate)
        for case in side.cases.values():
            print("  " + _row(case, rates))


def _row(case: Case, rates: dict[str, list[float]]) -> str:
    shown = "".join(f"{rate:9.0f}" for rate in rates[case.name])
    if case.floor == case.name:
        return f"{case.name:<20}{shown}"
    ratios = "".join(f"{rate / floor:7.2f}" for rate, floor in zip(rates[case.name], rates[case.floor], strict=True))
    return f"{case.name:<20}{shown}  {ratios}  ({case.bound})"


def _measure(sides: list[Side], options: argparse.Namespace) -> dict[tuple[int, str, str], Figures]:
    """Send every request to each side in turn, and return the medians of all rounds."""
    listed = list(sides[0].cases.values())
    counts = [int(count) for count in options.connections.split(",")]
    rounds = defaultdict(list)
    for case in listed:
        for side in sides:
            side.ask(case.name, *WARM)
    for connections, case, turn in _turns(listed, counts, options.rounds):
        for side in sides if turn % 2 else reversed(sides):
            rounds[connections, case.name, side.name].append(side.ask(case.name, options.seconds, connections))
    return {key: _median(several) for key, several in rounds.items()}


def _turns(listed: list[Case], counts: list[int], rounds: int) -> Iterator[tuple[int, Case, int]]:
    """First everything that only reads, over any number of connections: writes make a small registry larger."""
    for writes in (False, True):
        for connections in counts:
            for turn in range(rounds):
                for case in listed:
                    if bool(case.asked.bodies) == writes:
                        yield connections, case, turn


def _loaded(server: Embedded, name: str, size: Size) -> Registry:
    print(f"{name}: {size.versions:,} versions, {size.entries:,} entries …", flush=True)
    there = registry(server, name, str(size), partial(made_up.registry, size, SALT))
    print(f"  loaded in {there.loaded:.0f} s, vacuumed in {there.vacuumed:.0f} s", flush=True)
    return there


def _median(several: list[Figures]) -> Figures:
    rate, p50, p95, p99 = (statistics.median(column) for column in list(zip(*several, strict=True))[:4])
    requests, faults = (sum(column) for column in list(zip(*several, strict=True))[4:])
    return Figures(rate, p50, p95, p99, requests, faults)
