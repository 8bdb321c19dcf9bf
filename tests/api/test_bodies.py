"""What a request may send: strict JSON, every field and parameter known and given once, nothing the database cannot hold."""

import io
import json

import pytest

MODELS, VERSIONS, DEPLOYMENTS, KEYS = "/api/v1/models", "/api/v1/versions", "/api/v1/deployments", "/api/v1/api-keys"
NOWHERE = "019ab2f0-7c1e-7d52-a1f3-2b7c9d0e4f11"
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


@pytest.mark.parametrize("path", [MODELS, VERSIONS, DEPLOYMENTS, KEYS])
@pytest.mark.parametrize("kind", [{}, {"content_type": "application/json"}])
def test_an_empty_body_names_what_is_required(api, path, kind):
    assert problem(api.request("POST", path, data=b"", **kind), 422, "validation")["errors"]


def test_a_promotion_needs_no_body(api):
    version = api.version(api.model())
    assert api.post(f"{VERSIONS}/{version['id']}/promote").status_code == 200
    assert api.post(f"{VERSIONS}/{version['id']}/demote", {}).status_code == 200


def test_a_body_over_a_mebibyte_is_too_large(api):
    problem(api.post(MODELS, b'{"description":"' + b"x" * (1 << 20) + b'"}'), 413, "too-large")


def test_a_body_of_a_mebibyte_is_read(api):
    raw = b'{"description":"' + b"x" * ((1 << 20) - 18) + b'"}'
    assert len(raw) == 1 << 20
    problem(api.post(MODELS, raw), 422, "validation")


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
def test_deeper_objects_are_refused(api, depth):
    problem(send(api, nested(depth)), 422, "validation")


@pytest.mark.parametrize("depth", [33, 3_000, 50_000])
def test_deeper_lists_are_refused(api, depth):
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
    assert "Known here: " in errors["is_relase"][0]
    assert "zzz" in errors


@pytest.mark.parametrize("path", ["/api/v1/versions", f"/api/v1/models/{NOWHERE}/versions"])
def test_the_known_parameters_are_listed(api, path):
    message = api.get(f"{path}?is_relase=true").json["errors"]["is_relase"][0]
    for name in ("limit", "cursor", "count", "model_name", "is_release", "environment", "created_before"):
        assert name in message


@pytest.mark.parametrize(("method", "path"), WRITES)
def test_a_write_refuses_parameters_nobody_knows(api, method, path):
    body = {} if method != "DELETE" else None
    assert "forse" in problem(api.request(method, f"{path}?forse=true", body), 422, "validation")["errors"]


@pytest.mark.parametrize("path", LISTS)
def test_a_repeated_parameter_is_refused(api, path):
    assert "limit" in problem(api.get(f"{path}?limit=1&limit=2"), 422, "validation")["errors"]
    assert "limit" in problem(api.get(f"{path}?limit=1&limit=1"), 422, "validation")["errors"]


def test_a_repeated_force_is_refused(api):
    response = api.delete(f"{MODELS}/{api.model()['id']}?force=false&force=true")
    assert "force" in problem(response, 422, "validation")["errors"]


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


@pytest.mark.parametrize(
    "query",
    [
        f"{VERSIONS}?is_release=yes",
        f"{VERSIONS}?is_release=",
        f"{VERSIONS}?is_release=1",
        f"{VERSIONS}?status=gone",
        f"{VERSIONS}?model_id=none",
        f"{VERSIONS}?created_after=yesterday",
        f"{VERSIONS}?created_after=2026-11-23T10:15:30",
        f"{VERSIONS}?created_after=2026-11-23",
        f"{VERSIONS}?created_after=0001-01-01T00:00:00%2B14:00",
        f"{VERSIONS}?created_after=9999-12-31T23:59:59-14:00",
        f"{VERSIONS}?created_before=2026-13-01T00:00:00Z",
        f"{VERSIONS}/latest",
        f"{VERSIONS}/latest?model_name=x&order=newest",
        f"{DEPLOYMENTS}?live=maybe",
        f"{DEPLOYMENTS}?status=done",
        "/api/v1/audit-logs?resource_id=1",
        "/api/v1/audit-logs?since=now",
    ],
)
def test_a_bad_value_in_a_query_is_refused(api, query):
    assert problem(api.get(query), 422, "validation")["errors"]


@pytest.mark.parametrize("size", [2**63, 2**64, 10**30, 1e300, -1, 1.5, "5", True, [], {}])
def test_a_size_that_no_bigint_holds_is_refused(api, size):
    response = api.post(VERSIONS, {"model_name": "x", "version": "1", "tag": "t", "digest": DIGEST, "size_bytes": size})
    assert "size_bytes" in problem(response, 422, "validation")["errors"]


@pytest.mark.parametrize("size", [0, 5.0, 2**53 + 1, 2**63 - 1])
def test_a_size_comes_back_as_it_was_sent(api, size):
    made = api.version(api.model(), size_bytes=size)
    found = api.get(f"{VERSIONS}/{made['id']}").json["size_bytes"]
    assert (found, type(found)) == (size, int)


