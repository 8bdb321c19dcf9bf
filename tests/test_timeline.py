"""The geometry of the timeline: where bars begin and end, what is drawn as one, and when an environment was frozen."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

from catapult.pages.parts.timeline import timeline

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
MODEL = SimpleNamespace(model_id="m", model_name="org/bert")


def days_ago(days):
    return NOW - timedelta(days=days)


def row(name, start, end=None, rollback_of=None):
    """What was live from so many days ago until so many days ago."""
    ended = None if end is None else days_ago(end)
    return SimpleNamespace(
        id=name, model_id="m", version=name, live_from=days_ago(start), ended_at=ended, rollback_of=rollback_of
    )


def failed(name, day):
    return SimpleNamespace(
        id=name, model_id="m", version=name, live_from=None, ended_at=days_ago(day), rollback_of=None
    )


def drawn(*rows, days=30, at=None, models=(MODEL,), freezes=()):
    return timeline(None, models, rows, freezes, days=days, now=NOW, at=at, most=50)


def bars(*rows, **window):
    [lane] = drawn(*rows, **window).lanes
    return [(bar.label, bar.x, bar.width, bar.state, bar.began_earlier) for bar in lane.bars]


def test_a_bar_is_as_long_as_the_version_was_live_and_begins_at_the_edge_if_it_began_earlier():
    assert bars(row("1", 60, 15), row("2", 15, 3), row("3", 3)) == [
        ("1", 0, 50, "past", True),
        ("2", 50, 40, "past", False),
        ("3", 90, 10, "live", False),
    ]


def test_what_was_rolled_back_from_is_marked_and_what_failed_is_a_cross():
    rows = row("1", 20, 10), row("2", 10, 6), row("1", 6, rollback_of="2"), failed("3", 15)
    [lane] = drawn(*rows).lanes
    assert [bar.state for bar in lane.bars] == ["past", "back", "live"]
    assert [(mark.row.version, mark.x) for mark in lane.failed] == [("3", 50)]


def test_neighbours_under_two_pixels_are_one_bar_with_their_number():
    minutes = 1 / 24 / 60
    short = [row(str(n), 10 - n * minutes, 10 - (n + 1) * minutes) for n in range(5)]
    found = bars(*short, row("live", 10 - 5 * minutes))
    assert [(label, state) for label, _, _, state, _ in found] == [("5", "past"), ("live", "live")]
    assert found[0][2] >= 100 * 2 / 300
    [alone] = bars(row("1", 30 * minutes))
    assert alone[0] == "1"
    assert alone[1] + alone[2] <= 100


def test_a_label_is_shown_where_it_fits():
    sizes = [bar.size for bar in drawn(row("1.0.0", 20, 10), row("1.1.0", 10, 8), row("1.2.0", 8, 7.4)).lanes[0].bars]
    assert sizes == ["narrow", None, None]


def test_a_model_without_a_bar_has_no_lane_and_the_others_are_counted():
    other = SimpleNamespace(model_id="o", model_name="org/other")
    assert len(drawn(row("1", 2), models=(other, MODEL)).lanes) == 1
    line = timeline(None, [MODEL], [row("1", 2)], [], days=7, now=NOW, at=None, most=0)
    assert (line.lanes, line.others) == ((), 1)


def test_lanes_beyond_so_many_bars_are_left_out_but_the_first_is_there(monkeypatch):
    monkeypatch.setattr("catapult.pages.parts.timeline.BARS", 1)
    other = SimpleNamespace(model_id="o", model_name="org/other")
    rows = [row("1", 20, 10), row("2", 10, 5), SimpleNamespace(**{**vars(row("1", 9)), "model_id": "o"})]
    line = drawn(*rows, models=(MODEL, other))
    assert [lane.model_id for lane in line.lanes] == [MODEL.model_id]
    assert line.others == 1


def test_the_dates_are_midnights_and_the_cursor_is_at_its_time():
    line = drawn(row("1", 40), at=days_ago(15))
    assert [tick.label for tick in line.ticks] == ["1 Nov", "8 Nov", "15 Nov", "22 Nov", "29 Nov"]
    assert line.cursor == 50
    assert len(line.slots) == 30
    assert drawn(row("1", 40), at=days_ago(31)).cursor is None
    assert drawn(row("1", 40)).cursor is None
