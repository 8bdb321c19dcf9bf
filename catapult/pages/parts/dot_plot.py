"""The dot plot above a comparison: how far each number is from the base's, the largest change first.

The scale is logarithmic to both sides, and the same in every row: 0.1 % looks small beside 40 %. Positions are per cent of
the width and pixels from above, so that the plot fills its container without a script.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log10
from typing import Any

from catapult.pages.parts.changes import verdict_of
from catapult.pages.parts.formats import percent
from catapult.rules.comparison import Row

ROWS = 12
"""The most rows that are drawn."""

TICKS = (0.1, 1, 10, 100, 1_000, 10_000)
"""Per cent. A change beyond the last is drawn at the last."""

KNEE = 0.05
"""Below this many per cent the scale is linear."""

HALF = 45
"""The length of the scale to either side of the base, in per cent of the width; the rest is for the edge's dots."""

TOP, LANE, APART = 16, 18, 2.2
"""Pixels to the first lane and between lanes; dots that are closer than `APART` per cent get lanes of their own."""


@dataclass(frozen=True)
class Dot:
    """A version's change: `number` is the one in its column's head, `verdict` is better, worse or empty."""

    number: int
    x: float
    y: int
    verdict: str
    words: str


@dataclass(frozen=True)
class Track:
    """A row of the plot: the dots of one key, and all of them in words."""

    key: str
    dots: tuple[Dot, ...]
    height: int
    words: str
    is_directed: bool

    @property
    def start(self) -> float:
        return min(50, *(dot.x for dot in self.dots))

    @property
    def end(self) -> float:
        return max(50, *(dot.x for dot in self.dots))


@dataclass(frozen=True)
class Plot:
    """The rows, the ticks as `(x, label)`, the outer ones without a label, and the number of further keys that changed."""

    tracks: tuple[Track, ...]
    ticks: tuple[tuple[float, str], ...]
    rest: int

    @property
    def is_directed(self) -> bool:
        return any(track.is_directed for track in self.tracks)


def plot(rows: Sequence[Row], directions: Mapping[str, int], names: Sequence[str]) -> Plot | None:
    """Return the plot of sorted rows, of those whose numbers changed; `names` are the columns', the base first."""
    changed = [row for row in rows if row.largest_percent is not None]
    if not changed:
        return None
    drawn = changed[:ROWS]
    largest = max(_share(row.largest_percent) for row in drawn)
    top = next((tick for tick in TICKS[1:] if tick >= largest), TICKS[-1])
    ticks = [(sign * tick, "" if tick == top else f"{tick:,} %") for tick in TICKS if tick <= top for sign in (-1, 1)]
    return Plot(
        tuple(_track(row, directions.get(row.key, 0), names, top) for row in drawn),
        tuple((_x(share, top), label) for share, label in sorted(ticks)),
        len(changed) - len(drawn),
    )


def _track(row: Row, direction: int, names: Sequence[str], top: float) -> Track:
    """Return the row: better is to the right where there is a direction, and larger is elsewhere."""
    dots: list[Dot] = []
    changed = [(number, cell) for number, cell in enumerate(row.cells) if cell.percent is not None]
    for number, cell in sorted(changed, key=lambda it: (direction or 1) * it[1].percent):  # type: ignore[operator]
        x = _x((direction or 1) * _share(cell.percent), top)
        verdict = verdict_of(cell, direction)
        words = f"{names[number]} {percent(_share(cell.percent))}{f', {verdict}' if verdict else ''}"
        dots.append(Dot(number, x, _free_lane(dots, x), verdict, words))
    label = "; ".join(dot.words for dot in sorted(dots, key=lambda dot: dot.number))
    height = 2 * TOP + max(dot.y for dot in dots) - TOP
    return Track(row.key, tuple(dots), height, label, bool(direction))


def _free_lane(dots: Sequence[Dot], x: float) -> int:
    """Return the first lane, as pixels from above, in which no dot is too close."""
    taken = {dot.y for dot in dots if abs(dot.x - x) < APART}
    y = TOP
    while y in taken:
        y += LANE
    return y


def _share(value: Any) -> float:
    """Return the per cent as a float that the scale can show: metadata may hold 1e300."""
    return float(max(min(value, 10**9), -(10**9)))


def _x(share: float, top: float) -> float:
    part = min(log10(1 + abs(share) / KNEE) / log10(1 + top / KNEE), 1)
    return round(50 + HALF * (part if share > 0 else -part), 2)
