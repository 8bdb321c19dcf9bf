"""Names, versions, tags, environments, digests: what is accepted is stored as sent, and nothing is ever a fault of ours."""

import re
import unicodedata
from collections.abc import Callable
from typing import NamedTuple

import pytest
from api.conftest import as_listed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from catapult.extensions import db
from catapult.rules.image_reference import is_oci_digest

DIGEST = "sha256:" + "d" * 64
EXAMPLES = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

SEGMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
WORDS = re.compile(r"[A-Za-z0-9._-]+")
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
DIGEST_FORM = re.compile(r"[A-Za-z0-9+._-]+:[!-~]{1,200}")
VERSION_FORM = re.compile(r"[!-.0-~]{1,128}")
HIDDEN = {"\u00ad", "\ufeff", *map(chr, (*range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070)))}
"""Formatting characters: text that is approved must not look like another."""
RESERVED = {"live", "rollback", "retire", "-"}


def good_name(name):
    segments = name.split("/")
    kept = not {"versions", "compare"} & {segment.lower() for segment in segments}
    return len(name) <= 255 and kept and all(map(good_segment, segments))


def good_segment(segment):
    first, *others = segment.split(" ")
    return bool(SEGMENT.fullmatch(first)) and all(WORDS.fullmatch(word) for word in others)


def good_version(version):
    return bool(VERSION_FORM.fullmatch(version)) and version not in (".", "..")


def good_tag(tag):
    return bool(TAG.fullmatch(tag))


def good_source(source):
    """Python's own idea of what is printable, but for characters that no Unicode of ours has a name for yet."""
    unseen = [c for c in source if unicodedata.category(c) in ("Cc", "Zs", "Zl", "Zp") and c != " "]
    return 0 < len(source) <= 2_000 and source == source.strip(" ") and not unseen and not HIDDEN & set(source)


def good_environment(name):
    segments = name.split("/")
    kept = not RESERVED & {segment.lower() for segment in segments[1:]}
    is_long = len(name) > 63 or name.lower() == "release"
    return kept and not is_long and all(SEGMENT.fullmatch(segment) for segment in segments)


def good_digest(digest):
    return len(digest) <= 300 and bool(DIGEST_FORM.fullmatch(digest))


NEAR = st.text("aZ09._-/:+ \n\t\x00é~!", max_size=12)
TEXTS = st.one_of(NEAR, st.text(max_size=40), st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=300))


class Kind(NamedTuple):
    """A text that people choose: which ones the contract takes, texts to try, and those that have to be tried."""

    good: Callable[[str], bool]
    texts: st.SearchStrategy[str]
    examples: tuple[str, ...]


KINDS = {
    "name": Kind(
        good_name,
        st.from_regex(SEGMENT, fullmatch=True) | st.from_regex(r"[a-zA-Z0-9._/ -]{0,260}", fullmatch=True),
        (
            *("versions", "org/Compare/x", "org/versions2", "a" * 255, "a" * 256, "a/" * 127 + "a"),
            *("a\n", "a/\n", "ａ", "a//b", "../a", "K"),
            *(
                "a b",
                "Team A/my model v2.1",
                "a  b",
                " a",
                "a ",
                "a /b",
                "a/ b",
                "a -b",
                "a\u00a0b",
                "a\tb",
                "compare a",
                "a b" * 85,
            ),
        ),
    ),
    "version": Kind(
        good_version,
        st.text("0123456789.-+abcv", max_size=20),
        (
            *(".", "..", "...", "1.0.0\n", "a/b", "v" * 128, "v" * 129, "9" * 128, "1.0.0+build!", "v", "V1.2.3"),
            *("1.0.0-" + "0a." * 20 + "x", f"{'9' * 60}.{'9' * 33}.{'9' * 30}"),
        ),
    ),
    "tag": Kind(good_tag, st.from_regex(TAG, fullmatch=True), ("t" * 128, "t" * 129, ".t", "t\n")),
    "digest": Kind(
        good_digest,
        st.from_regex(DIGEST_FORM, fullmatch=True),
        (
            *(":x", "sha256:", "sha256:...", "sha256:abc123...", "sha256:" + "A" * 64, "sha512:" + "a" * 128),
            *(
                "a:" + "b" * 200,
                "a:" + "b" * 201,
                "a" * 99 + ":" + "b" * 200,
                "a" * 100 + ":" + "b" * 200,
                DIGEST + "\n",
            ),
        ),
    ),
    "source": Kind(
        good_source,
        st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
        (
            *(
                "s3://a/b",
                "models:/m-1",
                "C:\\ml runs\\1",
                "mlruns/é 1/a",
                "s" * 2_000,
                "s" * 2_001,
                " ",
                " a",
                "a ",
                "a\nb",
            ),
            *("a\u202eb", "a\u200bb", "a\u00a0b", "a\u3000b", "javascript:alert(1)", "<script>", "'; --", "a\x7fb"),
        ),
    ),
    "environment": Kind(
        good_environment,
        st.from_regex(r"[a-zA-Z0-9._/-]{0,66}", fullmatch=True),
        (
            *(
                "release",
                "RELEASE",
                "release2",
                "e" * 63,
                "e" * 64,
                "e\n",
                "review/feature-x",
                "review/a/b.c",
                "e" * 61 + "/e",
            ),
            *(
                "e" * 62 + "/e",
                "a/live",
                "a/Rollback/b",
                "a/retire",
                "a/-",
                "live/x",
                "retire",
                "release/x",
                "a//b",
                "/a",
                "a/",
            ),
        ),
    ),
}


