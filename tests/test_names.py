"""Names, versions, tags, environments, digests: what is accepted is stored as sent, and nothing is ever a fault of ours."""

import re

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from catapult.extensions import db

DIGEST = "sha256:" + "d" * 64
EXAMPLES = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

SEGMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
DIGEST_FORM = re.compile(r"[A-Za-z0-9+._-]+:[!-~]{1,200}")
ENVIRONMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


def good_name(name):
    segments = name.split("/")
    kept = not {"versions", "compare"} & {segment.lower() for segment in segments}
    return len(name) <= 255 and kept and all(SEGMENT.fullmatch(segment) for segment in segments)


def good_version(version):
    return (
        1 <= len(version) <= 128 and version not in (".", "..") and all("!" <= c <= "~" and c != "/" for c in version)
    )


def good_tag(tag):
    return bool(TAG.fullmatch(tag))


def good_environment(name):
    return bool(ENVIRONMENT.fullmatch(name)) and name.lower() != "release"


def good_digest(digest):
    return len(digest) <= 300 and bool(DIGEST_FORM.fullmatch(digest))


NEAR = st.text("aZ09._-/:+ \n\t\x00é~!", max_size=12)
TEXTS = st.one_of(NEAR, st.text(max_size=40), st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=300))


@pytest.fixture
def model(api):
    return api.model()


def answered(response, good):
    """201 for what the contract takes, 422 with the field named for all else."""
    assert response.status_code == (201 if good else 422), response.text


@EXAMPLES
@given(TEXTS | st.from_regex(SEGMENT, fullmatch=True) | st.from_regex(r"[a-zA-Z0-9._/-]{0,260}", fullmatch=True))
@example("versions")
@example("org/Compare/x")
@example("org/versions2")
@example("a" * 255)
@example("a" * 256)
@example("a/" * 127 + "a")
@example("a\n")
@example("a/\n")
@example("ａ")
@example("a//b")
@example("../a")
@example("K")
def test_a_models_name_is_as_the_contract_has_it(api, undone, name):
    with undone():
        response = api.post("/api/v1/models", {"name": name, "storage_path": "x"})
        answered(response, good_name(name))
        if response.status_code == 201:
            assert api.get("/api/v1/models", query_string={"name": name.swapcase()}).json == [response.json]
            assert response.json["name"] == name


@EXAMPLES
@given(TEXTS)
@example(".")
@example("..")
@example("...")
@example("1.0.0\n")
@example("a/b")
@example("v" * 128)
@example("v" * 129)
@example("9" * 128)
@example("1.0.0-" + "0a." * 20 + "x")
@example(f"{'9' * 60}.{'9' * 33}.{'9' * 30}")
@example("1.0.0+build!")
@example("v")
@example("V1.2.3")
def test_a_version_is_as_the_contract_has_it(api, undone, model, version):
    body = {"model_id": model["id"], "version": version, "tag": "t", "digest": DIGEST}
    with undone():
        response = api.post("/api/v1/versions", body)
        answered(response, good_version(version))
        if response.status_code == 201:
            query = {"model_name": model["name"], "version": version}
            assert api.get("/api/v1/versions", query_string=query).json == [response.json]
            assert api.get("/api/v1/versions/latest?model_name=ORG/BERT&order=semver").json == response.json


@EXAMPLES
@given(TEXTS | st.from_regex(TAG, fullmatch=True))
@example("t" * 128)
@example("t" * 129)
@example(".t")
@example("t\n")
def test_a_tag_is_as_oci_has_it(api, undone, model, tag):
    with undone():
        response = api.post("/api/v1/versions", {"model_id": model["id"], "version": "1", "tag": tag, "digest": DIGEST})
        answered(response, good_tag(tag))
        if response.status_code == 201:
            assert api.get("/api/v1/versions", query_string={"tag": tag}).json == [response.json]


