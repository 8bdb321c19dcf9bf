"""Rows by day, each day with its head."""

from datetime import UTC, date, datetime, timedelta, timezone
from types import SimpleNamespace

import pytest

from catapult.pages.parts.days import by_day, head

TODAY = date(2026, 1, 2)


@pytest.mark.parametrize(
    ("day", "text"),
    [
        (TODAY, "Today"),
        (date(2026, 1, 1), "Yesterday"),
        (date(2025, 12, 31), "31 Dec 2025"),
        (date(2026, 1, 9), "Fri 9 Jan"),
    ],
)
def test_the_head_of_a_day(day, text):
    assert head(day, TODAY) == text


def test_a_day_is_a_day_of_utc_and_rows_keep_their_order():
    east = timezone(timedelta(hours=5))
    times = [
        datetime(2026, 1, 2, 3, tzinfo=east),
        datetime(2026, 1, 1, 9, tzinfo=UTC),
        datetime(2025, 12, 30, 9, tzinfo=UTC),
    ]
    days = by_day([SimpleNamespace(created_at=time) for time in times], TODAY)
    assert [(day.head, [row.created_at for row in day.rows]) for day in days] == [
        ("Yesterday", times[:2]),
        ("30 Dec 2025", times[2:]),
    ]
    assert by_day([]) == []
