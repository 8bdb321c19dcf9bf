"""Filters choose what a plain evaluator in Python chooses, and an invalid text is a 422 with its column."""

import json
from collections import Counter
from fractions import Fraction
from uuid import UUID

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, text
from sqlalchemy.dialects.postgresql import psycopg2

from catapult.errors import Invalid
from catapult.extensions import autocommit, db, is_autocommit
from catapult.filters import conditions, metric_index, nouns, parsing
from catapult.filters.mistakes import Misread, Mistake, TooSlow
from catapult.filters.nouns import MODELS
from catapult.filters.operators import EQUAL
from catapult.filters.operators import ORDERED as ORDERINGS
from catapult.filters.tree import AllOf, AnyOf, Exists, Flag, Not, Time
from catapult.queries import registered_models, versions
from catapult.queries.lists import sorting
from catapult.queries.lists.paging import Page
from catapult.rules import metadata_limits

EXAMPLES = settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)

VERSIONS = nouns.versions()
ODD = [
    *({}, {"x": 1}, {"x": 1.0, "tag": "gpu"}, {"x": -1.5}, {"x": "1"}, {"x": "1.0", "y": 7}, {"x": True}),
    *({"x": False}, {"x": None}, {"x": [1, "a", True, None]}, {"x": []}, {"x": {}}, {"x": {"y": 2}}),
    *({"x": {"y": "2"}}, {"x": {"y": None}}, {"x.y": 3}, {"x.y": 3, "x": {"y": 2}}, {"x": {"y": 2}, "x.y": 3}),
    *({"x": {"y": "2"}, "x.y": 3}, {"x.y": "3", "x": {"y": 0.5}}, {"x": {"y": {"y": 1e308}}}),
    *({"x": {"y.y": 5}}, {"x": {"": 1}, "": {"x": 2}}, {"": 3}, {"x": "gpu"}, {"x": "GPU 100%"}),
    *({"x": "a\"b'c\\d"}, {"x": "é"}, {"x": "Z"}, {"x": 9007199254740993}, {"x": 9007199254740992}),
    *({"x": 10**300}, {"x": 5e-324}, {"x": -0.0}, {"x": 0}, {"0": 4, "x": [[4]]}, {"k" * 200: {"k" * 200: 6}}),
    *(
        {"x": 321588685835436830},
        {"x": 321588685835436831},
        {"x": -9007199254740993},
        {"x": {"y": 10**300 + 1}},
        {"x": 1e23},
    ),
    *({"x": [2, "gpu", {"y": 7}]}, {"x[0]": 2, "x": [3]}, {"x": [{"y": 3}, 1e300]}),
    {"x": "2026-10-05T10:00:00Z"},
]
"""Unusual metadata."""

INSERT_METRIC = """
INSERT INTO metrics (version_id, model_id, path, value, exact) SELECT :id, :model_id, :path, CAST(number AS double precision),
    CASE WHEN abs(number) >= 9007199254740992 THEN number END FROM CAST(:number AS numeric) AS number"""


INSERT = """
INSERT INTO versions (id, model_id, version, number, tag, digest, platform, size_bytes, status, quantization, released_at,
    released_by, created_by, metadata, created_at)
SELECT gen_random_uuid(), id, 'v' || :number, 1 + :number, :tag, 'a:b', 'p', :size_bytes, 'active', :quantization,
    CASE WHEN :is_release THEN now() END, CASE WHEN :is_release THEN 'r' END, 'x', CAST(:metadata AS jsonb),
    now() - make_interval(mins => :number / 3) FROM models RETURNING id, model_id"""


@pytest.fixture
def odd(sql):
    """A version for each odd metadata, with its numbers and other values in its columns: `{id: number}`."""
    sql("INSERT INTO models (id, name, storage_path) VALUES (gen_random_uuid(), 'odd/one', 'x')")
    ids = {}
    for number, metadata in enumerate(ODD):
        (row,) = sql(INSERT, number=number, metadata=json.dumps(metadata), **columns(number))
        ids[row["id"]] = number
        for path, value in dict(metadata_limits.numbers(metadata)).items():
            sql(INSERT_METRIC, **row, path=path, number=str(value))
    return ids


