"""The geometry of the charts on the pages, computed on the server so that they need no script.

Values are exact until they become coordinates: a series may span the whole range of float64, where the difference of two floats
would be infinite. They are ints with one divisor, which takes less than half of the time of fractions.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor, lcm
from typing import Any, NamedTuple
from urllib.parse import quote

from markupsafe import Markup, escape

from catapult.pages.parts import formats
from catapult.rules.numbers import Number

HEIGHT, TOP, BOTTOM = 176, 14, 138
"""The height of a chart, and the top and bottom of its values, in CSS pixels from above."""

NAMES_AT = 166
"""The baseline of the labels, in CSS pixels from above."""

SIDE = 1.5
"""The margin on both sides, in per cent of the width."""

WIDE, NARROW = 740, 260
"""The widths, in CSS pixels with the gutter, from which all labels fit, and the few labels of a phone."""

LETTER, GAP = 7.6, 12
"""The greatest width of a 12 px letter, and the least space between two labels, in CSS pixels."""

BEFORE = {"start": 0.0, "middle": 0.5, "end": 1.0}
"""The share of a label that is left of its position, by its anchor."""

RELEASE_MARK = '<path class="point release" d="M0-6.500 6.500 0 0 6.500-6.500 0z"/>'
LONGEST_NAME, LONGEST_TICK, LONGEST_BY = 12, 9, 80
MOST_TICKS = 5

SPARK_WIDTH, SPARK_HEIGHT, SPARK_EDGE = 88, 24, 4


class Point(NamedTuple):
    """A version's value: `x` in per cent of the width, `y` in pixels from above. `change` is against the chart's `base`."""

    x: float
    y: float
    version: str
    value: Number
    is_release: bool
    created_at: datetime
    created_by: str
    change: Number


@dataclass(frozen=True)
class Tick:
    """A line across the chart, and the value at it."""

    y: float
    label: str


@dataclass(frozen=True)
class Threshold:
    """What a gate asks of the number; `y` is None where that is too far from the values to be drawn."""

    y: float | None
    label: str


@dataclass(frozen=True)
class Label:
    """A version's name under its point; only some fit in a `narrow` chart."""

    x: float
    text: str
    anchor: str
    narrow: bool


@dataclass(frozen=True)
class Chart:
    """A chart that fills its container: `height`, `gutter` and `y` are CSS pixels, `x` is per cent of the width.

    `base` is the newest release in it, or an empty text; `direction` is 1 or -1 where gates say which numbers are better.
    """

    height, names_at = HEIGHT, NAMES_AT
    gutter: int
    ticks: tuple[Tick, ...]
    line: str
    points: tuple[Point, ...]
    labels: tuple[Label, ...]
    thresholds: tuple[Threshold, ...] = ()
    base: str = ""
    direction: int | None = None


@dataclass(frozen=True)
class Spark:
    """A line of the size of a word, with its last point marked."""

    width, height = SPARK_WIDTH, SPARK_HEIGHT
    path: str
    x: float
    y: float


