"""Filters mean what they say, beside a plain evaluator in Python, and no text makes more than a 422 of them."""

import json
from uuid import UUID

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import psycopg2

from catapult.errors import Invalid
from catapult.extensions import db
from catapult.filters import conditions, parsing
from catapult.filters.nouns import MODELS, VERSIONS
from catapult.filters.tree import AllOf, AnyOf, Comparison, Exists, Flag, Not, Time
from catapult.queries import registered_models, versions
from catapult.queries.lists.paging import Page
from catapult.rules import metadata_limits

EXAMPLES = settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)

ODD = [
    {},
    {"x": 1},
    {"x": 1.0, "tag": "gpu"},
    {"x": -1.5},
    {"x": "1"},
    {"x": "1.0", "y": 7},
    {"x": True},
    {"x": False},
    {"x": None},
    {"x": [1, "a", True, None]},
    {"x": []},
    {"x": {}},
    {"x": {"y": 2}},
    {"x": {"y": "2"}},
    {"x": {"y": None}},
    {"x.y": 3},
    {"x.y": 3, "x": {"y": 2}},
    {"x": {"y": 2}, "x.y": 3},
    {"x": {"y": "2"}, "x.y": 3},
    {"x.y": "3", "x": {"y": 0.5}},
    {"x": {"y": {"y": 1e308}}},
    {"x": {"y.y": 5}},
    {"x": {"": 1}, "": {"x": 2}},
    {"": 3},
    {"x": "gpu"},
    {"x": "GPU 100%"},
    {"x": "a\"b'c\\d"},
    {"x": "é"},
    {"x": "Z"},
    {"x": 9007199254740993},
    {"x": 9007199254740992},
    {"x": 10**300},
    {"x": 5e-324},
    {"x": -0.0},
    {"x": 0},
    {"0": 4, "x": [[4]]},
    {"k" * 200: {"k" * 200: 6}},
    {"x": "2026-10-05T10:00:00Z"},
]
"""Metadata as nobody would write it."""


def fill(app):
    """A version of each odd metadata, with its numbers, every column different; their ids by place."""
    with app.app_context():
        model = db.session.scalar(
            text("INSERT INTO models (id, name, storage_path) VALUES (gen_random_uuid(), 'odd/one', 'x') RETURNING id")
        )
        insert = text(
            """INSERT INTO versions (id, model_id, version, semver_key, tag, digest, platform, size_bytes, status,
                   quantization, released_at, released_by, created_by, metadata, created_at)
               VALUES (gen_random_uuid(), :model, :version, NULL, :tag, 'a:b', 'p', :size, 'active', :quantization,
                   CASE WHEN :released THEN now() END, CASE WHEN :released THEN 'r' END, 'x', CAST(:metadata AS jsonb),
                   now() - make_interval(mins => :age)) RETURNING id"""
        )
        ids = {}
        for place, odd in enumerate(ODD):
            row = columns(place)
            values = {"model": model, "metadata": json.dumps(odd), "age": place // 3, "released": row["is_release"]}
            values |= {"version": f"v{place}", "size": row["size_bytes"]}
            ids[db.session.scalar(insert, values | {name: row[name] for name in ("tag", "quantization")})] = place
            for path, value in dict(metadata_limits.numbers(odd)).items():
                db.session.execute(
                    text("INSERT INTO metrics (version_id, path, model_id, value) VALUES (:v, :p, :m, :n)"),
                    {"v": list(ids)[-1], "p": path, "m": model, "n": value},
                )
        db.session.commit()
    return ids


def columns(place):
    return {
        "tag": ["gpu", "cpu", "GPU"][place % 3],
        "size_bytes": [None, 100, 200, 2**62][place % 4],
        "quantization": [None, "int8", "fp16", ""][place % 4],
        "is_release": place % 5 == 0,
    }


@pytest.fixture
def odd(app):
    return fill(app)


# --- the evaluator ----------------------------------------------------------------------------------------------------

MISSING = object()


def found_at(path, place):
    """What lies there. Of metadata any JSON; of a column None is nothing."""
    if path.name != "metadata":
        value = columns(place)[path.name]
        return MISSING if value is None else value
    value = ODD[place]
    for key in path.keys:
        value = value.get(key, MISSING) if isinstance(value, dict) else MISSING
    return value


def is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)


