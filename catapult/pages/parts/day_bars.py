"""The histogram of the audit log: a bar a day, each of which leads to the entries of its day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

STEP, ROOM, LEAST = 10, 40, 2
"""Of the bars, in the units of the drawing: from one to the next, the greatest height, and the least."""


@dataclass(frozen=True)
class DayBar:
    """A day's bar, and `words` for it: `12 Nov: 37 entries`. `since` and `until` are the filters of its entries."""

    x: int
    height: float
    day: str
    words: str
    since: str
    until: str

    step, room = STEP, ROOM


def day_bars(counts: Sequence[tuple[date, int]], most: int) -> list[DayBar]:
    """Return a bar for each day and its number of entries, which was counted up to `most`."""
    highest = max((count for _, count in counts), default=0) or 1
    return [_bar(index, day, count, highest, most) for index, (day, count) in enumerate(counts)]


def _bar(index: int, day: date, count: int, highest: int, most: int) -> DayBar:
    height = max(round(ROOM * count / highest, 1), LEAST) if count else 0
    name, number = f"{day:%-d %b}", f"{count:,}{'+' if count == most else ''}"
    words = f"{name}: {number} {'entry' if count == 1 else 'entries'}"
    return DayBar(index * STEP, height, name, words, f"{day}T00:00", f"{day + timedelta(days=1)}T00:00")
