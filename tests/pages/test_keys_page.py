import re
from datetime import UTC, datetime, timedelta

import pytest

KEY = re.compile(r"cat_[A-Za-z0-9]{8}_[A-Za-z0-9]{49}")


@pytest.fixture
def made(api):
    return api.make("/api/v1/api-keys", {"name": "training"})


def row(response, key):
    return re.search(rf'<tr id="key-{key["id"]}">.*?</tr>', response.text, re.DOTALL)[0]


def state(response, key):
    return re.search(r'class="chip[^"]*">(\w+)', row(response, key))[1]


def test_a_key_that_nobody_used_was_never_used(browser, made, sql):
    page = browser.get(f"/keys/{made['id']}/revoke").text
    assert "it was never used." in page
    sql("UPDATE api_keys SET last_used_at = now() WHERE id = :id", id=made["id"])
    assert "it was last used <time" in browser.get(f"/keys/{made['id']}/revoke").words


def test_the_list_tells_active_expired_and_revoked_apart_in_words(browser, api, made, sql):
    expired, revoked = (api.make("/api/v1/api-keys", {"name": name}) for name in ("old", "lost"))
    sql("UPDATE api_keys SET expires_at = now() - interval '1 day' WHERE id = :id", id=expired["id"])
    api.delete(f"/api/v1/api-keys/{revoked['id']}")
    page = browser.get("/keys")
    assert [state(page, key) for key in (made, expired, revoked)] == ["active", "expired", "revoked"]
    assert f"/keys/{made['id']}/revoke" in row(page, made)
    assert "/revoke" not in row(page, revoked)
    assert made["prefix"] in row(page, made)
    assert made["key"] not in page.text


def test_a_new_key_is_shown_once_and_opens_the_door(browser, api):
    response = browser.post("/new/key", {"name": "ci", "role": "viewer", "ends": "never", "expires_at": ""})
    assert response.status_code == 200
    assert response.text.startswith("<!doctype html>")
    assert response.headers["Cache-Control"] == "no-store, no-transform"
    assert "Location" not in response.headers
    (key,) = set(KEY.findall(response.text))
    assert f"REGISTRY_API_KEY={key}" in response.text
    assert 'data-copy-from="#new-key"' in response.text
    assert api.by(None).get("/api/v1/models", headers={"X-API-Key": key}).status_code == 200
    assert key not in browser.get("/keys").text


@pytest.mark.parametrize(
    ("sent", "days"),
    [
        ({"ends": "in 30 days"}, 30),
        ({"ends": "in a year"}, 365),
        ({"ends": "in 30 days", "expires_at": "typed"}, 3),
    ],
)
def test_a_key_ends_when_it_was_said_to(browser, api, sent, days):
    if "expires_at" in sent:
        sent = {**sent, "expires_at": f"{datetime.now(UTC) + timedelta(days=days):%Y-%m-%dT%H:%M}"}
    assert browser.post("/new/key", {"name": "ends", "role": "viewer", **sent}).status_code == 200
    key = next(key for key in api.get("/api/v1/api-keys").json if key["name"] == "ends")
    ends = datetime.fromisoformat(key["expires_at"]) - datetime.now(UTC)
    assert abs(ends - timedelta(days=days)) < timedelta(minutes=2)


def test_revoking_without_javascript_goes_back_to_the_list(browser, api, made, trail):
    assert "cannot be undone" in browser.get(f"/keys/{made['id']}/revoke").text
    response = browser.post(f"/keys/{made['id']}/revoke", {"confirm": "training"})
    assert (response.status_code, response.headers["Location"]) == (303, "/keys")
    assert api.by(None).get("/api/v1/models", headers={"X-API-Key": made["key"]}).status_code == 401
    assert [entry["api_key_name"] for entry in trail("api_key.revoke")] == ["admin-key"]


@pytest.mark.parametrize("htmx", [None, "form"])
def test_the_key_in_use_is_refused_in_place(browser, api, trail, htmx):
    own = next(key for key in api.get("/api/v1/api-keys").json if key["name"] == "admin-key")
    response = browser.post(f"/keys/{own['id']}/revoke", {"confirm": "admin-key"}, htmx=htmx)
    assert response.status_code == 409
    assert response.text.lstrip().startswith("<form" if htmx else "<!doctype html>")
    assert "This is the key you are using" in response.text
    assert 'value="admin-key"' in response.text
    assert not trail("api_key.revoke")
