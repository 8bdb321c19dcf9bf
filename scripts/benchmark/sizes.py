"""How much slower is a large registry than a small one? Both are there at once, each behind a server of its own, and are asked in
turn, so that whatever else the machine does meets both alike; and so is the bare floor on the same database.
"""

import argparse
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import NamedTuple

from catapult.app import create_app
from catapult.embedded import Embedded

from .asking import Client, Figures
from .cases import Case, cases, ways
from .loading import FULL, SMALL
from .registries import Registry, registry
from .servers import floor_app, free_port, running, settings_for
from .timeline import Size

WARM = (1, 8)
"""Seconds and connections before anything counts."""


class Measured(NamedTuple):
    """What came of it: by connections, request and registry the figures, which are the medians of the rounds'."""

    registries: list[Registry]
    cases: list[Case]
    figures: dict[tuple[int, str, str], Figures]


class Side:
    """A registry behind its server and its floor, and how many requests of each kind were sent to it."""

    def __init__(self, there: Registry, workers: str, open_: ExitStack) -> None:
        self.name = there.name
        settings = settings_for(there.url)
        bare_settings = replace(settings, port=free_port())
        app, bare = create_app(settings), floor_app(settings)
        known = ways(app)
        self.cases = {case.name: case for case in cases(there.url, known)}
        open_.enter_context(running(app, settings, workers))
        open_.enter_context(running(bare, bare_settings, workers))
        self.clients = {False: Client(settings.port, known.key), True: Client(bare_settings.port, known.key)}
        self.sent: Counter[str] = Counter()

    def ask(self, name: str, seconds: int, connections: int) -> Figures:
        case = self.cases[name]
        figures = self.clients[case.bare].ask(case.asked, seconds, connections, self.sent[name])
        self.sent[name] += figures.requests
        said = f"{name}, {self.name}: {figures.faults} of {figures.requests} requests failed"
        if figures.faults * 2 > figures.requests:
            raise SystemExit(f"bench: {said}; no figure of this run would mean anything")
        if figures.faults:
            print(f"  {said}", flush=True)
        return figures


def measure(server: Embedded, options: argparse.Namespace) -> Measured:
    """The registries are loaded, where they are not there yet, and measured."""
    made = [_made(server, name, size) for name, size in _sizes(options)]
    rounds = defaultdict(list)
    with ExitStack() as open_:
        sides = [Side(there, options.workers.split(",")[0], open_) for there in made]
        listed = list(sides[0].cases.values())
        counts = [int(count) for count in options.connections.split(",")]
        for case in listed:
            for side in sides:
                side.ask(case.name, *WARM)
        for connections, case, turn in _turns(listed, counts, options.rounds):
            for side in sides if turn % 2 else reversed(sides):
                figures = side.ask(case.name, options.seconds, connections)
                rounds[connections, case.name, side.name].append(figures)
    return Measured(made, listed, {key: _median(several) for key, several in rounds.items()})


def _turns(listed: list[Case], counts: list[int], rounds: int) -> Iterator[tuple[int, Case, int]]:
    """First all that only reads, over any number of connections: what is written makes a small registry a larger one."""
    for writes in (False, True):
        for connections in counts:
            for turn in range(rounds):
                for case in listed:
                    if bool(case.asked.bodies) == writes:
                        yield connections, case, turn


def _made(server: Embedded, name: str, size: Size) -> Registry:
    print(f"{name}: {size.versions:,} versions, {size.entries:,} entries …", flush=True)
    there = registry(server, name, size)
    print(f"  loaded in {there.loaded:.0f} s, tidied in {there.tidied:.0f} s", flush=True)
    return there


def _sizes(options: argparse.Namespace) -> Iterator[tuple[str, Size]]:
    yield "small", SMALL
    if not options.small_only:
        yield "large", Size(*(max(least, int(most * options.scale)) for least, most in zip(SMALL, FULL, strict=True)))


def _median(several: list[Figures]) -> Figures:
    rate, p50, p95, p99 = (statistics.median(column) for column in list(zip(*several, strict=True))[:4])
    return Figures(rate, p50, p95, p99, sum(one.requests for one in several), sum(one.faults for one in several))