def columns(number):
    return {
        "tag": ["gpu", "cpu", "GPU"][number % 3],
        "size_bytes": [None, 100, 200, 2**62][number % 4],
        "quantization": [None, "int8", "fp16", ""][number % 4],
        "is_release": number % 5 == 0,
    }


# --- the evaluator ----------------------------------------------------------------------------------------------------

MISSING = object()


def value_at(path, number):
    """Any JSON from metadata; a column's NULL is missing."""
    if path.name != "metadata":
        value = columns(number)[path.name]
        return MISSING if value is None else value
    value = ODD[number]
    for key in path.keys:
        if isinstance(key, int):
            value = value[key] if isinstance(value, list) and key < len(value) else MISSING
        else:
            value = value.get(key, MISSING) if isinstance(value, dict) else MISSING
    return value


def is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)


def exact(number):
    return Fraction(str(number))


def plain(literal):
    return literal.value.text if isinstance(literal.value, Time) else literal.value


def equal(stored, value):
    if is_number(stored) and is_number(value):
        return exact(stored) == exact(value)
    return type(stored) is type(value) and isinstance(stored, str | bool) and stored == value


def compares(operator, stored, values):
    value = values[0]
    if stored is MISSING:
        return False
    if operator in ("=", "in"):
        return any(equal(stored, value) for value in values)
    if operator == "!=":
        return not equal(stored, value)
    if operator == "~":
        if isinstance(stored, list):
            return any(equal(item, value) for item in stored)
        return isinstance(stored, str) and isinstance(value, str) and value.lower() in stored.lower()
    if is_number(stored) and is_number(value):
        stored, value = exact(stored), exact(value)
    elif not (isinstance(stored, str) and isinstance(value, str)):
        return False
    return {"<": stored < value, "<=": stored <= value, ">": stored > value, ">=": stored >= value}[operator]


def evaluate(node, number):
    if isinstance(node, AllOf):
        return all(evaluate(part, number) for part in node.parts)
    if isinstance(node, AnyOf):
        return any(evaluate(part, number) for part in node.parts)
    if isinstance(node, Not):
        return not evaluate(node.part, number)
    stored = value_at(node.path, number)
    if isinstance(node, Exists):
        return stored is not MISSING
    if isinstance(node, Flag):
        return stored is True
    return compares(node.operator, stored, [plain(value) for value in node.values])


# --- generated filters ----------------------------------------------------------------------------------------------

TEXTS = st.sampled_from(["1", "gpu", "GPU", "", "%", "_", "100%", "Z", "a", "é", "2", "3", "a\"b'c\\d", "2026-10"])
NUMBERS = st.sampled_from(
    [
        *("1", "1.0", "-1.5", "0", "-0", "2", "3", "0.5", "100", "6"),
        *("1e300", "1e308", "9007199254740993", "1e-320", "1" * 300),
        *("321588685835436830", "321588685835436831", "9007199254740992", "-9007199254740992", f"1{'0' * 299}1"),
    ]
)
BOOLEANS = st.sampled_from(["true", "false", "TRUE"])


def quoted(value):
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


