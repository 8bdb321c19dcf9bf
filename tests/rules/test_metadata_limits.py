"""Free metadata comes back as it was sent, and every number in it is a row of `metrics`."""

import json
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from catapult.rules import metadata_limits

EXAMPLES = settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)
KEYS = TEXT | st.sampled_from(["a", "b", "a.b", ".", ""])
NUMBERS = st.integers(-(10**40), 10**40) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=6)


@pytest.fixture
def metrics(sql):
    """A function that returns the stored metrics of a version, with all digits."""
    statement = "SELECT path, coalesce(exact, CAST(CAST(value AS text) AS numeric)) AS value FROM metrics WHERE version_id = :id"
    return lambda version: {(row["path"], row["value"]) for row in sql(statement, id=version["id"])}


def same(one, other):
    """Equal as JSON: 1 is 1.0 as PostgreSQL writes it, and neither is true."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, float) or isinstance(other, float):
        return float(one) == float(other)
    return one == other


def walk(value, path="", position=None):
    """Every number with its path, and the highest position in a list that leads to it. True and false are none."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from walk(inner, f"{path}.{key}", position)
    elif isinstance(value, list):
        for index, inner in enumerate(value[:64]):
            yield from walk(inner, f"{path}[{index}]", max(position or 0, index))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path[1:], Decimal(str(value)), position


@EXAMPLES
@given(OBJECTS)
@example({"n": 1e308, "m": -1e-308, "zero": -0.0, "one": 1.0})
@example({"n": 5e-324})
@example({"deep": [[[[{"a": [1, {"b": None}]}]]]]})
def test_any_object_comes_back_equal(api, undone, sent):
    with undone():
        version = api.version(api.model(metadata=sent), metadata=sent)
        assert same(version["metadata"], sent)
        assert same(api.get(f"/api/v1/versions/{version['id']}").json["metadata"], sent)
        assert same(api.get(f"/api/v1/models/{version['model_id']}").json["metadata"], sent)


@EXAMPLES
@given(OBJECTS)
@example({"a": {"b": 1}, "a.b": 2})
@example({"a.b": 2, "a": {"b": 1}})
@example({"": {"": {"": 1}}, ".": 2, "..": 3})
@example({"yes": True, "list": [1, 2], "n": 1})
@example({"n": 10**400 // 10**95})
@example({"losses": list(range(70)), "results": [{"metrics": [{"value": 0.5}, {"value": 0.25}]}]})
@example({"a[0]": 1, "a": [2, [3], {"b.c": 4}]})
@example({"é" * 255: 1, "é" * 256: 2})
@example({"a": 2**53 + 1, "b": 2**53, "c": -(2**53) - 1, "d": 1e23, "e": 2**53 - 1})
def test_its_numbers_are_metrics(api, undone, metrics, sent):
    numbers = [number for number in walk(sent) if len(number[0]) <= 255]
    listed = sorted((position, path, value) for path, value, position in numbers if position is not None)
    numbers = [(path, value) for path, value, position in numbers if position is None]
    numbers += [(path, value) for _, path, value in listed[:64]]
    paths = [path for path, _ in numbers]
    with undone():
        kept = metrics(api.version(api.model(), metadata=sent))
    assert {path for path, _ in kept} == set(paths)
    assert len(kept) == len(set(paths))
    assert {(path, value) for path, value in numbers if paths.count(path) == 1} <= kept <= set(numbers)


@EXAMPLES
@given(OBJECTS, OBJECTS)
def test_a_change_replaces_it_whole_with_its_metrics(api, undone, metrics, before, after):
    with undone():
        model = api.model()
        version = api.version(model, "1", metadata=before)
        changed = api.put(f"/api/v1/versions/{version['id']}", {"metadata": after})
        assert same(changed.json["metadata"], after)
        assert metrics(version) == metrics(api.version(model, "2", metadata=after))


def test_metrics_go_with_the_metadata_that_held_them_and_not_before(api, metrics):
    version = api.version(api.model(), metadata={"accuracy": 0.9})
    api.put(f"/api/v1/versions/{version['id']}", {"release_notes": "x"})
    assert metrics(version) == {("accuracy", Decimal("0.9"))}
    api.put(f"/api/v1/versions/{version['id']}", {"metadata": None})
    assert metrics(version) == set()


@EXAMPLES
@given(st.recursive(st.integers(0, 9), lambda inner: st.dictionaries(st.text("ab", max_size=3), inner, max_size=5)))
def test_the_limits_are_those_of_json_itself(value):
    assume(isinstance(value, dict))
    keys = json.dumps(value).count(":")
    size = len(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode())
    assert bool(metadata_limits.problems(value)) == (keys > 2_048 or size > 262_144)


@pytest.mark.parametrize(
    ("metadata", "too_large"),
    [
        ({str(key): key for key in range(2_048)}, False),
        ({str(key): key for key in range(2_049)}, True),
        ({"text": "é" * 131_066}, False),
        ({"text": "é" * 131_067}, True),
    ],
)
def test_a_report_of_many_classes_is_taken_and_a_data_set_is_not(api, metadata, too_large):
    fields = {"version": "1", "tag": "v1", "digest": "a:b", "model_id": api.model()["id"], "metadata": metadata}
    response = api.post("/api/v1/versions", fields)
    assert response.status_code == (422 if too_large else 201)
    if not too_large:
        assert api.get(response.headers["Location"]).json["metadata"] == metadata