def chart(
    points: Sequence[Any], limits: Sequence[tuple[Number, str]] = (), direction: int | None = None
) -> Chart | None:
    """Return the chart of rows with `version value is_release created_at created_by`, oldest first; None for no rows.

    `limits` are values that gates compare with, and what they ask: `(0.94, "≥ 0.94")`. `direction` is as in `Chart`.
    """
    if not points:
        return None
    values, divisor = _whole(point.value for point in points)
    least, greatest = Fraction(min(values), divisor), Fraction(max(values), divisor)
    near = {limit: exact(limit) for limit, _ in limits if _is_near(exact(limit), least, greatest)}
    ticks = _ticks([least, greatest, *near.values()])
    labels = _tick_labels(ticks)
    low, high = ticks[0], ticks[-1]
    finer = lcm(divisor, low.denominator, high.denominator)  # by this divisor the ends are whole too
    bottom, top = int(low * finer), int(high * finer)
    gutter = ceil(max(map(len, labels)) * LETTER) + GAP
    base = next((index for index in reversed(range(len(points))) if points[index].is_release), None)
    zero = 0 if base is None else values[base]
    drawn = tuple(
        Point(
            round(SIDE + (100 - 2 * SIDE) * _share(index, len(points) - 1), 2),
            _y(value * (finer // divisor), bottom, top),
            *(row.version, row.value, bool(row.is_release), row.created_at, row.created_by),
            _quotient(value - zero, divisor),
        )
        for index, (value, row) in enumerate(zip(values, points, strict=True))
    )
    return Chart(
        gutter=gutter,
        ticks=tuple(Tick(_y(tick, low, high), label) for tick, label in zip(ticks, labels, strict=True)),
        line=_path((point.x, point.y) for point in drawn),
        points=drawn,
        labels=_labels(drawn, gutter),
        thresholds=tuple(
            Threshold(_y(near[limit], low, high) if limit in near else None, label) for limit, label in limits
        ),
        base="" if base is None else points[base].version,
        direction=direction,
    )


def point_links(drawn: Chart, page: str) -> Markup:
    """Return the points as links to their versions, which are at `page`: 200 of them, so not by a template."""
    now, page = datetime.now(UTC), escape(page)
    mark = f'<circle class="point" r="{4 if len(drawn.points) <= 60 else 2.5}"/>'
    shown = (f"{point.version}: {formats.number(point.value)}" for point in drawn.points)
    links = (
        f'<svg x="{point.x}%" y="{point.y}" width="1" height="1" overflow="visible"><a\n'
        f'      href="{page}{quote(point.version)}"\n'
        f'      aria-label="{escape(_label(point, drawn, text, now))}"><title>{escape(text)}</title>\n'
        f'      <circle class="target" r="12"/>{RELEASE_MARK if point.is_release else mark}</a></svg>'
        for point, text in zip(drawn.points, shown, strict=True)
    )
    return Markup("\n    ".join(links))  # noqa: S704 - what people wrote is escaped


def _label(point: Point, drawn: Chart, shown: str, now: datetime) -> str:
    """Return what the card of a point shows, and screen readers say: lines with commas between them."""
    parts = [shown]
    if point.is_release:
        parts.append("release")
    if drawn.base and point.version != drawn.base:
        better = "better" if point.change * (drawn.direction or 0) > 0 else "worse"
        judged = f" ({better})" if drawn.direction and point.change else ""
        parts.append(f"{formats.signed(point.change)}{judged} against {drawn.base}")
    by = point.created_by if len(point.created_by) <= LONGEST_BY else f"{point.created_by[: LONGEST_BY - 1]}…"
    return ", ".join([*parts, f"registered {formats.clock(point.created_at, now)} by {by}"])


def _quotient(value: int, divisor: int) -> Number:
    """Return the quotient, as a float if it is not whole; the greatest one where no float can hold it."""
    whole, rest = divmod(value, divisor)
    try:
        return value / divisor if rest else whole
    except OverflowError:
        return sys.float_info.max if value > 0 else -sys.float_info.max


def _is_near(limit: Fraction, low: Fraction, high: Fraction) -> bool:
    """Return whether values from `low` to `high` keep a third of the chart's height if the limit is drawn too."""
    span = high - low or abs(low) / 10 or Fraction(1)
    return low - 2 * span <= limit <= high + 2 * span


def spark(values: Sequence[Number]) -> Spark | None:
    """Return the line of these values, oldest first; level if all are equal, None for no values."""
    if not values:
        return None
    width = SPARK_WIDTH - 2 * SPARK_EDGE
    points = [
        (SPARK_EDGE + width * _share(index, len(values) - 1, alone=1), _spark_y(share))
        for index, share in enumerate(_shares(_whole(values)[0]))
    ]
    return Spark(_path(points), round(points[-1][0], 1), round(points[-1][1], 1))


def exact(value: Any) -> Fraction:
    """Return the number as it is written: 0.1 becomes exactly one tenth."""
    return Fraction(str(value))


def _whole(values: Iterable[Any]) -> tuple[list[int], int]:
    """Return numbers as they are written, as ints that have to be divided by the second value."""
    ratios = [Decimal(str(value)).as_integer_ratio() for value in values]
    divisor = lcm(*(below for _, below in ratios))
    return [above * (divisor // below) for above, below in ratios], divisor


def _share(part: int, whole: int, alone: float = 0.5) -> float:
    return part / whole if whole else alone


def _shares(values: list[int]) -> list[float]:
    """Return each value's position between the lowest (0) and the highest (1); 0.5 if all are equal."""
    low, high = min(values), max(values)
    return [(value - low) / (high - low) if high > low else 0.5 for value in values]


def _y(value: Fraction | int, low: Fraction | int, high: Fraction | int) -> float:
    return round(BOTTOM - (BOTTOM - TOP) * float((value - low) / (high - low)), 1)


def _spark_y(share: float) -> float:
    return SPARK_HEIGHT - SPARK_EDGE - (SPARK_HEIGHT - 2 * SPARK_EDGE) * share


def _path(points: Any) -> str:
    return "M" + "L".join(f"{round(x, 2):g} {round(y, 1):g}" for x, y in points)


def _ticks(values: list[Fraction]) -> list[Fraction]:
    """Return three to five round values that enclose the values, in equal steps of 1, 2 or 5 times a power of ten.

    The next smaller step would need six or more, so the values span more than three of it. The chosen step is at most
    two and a half times as long, so they span more than one of it: at least three ticks.
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
    """Yield rising steps (0.1, 0.2, 0.5, 1, 2, 5, 10, …), beginning with one that is too small for the span."""
    power = _exponent(span) - 2
    while True:
        yield from (digit * Fraction(10) ** power for digit in (1, 2, 5))
        power += 1


def _exponent(value: Fraction) -> int:
    """Return the exponent of the number in scientific notation: 2 for 250, -3 for 0.004."""
    above, below = abs(value).as_integer_ratio()
    guess = len(str(above)) - len(str(below))
    return guess if above >= Fraction(10) ** guess * below else guess - 1


def _tick_labels(ticks: list[Fraction]) -> list[str]:
    """Return the ticks with the digits that tell them apart: plain, or in scientific notation where that is shorter."""
    scale = min(_exponent(ticks[1] - ticks[0]), 0)
    numbers = [Decimal(f"{int(tick / Fraction(10) ** scale)}e{scale}") for tick in ticks]
    plain = [f"{number:,f}" for number in numbers]
    if max(map(len, plain)) <= LONGEST_TICK:
        return plain
    short = [f"{number.normalize():e}".replace("e+", "e") if number else "0" for number in numbers]
    return min(plain, short, key=lambda labels: max(map(len, labels)))


def _labels(points: Sequence[Point], gutter: int) -> tuple[Label, ...]:
    """Return the labels that fit, in this order: the last and the first version, releases, others, newest first."""
    ends = [len(points) - 1, 0] if len(points) > 1 else [0]
    inner = sorted(range(1, len(points) - 1), key=lambda index: (not points[index].is_release, -index))
    narrow = _fitting([*ends, *inner], points, NARROW - gutter, [])
    wide = _fitting([*ends, *inner], points, WIDE - gutter, narrow)
    return tuple(
        Label(points[index].x, shortened(points[index].version), _anchor(index, len(points)), index in narrow)
        for index in sorted(wide)
    )


def _fitting(order: list[int], points: Sequence[Point], width: int, placed: list[int]) -> list[int]:
    """Return the labels that fit into this width beside those already placed; they fit into any greater width too."""
    taken = {index: _box(index, points, width) for index in placed}
    for index in order:
        left, right = _box(index, points, width)
        is_free = all(right + GAP <= start or end + GAP <= left for start, end in taken.values())
        if is_free and left >= 0 and right <= width:
            taken[index] = (left, right)
    return list(taken)


def _box(index: int, points: Sequence[Point], width: int) -> tuple[float, float]:
    """Return where a label begins and ends, in pixels."""
    x, length = points[index].x / 100 * width, min(len(points[index].version), LONGEST_NAME) * LETTER
    before = length * BEFORE[_anchor(index, len(points))]
    return x - before, x - before + length


def _anchor(index: int, count: int) -> str:
    if count == 1 or 0 < index < count - 1:
        return "middle"
    return "start" if index == 0 else "end"


def shortened(version: str) -> str:
    """Return the version in at most twelve characters: its beginning and its end, where versions differ."""
    if len(version) <= LONGEST_NAME:
        return version
    return f"{version[: LONGEST_NAME - 5]}…{version[-4:]}"
