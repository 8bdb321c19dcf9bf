"""The JSON API by the session of a browser: our own pages may read with it, and nobody else may do anything."""

import dataclasses
import re

import pytest
from signing_in import COOKIE, OURS, client, sign_in

from catapult.app import create_app
from catapult.extensions import db

__all__ = ["client", "sign_in"]
READ, NOWHERE = "/api/v1/models", "00000000-0000-7000-8000-000000000000"
SITES = ("same-site", "cross-site", "none", "", "SAME-ORIGIN", "same-origin, cross-site")
ELSEWHERE = (
    *("https://localhost", "http://localhost:8080", "http://localhost.evil.test", "http://evil.test", "http://["),
    *("null", "", "http://localhost@evil.test", "//localhost", "http://api.localhost"),
)


def refused(answer):
    """Whether the answer asks for a key and holds nothing else."""
    assert answer.status_code in (200, 401)
    if answer.status_code == 401:
        assert answer.json["type"] == "/docs/errors/unauthenticated"
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    return answer.status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        OURS,
        {**OURS, "Origin": "http://localhost", "Referer": "http://localhost/docs"},
        *({"Referer": f"http://{host}/docs"} for host in ("localhost", "LOCALHOST")),
        {"Origin": "http://localhost"},
        {**OURS, "Referer": "https://localhost/docs"},  # behind a proxy that is not in TRUSTED_PROXIES
    ],
)
def test_our_own_pages_read_with_the_session(sign_in, api, headers):
    api.model("org/bert")
    _, client = sign_in()
    assert [model["name"] for model in client.get(READ, headers=headers).json] == ["org/bert"]
    assert client.head(READ, headers=headers).status_code == 200
    assert client.get("/api/v1/me", headers=headers).json["key_name"] == "releaser-key"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        *({"Sec-Fetch-Site": site} for site in SITES),
        *({"Sec-Fetch-Site": site, "Referer": "http://localhost/docs", "Origin": "http://localhost"} for site in SITES),
        *({"Origin": address} for address in ELSEWHERE),
        *({"Referer": f"{address}/docs"} for address in ELSEWHERE),
        *({**OURS, "Origin": address} for address in ELSEWHERE),  # CORS applies, whatever else is sent
        *({"Origin": address, "Referer": "http://localhost/docs"} for address in ELSEWHERE),
        *({"Origin": "http://localhost", "Referer": f"{address}/"} for address in ELSEWHERE),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_no_other_page_reads_with_the_session(sign_in, method, headers):
    _, client = sign_in()
    answer = client.open(READ, method=method, headers=headers)
    assert answer.status_code == 401 if method == "HEAD" else refused(answer)


def test_no_shared_origin_reads_with_the_session(app, keys, sign_in):
    _, signed_in = sign_in()
    for origins in (("https://ml.example.com",), ("*",)):
        shared = create_app(dataclasses.replace(app.extensions["catapult"], cors_origins=origins))
        try:
            client = shared.test_client()
            client.set_cookie(COOKIE, signed_in.get_cookie(COOKIE).value)
            for headers in ({}, {"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": "cross-site"}, OURS):
                answer = client.get(READ, headers={"Origin": "https://ml.example.com", **headers})
                assert refused(answer)
                assert "Access-Control-Allow-Credentials" not in answer.headers
        finally:
            with shared.app_context():
                db.engine.dispose()


def test_nothing_is_changed_with_the_session(sign_in, keys, api, sql):
    paths = api.by(None).get("/openapi.json").json["paths"]
    _, client = sign_in(keys["admin"])
    before = sql("SELECT count(*) FROM audit_logs")
    changes = [(method, path) for path, item in paths.items() for method in item if method in ("post", "put", "delete")]
    assert len(changes) > 20
    for method, path in [*changes, ("patch", READ)]:
        path = re.sub(r"\{\w*id\}", NOWHERE, path).replace("{name}", "production")
        answer = client.open(path, method=method.upper(), json={}, headers={**OURS, "Origin": "http://localhost"})
        assert (answer.status_code == 405 and method == "patch") or refused(answer), (method, path)
        assert method == "patch" or "only to read" in answer.json["detail"]
    assert sql("SELECT count(*) FROM audit_logs") == before