def plain(literal):
    return literal.value.text if isinstance(literal.value, Time) else literal.value


def equal(there, value):
    if is_number(there) and is_number(value):
        return float(there) == float(value)
    return type(there) is type(value) and isinstance(there, str | bool) and there == value


def compares(operator, there, values):
    value = values[0]
    if there is MISSING:
        return False
    if operator in ("=", "in"):
        return any(equal(there, value) for value in values)
    if operator == "!=":
        return not equal(there, value)
    if operator == "~":
        if isinstance(there, list):
            return any(equal(item, value) for item in there)
        return isinstance(there, str) and isinstance(value, str) and value.lower() in there.lower()
    if is_number(there) and is_number(value):
        there, value = float(there), float(value)
    elif not (isinstance(there, str) and isinstance(value, str)):
        return False
    return {"<": there < value, "<=": there <= value, ">": there > value, ">=": there >= value}[operator]


def evaluate(node, place):
    if isinstance(node, AllOf):
        return all(evaluate(part, place) for part in node.parts)
    if isinstance(node, AnyOf):
        return any(evaluate(part, place) for part in node.parts)
    if isinstance(node, Not):
        return not evaluate(node.part, place)
    there = found_at(node.path, place)
    if isinstance(node, Exists):
        return there is not MISSING
    if isinstance(node, Flag):
        return there is True
    assert isinstance(node, Comparison)
    return compares(node.operator, there, [plain(value) for value in node.values])


# --- filters that somebody might write --------------------------------------------------------------------------------

TEXTS = st.sampled_from(["1", "gpu", "GPU", "", "%", "_", "100%", "Z", "a", "é", "2", "3", "a\"b'c\\d", "2026-10"])
NUMBERS = st.sampled_from(
    [
        "1",
        "1.0",
        "-1.5",
        "0",
        "-0",
        "2",
        "3",
        "0.5",
        "1e300",
        "9007199254740993",
        "1e-320",
        "100",
        "6",
        "1" * 300,
        "1e308",
    ]
)
BOOLEANS = st.sampled_from(["true", "false", "TRUE"])


def quoted(value):
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


METADATA = st.sampled_from(
    [
        *("metadata.x", "metadata.x.y", 'metadata."x.y"', "metadata.x.y.y", 'metadata.x."y.y"', 'metadata.x.""'),
        *(
            "metadata.y",
            'metadata."".x',
            'metadata.""',
            "metadata.0",
            "metadata.x.0",
            "metadata.nothing",
            "metadata.tag",
        ),
        f"metadata.{'k' * 200}.{'k' * 200}",
    ]
)
ORDERED = st.sampled_from(["<", "<=", ">", ">="])
EQUALS = st.sampled_from(["=", "!="])


def listed(values):
    return st.lists(values, min_size=1, max_size=4).map(lambda values: f"({', '.join(values)})")


def written(*parts):
    return st.tuples(*(st.just(part) if isinstance(part, str) else part for part in parts)).map(" ".join)


WORDS = TEXTS.map(quoted)
ANY = WORDS | NUMBERS | BOOLEANS | st.just("2026-10-05")
TAGS = st.sampled_from(["tag", "quantization"])
COMPARISONS = st.one_of(
    written(METADATA, EQUALS, ANY),
    written(METADATA, ORDERED, WORDS | NUMBERS | st.just("2026-10-05T10:00:00Z")),
    written(METADATA, "~", ANY),
    written(METADATA, st.sampled_from(["in", "not in"]), listed(ANY)),
    written(METADATA, "exists"),
    METADATA,
    written(TAGS, EQUALS | ORDERED | st.just("~"), WORDS),
    written(TAGS, "in", listed(WORDS)),
    written(TAGS, "exists"),
    written("size_bytes", EQUALS | ORDERED, NUMBERS),
    written("size_bytes", st.sampled_from(["in", "not in"]), listed(NUMBERS)),
    written("exists(size_bytes)"),
    written("is_release", EQUALS, BOOLEANS),
    st.just("is_release"),
)
FILTERS = st.recursive(
    COMPARISONS,
    lambda inner: st.one_of(
        written("not", "(", inner, ")"),
        written("not", COMPARISONS),
        written("(", inner, "and", inner, ")"),
        written(inner, "or", inner),
        written(COMPARISONS, "and", inner),
    ),
    max_leaves=8,
)


