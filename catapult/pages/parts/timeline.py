"""The geometry of the timeline, computed on the server: positions are per cent of the width of the window."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any

from catapult.queries.timeline import Freeze

DAYS = (7, 30, 90)
NARROWEST, THINNEST = 300, 2
"""The width of the drawing on the narrowest screen, and of the thinnest bar that is drawn alone, in CSS pixels."""

LETTER, MARGIN = 8.2, 16
"""The width of a letter of a version, and the room beside it, in CSS pixels."""

WIDTHS = {"narrow": NARROWEST, "medium": 520, "wide": 800}
"""The widths of the drawing from which labels are shown, by the names of their classes."""

BARS = 400
"""The most bars of all lanes: lanes beyond them are left out, but for the first."""

TICKS = {7: 1, 30: 7, 90: 14}
"""The days between two dates of the axis."""


@dataclass(frozen=True)
class Bar:
    """A version that was live, or several that are too thin to be drawn alone.

    `state` is `live`, `past` or `back` for one that was rolled back from; `size` the narrowest width with a label.
    """

    x: float
    width: float
    rows: tuple[Any, ...]
    state: str
    began_earlier: bool
    size: str | None

    @property
    def first(self) -> Any:
        """The oldest deployment."""
        return self.rows[0]

    @property
    def last(self) -> Any:
        """The newest deployment."""
        return self.rows[-1]

    @property
    def label(self) -> str:
        """The version, or how many versions there are."""
        return str(len(self.rows)) if len(self.rows) > 1 else str(self.first.version)


@dataclass(frozen=True)
class Mark:
    """A deployment that failed."""

    x: float
    row: Any


@dataclass(frozen=True)
class Lane:
    """A model: its bars and what failed, oldest first."""

    model_id: str
    model_name: str
    bars: tuple[Bar, ...]
    failed: tuple[Mark, ...]


@dataclass(frozen=True)
class Tick:
    """A date of the axis; a click on the space after it chooses `at`."""

    x: float
    width: float
    label: str
    at: datetime


@dataclass(frozen=True)
class Timeline:
    """The lanes of an environment in the last `days`, and how many `others` are not shown.

    `cursor` is None if no time is chosen.
    """

    environment: Any
    days: int
    since: datetime
    now: datetime
    lanes: tuple[Lane, ...]
    others: int
    ticks: tuple[Tick, ...]
    slots: tuple[Tick, ...]
    freezes: tuple[tuple[float, float, Freeze], ...]
    cursor: float | None


def since(now: datetime, days: int) -> datetime:
    """Return when the window begins."""
    return now - timedelta(days=days)


def timeline(
    environment: Any,
    models: Sequence[Any],
    rows: Sequence[Any],
    freezes: Sequence[Freeze],
    *,
    days: int,
    now: datetime,
    at: datetime | None,
    most: int,
) -> Timeline:
    """Return the timeline of these models (`model_id model_name`), and of the rows of `queries.timeline.lanes`.

    Models without a row have no lane. `most` lanes are shown, with `BARS` bars in all.
    """
    start, span = since(now, days), timedelta(days=days)

    def x(time: datetime) -> float:
        return round(min(max((time - start) / span, 0), 1) * 100, 2)

    by_model: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        by_model[row.model_id].append(row)
    lanes = [_lane(model, by_model[model.model_id], start, now, x) for model in models if by_model[model.model_id]]
    counts = accumulate(len(lane.bars) + len(lane.failed) for lane in lanes[:most])
    shown = tuple(lane for lane, count in zip(lanes, counts, strict=False) if count <= BARS or lane is lanes[0])
    return Timeline(
        environment=environment,
        days=days,
        since=start,
        now=now,
        lanes=shown,
        others=len(lanes) - len(shown),
        ticks=tuple(_ticks(start, now, TICKS[days], x)),
        slots=tuple(_ticks(start, now, max(TICKS[days] // 7, 1), x)),
        freezes=tuple((x(it.start), round(x(it.end) - x(it.start), 2), it) for it in freezes),
        cursor=None if at is None or not start <= at <= now else x(at),
    )


def _lane(model: Any, rows: Sequence[Any], start: datetime, now: datetime, x: Any) -> Lane:
    rolled_back = {row.rollback_of for row in rows}
    live = [row for row in rows if row.live_from is not None]
    bars = [_bar(group, start, now, x, rolled_back) for group in _groups(live, now, x)]
    marks = tuple(Mark(x(row.ended_at), row) for row in rows if row.live_from is None)
    return Lane(model.model_id, model.model_name, tuple(bars), marks)


def _groups(rows: Sequence[Any], now: datetime, x: Any) -> Iterator[list[Any]]:
    """Yield each deployment alone, and neighbours that are too thin together."""
    thin: list[Any] = []
    for row in rows:
        is_thin = x(row.ended_at or now) - x(row.live_from) < 100 * THINNEST / NARROWEST
        if is_thin:
            thin.append(row)
            continue
        if thin:
            yield thin
        thin = []
        yield [row]
    if thin:
        yield thin


def _bar(rows: list[Any], start: datetime, now: datetime, x: Any, rolled_back: set[str | None]) -> Bar:
    begin, end = x(rows[0].live_from), x(rows[-1].ended_at or now)
    width = max(round(end - begin, 2), round(100 * THINNEST / NARROWEST, 2))
    begin = min(begin, round(100 - width, 2))
    back = any(row.id in rolled_back for row in rows)
    state = "back" if back else "live" if rows[-1].ended_at is None else "past"
    text = str(len(rows)) if len(rows) > 1 else rows[0].version
    needed = len(text) * LETTER + MARGIN + (MARGIN if back else 0)
    size = next((name for name, pixels in WIDTHS.items() if width / 100 * pixels >= needed), None)
    return Bar(begin, width, tuple(rows), state, rows[0].live_from < start, size)


def _ticks(start: datetime, now: datetime, days: int, x: Any) -> Iterator[Tick]:
    """Yield midnights in UTC, `days` apart. The last is today's."""
    step = timedelta(days=days)
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    times = []
    while midnight > start:
        times.append(midnight)
        midnight -= step
    for time in reversed(times):
        left = x(time)
        noon = time + step / 2 if time + step / 2 < now else time
        yield Tick(left, round(x(min(time + step, now)) - left, 2), f"{time.day} {time:%b}", noon)
