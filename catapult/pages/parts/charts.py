"""Where things stand in the drawings that the pages hold: points, ticks and labels, worked out here so that no script is needed.

Values are exact fractions until they are places on the drawing: the whole range of float64 may stand in one series, and there a
difference of two floats would be infinite.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor
from typing import Any

HEIGHT, TOP, BOTTOM = 176, 14, 138
"""Of a chart, and of the part that values lie in, in CSS pixels from above."""

NAMES_AT = 166
"""The line that versions are written on."""

SIDE = 1.5
"""Per cent of the width that are left free on both sides."""

WIDE, NARROW = 740, 260
"""The widths, in CSS pixels and with the gutter, from which on all the labels have room, and the few that a telephone shows."""

LETTER, GAP = 7.6, 12
"""How wide a letter of 12 px is at most, and what lies between two labels."""

LONGEST_NAME, LONGEST_TICK = 12, 9
MOST_TICKS = 5

SPARK_WIDTH, SPARK_HEIGHT, SPARK_EDGE = 88, 24, 4
RANGE_WIDTH, RANGE_EDGE = 88, 6


@dataclass(frozen=True)
class Point:
    """A version's value: `x` in per cent of the width, `y` in pixels from above."""

    x: float
    y: float
    version: str
    value: float
    is_release: bool


@dataclass(frozen=True)
class Tick:
    """A line across the chart, and the value it stands for."""

    y: float
    label: str


@dataclass(frozen=True)
class Label:
    """A version's name under its point; only some have room in a `narrow` chart."""

    x: float
    text: str
    anchor: str
    narrow: bool


@dataclass(frozen=True)
class Chart:
    """A chart that is as wide as the page lets it be: its height and gutter are pixels, what stands along it is per cent."""

    height: int
    gutter: int
    names_at: int
    ticks: tuple[Tick, ...]
    line: str
    points: tuple[Point, ...]
    labels: tuple[Label, ...]

    @property
    def first(self) -> Point:
        return self.points[0]

    @property
    def latest(self) -> Point:
        return self.points[-1]

    @property
    def lowest(self) -> Point:
        return min(self.points, key=lambda point: point.value)

    @property
    def highest(self) -> Point:
        return max(self.points, key=lambda point: point.value)

    @property
    def releases(self) -> int:
        return sum(point.is_release for point in self.points)


@dataclass(frozen=True)
class Spark:
    """A line as small as a word, with its last point marked."""

    width: int
    height: int
    path: str
    x: float
    y: float


@dataclass(frozen=True)
class Range:
    """Where some values lie between the least and the greatest of them: `(column, x)` of each."""

    width: int
    start: int
    end: int
    dots: tuple[tuple[int, float], ...]


def chart(points: Sequence[Any]) -> Chart | None:
    """These rows of `version value is_release`, oldest first, as a line with a point for each; None for none."""
    if not points:
        return None
    values = [exact(point.value) for point in points]
    ticks = _ticks(values)
    labels = _written(ticks)
    low, high = ticks[0], ticks[-1]
    gutter = ceil(max(map(len, labels)) * LETTER) + GAP
    drawn = tuple(
        Point(x, _y(value, low, high), row.version, row.value, bool(row.is_release))
        for x, value, row in zip(_across(len(points)), values, points, strict=True)
    )
    return Chart(
        height=HEIGHT,
        gutter=gutter,
        names_at=NAMES_AT,
        ticks=tuple(Tick(_y(tick, low, high), label) for tick, label in zip(ticks, labels, strict=True)),
        line=_path((point.x, point.y) for point in drawn),
        points=drawn,
        labels=_labels(drawn, gutter),
    )


def spark(values: Sequence[float]) -> Spark | None:
    """These values, oldest first, from edge to edge of a small box; in its middle where all are equal; None for none."""
    if not values:
        return None
    width = SPARK_WIDTH - 2 * SPARK_EDGE
    places = [
        (SPARK_EDGE + width * _share(number, len(values) - 1, alone=1), _spark_y(share))
        for number, share in enumerate(_shares([exact(value) for value in values]))
    ]
    return Spark(SPARK_WIDTH, SPARK_HEIGHT, _path(places), round(places[-1][0], 1), round(places[-1][1], 1))


def range_dots(values: Sequence[Any]) -> Range | None:
    """A dot for each value, by its column; None in place of one is no dot. None where there are no two that differ."""
    found = {column: exact(value) for column, value in enumerate(values) if value is not None}
    if len(set(found.values())) < 2:
        return None
    width = RANGE_WIDTH - 2 * RANGE_EDGE
    dots = zip(found, _shares(list(found.values())), strict=True)
    places = tuple((column, round(RANGE_EDGE + width * share, 1)) for column, share in dots)
    return Range(RANGE_WIDTH, RANGE_EDGE, RANGE_WIDTH - RANGE_EDGE, places)


def exact(value: Any) -> Fraction:
    """The number as it is written: 0.1 is a tenth here, which no float is."""
    return Fraction(str(value))


def _across(count: int) -> Iterator[float]:
    """So many places from left to right, in per cent."""
    for number in range(count):
        yield round(SIDE + (100 - 2 * SIDE) * _share(number, count - 1), 2)


def _share(part: int, whole: int, alone: float = 0.5) -> float:
    return part / whole if whole else alone


def _shares(values: list[Fraction]) -> list[float]:
    """Each value's place between the least (0) and the greatest (1); a half where all are equal."""
    low, high = min(values), max(values)
    return [float((value - low) / (high - low)) if high > low else 0.5 for value in values]


