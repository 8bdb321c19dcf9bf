import re
from datetime import UTC, datetime
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

import pytest
from flask import render_template_string
from hypothesis import example, given
from hypothesis import strategies as st

from catapult.pages.parts import charts

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
NAMES = st.text("0123456789.-+abcvW", min_size=1, max_size=128)
TOP, BOTTOM = charts.TOP, charts.BOTTOM


class Row(NamedTuple):
    version: str
    value: float
    is_release: bool = False
    created_at: datetime = datetime(2025, 11, 21, 9, 12, tzinfo=UTC)
    created_by: str = "train"


def drawn(*values, releases=(), names=None):
    names = names or [f"1.{number}.0" for number in range(len(values))]
    rows = [Row(names[number], value, number in releases) for number, value in enumerate(values)]
    return charts.chart(rows)


def ticks(*values):
    return [tick.label for tick in drawn(*values).ticks]


def places(path):
    return [tuple(map(float, place.split())) for place in path.removeprefix("M").split("L")]


@given(st.lists(st.tuples(NAMES, FLOATS, st.booleans()), min_size=1, max_size=200))
@example([("a", 1e308, False), ("b", -1e308, True)])
@example([("a", 5e-324, False), ("b", 1.7976931348623157e308, True)])
@example([("a", 0.0, False), ("b", -0.0, False)])
def test_every_coordinate_is_within_the_box(rows):
    chart = charts.chart([Row(*row) for row in rows])
    assert len(chart.points) == len(rows)
    for point in chart.points:
        assert 0 < point.x < 100
        assert TOP <= point.y <= BOTTOM
    assert all(0 <= x <= 100 and TOP <= y <= BOTTOM for x, y in places(chart.line))
    assert all(TOP <= tick.y <= BOTTOM for tick in chart.ticks)
    assert all(0 < label.x < 100 for label in chart.labels)
    assert BOTTOM < chart.names_at < chart.height


@given(st.lists(FLOATS, min_size=1, max_size=20))
def test_a_higher_value_never_stands_lower(values):
    points = sorted(drawn(*values).points, key=lambda point: point.value)
    assert all(one.y >= other.y for one, other in pairwise(points))


@given(st.lists(FLOATS, min_size=1, max_size=20))
@example([1e15, 1e15 + 1])
@example([1e-9, 1.0000000001e-9])
@example([5e-324])
def test_three_to_five_ticks_that_can_be_told_apart_hold_the_values_between_them(values):
    labels = ticks(*values)
    numbers = [Fraction(label.replace(",", "")) for label in labels]
    steps = {after - before for before, after in pairwise(numbers)}
    assert 3 <= len(labels) == len(set(labels)) <= 5
    assert len(steps) == 1
    assert str(next(iter(steps)).numerator).strip("0") in {"1", "2", "5"}
    assert numbers[0] <= min(map(charts.exact, values))
    assert max(map(charts.exact, values)) <= numbers[-1]
    assert max(map(len, labels)) <= 26


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ((0.911, 0.953), ["0.90", "0.92", "0.94", "0.96"]),
        ((1_104_203, 1_204_880), ["1,100,000", "1,150,000", "1,200,000", "1,250,000"]),
        ((-5, 2), ["-6", "-4", "-2", "0", "2"]),
        ((1e-9, 3e-9), ["1e-9", "1.5e-9", "2e-9", "2.5e-9", "3e-9"]),
    ],
)
def test_ticks_read_as_people_write_numbers(values, labels):
    assert ticks(*values) == labels


def test_versions_stand_from_left_to_right_in_equal_steps_and_a_single_one_in_the_middle():
    chart = drawn(1, 2, 3, 4, 5)
    assert len({after.x - before.x for before, after in pairwise(chart.points)}) == 1
    assert places(chart.line) == [(point.x, point.y) for point in chart.points]
    assert [point.x for point in drawn(0.5).points] == [50]


def test_of_nothing_nothing_is_drawn():
    assert charts.chart([]) is None
    assert charts.spark([]) is None


def boxes(chart, width):
    """Where the labels lie in a chart of that width, by their longest letters."""
    for label in chart.labels:
        long = len(label.text) * charts.LETTER
        at = label.x / 100 * (width - chart.gutter)
        start = at - {"start": 0, "middle": long / 2, "end": long}[label.anchor]
        yield label.narrow, start, start + long


@given(st.lists(st.tuples(NAMES, st.booleans()), min_size=1, max_size=200), st.integers(charts.WIDE, 1400))
def test_labels_do_not_overlap_in_a_chart_of_any_width(rows, width):
    chart = charts.chart([Row(name, 1.0, is_release) for name, is_release in rows])
    every = list(boxes(chart, width))
    few = [box for box in boxes(chart, width - charts.WIDE + charts.NARROW) if box[0]]
    for shown in (every, few):
        assert all(before[2] < after[1] for before, after in pairwise(shown))
        assert all(start >= 0 for _, start, _ in shown)
    assert all(end <= width - chart.gutter for *_, end in every)


def test_the_ends_are_labelled_first_and_releases_before_others():
    chart = drawn(*range(200), releases=(70, 71, 140), names=[f"2024.11.{number}" for number in range(200)])
    texts = [label.text for label in chart.labels]
    assert texts[0] == "2024.11.0"
    assert texts[-1] == "2024.11.199"
    assert {"2024.11.71", "2024.11.140"} <= set(texts)
    assert "2024.11.70" not in texts
    assert [label.text for label in chart.labels if label.narrow] == ["2024.11.0", "2024.11.199"]
    assert len(drawn(1, 2, 3).labels) == 3