def chosen(written_filter):
    rows = versions.listing(model_name="odd/one", filter=written_filter).page(Page(100))
    return {UUID(row.id) for row in rows}


@EXAMPLES
@given(written_filter=FILTERS)
@example(written_filter="not metadata.x > 1")
@example(written_filter="metadata.x != 1")
@example(written_filter="not (metadata.x = 1 or size_bytes < 150)")
@example(written_filter="metadata.x.y > 1")
@example(written_filter='metadata."x.y" > 1')
@example(written_filter="not quantization = 'int8'")
def test_a_filter_chooses_what_a_plain_evaluator_would(app, odd, written_filter):
    try:
        node = parsing.condition(written_filter)
    except parsing.Mistake:
        return  # too many or too deep: told below
    expected = {version_id for version_id, place in odd.items() if evaluate(node, place)}
    with app.app_context():
        assert {odd[found] for found in chosen(written_filter)} == {odd[found] for found in expected}


ALPHABET = st.sampled_from(
    [
        *"().,=!<>~-\"'\\ \n0e",
        "and",
        "or",
        "not",
        "in",
        "exists",
        "metadata",
        "x",
        "tag",
        "1",
        "é",
        "\x00",
        "\ud800",
        "NaN",
    ]
)


@EXAMPLES
@given(words=st.lists(ALPHABET, max_size=25).map("".join) | st.text(max_size=30))
@example(words="1e99999")
@example(words="metadata.x = 1e-99999 or size_bytes = 1e-400")
@example(words="size_bytes = " + "9" * 300)
@example(words="created_at > 0001-01-01T00:00:00+14:00")
@example(words="created_at > 9999-12-31T23:59:59-14:00")
@example(words="created_at > 0000-01-01")
@example(words="metadata.x = nan or metadata.x = -inf")
@example(words="(" * 2_000)
@example(words="(" * 999 + "tag" + ")" * 999)
@example(words="not " * 499 + "tag")
@example(words='metadata."\\"; drop table versions; --" ~ "%\\\\_"')
def test_no_text_is_more_than_a_mistake(app, words):
    with app.app_context():
        for listing in (versions.listing, registered_models.listing):
            for parameter in ("filter", "sort"):
                refusal = refused(lambda: list(listing(**{parameter: words}).page(Page(2))))  # noqa: B023 - called at once
                assert refusal is None or 1 <= refusal.column <= len(words) + 1
                assert refusal is None or f" at column {refusal.column}: " in refusal.errors[parameter][0]


def refused(read):
    try:
        read()
    except Invalid as refusal:
        return refusal
    return None


LITERALS = ['"a"', "'1.0.0'", "1", "0.5", "1e300", "true", "2026-10-05", '"2026-10-05T10:00:00+02:00"', '""', "9" * 300]


def tries(name):
    yield f"{name} exists"
    for operator in parsing.OPERATORS[:7]:
        yield from (f"{name} {operator} {value}" for value in LITERALS)
    yield from (f"{name} in ({one}, {one})" for one in LITERALS)


@pytest.mark.parametrize(
    ("noun", "listing"), [(VERSIONS, versions.listing), (MODELS, registered_models.listing)], ids=["versions", "models"]
)
def test_every_field_takes_the_operators_that_it_names(app, odd, noun, listing):
    def taken(written_filter):
        return refused(lambda: list(listing(filter=written_filter).page(Page(2)))) is None

    with app.app_context():
        for name, kind in noun.fields.items():
            assert {one.split()[1] for one in tries(name) if taken(f"not ({one})")} == {*kind.operators, "exists"}
            assert taken(name) == (kind.flag() is not None)
        assert all(taken(one) for one in tries("metadata.x") if not one.endswith("true"))


