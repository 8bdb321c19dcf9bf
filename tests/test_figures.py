"""The figures of the overview: values with their units, the change in words, and a bar a week."""

from datetime import date, timedelta

import pytest

from catapult.pages.parts import figures
from catapult.queries.week_figures import WEEKS, Figures, Week

FIRST = date(2026, 9, 14)
DAY, HOUR, MINUTE = 86_400, 3_600, 60


def drawn(by_now=0, **columns):
    """The four figures of twelve weeks; a column is the values of the newest weeks, oldest first."""
    names = {"deployments": 0, "failures": 0, "lead": None, "restore": None}
    filled = {
        name: [empty] * (WEEKS - len(columns.get(name, []))) + columns.get(name, []) for name, empty in names.items()
    }
    weeks = [
        Week(FIRST + timedelta(weeks=number), *(filled[name][number] for name in names)) for number in range(WEEKS)
    ]
    return figures.figures(Figures("production", weeks, by_now, []))


def test_a_registry_that_has_deployed_nothing_has_no_figures():
    assert drawn() == []


@pytest.mark.parametrize(
    ("by_now", "change"),
    [
        (35, "6 more than last week by now"),
        (43, "2 fewer than last week by now"),
        (41, "as many as last week by now"),
    ],
)
def test_this_week_s_deployments_are_compared_with_last_week_at_the_same_time(by_now, change):
    figure = drawn(by_now, deployments=[90, 41])[0]
    assert (figure.value, figure.unit, figure.change, figure.good) == ("41", "", change, None)


@pytest.mark.parametrize(
    ("lead", "value", "change", "good"),
    [
        ([5.3 * DAY, 4.2 * DAY], ("4.2", "days"), "1.1 days faster", True),
        ([20 * DAY, 21 * DAY], ("21", "days"), "1 day slower", False),
        ([50 * MINUTE, 38 * MINUTE], ("38", "min"), "12 min faster", True),
        ([3 * HOUR, 1.5 * HOUR], ("1.5", "h"), "1.5 h faster", True),
        ([60.0, 61.0], ("1", "min"), "no change", None),
        ([5.3 * DAY, 4.2 * DAY, None], ("4.2", "days"), "last week, 1.1 days faster", True),
        ([4 * DAY, 5 * DAY, None, None, None], ("5", "days"), "week of 9 Nov, 1 day slower", False),
        ([5 * DAY], ("5", "days"), "the first", None),
        ([], ("–", ""), "none in twelve weeks", None),
    ],
)
def test_a_duration_is_that_of_the_newest_week_that_has_one_and_its_change_is_in_words(lead, value, change, good):
    figure = drawn(deployments=[1], lead=lead)[1]
    assert figure.label == "Lead time, registered to production"
    assert ((figure.value, figure.unit), figure.change, figure.good) == (value, change, good)


@pytest.mark.parametrize(
    ("failures", "value", "change", "good"),
    [
        ([54, 73], "7.3", "1.9 points worse", False),
        ([73, 63], "6.3", "1 point better", True),
        ([0, 0], "0", "no change", None),
    ],
)
def test_failures_are_a_share_and_change_by_points(failures, value, change, good):
    figure = drawn(deployments=[1_000, 1_000], failures=failures)[2]
    assert (figure.value, figure.unit, figure.change, figure.good) == (value, "%", change, good)


def test_the_words_list_twelve_values_with_their_weeks():
    figure = drawn(deployments=[1], restore=[30 * MINUTE, None, 45 * MINUTE])[3]
    weeks = figure.words.removeprefix("Time to restore, by week: ").split(", ")
    assert len(weeks) == WEEKS
    assert weeks[0] == "14 Sep: none"
    assert weeks[-3:] == ["16 Nov: 30 min", "23 Nov: none", "30 Nov: 45 min"]


def test_bars_stand_on_one_line_the_highest_is_the_greatest_and_none_is_less_than_its_edge():
    figure = drawn(deployments=[1] * 9 + [0, 5, 10])[0]
    assert len(figure.bars) == WEEKS
    assert {round(bar.y + bar.height, 1) for bar in figure.bars} == {float(figure.height)}
    assert [bar.height for bar in figure.bars[-3:]] == [2, 18, 36]
    assert [bar.is_last for bar in figure.bars] == [False] * 11 + [True]
    assert figure.bars[-1].x + 8 == figure.width


def test_a_week_without_a_value_has_no_bar_and_the_newest_that_has_one_is_marked():
    bars = drawn(deployments=[1], restore=[60.0, 120.0, None])[3].bars
    assert [(bar.words, bar.is_last) for bar in bars] == [("16 Nov: 1 min", False), ("23 Nov: 2 min", True)]