def test_a_long_version_is_shortened_in_its_middle():
    assert charts.shortened("2024.11.23+build.8143") == "2024.11…8143"
    assert charts.shortened("2.2.0-rc1") == "2.2.0-rc1"


@given(st.lists(FLOATS, min_size=1, max_size=20))
@example([1e308, -1e308])
def test_a_sparkline_stays_in_its_box_and_ends_in_its_mark(values):
    spark = charts.spark(values)
    line = places(spark.path)
    assert len(line) == len(values)
    assert all(4 <= x <= spark.width - 4 and 4 <= y <= spark.height - 4 for x, y in line)
    assert line[-1] == (spark.x, spark.y)
    assert spark.x == spark.width - 4


def test_a_sparkline_rises_with_its_values_and_lies_in_the_middle_where_they_are_equal():
    heights = [y for _, y in places(charts.spark([1, 2, 3]).path)]
    assert heights == sorted(heights, reverse=True)
    assert {y for _, y in places(charts.spark([7, 7]).path)} == {charts.spark([7]).y} == {heights[1]}


def rendered(app, call, **context):
    lines = '{% from "_charts.html" import chart, spark with context %}' + "{{ " + call + " }}"
    with app.test_request_context():
        return render_template_string(lines, **context)


def test_a_chart_is_described_in_words_and_each_point_is_a_link_that_says_its_value(app):
    chart = drawn(0.5, 0.9, 0.1, releases=(1,), names=["1", "2", "3"])
    html = " ".join(rendered(app, "chart(drawn, 'f1', 'org/bert')", drawn=chart).split())
    title, description = re.search(r'aria-labelledby="(\S+)" aria-describedby="(\S+)"', html).groups()
    assert f'<title id="{title}">f1 by version of org/bert</title>' in html
    words = re.search(rf'<desc id="{description}">(.*?)</desc>', html)[1]
    assert "3 versions, 1 of them a release" in words
    assert "Lowest 0.1 in 3, highest 0.9 in 2." in words
    links = dict(re.findall(r'<a href="(/models/org/bert/versions/.)" aria-label="(.*?)">', html))
    assert [said.partition(": ")[2] for said in links.values()] == [
        "0.5, −0.4 against 2, registered 21 Nov 09:12 by train",
        "0.9, release, registered 21 Nov 09:12 by train",
        "0.1, −0.8 against 2, registered 21 Nov 09:12 by train",
    ]
    assert len(re.findall(r'<path class="point release', html)) == 1


@pytest.mark.parametrize(("direction", "words"), [(1, "−0.4 (worse)"), (-1, "−0.4 (better)"), (None, "−0.4 against")])
def test_a_change_against_the_release_is_better_or_worse_only_where_gates_say_so(app, direction, words):
    chart = charts.chart([Row("1", 0.9, True), Row("2", 0.5)], direction=direction)
    assert words in rendered(app, "chart(drawn, 'f1', 'org/bert')", drawn=chart)
    assert "against" not in rendered(
        app, "chart(drawn, 'f1', 'm')", drawn=charts.chart([Row("1", 0.9)], direction=direction)
    )


def test_drawings_need_neither_script_nor_style_and_escape_what_people_wrote(app):
    chart = drawn(1, 2, names=["<b>", '"'])
    html = rendered(app, "chart(drawn, '<i>', 'm') ~ spark(line, '<u>')", drawn=chart, line=charts.spark([1, 2]))
    assert not re.search(r"style=|<script|<style|<[biu]>|onload", html)


def test_a_sparkline_is_a_picture_with_a_name(app):
    spark = rendered(app, "spark(drawn, 'accuracy, last 0.9')", drawn=charts.spark([0.8, 0.9]))
    assert 'role="img" aria-label="accuracy, last 0.9"' in spark
    assert rendered(app, "spark(none, 'x') ~ chart(none, 'x', 'm')").strip() == ""


def test_a_threshold_of_a_gate_is_a_line_in_the_chart_and_in_its_words(app):
    rows = [Row(name, value, False) for name, value in (("1", 0.9), ("2", 0.95))]
    chart = charts.chart(rows, [(0.94, "≥ 0.94"), (99.0, "< 99")])
    near, far = chart.thresholds
    assert chart.points[1].y < near.y < chart.points[0].y
    assert far.y is None
    html = " ".join(rendered(app, "chart(drawn, 'f1', 'org/bert')", drawn=chart).split())
    assert "A gate asks for ≥ 0.94. A gate asks for &lt; 99." in html
    assert html.count('<line class="gate"') == 1


@given(st.lists(FLOATS, min_size=1, max_size=5), FLOATS)
@example([1e308], -1e308)
@example([0.0], 0.0)
def test_a_threshold_stays_in_the_chart_and_leaves_the_values_room(values, limit):
    chart = charts.chart([Row(str(index), value, False) for index, value in enumerate(values)], [(limit, "x")])
    heights = [point.y for point in chart.points]
    assert all(charts.TOP <= y <= charts.BOTTOM for y in heights)
    y = chart.thresholds[0].y
    assert y is None or charts.TOP <= y <= charts.BOTTOM
