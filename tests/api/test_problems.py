"""Refusals: each is a problem document that tells what to do and nothing of our insides."""

import re

import pytest
from stage import NOWHERE

MODELS = "/api/v1/models"
FIELDS = {"type", "title", "status", "detail", "instance", "request_id"}
TYPES = {
    "bad-request": 400,
    "unauthenticated": 401,
    "forbidden": 403,
    "not-found": 404,
    "method-not-allowed": 405,
    "conflict": 409,
    "blocked": 409,
    "frozen": 409,
    "idempotency-in-progress": 409,
    "precondition-failed": 412,
    "too-large": 413,
    "unsupported-media-type": 415,
    "validation": 422,
    "idempotency-mismatch": 422,
    "rate-limited": 429,
    "internal": 500,
    "unavailable": 503,
    "insufficient-storage": 507,
}
LEAKS = re.compile(
    r"select|insert into|update \w+ set|psycopg|sqlalchemy|traceback|uq_|pk_|fk_|ck_|relation|constraint|violat|/site-packages/",
    re.IGNORECASE,
)


NEW = {"name": "a", "storage_path": "x"}
OLD = {"If-Match": '"999-0123456789abcdef"'}
ONCE = {"Idempotency-Key": "once"}
PROVOKED = [
    ("bad-request", "admin", "POST", MODELS, b'{"name": ', {}),
    ("unauthenticated", None, "GET", MODELS, None, {}),
    ("forbidden", "viewer", "POST", MODELS, {}, {}),
    ("not-found", "admin", "GET", f"{MODELS}/{NOWHERE}", None, {}),
    ("not-found", "admin", "GET", "/api/v1/nothing", None, {}),
    ("method-not-allowed", "admin", "PATCH", MODELS, None, {}),
    ("conflict", "admin", "POST", MODELS, {"name": "org/bert", "storage_path": "x"}, {}),
    ("precondition-failed", "admin", "PUT", f"{MODELS}/{{id}}", {"description": "x"}, OLD),
    ("too-large", "admin", "POST", MODELS, b'{"description": "' + b"x" * 1024 * 1024 + b'"}', {}),
    ("unsupported-media-type", "admin", "POST", MODELS, b"{}", {"Content-Encoding": "gzip"}),
    ("validation", "admin", "POST", MODELS, {"name": "a//b", "storage_path": 1}, {}),
    ("validation", "admin", "GET", f"{MODELS}?typo=1", None, {}),
    ("idempotency-mismatch", "admin", "POST", MODELS, {**NEW, "name": "b"}, ONCE),
]


def is_problem(response, code):
    assert response.status_code == TYPES[code], response.text
    assert response.content_type == "application/problem+json"
    problem = response.json
    assert set(problem) - {"errors"} == FIELDS
    assert problem["type"] == f"/docs/errors/{code}"
    assert problem["status"] == response.status_code
    assert problem["title"]
    assert problem["detail"][-1] in ".?"
    assert problem["request_id"] == response.headers["X-Request-ID"]
    assert problem["instance"] == response.request.path
    assert not LEAKS.search(response.text), response.text
    return problem


@pytest.mark.parametrize(
    ("code", "role", "method", "path", "body", "headers"), PROVOKED, ids=[code for code, *_ in PROVOKED]
)
def test_a_refusal_is_a_problem_names_bad_fields_and_changes_nothing(api, code, role, method, path, body, headers):
    model = api.model("org/bert")
    api.post(MODELS, NEW, headers=ONCE)
    before = api.get(MODELS).json
    problem = is_problem(api.by(role).request(method, path.format(id=model["id"]), body, headers=headers), code)
    assert ("errors" in problem) is (code == "validation")
    for messages in problem.get("errors", {}).values():
        assert isinstance(messages, list)
        assert all(messages)
    assert api.get(MODELS).json == before


def test_a_problem_has_the_request_id_that_was_sent(api):
    problem = api.get(f"{MODELS}/{NOWHERE}", headers={"X-Request-ID": "run-42"}).json
    assert problem["request_id"] == "run-42"


def test_a_fault_of_ours_tells_nothing_of_its_cause(api, sql):
    sql("ALTER TABLE models RENAME TO away")
    for response in (api.get(MODELS), api.post(MODELS, {"name": "a", "storage_path": "x"})):
        is_problem(response, "internal")


def test_a_method_that_is_not_possible_is_answered_with_those_that_are(api):
    allowed = api.request("PATCH", MODELS).headers["Allow"]
    assert {"GET", "POST"} <= set(allowed.split(", "))


@pytest.mark.parametrize("code", TYPES)
def test_every_type_has_a_page_that_explains_it(api, code):
    page = api.by(None).get(f"/docs/errors/{code}")
    assert page.status_code == 200
    assert page.content_type.startswith("text/html")
    assert code in page.text
    assert str(TYPES[code]) in page.text


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", MODELS, {"name": "x'; DROP TABLE models; --", "storage_path": "x"}),
        ("GET", f"{MODELS}?search=%27%20OR%201%3D1--", None),
        ("GET", f"{MODELS}?name=%27", None),
        ("GET", f"{MODELS}/{NOWHERE}'", None),
        ("GET", "/api/v1/versions?cursor='", None),
        ("GET", "/api/v1/versions?model_id='", None),
        ("GET", f"{MODELS}?search=" + "x" * 9_000, None),
        ("GET", f"{MODELS}?search=%00", None),
        ("GET", "/api/v1/versions?version=%FF", None),
        ("GET", "/api/v1/versions?created_after=0001-01-01T00:00:00%2B23:59", None),
        ("GET", "/api/v1/versions?created_before=9999-12-31T23:59:59-23:59", None),
        ("POST", "/api/v1/versions", {"model_name": "a'b", "version": "'", "tag": "x", "digest": "a:'"}),
        ("POST", "/api/v1/versions", {"model_name": "\ud800", "version": "1", "tag": "x", "digest": "a:b"}),
        ("POST", "/api/v1/versions", {"model_name": "x" * 100_000, "version": "1", "tag": "x", "digest": "a:b"}),
    ],
)
def test_odd_requests_are_no_faults_and_leak_nothing(api, method, path, body):
    response = api.request(method, path, body)
    assert response.status_code in (200, 404, 422), response.text
    assert not re.search(r"DROP|psycopg|sqlalchemy|SELECT|LINE 1", response.text.replace("DROP TABLE models; --", ""))
