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


def bad_request(api):
    return api.post(MODELS, b'{"name": ')


def unauthenticated(api):
    return api.by(None).get(MODELS)


def forbidden(api):
    return api.by("viewer").post(MODELS, {})


def not_found(api):
    return api.get(f"{MODELS}/{NOWHERE}")


def no_address(api):
    return api.get("/api/v1/nothing")


def method_not_allowed(api):
    return api.request("PATCH", MODELS)


def conflict(api):
    api.model("org/bert")
    return api.post(MODELS, {"name": "org/bert", "storage_path": "x"})


def precondition_failed(api):
    model = api.model("org/bert")
    headers = {"If-Match": '"999-0123456789abcdef"'}
    return api.put(f"{MODELS}/{model['id']}", {"description": "x"}, headers=headers)


def too_large(api):
    return api.post(MODELS, b'{"description": "' + b"x" * 1024 * 1024 + b'"}')


def unsupported_media_type(api):
    return api.post(MODELS, b"{}", content_type="text/plain")


def validation(api):
    return api.post(MODELS, {"name": "a//b", "storage_path": 1})


def unknown_parameter(api):
    return api.get(f"{MODELS}?typo=1")


def idempotency_mismatch(api):
    headers = {"Idempotency-Key": "once"}
    api.post(MODELS, {"name": "a", "storage_path": "x"}, headers=headers)
    return api.post(MODELS, {"name": "b", "storage_path": "x"}, headers=headers)


PROVOKED = [
    (bad_request, "bad-request"),
    (unauthenticated, "unauthenticated"),
    (forbidden, "forbidden"),
    (not_found, "not-found"),
    (no_address, "not-found"),
    (method_not_allowed, "method-not-allowed"),
    (conflict, "conflict"),
    (precondition_failed, "precondition-failed"),
    (too_large, "too-large"),
    (unsupported_media_type, "unsupported-media-type"),
    (validation, "validation"),
    (unknown_parameter, "validation"),
    (idempotency_mismatch, "idempotency-mismatch"),
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


@pytest.mark.parametrize(("provoke", "code"), PROVOKED)
def test_a_refusal_is_a_problem(api, provoke, code):
    is_problem(provoke(api), code)


@pytest.mark.parametrize(("provoke", "code"), PROVOKED)
def test_a_problem_has_errors_where_fields_are_at_fault(api, provoke, code):
    errors = provoke(api).json.get("errors")
    if code != "validation":
        assert errors is None
    else:
        assert errors
        assert all(isinstance(messages, list) and all(messages) for messages in errors.values())


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


def test_an_unknown_type_has_no_page(api):
    is_problem(api.by(None).get("/docs/errors/nonsense"), "not-found")


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


@pytest.mark.parametrize(("provoke", "code"), PROVOKED)
def test_a_refusal_changes_nothing(api, provoke, code, sql):
    provoke(api)
    assert sql("SELECT count(*) AS rows FROM models")[0]["rows"] <= 1
    assert sql("SELECT count(*) AS rows FROM models WHERE description IS NOT NULL")[0]["rows"] == 0
