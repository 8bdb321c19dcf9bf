"""What a request may send: strict JSON, every field and parameter known and given once, nothing the database cannot hold."""

import io
import json
import re

import pytest
from stage import NOWHERE, refusal, settings_for

from catapult.app import create_app

MODELS, VERSIONS = "/api/v1/models", "/api/v1/versions"
DOCUMENT = create_app(settings_for("postgresql:///nowhere")).test_client().get("/openapi.json").json
OPERATIONS = [
    (method.upper(), re.sub(r"\{\w+\}", NOWHERE, path), operation)
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
    if method != "parameters"
]
BODIES = [
    (method, path)
    for method, path, operation in OPERATIONS
    if "application/json" in operation.get("requestBody", {}).get("content", ())
]
TOLD = "/api/v1/registry-events"
"""It takes the formats of other programs, which may gain fields."""
LISTS = [
    path
    for _, path, operation in OPERATIONS
    if "limit" in [parameter.get("name") for parameter in operation.get("parameters", [])]
]


def problem(response, status, code):
    """The answer is this problem, whole; returns its document."""
    assert response.status_code == status, response.text
    assert response.content_type == "application/problem+json"
    document = response.json
    assert document["type"] == f"/docs/errors/{code}"
    assert document["status"] == status
    assert document["detail"]
    assert document["title"]
    assert document["request_id"] == response.headers["X-Request-ID"]
    return document


def with_metadata(raw):
    return b'{"name":"org/strict","storage_path":"docker.io/org/strict","metadata":' + raw + b"}"


def nested(depth):
    """A JSON object with this many objects around its innermost value."""
    return b'{"a":' * depth + b"1" + b"}" * depth


def send(api, metadata):
    return api.post(MODELS, with_metadata(metadata))


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/plain", b"{}"),
        ("application/x-www-form-urlencoded", b"name=x"),
        ("multipart/form-data; boundary=x", b"--x--"),
        ("application/xml", b"<a/>"),
        ("application/json; charset=latin-1", b"{}"),
        ("", b"{}"),
    ],
)
def test_another_type_than_json_is_refused(api, content_type, body):
    for method, path in BODIES:
        problem(api.request(method, path, body, content_type=content_type), 415, "unsupported-media-type")


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/json; charset=utf-8", "application/JSON; charset=UTF-8"]
)
def test_json_in_utf8_is_taken_however_its_type_is_written(api, content_type):
    made = api.post(MODELS, with_metadata(b'{"a":1}'), content_type=content_type)
    assert made.status_code == 201, made.text


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "gzip, identity"])
def test_a_compressed_body_is_refused(api, encoding):
    problem(api.post(MODELS, b"{}", headers={"Content-Encoding": encoding}), 415, "unsupported-media-type")


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"nothing",
        b'{"a":1,}',
        b"{'a':1}",
        b'{"name":NaN}',
        b'{"metadata":{"loss":Infinity}}',
        b'{"metadata":{"deep":[{"loss":-Infinity}]}}',
        b"NaN",
        b'{"name":"\xff"}',
        b"\xef\xbb\xbf{}",
        b'{"a":1}{"a":1}',
        b'{"a":01}',
        b'{"a":"\x01"}',
        b" ",
    ],
)
def test_what_is_no_json_is_a_bad_request(api, raw):
    for method, path in BODIES:
        problem(api.request(method, path, raw), 400, "bad-request")


@pytest.mark.parametrize("raw", [b"[]", b'[{"name":"x"}]', b'"text"', b"1", b"true", b"null"])
def test_a_body_that_is_no_object_is_refused(api, raw):
    for method, path in BODIES:
        assert problem(api.request(method, path, raw), 422, "validation")["errors"]


@pytest.mark.parametrize(
    "raw",
    [
        rb'{"name":"a\u0000b"}',
        rb'{"reason":"\u0000"}',
        rb'{"metadata":{"a":"\u0000"}}',
        rb'{"metadata":{"a\u0000":1}}',
        rb'{"metadata":{"deep":[[{"a":["\u0000"]}]]}}',
        rb'{"\u0000":1}',
        rb'{"name":"a\ud800b"}',
        rb'{"reason":"\udc00"}',
        rb'{"metadata":{"a":"\udfff\ud800"}}',
        rb'{"metadata":{"\ud800":1}}',
        rb'{"\ud800":1}',
    ],
)
def test_the_nul_character_and_half_a_surrogate_pair_are_refused_wherever_they_stand(api, raw):
    for method, path in BODIES:
        assert problem(api.request(method, path, raw), 422, "validation")["errors"]


def test_a_body_of_a_mebibyte_is_read_and_one_byte_more_is_too_large(api):
    raw = b'{"description":"' + b"x" * ((1 << 20) - 18) + b'"}'
    assert len(raw) == 1 << 20
    problem(api.post(MODELS, raw), 422, "validation")
    problem(api.post(MODELS, raw + b" "), 413, "too-large")


@pytest.mark.parametrize(
    "number",
    [
        b"1e400",
        b"-1e400",
        b"1" + b"0" * 400,
        b"-1" + b"0" * 400,
        b"9" * 309,
        b"1" * 4_301,
        b"1" * 5_000,
        b"-" + b"1" * 5_000,
        b"1" + b"0" * 5_000 + b".5",
        b"1" * 500_000,
    ],
    ids=lambda number: f"{number[:3].decode()}…{len(number)}",
)
def test_a_number_that_no_float_holds_is_refused(api, number):
    problem(send(api, b'{"deep":[{"n":' + number + b"}]}"), 422, "validation")


