"""Rows by the day they are of, in UTC, with the head of each day."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Any, NamedTuple


class Day(NamedTuple):
    """A day's rows. `head` is `Today`, `Yesterday`, or the date."""

    head: str
    date: date
    rows: list[Any]


def by_day(rows: Iterable[Any], today: date | None = None) -> list[Day]:
    """Return the rows, which have `created_at` and are in order, by their day."""
    now = today or datetime.now(UTC).date()
    grouped = groupby(rows, key=lambda row: row.created_at.astimezone(UTC).date())
    return [Day(head(day, now), day, list(of_day)) for day, of_day in grouped]


def head(day: date, today: date) -> str:
    """Return `Today`, `Yesterday`, `Sat 28 Nov`, or with the year if it is another: `28 Nov 2025`."""
    if day in (today, today - timedelta(days=1)):
        return "Today" if day == today else "Yesterday"
    return f"{day:%a %-d %b}" if day.year == today.year else f"{day:%-d %b %Y}"