@pytest.mark.parametrize(
    "sent",
    [
        *({"X-API-Key": key} for key in ("cat_wrong", "", " ")),
        *({"Authorization": value} for value in ("Bearer cat_wrong", "Bearer", "Basic YTpi", "")),
    ],
)
def test_a_key_that_was_sent_decides_alone(sign_in, keys, sent):
    _, client = sign_in(keys["admin"])
    assert refused(client.get(READ, headers={**OURS, **sent}))


def test_a_key_beside_the_session_is_the_one_that_asks(sign_in, keys):
    _, client = sign_in(keys["admin"])
    for headers in ({**OURS, "X-API-Key": keys["viewer"]}, {"X-API-Key": keys["viewer"]}):
        assert client.get("/api/v1/me", headers=headers).json["key_name"] == "viewer-key"
        assert client.get("/api/v1/api-keys", headers=headers).status_code == 403


@pytest.mark.parametrize(
    "end",
    [
        "UPDATE sessions SET created_at = now() - interval '12 hours 1 second'",
        "UPDATE sessions SET used_at = now() - interval '2 hours 1 second'",
        "UPDATE api_keys SET revoked_at = now() WHERE name = 'releaser-key'",
        "UPDATE api_keys SET expires_at = now() WHERE name = 'releaser-key'",
        "DELETE FROM sessions",
    ],
)
def test_a_session_that_has_ended_reads_nothing(sign_in, sql, end):
    _, client = sign_in()
    assert not refused(client.get(READ, headers=OURS))
    sql(end)
    assert refused(client.get(READ, headers=OURS))


def test_a_session_reads_with_the_role_of_its_key(sign_in, keys):
    assert sign_in(keys["viewer"])[1].get("/api/v1/api-keys", headers=OURS).status_code == 403
    assert sign_in(keys["admin"])[1].get("/api/v1/api-keys", headers=OURS).status_code == 200


def test_a_session_has_the_bounds_of_its_key(sign_in, api):
    bounds = {"models": ["org/*"], "environments": []}
    key = api.make("/api/v1/api-keys", {"name": "bounded", "role": "publisher", **bounds})["key"]
    me = sign_in(key)[1].get("/api/v1/me", headers=OURS).json
    assert (me["role"], me["bounds"]) == ("publisher", bounds)


def test_an_answer_to_a_session_is_for_this_browser_alone(sign_in, keys, api, client):
    version = api.version(api.model())
    _, signed_in = sign_in()
    for path in (READ, f"/api/v1/versions/{version['id']}", "/api/v1/nothing"):
        for headers in (OURS, {}):
            answer = signed_in.get(path, headers=headers)
            assert set(answer.headers["Cache-Control"].split(", ")) == {"private", "no-cache"}
            assert {"cookie", "x-api-key", "authorization"} <= {name.lower() for name in answer.vary}
    answer = client.get(READ, headers={"X-API-Key": keys["viewer"]})
    assert answer.headers["Cache-Control"] == "no-cache"


def test_a_read_counts_as_use_of_the_session(sign_in, sql):
    _, client = sign_in()
    sql("UPDATE sessions SET used_at = now() - interval '1 hour'")
    client.get(READ, headers=OURS)
    assert sql("SELECT 1 FROM sessions WHERE used_at > now() - interval '1 minute'")


def test_a_refused_page_does_not_count_as_use_of_the_session(sign_in, sql):
    _, client = sign_in()
    sql("UPDATE sessions SET used_at = now() - interval '1 hour'")
    client.get(READ, headers={"Sec-Fetch-Site": "cross-site"})
    client.post(READ, json={}, headers=OURS)
    assert not sql("SELECT 1 FROM sessions WHERE used_at > now() - interval '1 minute'")
