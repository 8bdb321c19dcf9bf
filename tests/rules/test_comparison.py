import json
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catapult.rules.comparison import MISSING, compare, parsed, same

LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5)
)
KEYS = st.sampled_from(["a", "b", "a.b", "b.a", '"', "", "c"])
# A machine with other work takes seconds for what is slow to make.
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
OBJECTS = st.dictionaries(
    KEYS,
    st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3)),
    max_size=4,
)


def keys(*columns, **options):
    return [row.key for row in compare(columns, **options).rows]


def states(*columns, base=0):
    return {row.key: [cell.state for cell in row.cells] for row in compare(columns, base).rows}


def second(before, now):
    """What the second column's cell says of `now`, measured by `before`."""
    (row,) = compare([{"k": before}, {"k": now}]).rows
    return row.cells[1]


def test_nested_objects_are_folded_into_dotted_keys_and_lists_and_empty_ones_are_values():
    rows = compare([{"eval": {"f1": {"macro": 1}, "x": {}}, "labels": ["a", {"b": 1}]}]).rows
    assert [row.path for row in rows] == [("eval", "f1", "macro"), ("eval", "x"), ("labels",)]
    values = {row.key: row.cells[0].value for row in rows}
    assert values == {"eval.f1.macro": 1, "eval.x": {}, "labels": ["a", {"b": 1}]}


def test_a_key_with_a_dot_reads_like_a_nested_one_until_both_are_there():
    assert keys({"eval.f1": 1}) == keys({"eval": {"f1": 1}}) == ["eval.f1"]
    assert keys({"eval.f1": 1, "eval": {"f1": 2}}) == ["eval.f1", '"eval.f1"']
    assert states({"eval.f1": 1}, {"eval": {"f1": 1}}) == {"eval.f1": ["base", "new"], '"eval.f1"': ["base", "gone"]}


@UNHURRIED
@given(st.lists(OBJECTS, min_size=1, max_size=4))
def test_no_two_rows_have_the_same_key(columns):
    found = keys(*columns)
    assert len(set(found)) == len(found)


@UNHURRIED
@given(st.lists(OBJECTS, min_size=2, max_size=4))
def test_a_column_differs_in_nothing_from_itself(columns):
    assert compare([columns[0], columns[0]]).different == ()
    rows = compare(columns).rows
    assert all(len(row.cells) == len(columns) for row in rows)


def test_keys_stand_by_name_and_those_that_lead_before_them():
    column = {"b": 1, "A": 1, "f1": 1, "accuracy": 1, "c": {"d": 1}}
    assert keys(column) == ["A", "accuracy", "b", "c.d", "f1"]
    assert keys(column, first=("accuracy", "f1")) == ["accuracy", "f1", "A", "b", "c.d"]


def test_a_difference_of_numbers_is_exact_and_in_per_cent_of_the_base():
    cell = second(0.941, 0.953)
    assert (cell.state, cell.difference) == ("changed", Decimal("0.012"))
    assert round(cell.percent, 4) == Decimal("1.2752")
    assert (second(41.2, 39.8).difference, second(-2, 1).percent) == (Decimal("-1.4"), 150)
    assert (second(0, 5).difference, second(0, 5).percent) == (5, None)


def test_whole_numbers_of_thirty_digits_and_extremes_keep_every_digit():
    assert second(10**30 + 1, 10**30 + 2).difference == 1
    assert second(Decimal("0.12345678901234567890"), 10**30).difference == Decimal(f"{'9' * 30}.87654321098765432110")
    assert second(-1e308, 1e308).difference == Decimal("2e308")


@pytest.mark.parametrize(
    ("before", "now"),
    [("a", "b"), (1, "1"), ("1", 1), (True, 1), (1, True), (None, 0), ([1], [2]), ({}, []), (None, False)],
)
def test_what_is_no_number_is_only_changed(before, now):
    cell = second(before, now)
    assert (cell.state, cell.difference, cell.percent) == ("changed", None, None)


@pytest.mark.parametrize(
    ("one", "other", "are_same"),
    [
        (1, 1.0, True),
        (Decimal("1.50"), 1.5, True),
        ({"a": [1, {"b": 0.1}], "c": None}, {"c": None, "a": [1.0, {"b": Decimal("0.1")}]}, True),
        ([1], [True], False),
        ([1], [1, 2], False),
        ({"a": 1}, {"b": 1}, False),
        ({"a": 0}, {"a": False}, False),
        (None, {}, False),
    ],
)
def test_the_same_number_written_otherwise_is_the_same_but_true_is_not_one(one, other, are_same):
    assert same(one, other) is are_same


def test_new_and_gone_are_told_from_null():
    assert states({"a": 1, "n": None}, {"b": 2, "n": None}, {"n": 3}) == {
        "a": ["base", "gone", "gone"],
        "b": ["base", "new", "none"],
        "n": ["base", "same", "changed"],
    }
    gone = compare([{"a": 1}, {}]).rows[0].cells[1]
    assert (gone.value, gone.is_there) == (MISSING, False)
    null = compare([{"a": None}]).rows[0].cells[0]
    assert (null.value, null.is_there) == (None, True)


def test_the_base_may_be_any_column():
    (row,) = compare([{"k": 3}, {"k": 2}], base=1).rows
    assert [cell.state for cell in row.cells] == ["changed", "base"]
    assert row.cells[0].difference == 1


def test_it_counts_what_differs():
    found = compare([{"a": 1, "b": 1, "c": 1}, {"a": 1, "b": 2}, {"a": 1, "b": 1, "d": 1}])
    assert [row.key for row in found.different] == ["b", "c", "d"]
    assert len(found.rows) == 4


def test_only_numbers_have_dots():
    cells = compare([{"k": 1}, {"k": True}, {"k": "1"}, {"k": 0.5}]).rows[0].cells
    assert [cell.number for cell in cells] == [1, None, None, Decimal("0.5")]


def test_stored_text_is_read_with_every_digit():
    text = json.dumps({"k": 10**40}).replace("}", ', "d": 0.10000000000000000000000001}')
    assert parsed(text) == {"k": 10**40, "d": Decimal("0.10000000000000000000000001")}


@pytest.mark.parametrize(
    ("values", "is_in_percent"),
    [
        ([100, 104.9], False),
        ([100, 105], True),
        ([100, 101, 95], True),
        ([100, 100, 99.9], False),
        ([0, 7], False),
        ([-2, -3], True),
        ([1, "1"], False),
        (["a", 7], False),
        ([1, 1], False),
    ],
)
def test_a_row_is_in_per_cent_from_a_change_of_five_on(values, is_in_percent):
    (row,) = compare([{"k": value} for value in values]).rows
    assert row.is_in_percent is is_in_percent
