"""CORS_ORIGINS: which pages of other origins a browser lets read the API's answers."""

import dataclasses

import pytest
from stage import Api

from catapult.app import create_app
from catapult.extensions import db

PAGE, OTHER = "https://ml.example.com", "http://localhost:3000"
EXPOSED = {"link", "etag", "location", "retry-after", "x-request-id", "x-total-count"} | {
    "idempotency-replayed",
    "catapult-key-expires",
}
PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "x-api-key, content-type, idempotency-key, if-match, x-request-id",
}


@pytest.fixture
def shared(app, keys):
    """The API of an application whose answers two origins may read, on the test's own database."""
    made = create_app(dataclasses.replace(app.extensions["catapult"], cors_origins=(PAGE, OTHER)))
    yield Api(made, keys)
    with made.app_context():
        db.engine.dispose()


def words(header):
    return {word.strip().lower() for word in header.split(",")}


def cors_headers(api, origin):
    """Return the names of the CORS headers of a preflight and of a read from that origin."""
    preflight = api.by(None).request("OPTIONS", "/api/v1/models", headers={"Origin": origin, **PREFLIGHT})
    read = api.get("/api/v1/models", headers={"Origin": origin})
    assert read.status_code == 200
    names = [*preflight.headers.keys(), *read.headers.keys()]
    return [name for name in names if name.lower().startswith("access-control-")]


@pytest.mark.parametrize("origin", [PAGE, OTHER])
def test_a_named_origin_may_send_a_preflight(shared, origin):
    answer = shared.by(None).request("OPTIONS", "/api/v1/models", headers={"Origin": origin, **PREFLIGHT})
    assert answer.status_code in (200, 204)
    assert answer.headers["Access-Control-Allow-Origin"] == origin
    assert words(answer.headers["Access-Control-Allow-Methods"]) >= {"get", "post", "put", "delete"}
    assert words(answer.headers["Access-Control-Allow-Headers"]) >= words(PREFLIGHT["Access-Control-Request-Headers"])
    assert int(answer.headers["Access-Control-Max-Age"]) > 0
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert "origin" in words(answer.headers["Vary"])


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/api/v1/models", {}, 200),
        ("/api/v1/models", {"X-API-Key": "cat_wrong"}, 401),
        ("/api/v1/models/nowhere", {}, 404),
        ("/api/v1/models?x=1", {}, 422),
    ],
)
def test_a_named_origin_may_read_answers_and_their_headers(shared, path, headers, status):
    answer = shared.get(path, headers={"Origin": PAGE, **headers})
    assert answer.status_code == status
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE
    assert words(answer.headers["Access-Control-Expose-Headers"]) >= EXPOSED
    assert "origin" in words(answer.headers["Vary"])


@pytest.mark.parametrize(
    "origin", ["https://evil.example.com", f"{PAGE}.evil.com", "http://ml.example.com", f"{PAGE}:8443", "null"]
)
def test_another_origin_may_neither_ask_nor_read(shared, origin):
    assert cors_headers(shared, origin) == []


def test_without_the_setting_no_origin_may_read(api):
    assert cors_headers(api, PAGE) == []