def test_metadata_of_64_kib_is_taken_and_one_byte_more_is_not(api):
    full = {"a": "x" * (64 * 1024 - len('{"a":""}'))}
    assert api.model("org/full", metadata=full)["metadata"] == full
    over = {"a": full["a"] + "x"}
    response = api.post(MODELS, {"name": "org/over", "storage_path": "x", "metadata": over})
    assert "metadata" in problem(response, 422, "validation")["errors"]


def test_metadata_is_measured_in_bytes_and_not_characters(api):
    response = send(api, json.dumps({"a": "é" * 40_000}, ensure_ascii=False).encode())
    assert "metadata" in problem(response, 422, "validation")["errors"]


def test_metadata_holds_512_keys_and_not_one_more(api):
    full = {str(n): {"in": n} for n in range(256)}
    assert api.model("org/full", metadata=full)["metadata"] == full
    over = {**full, "list": [{"one": 1}]}
    response = api.post(MODELS, {"name": "org/over", "storage_path": "x", "metadata": over})
    assert "metadata" in problem(response, 422, "validation")["errors"]


@pytest.mark.parametrize("field", ["description"])
def test_a_description_has_ten_thousand_characters_at_most(api, field):
    assert api.model("org/long", **{field: "é" * 10_000})[field] == "é" * 10_000
    response = api.post(MODELS, {"name": "org/longer", "storage_path": "x", field: "é" * 10_001})
    assert field in problem(response, 422, "validation")["errors"]


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "ftp://x/y", "http://", "//x", "data:text/html,x", "http://a b", " http://a", "http://a\n"],
)
def test_a_link_is_http_or_https(api, url):
    body = {"release_id": NOWHERE, "environment": "production", "endpoint_url": url}
    assert "endpoint_url" in problem(api.post(DEPLOYMENTS, body), 422, "validation")["errors"]


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


def test_null_in_a_put_clears(api):
    model = api.model(description="x", repository="r", metadata={"a": 1})
    changed = api.put(f"{MODELS}/{model['id']}", {"description": None, "repository": None, "metadata": None})
    assert (changed.json["description"], changed.json["repository"], changed.json["metadata"]) == (None, None, {})
    version = api.version(model, release_notes="x", quantization="int8", ceph_path="p", metadata={"a": 1})
    cleared = dict.fromkeys(("release_notes", "quantization", "ceph_path"))
    changed = api.put(f"{VERSIONS}/{version['id']}", {**cleared, "metadata": None}).json
    assert {name: changed[name] for name in cleared} == cleared
    assert changed["metadata"] == {}


@pytest.mark.parametrize(("path", "field"), [(MODELS, "storage_path"), (VERSIONS, "status"), (VERSIONS, "is_release")])
def test_null_in_a_put_is_refused_where_it_cannot_be_empty(api, path, field):
    model = api.model()
    thing = model if path == MODELS else api.version(model)
    assert field in problem(api.put(f"{path}/{thing['id']}", {field: None}), 422, "validation")["errors"]


@pytest.mark.parametrize("value", ["other", None, 1, ["x"]])
@pytest.mark.parametrize(
    ("path", "field"),
    [(MODELS, "name"), *((VERSIONS, name) for name in ("version", "tag", "digest", "size_bytes", "platform"))],
)
def test_what_never_changes_is_refused_by_name(api, path, field, value):
    model = api.model()
    thing = model if path == MODELS else api.version(model)
    errors = problem(api.put(f"{path}/{thing['id']}", {field: value}), 422, "validation")["errors"]
    assert "never changes" in errors[field][0].lower()


@pytest.mark.parametrize(
    "path", [f"{MODELS}/none", f"{VERSIONS}/0", f"{DEPLOYMENTS}/{NOWHERE}x", f"{KEYS}/x", f"{VERSIONS}/{NOWHERE}/none"]
)
def test_an_id_that_is_no_uuid_is_not_found(api, path):
    method = "DELETE" if path.startswith(KEYS) else "GET"
    problem(api.request(method, path), 404, "not-found")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (VERSIONS, {"model_id": "none", "version": "1", "tag": "t", "digest": DIGEST}),
        (DEPLOYMENTS, {"release_id": "1", "environment": "e"}),
    ],
)
def test_an_id_in_a_body_that_is_no_uuid_is_not_found(api, path, body):
    problem(api.post(path, body), 404, "not-found")


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
    answer = api.client.post("/api/v1/models", headers=headers, environ_overrides=stream)
    assert (answer.status_code, answer.json["type"]) == (413, "/docs/errors/too-large")
    assert api.get("/api/v1/models?name=org/chunked").json == []


def test_many_names_are_looked_through_once(api):
    names = "".join(f'"{number}":0,' for number in range(60_000))
    answer = api.post("/api/v1/models", f'{{{names}"59999":1}}'.encode())
    assert answer.status_code == 422
    assert "twice" in answer.json["detail"]