def _y(value: Fraction, low: Fraction, high: Fraction) -> float:
    return round(BOTTOM - (BOTTOM - TOP) * float((value - low) / (high - low)), 1)


def _spark_y(share: float) -> float:
    return SPARK_HEIGHT - SPARK_EDGE - (SPARK_HEIGHT - 2 * SPARK_EDGE) * share


def _path(places: Any) -> str:
    return "M" + "L".join(f"{round(x, 2):g} {round(y, 1):g}" for x, y in places)


def _ticks(values: list[Fraction]) -> list[Fraction]:
    """Three to five round values in equal steps of 1, 2 or 5 that the values lie within.

    The step before the one taken needs six or more, so that the values span more than three of it; the next is at most two and
    a half times as long, which they span more than once: that makes three at least.
    """
    low, high = min(values), max(values)
    if low == high:
        room = abs(low) / 10 or Fraction(1)
        low, high = low - room, high + room
    for step in _steps(high - low):
        first, last = floor(low / step), ceil(high / step)
        if last - first < MOST_TICKS:
            break
    return [number * step for number in range(first, last + 1)]


def _steps(span: Fraction) -> Iterator[Fraction]:
    """…, 0.1, 0.2, 0.5, 1, 2, 5, 10, …: rising, from one that is sure to be too small for that span."""
    power = _exponent(span) - 2
    while True:
        yield from (digit * Fraction(10) ** power for digit in (1, 2, 5))
        power += 1


def _exponent(value: Fraction) -> int:
    """Of ten, in the number as it is written with one digit before the point: 2 of 250, -3 of 0.004."""
    above, below = abs(value).as_integer_ratio()
    guess = len(str(above)) - len(str(below))
    return guess if above >= Fraction(10) ** guess * below else guess - 1


def _written(ticks: list[Fraction]) -> list[str]:
    """The ticks with as many digits as tell them apart: plain, or with an exponent where that is shorter."""
    step = _exponent(ticks[1] - ticks[0])
    plain = [f"{_decimal(tick, step):,f}" for tick in ticks]
    if max(map(len, plain)) <= LONGEST_TICK:
        return plain
    short = [_scientific(tick, step) for tick in ticks]
    return min(plain, short, key=lambda labels: max(map(len, labels)))


def _decimal(tick: Fraction, step: int) -> Decimal:
    """The tick, exactly: a whole number of its step's last digit, with no digit beyond that."""
    scale = min(step, 0)
    units = tick / Fraction(10) ** scale
    return Decimal((int(units < 0), tuple(map(int, str(abs(int(units))))), scale))


def _scientific(tick: Fraction, step: int) -> str:
    """`1.25e300`, with no zeros at the end."""
    if not tick:
        return "0"
    power = _exponent(tick)
    digits = str(abs(int(tick / Fraction(10) ** min(step, power))))
    fraction = digits[1:].rstrip("0")
    return f"{'-' if tick < 0 else ''}{digits[0]}{'.' if fraction else ''}{fraction}e{power}"


def _labels(points: Sequence[Point], gutter: int) -> tuple[Label, ...]:
    """The first and the last version, releases from the newest on, others: whichever has room beside those before it."""
    ends = [len(points) - 1, 0] if len(points) > 1 else [0]
    inner = sorted(range(1, len(points) - 1), key=lambda number: (not points[number].is_release, -number))
    order = [*ends, *_spread(inner, points)]
    narrow = _fitting(order, points, NARROW - gutter, [])
    wide = _fitting(order, points, WIDE - gutter, narrow)
    return tuple(
        Label(points[number].x, shortened(points[number].version), _anchor(number, len(points)), number in narrow)
        for number in sorted(wide)
    )


def _spread(inner: list[int], points: Sequence[Point]) -> list[int]:
    """Releases as they come; of the others first those in the middle of what is free, so that labels stand evenly."""
    others = sorted(number for number in inner if not points[number].is_release)
    return [number for number in inner if points[number].is_release] + list(_halves(others))


def _halves(numbers: list[int]) -> Iterator[int]:
    """The one in the middle, those in the middle of both halves, and so on."""
    parts = [numbers]
    while parts:
        parts = [part for part in parts if part]
        yield from (part[len(part) // 2] for part in parts)
        parts = [half for part in parts for half in (part[: len(part) // 2], part[len(part) // 2 + 1 :])]


def _fitting(order: list[int], points: Sequence[Point], width: int, kept: list[int]) -> list[int]:
    """Those that have room in a chart of that width, with the ones that are kept. What fits there fits in any wider one."""
    taken = {number: _box(number, points, width) for number in kept}
    for number in order:
        left, right = _box(number, points, width)
        within = left >= 0 and right <= width
        if within and all(right + GAP <= start or end + GAP <= left for start, end in taken.values()):
            taken[number] = (left, right)
    return list(taken)


def _box(number: int, points: Sequence[Point], width: int) -> tuple[float, float]:
    """Where a label begins and ends, in pixels."""
    at, long = points[number].x / 100 * width, len(shortened(points[number].version)) * LETTER
    before = {"start": 0.0, "middle": long / 2, "end": long}[_anchor(number, len(points))]
    return at - before, at - before + long


def _anchor(number: int, count: int) -> str:
    if count == 1 or 0 < number < count - 1:
        return "middle"
    return "start" if number == 0 else "end"


def shortened(version: str) -> str:
    """At most twelve characters: its beginning and its end, which is where versions differ."""
    if len(version) <= LONGEST_NAME:
        return version
    return f"{version[: LONGEST_NAME - 5]}…{version[-4:]}"