def test_objects_nest_to_depth_32(api):
    assert send(api, nested(32)).status_code == 201


@pytest.mark.parametrize("depth", [33, 100, 3_000, 50_000])
def test_deeper_objects_and_lists_are_refused(api, depth):
    problem(send(api, nested(depth)), 422, "validation")
    problem(send(api, b'{"a":' + b"[" * depth + b"]" * depth + b"}"), 422, "validation")


@pytest.mark.parametrize("depth", [1_000, 50_000, 200_000])
def test_a_body_of_brackets_alone_is_refused(api, depth):
    assert api.post(MODELS, b"[" * depth + b"]" * depth).status_code == 422
    assert api.post(MODELS, b"[" * depth).status_code in (400, 422)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"name":"a/b","name":"a/c","storage_path":"x"}',
        b'{"name":"a/b","storage_path":"x","metadata":{"a":1,"a":2}}',
        b'{"name":"a/b","storage_path":"x","metadata":{"l":[{"a":1,"\\u0061":1}]}}',
    ],
)
def test_a_name_that_stands_twice_is_refused(api, raw):
    problem(api.post(MODELS, raw), 422, "validation")


@pytest.mark.parametrize(("method", "path"), [body for body in BODIES if body[1] != TOLD])
def test_every_field_nobody_knows_is_named_at_once(api, method, path):
    errors = problem(api.request(method, path, {"descripton": "x", "tagz": [], "": 1}), 422, "validation")["errors"]
    assert {"descripton", "tagz", ""} <= errors.keys()


def test_every_bad_field_is_named_at_once(api):
    body = {
        "model_name": 1,
        "version": "a/b",
        "tag": "-",
        "digest": "none",
        "size_bytes": -1,
        "platform": "",
        "release_notes": "x" * 65_537,
        "metadata": [],
        "is_release": "yes",
        "auto_build": True,
        "build_config": {},
        "typo": 1,
    }
    assert problem(api.post(VERSIONS, body), 422, "validation")["errors"].keys() == body.keys()


@pytest.mark.parametrize(("method", "path"), [operation[:2] for operation in OPERATIONS])
def test_a_parameter_nobody_knows_is_refused_with_those_there_are(api, method, path):
    body = {} if (method, path) in BODIES else None
    errors = problem(api.request(method, f"{path}?is_relase=true&zzz=1", body), 422, "validation")["errors"]
    assert "is_relase" in errors
    assert method != "GET" or "Known parameters: " in errors["zzz"][0]
    known = ("limit", "cursor", "count", "model_name", "is_release", "environment", "created_before")
    assert all(name in errors["zzz"][0] for name in (known if path == VERSIONS and method == "GET" else ()))


@pytest.mark.parametrize("path", LISTS)
def test_a_repeated_parameter_is_refused(api, path):
    for second in (2, 1):
        assert "limit" in problem(api.get(f"{path}?limit=1&limit={second}"), 422, "validation")["errors"]


def test_metadata_of_256_kib_is_taken_and_one_byte_more_is_not(api):
    full = {"a": "x" * (256 * 1024 - len('{"a":""}'))}
    assert api.model("org/full", metadata=full)["metadata"] == full
    for over in (full["a"] + "x", "é" * 160_000):
        raw = json.dumps({"a": over}, ensure_ascii=False).encode()
        assert "metadata" in problem(send(api, raw), 422, "validation")["errors"]


def test_metadata_holds_2048_keys_and_not_one_more(api):
    full = {str(n): {"in": n} for n in range(1_024)}
    assert api.model("org/full", metadata=full)["metadata"] == full
    over = {**full, "list": [{"one": 1}]}
    response = api.post(MODELS, {"name": "org/over", "storage_path": "x", "metadata": over})
    assert "metadata" in problem(response, 422, "validation")["errors"]


def test_metadata_shows_nested_errors_where_they_are(api):
    response = api.post(MODELS, {"name": "a", "storage_path": "x", "tags": ["ok", 1, ""]})
    assert {"1", "2"} <= problem(response, 422, "validation")["errors"]["tags"].keys()


def test_a_field_that_cannot_be_stored_does_not_hide_the_others(api):
    answer = api.post("/api/v1/models", {"name": "a\0", "bogus": 1, "description": 5})
    assert set(answer.json["errors"]) == {"name", "bogus", "description", "storage_path"}


def test_an_unknown_parameter_does_not_hide_a_bad_one(api):
    assert set(api.get("/api/v1/models?limit=x&bogus=1").json["errors"]) == {"limit", "bogus"}


def test_a_chunked_body_beyond_the_limit_is_too_large_and_changes_nothing(api):
    whole = json.dumps({"name": "org/chunked", "storage_path": "x"}).encode() + b" " * 1024 * 1024 + b"and more"
    stream = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input": io.BytesIO(whole)}
    headers = {"X-API-Key": api.keys["admin"], "Content-Type": "application/json"}
    assert refusal(api.client.post("/api/v1/models", headers=headers, environ_overrides=stream)) == "too-large"
    assert api.get("/api/v1/models?name=org/chunked").json == []


def test_many_names_are_looked_through_once(api):
    names = "".join(f'"{number}":0,' for number in range(60_000))
    answer = api.post("/api/v1/models", f'{{{names}"59999":1}}'.encode())
    assert answer.status_code == 422
    assert "twice" in answer.json["detail"]
