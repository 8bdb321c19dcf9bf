"""What a request may send: strict JSON, every field and parameter known and given once, nothing the database cannot hold."""

import io
import json

import pytest
from stage import NOWHERE, refusal

MODELS, VERSIONS, DEPLOYMENTS, KEYS = "/api/v1/models", "/api/v1/versions", "/api/v1/deployments", "/api/v1/api-keys"
DIGEST = "sha256:" + "a" * 64

READS = [
    "/api/health",
    "/api/v1/info",
    MODELS,
    f"{MODELS}/{NOWHERE}",
    f"{MODELS}/{NOWHERE}/versions",
    VERSIONS,
    f"{VERSIONS}/latest",
    f"{VERSIONS}/{NOWHERE}",
    f"{VERSIONS}/{NOWHERE}/deployments",
    DEPLOYMENTS,
    f"{DEPLOYMENTS}/{NOWHERE}",
    KEYS,
    "/api/v1/audit-logs",
    "/api/v1/images",
    f"/api/v1/images/{NOWHERE}",
    f"/api/v1/images/{NOWHERE}/versions",
]
WRITES = [
    ("POST", MODELS),
    ("PUT", f"{MODELS}/{NOWHERE}"),
    ("DELETE", f"{MODELS}/{NOWHERE}"),
    ("POST", VERSIONS),
    ("PUT", f"{VERSIONS}/{NOWHERE}"),
    ("DELETE", f"{VERSIONS}/{NOWHERE}"),
    ("POST", f"{VERSIONS}/{NOWHERE}/promote"),
    ("POST", f"{VERSIONS}/{NOWHERE}/demote"),
    ("POST", DEPLOYMENTS),
    ("POST", KEYS),
    ("DELETE", f"{KEYS}/{NOWHERE}"),
    ("POST", "/api/v1/images"),
    ("PUT", f"/api/v1/images/{NOWHERE}"),
    ("DELETE", f"/api/v1/images/{NOWHERE}"),
]
BODIES = [(method, path) for method, path in WRITES if method != "DELETE"]
LISTS = [
    MODELS,
    VERSIONS,
    DEPLOYMENTS,
    KEYS,
    "/api/v1/audit-logs",
    f"{MODELS}/{NOWHERE}/versions",
    f"{VERSIONS}/{NOWHERE}/deployments",
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


@pytest.mark.parametrize(("method", "path"), BODIES)
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
def test_another_type_than_json_is_refused(api, method, path, content_type, body):
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


@pytest.mark.parametrize(("method", "path"), BODIES)
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
def test_what_is_no_json_is_a_bad_request(api, method, path, raw):
    problem(api.request(method, path, raw), 400, "bad-request")


@pytest.mark.parametrize(("method", "path"), BODIES)
@pytest.mark.parametrize("raw", [b"[]", b'[{"name":"x"}]', b'"text"', b"1", b"true", b"null"])
def test_a_body_that_is_no_object_is_refused(api, method, path, raw):
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


@pytest.mark.parametrize(
    "number",
    [
        "123456789012345678901234567890",
        "-123456789012345678901234567890",
        "9007199254740993",
        "9223372036854775808",
        "0.1",
        "1e-300",
        "0.30000000000000004",
        "17976931348623157" + "0" * 292,
    ],
    ids=lambda number: number[:20],
)
def test_a_number_survives_exactly(api, number):
    made = send(api, b'{"n":' + number.encode() + b"}")
    assert made.status_code == 201, made.text
    stored = api.get(f"{MODELS}/{made.json['id']}").json["metadata"]["n"]
    assert made.json["metadata"]["n"] == stored == json.loads(number)


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


@pytest.mark.parametrize(("method", "path"), BODIES)
@pytest.mark.parametrize(
    "raw",
    [
        rb'{"name":"a\u0000b"}',
        rb'{"reason":"\u0000"}',
        rb'{"metadata":{"a":"\u0000"}}',
        rb'{"metadata":{"a\u0000":1}}',
        rb'{"metadata":{"deep":[[{"a":["\u0000"]}]]}}',
        rb'{"\u0000":1}',
    ],
)
def test_the_nul_character_is_refused_wherever_it_stands(api, method, path, raw):
    assert problem(api.request(method, path, raw), 422, "validation")["errors"]


@pytest.mark.parametrize(
    "raw",
    [
        rb'{"name":"a\ud800b"}',
        rb'{"reason":"\udc00"}',
        rb'{"metadata":{"a":"\udfff\ud800"}}',
        rb'{"metadata":{"\ud800":1}}',
        rb'{"\ud800":1}',
    ],
)
@pytest.mark.parametrize(("method", "path"), BODIES)
def test_half_a_surrogate_pair_is_refused_wherever_it_stands(api, method, path, raw):
    assert problem(api.request(method, path, raw), 422, "validation")["errors"]


def test_a_whole_surrogate_pair_is_a_character(api):
    made = send(api, rb'{"a":"\ud83d\ude80"}')
    assert made.json["metadata"] == {"a": "\U0001f680"}


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


@pytest.mark.parametrize(
    ("method", "path"),
    BODIES,
)
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
        "release_notes": "x" * 10_001,
        "metadata": [],
        "is_release": "yes",
        "auto_build": True,
        "build_config": {},
        "typo": 1,
    }
    assert problem(api.post(VERSIONS, body), 422, "validation")["errors"].keys() == body.keys()


