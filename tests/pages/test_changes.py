"""What a comparison shows below a value."""

import pytest

from catapult.pages.parts.changes import changes, numbers
from catapult.pages.parts.dot_plot import APART, plot
from catapult.rules.comparison import compare


def row(*values):
    (row,) = compare([{"k": value} for value in values]).rows
    return row


@pytest.mark.parametrize(
    ("values", "shown", "changed"),
    [
        ((0.9417, 0.94, 0.9488), ["0.9417", "0.9400", "0.9488"], [None, "−0.0017", "+0.0071"]),
        ((21, 19.25), ["21.00", "19.25"], [None, "−8.3 %"]),
        ((1_000_000, 1_000_003), ["1,000,000", "1,000,003"], [None, "+3"]),
        ((3e-5, 0.5), ["3e-5", "0.5"], [None, "+1,666,567 %"]),
        ((3e-9, 3.01e-9), ["3e-9", "3.01e-9"], [None, "+1e-11"]),
        ((0, 0.5, 1), ["0.0", "0.5", "1.0"], [None, "+0.5", "+1.0"]),
        ((1.5, "n/a", None, 1.5), ["1.5", None, None, "1.5"], [None, None, None, "same"]),
        (("a", "a", "b"), [None, None, None], [None, "same", None]),
    ],
)
def test_a_row_has_one_notation_and_one_unit(values, shown, changed):
    found = row(*values)
    assert numbers(found) == shown
    assert [change and change.text for change in changes(found, 0)] == changed


@pytest.mark.parametrize(("direction", "verdicts"), [(1, ["better", "worse", ""]), (-1, ["worse", "better", ""])])
def test_a_change_is_better_where_it_goes_in_the_direction(direction, verdicts):
    found = changes(row(1, 2, 0.5, 1), direction)
    assert [change.verdict for change in found[1:]] == verdicts


def test_dots_that_would_cover_each_other_are_below_each_other():
    (track,) = plot([row(100, 110, 110, 110.1, 150)], {}, ["base", "a", "b", "c", "d"]).tracks
    for dot in track.dots:
        for other in track.dots:
            assert dot is other or dot.y != other.y or abs(dot.x - other.x) >= APART
    assert max(dot.y for dot in track.dots) < track.height
    assert track.words == "a +10.0 %; b +10.0 %; c +10.1 %; d +50.0 %"


def test_the_scale_is_logarithmic_and_the_same_to_both_sides():
    (track,) = plot([row(1_000, 1_001, 999, 1_100, 1_010)], {}, list("abcde")).tracks
    at = {dot.number: dot.x - 50 for dot in track.dots}
    assert at[1] == -at[2]
    assert 0 < at[1] < at[4] < at[3]
    assert at[3] < 10 * at[1]


def test_nothing_is_drawn_of_what_has_no_change_in_per_cent():
    assert plot([row(0, 5), row("a", "b"), row(1, 1)], {}, ["a", "b"]) is None
