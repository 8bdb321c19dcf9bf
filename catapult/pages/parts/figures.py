"""The figures at the top of the overview: a value, how it has changed in words, and a bar a week."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from catapult.pages.parts.formats import DAY
from catapult.queries.week_figures import Figures, Week

BAR, STEP, HEIGHT, EDGE = 8, 11, 36, 2
"""Of the bars, in CSS pixels: the width, the distance from one to the next, the greatest height, and the least."""

HOUR, MINUTE = 3_600, 60


@dataclass(frozen=True)
class Bar:
    """A week's bar, in pixels from the top left, and the words for it: `14 Sep: 4.2 days`."""

    x: int
    y: float
    height: float
    words: str
    is_last: bool


@dataclass(frozen=True)
class Figure:
    """One figure. `change` is in words, and `good` whether it is for the better (None where neither is). `words` list every
    week's value, for those who do not see the bars."""

    label: str
    value: str
    unit: str
    change: str
    good: bool | None
    bars: tuple[Bar, ...]
    words: str

    width, height = STEP * 12 - (STEP - BAR), HEIGHT


def figures(counted: Figures) -> list[Figure]:
    """Return the four figures; an empty list for a registry that has deployed nothing in these weeks."""
    weeks = counted.weeks
    if not any(week.deployments or week.restore is not None for week in weeks):
        return []
    target = counted.place
    return [
        _deployments(counted),
        _figure(f"Lead time, registered to {target}", weeks, lambda week: week.lead, duration, _faster),
        _figure("Failed or rolled back", weeks, lambda week: week.failure_share, _share, _points),
        _figure("Time to restore", weeks, lambda week: week.restore, duration, _faster),
    ]


def duration(seconds: float) -> tuple[str, str]:
    """Return a duration as its value and unit, in the largest unit of which there is at least one."""
    size, unit = next(((size, unit) for size, unit in ((DAY, "days"), (HOUR, "h")) if seconds >= size), (MINUTE, "min"))
    value = _short(seconds / size) if size > MINUTE else f"{seconds / size:.0f}"
    return value, "day" if unit == "days" and value == "1" else unit


def _deployments(counted: Figures) -> Figure:
    """Return the number of deployments. This week's is compared with the week before at the same time of the week."""
    more = counted.weeks[-1].deployments - counted.by_now
    change = (
        f"{abs(more)} {'more' if more > 0 else 'fewer'} than last week by now"
        if more
        else "as many as last week by now"
    )
    values = [float(week.deployments) for week in counted.weeks]
    return _drawn("Deployments a week", counted.weeks, values, _count, change)


def _figure(
    label: str,
    weeks: Sequence[Week],
    value_of: Callable[[Week], float | None],
    words: Callable[[float], tuple[str, str]],
    change_words: Callable[[float], tuple[str, bool | None]],
) -> Figure:
    """Return the figure of the last week that has one, and its change since the one before that has."""
    values = [value_of(week) for week in weeks]
    known = [value for value in values if value is not None]
    change, good = change_words(known[-1] - known[-2]) if len(known) > 1 else ("", None)
    return _drawn(label, weeks, values, words, change or ("the first" if known else "none in twelve weeks"), good)


def _drawn(
    label: str,
    weeks: Sequence[Week],
    values: Sequence[float | None],
    words: Callable[[float], tuple[str, str]],
    change: str,
    good: bool | None = None,
) -> Figure:
    newest = max((index for index, value in enumerate(values) if value is not None), default=len(values) - 1)
    highest = max((value for value in values if value is not None), default=0) or 1
    now = values[newest]
    value, unit = ("–", "") if now is None else words(now)
    texts = [
        f"{week.week:%-d %b}: {'none' if value is None else ' '.join(filter(None, words(value)))}"
        for week, value in zip(weeks, values, strict=True)
    ]
    bars = (
        _bar(index, value / highest, texts[index], index == newest)
        for index, value in enumerate(values)
        if value is not None
    )
    if newest < len(weeks) - 1:
        change = f"{'last week' if newest == len(weeks) - 2 else f'week of {weeks[newest].week:%-d %b}'}, {change}"
    return Figure(label, value, unit, change, good, tuple(bars), f"{label}, by week: {', '.join(texts)}")


def _bar(index: int, share: float, words: str, is_last: bool) -> Bar:
    height = round(max(HEIGHT * share, EDGE), 1)
    return Bar(index * STEP, round(HEIGHT - height, 1), height, words, is_last)


def _short(value: float) -> str:
    """Return the number with one decimal below ten, and none from there on: `4.2`, `1`, `38`."""
    return f"{value:.1f}".removesuffix(".0") if value < 9.95 else f"{value:.0f}"


def _count(value: float) -> tuple[str, str]:
    return f"{int(value):,}", ""


def _share(value: float) -> tuple[str, str]:
    return _short(value), "%"


def _faster(difference: float) -> tuple[str, bool | None]:
    if abs(difference) < MINUTE:
        return "no change", None
    return f"{' '.join(duration(abs(difference)))} {'faster' if difference < 0 else 'slower'}", difference < 0


def _points(difference: float) -> tuple[str, bool | None]:
    size: Any = _short(abs(difference))
    if size == "0":
        return "no change", None
    return f"{size} {'point' if size == '1' else 'points'} {'better' if difference < 0 else 'worse'}", difference < 0