METADATA = st.sampled_from(
    [
        *("metadata.x", "metadata.x.y", 'metadata."x.y"', "metadata.x.y.y", 'metadata.x."y.y"', 'metadata.x.""'),
        *("metadata.x[0]", "metadata.x[1]", "metadata.x[0][0]", 'metadata."x[0]"', "metadata.x[0].y"),
        *("metadata.y", 'metadata."".x', 'metadata.""', "metadata.0", "metadata.x.0", "metadata.nothing"),
        *("metadata.tag", f"metadata.{'k' * 200}.{'k' * 200}"),
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


WAYS = {
    "read": (1_000, 10_000, None),
    "hashed": (0, 10_000, None),
    "looked up": (0, 0, None),
    "scanned": (0, 0, "version"),
}


@settings(EXAMPLES, max_examples=100)
@given(written_filter=FILTERS)
@example(written_filter="not metadata.x > 1")
@example(written_filter="metadata.x != 1")
@example(written_filter="not (metadata.x = 1 or size_bytes < 150)")
@example(written_filter="metadata.x.y > 1")
@example(written_filter='metadata."x.y" > 1')
@example(written_filter="metadata.x in (1, 3) and metadata.x.y < 3")
@example(written_filter="not quantization = 'int8'")
@example(written_filter="metadata.x = 321588685835436830")
@example(written_filter="metadata.x != 321588685835436830")
@example(written_filter="metadata.x > 321588685835436830")
@example(written_filter="metadata.x in (1, 321588685835436831) and metadata.x >= 1")
@example(written_filter="metadata.x <= -9007199254740993")
@example(written_filter="metadata.x = 99999999999999991611392 or metadata.x = 1e23")
@example(written_filter="metadata.x[0] >= 2 or metadata.x[0].y = 3")
@example(written_filter='metadata."x[0]" = 2 and metadata.x[0] = 3')
@example(written_filter="metadata.x[0] exists and not metadata.x[0][0] = 4")
@pytest.mark.parametrize("way", WAYS)
def test_a_filter_chooses_what_a_plain_evaluator_would(app, odd, monkeypatch, way, written_filter):
    few, many, sort = WAYS[way]
    monkeypatch.setattr(metric_index, "FEW", few)
    monkeypatch.setattr(metric_index, "MANY", many)
    monkeypatch.setattr(sorting, "FEW", few)
    try:
        node = parsing.parse_filter(written_filter)
    except Mistake:
        return  # too many comparisons, or nested too deeply
    with app.app_context():
        listing = versions.listing.__wrapped__(model_name="odd/one", filter=written_filter, sort=sort)
        rows = {odd[UUID(row.id)] for row in listing.page(Page(100))}
    assert rows == {number for number in odd.values() if evaluate(node, number)}


ALPHABET = st.sampled_from(
    [
        *"().,=!<>~-\"'\\ \n0e",
        *("and", "or", "not", "in", "exists", "metadata", "x", "tag", "1", "é", "NaN", "\x00", "\ud800"),
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
def test_any_text_is_accepted_or_refused_with_its_column(app, words):
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


LITERALS = ['"a"', "'1.0.0'", "0.5", "9" * 100, "true", "2026-10-05", '"2026-10-05T10:00:00+02:00"', '""']


def tries(name):
    yield f"{name} exists"
    for operator in (*EQUAL[:2], *ORDERINGS, "~"):
        yield from (f"{name} {operator} {value}" for value in LITERALS)
    yield from (f"{name} in ({one}, {one})" for one in LITERALS)


NOUNS = pytest.mark.parametrize(
    ("noun", "listing"), [(VERSIONS, versions.listing), (MODELS, registered_models.listing)], ids=["versions", "models"]
)


@NOUNS
def test_every_field_takes_the_operators_that_it_names(app, odd, noun, listing):
    def taken(written_filter):
        try:
            return condition(written_filter, noun) is not None
        except Misread:
            return False

    good = {name: [one for one in tries(name) if taken(one)] for name in [*noun.fields, "metadata.x"]}
    for name, field in noun.fields.items():
        assert {one.split()[1] for one in good[name]} == {*field.operators, "exists"}
        assert taken(name) == (field.flag() is not None)
    assert {*tries("metadata.x")} - {*good["metadata.x"]} == {f"metadata.x {operator} true" for operator in ORDERINGS}
    with app.app_context():  # so many at once as a filter's length allows
        for some in (tried[start : start + 8] for tried in good.values() for start in range(0, len(tried), 8)):
            list(listing(filter=f"not ({' or '.join(some)})").within(30).page(Page(2)))


@NOUNS
def test_every_field_that_has_an_order_is_sorted_by(app, odd, noun, listing):
    with app.app_context():
        for name in [*noun.fields, "metadata.x", "metadata.x.y"]:
            refusal = refused(lambda: list(listing(sort=f"-{name},{name}").page(Page(2))))  # noqa: B023 - called at once
            assert (refusal is None) == (name not in ("tags", "latest_version"))


@pytest.mark.parametrize("text", ["nlp", 'a "b"', "a\\", '\\"', "'", "a' or name = 'b", ""])
def test_a_text_that_is_quoted_is_read_as_it_was(text):
    node = parsing.parse_filter(f"tags = {parsing.quoted(text)}")
    assert [value.text for value in node.values] == [text]


# --- mistakes ---------------------------------------------------------------------------------------------------------


def condition(text, noun=VERSIONS):
    return conditions.condition(noun, conditions.parse(text))


MISTAKES = [
    ("", 1, "a field"),
    ("tag = gpu", 7, 'text needs quotes, such as "gpu"'),
    ("tag = null", 7, "exists"),
    ("tag = 'gpu", 7, "Unterminated text"),
    ("tag ==", 6, "a value"),
    ('tag = "a" tag', 11, "and, or"),
    ("accuracy > 1", 1, "metadata.<key>"),
    ("is_release and accurracy > 1", 16, "size_bytes"),
    ("size_bytes ~ 1", 12, "use one of = != in < <= > >= exists"),
    ("is_release > true", 12, "use one of = != in exists"),
    ('size_bytes > "big"', 14, "expected a number"),
    ("tag > 5", 7, "expected text in quotes"),
    ("is_release = 1", 14, "expected true or false"),
    ("created_at > 5", 14, "expected a time"),
    ('created_at > "2026-11-23T10:00:00"', 14, "zone"),
    ("created_at > 2026-02-30", 14, "a date"),
    ("metadata.x > true", 14, "have no order"),
    ("metadata > 1", 1, "Missing key"),
    ("tag.x = 'a'", 1, "no keys"),
    ("tag", 4, "Missing operator after tag"),
    ("metadata. = 1", 9, "Missing key"),
    ("metadata[0] = 1", 9, "right after its list"),
    ("metadata.x [0] = 1", 12, "right after its list"),
    ("metadata.x[a] = 1", 11, "right after its list"),
    ("tag[0] = 'a'", 4, "right after its list"),
    ("size_bytes = 1e999", 14, "64-bit float"),
    ('version > "new"', 11, "SemVer"),
    ("tag ~ 'x" + "x" * 2_000, 2_001, "2000 characters"),
    (" or ".join(["is_release"] * 51), 701, "at most 50"),
    ("not " * 21 + "is_release", 85, "20 levels"),
    ("tag = '\x00'", 8, "U+0000"),
    ("tag = '\ud800'", 8, "surrogate"),
]
MISTAKES_IN_ORDER = [
    (VERSIONS, "accuracy", 1, "metadata.<key>"),
    (VERSIONS, "-tag,-accuracy", 7, "the fields are version, "),
    (VERSIONS, "tag desc", 5, "a comma or the end"),
    (VERSIONS, "", 1, "a field"),
    (VERSIONS, "tag,digest,status,version,platform,size_bytes", 36, "at most 5"),
    (MODELS, "name,tags", 6, "no order"),
    (MODELS, "latest_version", 1, "no order"),
]


@pytest.mark.parametrize(
    ("parameter", "noun", "wrong", "column", "message"),
    [*(("filter", VERSIONS, *row) for row in MISTAKES), *(("sort", *row) for row in MISTAKES_IN_ORDER)],
)
def test_a_mistake_is_reported_with_its_column(parameter, noun, wrong, column, message):
    read = {"filter": condition, "sort": lambda text, noun: conditions.sort_keys(noun, text)}[parameter]
    with pytest.raises(Misread) as refused:
        read(wrong, noun)
    (reported,) = refused.value.errors[parameter]
    assert (refused.value.column, f"at column {column}: " in reported) == (column, True)
    assert message in reported
    assert len(reported) < 500


@pytest.mark.parametrize(
    "text", ["not " * 20 + "is_release", " or ".join(["is_release"] * 50), "(" * 500 + "is_release" + ")" * 500]
)
def test_twenty_levels_and_fifty_comparisons_are_taken(text):
    assert condition(text) is not None


def test_eight_of_what_no_index_helps_are_taken():
    eight = " or ".join(['tag ~ "a"'] * 8)
    assert condition(eight) is not None
    with pytest.raises(Misread, match=r"Too many ~ at column 105: at most 8 are allowed; compare whole values\."):
        condition(f'{eight} or tag ~ "b"')


def test_a_list_that_is_asked_for_as_one_likes_has_so_many_seconds(app, odd):
    dear = [
        versions.listing(filter="size_bytes > 0 or tag = 'x'"),
        versions.listing(sort="-metadata.x"),
        registered_models.listing(filter="not name = 'x'"),
        registered_models.listing(sort="-metadata.x"),
        registered_models.listing(search="odd"),
        registered_models.cards(search="odd", filter="not name = 'x'"),
    ]
    with app.app_context():
        for listing in dear:
            assert list(listing.page(Page(3)))
            assert db.session.scalar(text("SHOW statement_timeout")) == "3s"  # until this transaction ends
            db.session.rollback()
            assert db.session.scalar(text("SHOW statement_timeout")) == "15s"
        list(versions.listing(tag="gpu").page(Page(3)))
        assert db.session.scalar(text("SHOW statement_timeout")) == "15s"


def test_portions_have_those_seconds_together(app, odd):
    listing = versions.listing(filter="not tag = 'x'").within(0)  # to PostgreSQL, 0 is no limit
    with app.app_context(), pytest.raises(TooSlow, match="Takes more than 0 s here"):
        list(listing.page(Page(1000)))


def test_in_autocommit_the_limit_is_the_statement_s_alone(app, odd):
    listing = versions.listing(filter="not tag = 'x'").where(func.pg_sleep(0.2).is_not(None))
    with app.test_request_context():
        autocommit()
        assert len(list(listing.page(Page(1)))) == 2
        assert is_autocommit()
        assert db.session.scalar(text("SHOW statement_timeout")) == "15s"
        with pytest.raises(TooSlow):
            list(listing.within(0.05).page(Page(1)))


def test_user_input_reaches_a_statement_only_as_parameters():
    hostile = """metadata."DROP'); --".x = 'DROP' and metadata.drop > 1 and tag ~ 'DROP' or tag in ('DROP')"""
    statement = str(condition(hostile).compile(dialect=psycopg2.dialect()))
    assert "metadata" in statement
    assert "drop" not in statement.lower()


# --- built once -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("listing", "query"),
    [
        (versions.listing, {"filter": "metadata.x > 1 and tag = 'gpu'", "sort": "-metadata.x"}),
        (registered_models.listing, {"filter": "version_count >= 0", "sort": "-metadata.x"}),
        (registered_models.cards, {"filter": "version_count >= 0", "sort": "name"}),
    ],
    ids=["versions", "models", "cards"],
)
def test_a_filter_is_parsed_once_and_a_repeated_request_builds_nothing(app, monkeypatch, listing, query):
    calls = Counter()

    def counting(name, function):
        return lambda *args: calls.update([name]) or function(*args)

    for name in ("parse_filter", "parse_sort"):
        monkeypatch.setattr(parsing, name, counting(name, getattr(parsing, name)))
    monkeypatch.setattr(sorting, "page", counting("page", sorting.page))
    listing.cache_clear()
    with app.app_context():
        for _ in range(2):
            rows = listing(**query).with_check(lambda: None)  # as the list of something that may not exist
            list(rows.page(Page(3)))
            rows.count()
    assert max(calls.values()) == 1, calls
    assert calls["parse_filter"] == 1