@EXAMPLES
@given(TEXTS | st.from_regex(ENVIRONMENT, fullmatch=True))
@example("release")
@example("RELEASE")
@example("release2")
@example("e" * 63)
@example("e" * 64)
@example("e\n")
def test_an_environment_is_as_the_contract_has_it(api, undone, model, name):
    with undone():
        version = api.version(model)
        response = api.post("/api/v1/deployments", {"release_id": version["id"], "environment": name})
        answered(response, good_environment(name))
        if response.status_code == 201:
            query = {"environment": name.swapcase()}
            assert api.get("/api/v1/deployments", query_string=query).json == [response.json]
            assert api.get("/api/v1/versions", query_string=query).json[0]["live_in"] == [name]


@EXAMPLES
@given(TEXTS | st.from_regex(DIGEST_FORM, fullmatch=True))
@example(":x")
@example("sha256:")
@example("sha256:...")
@example("sha256:abc123...")
@example("sha256:" + "A" * 64)
@example("sha256:" + "a" * 65)
@example("sha512:" + "a" * 128)
@example("a:" + "b" * 200)
@example("a:" + "b" * 201)
@example("a" * 99 + ":" + "b" * 200)
@example("a" * 100 + ":" + "b" * 200)
@example(DIGEST + "\n")
def test_a_digest_is_kept_as_sent(api, undone, model, digest):
    with undone():
        response = api.post("/api/v1/versions", {"model_id": model["id"], "version": "1", "tag": "t", "digest": digest})
        answered(response, good_digest(digest))
        if response.status_code == 201:
            assert response.json["digest"] == digest
            assert (response.json["image"] is None) == (response.json["digest_status"] == "malformed")
            assert api.get("/api/v1/versions", query_string={"digest": digest}).json == [response.json]


@pytest.mark.parametrize(
    ("digest", "status"),
    [
        (DIGEST, "unverified"),
        ("sha512:" + "0" * 128, "unverified"),
        ("md5:x", "unverified"),
        ("a.b+c:ab=_-", "unverified"),
        ("sha256:abc123...", "malformed"),
        ("sha256:...", "malformed"),
        ("sha256:" + "A" * 64, "malformed"),
        ("sha256:" + "a" * 63, "malformed"),
        ("SHA256:" + "a" * 64, "malformed"),
        ("a..b:x", "malformed"),
        ("md5:a!", "malformed"),
    ],
)
def test_a_digest_that_oci_would_not_take_says_so(api, model, digest, status):
    version = api.version(model, digest=digest)
    assert version["digest_status"] == status
    assert version["image"] == (f"docker.io/org/bert@{digest}" if status == "unverified" else None)


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
        expected = (422,) if nul else (200, 404)
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


@pytest.mark.parametrize("search", ["%", "_", "100%", "a_b", "\\", "'", '"', "%%%", "___"])
def test_what_sql_takes_for_a_pattern_is_searched_as_it_stands(api, search):
    api.model("org/plain", description="nothing of the kind here")
    made = api.model("org/odd", description=f"x {search} y")
    assert made in api.get("/api/v1/models", query_string={"search": search}).json
    assert len(api.get("/api/v1/models", query_string={"search": search}).json) == 1


@pytest.mark.parametrize("name", ["org/bert", "ORG/bert", "Org/Bert"])
def test_a_name_is_unique_whatever_its_case(api, model, name):
    assert api.post("/api/v1/models", {"name": name, "storage_path": "x"}).status_code == 409


@EXAMPLES
@given(TEXTS)
def test_the_database_itself_takes_no_other_names_than_the_api(app, undone, api, model, name):
    if "\x00" in name:
        return
    with undone(), app.app_context(), db.engine.connect() as connection:
        assert taken(connection, MODEL, name) == good_name(name)
        values = {"model": model["id"], "version": "1", "tag": "t", "digest": "a:b"}
        assert taken(connection, VERSION, **{**values, "version": name}) == good_version(name)
        assert taken(connection, VERSION, **{**values, "tag": name}) == good_tag(name)
        assert taken(connection, VERSION, **{**values, "digest": name}) == good_digest(name)


MODEL = "INSERT INTO models (id, name, storage_path) VALUES (gen_random_uuid(), :name, 'x')"
VERSION = """INSERT INTO versions (id, model_id, version, tag, digest, platform, status, created_by)
VALUES (gen_random_uuid(), :model, :version, :tag, :digest, 'linux/amd64', 'active', 'x')"""


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