@pytest.mark.parametrize("path", READS)
def test_a_parameter_nobody_knows_is_refused_with_those_there_are(api, path):
    errors = problem(api.get(f"{path}?is_relase=true&zzz=1"), 422, "validation")["errors"]
    assert "Known parameters: " in errors["is_relase"][0]
    assert "zzz" in errors
    known = ("limit", "cursor", "count", "model_name", "is_release", "environment", "created_before")
    assert all(name in errors["zzz"][0] for name in (known if path.endswith("/versions") else ()))


@pytest.mark.parametrize(("method", "path"), WRITES)
def test_a_write_refuses_parameters_nobody_knows(api, method, path):
    body = {} if method != "DELETE" else None
    assert "forse" in problem(api.request(method, f"{path}?forse=true", body), 422, "validation")["errors"]


@pytest.mark.parametrize("path", LISTS)
def test_a_repeated_parameter_is_refused(api, path):
    assert "limit" in problem(api.get(f"{path}?limit=1&limit=2"), 422, "validation")["errors"]
    assert "limit" in problem(api.get(f"{path}?limit=1&limit=1"), 422, "validation")["errors"]


@pytest.mark.parametrize(
    "query",
    [
        f"{MODELS}?search=%00",
        f"{MODELS}?name=a%00b",
        f"{MODELS}?tag=%00",
        f"{VERSIONS}?digest=%00",
        f"{VERSIONS}?cursor=%00",
        f"{VERSIONS}?status=%00",
        f"{VERSIONS}?%00=1",
        f"{VERSIONS}/latest?model_name=%00",
        f"{DEPLOYMENTS}?environment=%00",
        "/api/v1/audit-logs?api_key_name=%00",
    ],
)
def test_the_nul_character_is_refused_in_a_query(api, query):
    problem(api.get(query), 422, "validation")


def test_metadata_of_64_kib_is_taken_and_one_byte_more_is_not(api):
    full = {"a": "x" * (64 * 1024 - len('{"a":""}'))}
    assert api.model("org/full", metadata=full)["metadata"] == full
    for over in (full["a"] + "x", "é" * 40_000):
        raw = json.dumps({"a": over}, ensure_ascii=False).encode()
        assert "metadata" in problem(send(api, raw), 422, "validation")["errors"]


def test_metadata_holds_512_keys_and_not_one_more(api):
    full = {str(n): {"in": n} for n in range(256)}
    assert api.model("org/full", metadata=full)["metadata"] == full
    over = {**full, "list": [{"one": 1}]}
    response = api.post(MODELS, {"name": "org/over", "storage_path": "x", "metadata": over})
    assert "metadata" in problem(response, 422, "validation")["errors"]


def test_null_in_a_post_is_the_same_as_leaving_it_out(api):
    model = api.model(description=None, tags=None, metadata=None, repository=None)
    assert (model["description"], model["tags"], model["metadata"], model["repository"]) == (None, [], {}, None)
    version = api.version(
        model, platform=None, size_bytes=None, metadata=None, is_release=None, build_config=None, auto_build=None
    )
    assert (version["platform"], version["metadata"], version["is_release"]) == ("linux/amd64", {}, False)
    assert api.post(f"{VERSIONS}/{version['id']}/promote", {"reason": None}).status_code == 200
    response = api.post(VERSIONS, {"model_id": model["id"], "version": None, "tag": "t", "digest": DIGEST})
    assert "version" in problem(response, 422, "validation")["errors"]


def test_metadata_shows_nested_errors_where_they_are(api):
    response = api.post(MODELS, {"name": "a", "storage_path": "x", "tags": ["ok", 1, ""]})
    assert {"1", "2"} <= problem(response, 422, "validation")["errors"]["tags"].keys()


def test_a_field_that_cannot_be_stored_does_not_hide_the_others(api):
    answer = api.post("/api/v1/models", {"name": "a\0", "bogus": 1, "description": 5})
    assert set(answer.json["errors"]) == {"name", "bogus", "description", "storage_path"}


def test_an_unknown_parameter_does_not_hide_a_bad_one(api):
    assert set(api.get("/api/v1/models?limit=x&bogus=1").json["errors"]) == {"limit", "bogus"}


@pytest.mark.parametrize("path", ["/api/v1/models", "/api/v1/versions"])
def test_an_empty_body_names_everything_that_is_needed(api, path):
    needed = {
        "/api/v1/models": {"name", "storage_path"},
        "/api/v1/versions": {"version", "tag", "digest", "model_name"},
    }
    assert set(api.post(path, {}).json["errors"]) == needed[path]


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