@pytest.mark.parametrize(
    ("noun", "listing"), [(VERSIONS, versions.listing), (MODELS, registered_models.listing)], ids=["versions", "models"]
)
def test_every_field_that_has_an_order_is_sorted_by(app, odd, noun, listing):
    with app.app_context():
        for name in [*noun.fields, "metadata.x", "metadata.x.y"]:
            refusal = refused(lambda: list(listing(sort=f"-{name},{name}").page(Page(2))))  # noqa: B023 - called at once
            assert (refusal is None) == (name not in ("tags", "latest_version"))


# --- mistakes ---------------------------------------------------------------------------------------------------------


def mistake(noun, written_filter, read=conditions.of):
    with pytest.raises(Invalid) as refused:
        read(noun, written_filter)
    return refused.value


@pytest.mark.parametrize(
    ("wrong", "column", "said"),
    [
        ("", 1, "a field"),
        ("tag = gpu", 7, 'as "gpu"'),
        ("tag = null", 7, "exists"),
        ("tag = 'gpu", 7, "without its end"),
        ("tag ==", 6, "a value"),
        ('tag = "a" tag', 11, "and, or"),
        ("accuracy > 1", 1, "metadata.<key>"),
        ("is_release and accurracy > 1", 16, "size_bytes"),
        ("size_bytes ~ 1", 12, "= != in < <= > >= exists"),
        ("is_release > true", 12, "= != in exists"),
        ('size_bytes > "big"', 14, "a number"),
        ("tag > 5", 7, "text in quotes"),
        ("is_release = 1", 14, "true or false"),
        ("created_at > 5", 14, "a time"),
        ('created_at > "2026-11-23T10:00:00"', 14, "zone"),
        ("created_at > 2026-02-30", 14, "a date"),
        ("metadata.x > true", 14, "neither above nor below"),
        ("metadata > 1", 1, "takes one"),
        ("tag.x = 'a'", 1, "no keys"),
        ("tag", 4, "No operator"),
        ("metadata. = 1", 9, "a key follows the dot"),
        ("size_bytes = 1e999", 14, "64-bit float"),
        ('version > "new"', 11, "SemVer"),
        ("tag ~ 'x" + "x" * 2_000, 2_001, "2000 characters"),
        (" or ".join(["is_release"] * 51), 701, "at most 50"),
        ("not " * 21 + "is_release", 85, "20 deep"),
        ("tag = '\x00'", 8, "U+0000"),
        ("tag = '\ud800'", 8, "surrogate"),
    ],
)
def test_a_mistake_is_told_with_its_column(wrong, column, said):
    refusal = mistake(VERSIONS, wrong)
    assert refusal.column == column
    (message,) = refusal.errors["filter"]
    assert f"at column {column}: " in message
    assert said in message
    assert len(message) < 500


@pytest.mark.parametrize(
    ("noun", "wrong", "column", "said"),
    [
        (VERSIONS, "accuracy", 1, "metadata.<key>"),
        (VERSIONS, "-tag,-accuracy", 7, "known here are version, "),
        (VERSIONS, "tag desc", 5, "a comma or the end"),
        (VERSIONS, "", 1, "a field"),
        (VERSIONS, "tag,digest,status,version,platform,size_bytes", 36, "at most 5"),
        (MODELS, "name,tags", 6, "no order"),
        (MODELS, "latest_version", 1, "no order"),
    ],
)
def test_a_mistake_in_an_order_is_told_with_its_column(noun, wrong, column, said):
    refusal = mistake(noun, wrong, conditions.order)
    (message,) = refusal.errors["sort"]
    assert (refusal.column, said in message) == (column, True), message


def test_twenty_deep_and_fifty_comparisons_are_taken():
    assert conditions.of(VERSIONS, "not " * 20 + "is_release") is not None
    assert conditions.of(VERSIONS, " or ".join(["is_release"] * 50)) is not None
    assert conditions.of(VERSIONS, "(" * 500 + "is_release" + ")" * 500) is not None


def test_what_people_write_is_a_parameter_and_never_text_of_a_statement():
    hostile = """metadata."DROP'); --".x = 'DROP' and metadata.drop > 1 and tag ~ 'DROP' or tag in ('DROP')"""
    statement = str(conditions.of(VERSIONS, hostile).compile(dialect=psycopg2.dialect()))
    assert "metadata" in statement
    assert "drop" not in statement.lower()