@pytest.fixture
def model(api):
    return api.model()


@pytest.mark.parametrize("kind", KINDS)
@EXAMPLES
@given(data=st.data())
def test_a_text_is_as_the_contract_has_it(api, undone, model, kind, data):
    with undone():
        check(api, model, kind, data.draw(TEXTS | KINDS[kind].texts))


@pytest.mark.parametrize(
    ("kind", "text"), [(name, text) for name, kind in KINDS.items() for text in kind.examples], ids=ascii
)
def test_a_special_text_is_as_the_contract_has_it(api, model, kind, text):
    check(api, model, kind, text)


def check(api, model, kind, text):
    """What the contract takes is stored as sent and found; all else is a 422."""
    version = {"model_id": model["id"], "version": "1", "tag": "t", "digest": DIGEST}
    match kind:
        case "name":
            path, body, query = "/api/v1/models", {"name": text, "storage_path": "x"}, {"name": text.swapcase()}
        case "environment":
            path, query = "/api/v1/deployments", {"environment": text.swapcase()}
            body = {"release_id": api.version(model)["id"], "environment": text}
        case "source":
            path, query = "/api/v1/versions", {"version": "1"}
            body = {"model_id": model["id"], "version": "1", "source": text}
        case _:
            path, body, query = "/api/v1/versions", {**version, kind: text}, {kind: text}
    response = api.post(path, body)
    assert response.status_code == (201 if KINDS[kind].good(text) else 422), response.text
    if response.status_code == 201:
        assert response.json[kind] == text
        assert api.get(path, query_string=query).json == [as_listed(response.json)]
        if kind == "digest":
            assert (response.json["image"] is None) == (response.json["image_fault"] is not None)
            assert (response.json["digest_status"] == "unverified") == is_oci_digest(text)
        if kind == "version":
            assert api.get("/api/v1/versions/latest?model_name=ORG/BERT&order=semver").json == response.json
        if kind == "environment":
            assert api.get("/api/v1/versions", query_string=query).json[0]["live_in"] == [text]
            assert api.get(f"/api/v1/environments/{text}").json["name"] == text
            assert api.get(f"/api/v1/environments/{text}/live").json[0]["id"] == response.json["id"]


@EXAMPLES
@given(TEXTS, TEXTS, TEXTS)
def test_no_look_up_by_any_text_is_a_fault_of_ours(api, one, two, three):
    lookups = [
        ("/api/v1/models", {"name": one, "tag": two, "search": three}),
        ("/api/v1/versions", {"model_name": one, "version": two, "digest": three, "environment": one}),
        ("/api/v1/versions/latest", {"model_name": one, "environment": two}),
        ("/api/v1/deployments", {"model_name": one, "environment": two}),
        ("/api/v1/audit-logs", {"action": one, "resource_type": two, "api_key_name": three}),
    ]
    for path, query in lookups:
        nul = any("\x00" in value for value in query.values())
        blank = any(" " in value for value in query.values())  # no name has one, but a label and a key's name may
        expected = (422,) if nul else (200, 404, 422) if blank else (200, 404)
        assert api.get(path, query_string=query).status_code in expected


@EXAMPLES
@given(TEXTS)
def test_what_a_description_holds_is_found_by_any_part_of_it(api, undone, words):
    if "\x00" in words:
        return
    with undone():
        made = api.model("org/described", description=f"before {words} after")
        assert made["description"] == f"before {words} after"
        for part in (words, words[1:], words[:3]):
            found = api.get("/api/v1/models", query_string={"search": part}).json
            assert made in found, part


@EXAMPLES
@given(TEXTS)
def test_the_database_itself_takes_no_other_names_than_the_api(app, undone, api, model, name):
    if "\x00" in name:
        return
    with undone(), app.app_context(), db.engine.connect() as connection:
        assert taken(connection, MODEL, name) == good_name(name)
        values = {"model": model["id"], "version": "1", "tag": "t", "digest": "a:b", "source": None}
        assert taken(connection, VERSION, **{**values, "version": name}) == good_version(name)
        assert taken(connection, VERSION, **{**values, "tag": name}) == good_tag(name)
        assert taken(connection, VERSION, **{**values, "digest": name}) == good_digest(name)
        assert taken(connection, VERSION, **{**values, "source": name}) == good_source(name)
        assert taken(connection, ENVIRONMENT, name) == good_environment(name)
        assert taken(connection, GATE, name) == (name == "release" or (good_environment(name) and name == name.lower()))


ENVIRONMENT = "INSERT INTO environments (id, name, rank, created_by) VALUES (gen_random_uuid(), :name, 1, 'x')"
GATE = """INSERT INTO gates (id, model, target, kind, count, role, created_by)
VALUES (gen_random_uuid(), '*', :name, 'approved', 1, 'admin', 'x')"""
MODEL = "INSERT INTO models (id, name, storage_path) VALUES (gen_random_uuid(), :name, 'x')"
VERSION = """INSERT INTO versions (id, model_id, version, number, tag, digest, source, platform, status, created_by)
VALUES (gen_random_uuid(), :model, :version, 9, :tag, :digest, :source, 'linux/amd64', 'active', 'x')"""


def taken(connection, statement, name=None, **values):
    """Whether the database takes the row."""
    with connection.begin_nested() as before:
        try:
            connection.execute(text(statement), values or {"name": name})
        except DBAPIError as error:
            if error.orig.pgcode not in ("23514", "22001"):  # a check, or longer than its column
                raise
            return False
        finally:
            before.rollback()
    return True
