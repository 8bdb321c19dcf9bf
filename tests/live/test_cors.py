"""CORS_ORIGINS: which pages of other origins a browser lets read the API's answers."""

from collections.abc import Callable, Iterator

import pytest
from up import Caller, Start, Up, for_a_team

pytestmark = pytest.mark.live
PAGE, OTHER = "https://ml.example.com", "https://evil.example.com"
EXPOSED = {"Link", "ETag", "Location", "Retry-After", "X-Request-ID", "X-Total-Count", "Idempotency-Replayed"}
PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "x-api-key, content-type, idempotency-key, if-match, x-request-id",
}


@pytest.fixture(scope="module")
def server(start: Start, make_database: Callable[[], str]) -> Up:
    """A server that two origins may use."""
    origins = f"{PAGE}, http://localhost:3000"
    return start(**for_a_team(make_database()), CORS_ORIGINS=origins, WEB_CONCURRENCY="1").ready()


@pytest.fixture
def caller(server: Up) -> Iterator[Caller]:
    with server.caller(server.key) as caller:
        yield caller


def words(header: str) -> set[str]:
    return {word.strip().lower() for word in header.split(",")}


def cors_headers(caller: Caller, origin: str) -> list[str]:
    """Return the CORS headers of a preflight and of a read from that origin."""
    preflight = caller.options("/api/v1/models", headers={"Origin": origin, **PREFLIGHT})
    read = caller.get("/api/v1/models", headers={"Origin": origin})
    assert read.status_code == 200
    return [name for name in (*preflight.headers, *read.headers) if name.lower().startswith("access-control-")]


@pytest.mark.parametrize("origin", [PAGE, "http://localhost:3000"])
def test_a_named_origin_may_send_a_preflight(server: Up, origin: str) -> None:
    with server.caller() as browser:
        answer = browser.options("/api/v1/models", headers={"Origin": origin, **PREFLIGHT})
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
        *(("/api/v1/models", {}, 200), ("/api/v1/models/nowhere", {}, 404), ("/api/v1/models?x=1", {}, 422)),
        ("/api/v1/models", {"X-API-Key": "cat_wrong"}, 401),
    ],
)
def test_a_named_origin_may_read_answers_and_their_headers(
    caller: Caller, path: str, headers: dict[str, str], status: int
) -> None:
    answer = caller.get(path, headers={"Origin": PAGE, **headers})
    assert answer.status_code == status
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE
    assert words(answer.headers["Access-Control-Expose-Headers"]) >= {name.lower() for name in EXPOSED}
    assert "origin" in words(answer.headers["Vary"])


@pytest.mark.parametrize("origin", [OTHER, f"{PAGE}.evil.com", "http://ml.example.com", f"{PAGE}:8443", "null"])
def test_another_origin_may_neither_ask_nor_read(caller: Caller, origin: str) -> None:
    assert cors_headers(caller, origin) == []


def test_without_the_setting_no_origin_may_read(live: Up) -> None:
    with live.by("viewer") as viewer:
        assert cors_headers(viewer, PAGE) == []
