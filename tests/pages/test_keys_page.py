import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from markup import Page, is_whole
from stage import NOWHERE

KEY = re.compile(r"cat_[A-Za-z0-9]{8}_[A-Za-z0-9]{49}")
OVER_THE_LIST = {"HX-Current-URL": "http://localhost/keys"}


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


def test_a_key_that_is_not_there_is_not_found(browser):
    assert browser.get("/keys/019ab2f0-7c1e-7d52-a1f3-2b7c9d0e4f11/revoke").status_code == 404
    assert browser.get("/keys/no-id/revoke").status_code == 404


# --- whose, bounds, last use ------------------------------------------------------------------------------------------


def test_the_list_says_whose_a_key_is_what_it_may_change_and_where_it_was_used_last(browser, api, made, sql):
    dana = api.make("/api/v1/people", {"name": "Dana Ortiz", "role": "releaser"})
    bounds = {"models": ["nlp/*", "cv/x"], "environments": []}
    key = api.make("/api/v1/api-keys", {"name": "laptop", "role": "viewer", "person_id": dana["id"], **bounds})
    sql("UPDATE api_keys SET last_used_at = now(), last_used_from = '192.0.2.7' WHERE id = :id", id=key["id"])
    page = Page(browser.get("/keys"))
    text = page.one("tr", id=f"key-{key['id']}").text
    assert all(part in text for part in ("Dana Ortiz", "models nlp/*, cv/x", "no environments", "from 192.0.2.7"))
    assert all(part in page.one("tr", id=f"key-{made['id']}").text for part in ("service", "no bounds"))


def endings(app, monkeypatch, days):
    """Set KEY_MAX_AGE."""
    settings = replace(app.extensions["catapult"], key_max_age=timedelta(days=days))
    monkeypatch.setitem(app.extensions, "catapult", settings)


def test_where_keys_must_end_those_without_an_end_are_marked_and_none_is_made(browser, api, app, made, monkeypatch):
    assert "no end" not in browser.get("/keys").text
    endings(app, monkeypatch, 60)
    assert "no end" in Page(browser.get("/keys")).one("tr", id=f"key-{made['id']}").text
    form = re.search(r'<select id="field-ends".*?</select>', browser.get("/new/key").text, re.DOTALL)[0]
    offered = Page(form).texts("option")
    assert offered == ["in 7 days", "in 30 days", "in 60 days, the longest here"]
    data = {"name": "ci", "role": "viewer"}
    assert browser.post("/new/key", {**data, "ends": "never"}).status_code == 422
    for ends in offered:
        assert browser.post("/new/key", {**data, "ends": ends}).status_code == 200
    late = {"expires_at": f"{datetime.now(UTC) + timedelta(days=61):%Y-%m-%dT%H:%M}", "ends": offered[0]}
    refused = browser.post("/new/key", {**data, **late})
    assert (refused.status_code, Page(refused).invalid) == (422, ["expires_at"])


# --- making and changing one ------------------------------------------------------------------------------------------


def test_a_key_is_made_for_a_person_within_bounds(browser, api):
    dana = api.make("/api/v1/people", {"name": "Dana Ortiz", "role": "releaser"})
    gone = api.make("/api/v1/people", {"name": "Gone", "role": "releaser"})
    api.put(f"/api/v1/people/{gone['id']}", {"active": False})
    offered = Page(browser.get("/new/key")).texts("option")
    assert offered[:2] == ["A service", "Dana Ortiz · releaser"]
    assert not [text for text in offered if "Gone" in text]
    data = {"name": "laptop", "role": "releaser", "person_id": dana["id"], "ends": "never"}
    bounds = {"models": "nlp/*\r\n cv/x \r\n", "environments": "Staging"}
    assert browser.post("/new/key", {**data, **bounds}).status_code == 200
    key = next(row for row in api.get("/api/v1/api-keys").json if row["name"] == "laptop")
    assert key["person"] == {"id": dana["id"], "name": "Dana Ortiz"}
    assert (key["models"], key["environments"]) == (["nlp/*", "cv/x"], ["staging"])
    above = browser.post("/new/key", {**data, "role": "admin"})
    assert (above.status_code, Page(above).invalid) == (422, ["role"])


@pytest.mark.parametrize("htmx", [None, "form"])
def test_wider_bounds_than_ones_own_are_refused_in_place_and_in_the_audit_log(browser, api, trail, htmx):
    narrow = api.make("/api/v1/api-keys", {"name": "narrow", "role": "admin", "models": ["nlp/*"]})
    data = {"name": "wide", "role": "viewer", "ends": "never", "models": "cv/*"}
    browser.post("/logout", {})
    assert browser.post("/login", {"key": narrow["key"]}).status_code == 303
    refused = browser.post("/new/key", data, htmx=htmx)
    page = Page(refused)
    assert (refused.status_code, page.field("name").value) == (403, "wide")
    assert "nlp/*" in page.one(role="alert").text
    (entry,) = trail("auth.forbidden")
    assert entry["api_key_name"] == "narrow"
    assert browser.post("/new/key", {**data, "models": "nlp/bert"}).status_code == 200


@pytest.mark.parametrize("person", ["dana", NOWHERE])
def test_a_key_of_a_person_who_is_not_there_is_refused_in_place(browser, person):
    refused = browser.post("/new/key", {"name": "ci", "role": "viewer", "ends": "never", "person_id": person})
    assert (refused.status_code, Page(refused).invalid) == (409, ["person_id"])
    assert Page(refused).field("name").value == "ci"


@pytest.mark.parametrize(
    ("data", "field"),
    [({"models": "a  b"}, "models"), ({"environments": "-"}, "environments")],
)
def test_a_bound_that_cannot_be_is_marked(browser, trail, data, field):
    before = len(trail("api_key.create"))
    refused = browser.post("/new/key", {"name": "ci", "role": "viewer", "ends": "never", **data})
    assert (refused.status_code, Page(refused).invalid) == (422, [field])
    assert len(trail("api_key.create")) == before


def test_a_key_is_changed_and_only_what_was_typed_differently(browser, api, made, trail):
    path = f"/keys/{made['id']}/edit"
    same = {"name": "training", "role": "publisher", "models": "", "environments": "", "expires_at": ""}
    assert browser.post(path, same).status_code == 303
    assert not trail("api_key.update")
    assert browser.post(path, {**same, "models": "nlp/*", "no_environments": "true"}).status_code == 303
    (entry,) = trail("api_key.update")
    assert set(entry["details"]["changes"]) == {"models", "environments"}
    form = Page(browser.get(path))
    assert form.field("models").value == "nlp/*"
    assert form.field("no_environments").get("checked") is not None
    assert browser.post(path, {**same, "models": ""}).status_code == 303
    (key,) = [row for row in api.get("/api/v1/api-keys").json if row["id"] == made["id"]]
    assert (key["models"], key["environments"]) == (None, None)


def test_htmx_replaces_the_row_that_was_changed(browser, made):
    data = {"name": "renamed", "role": "viewer", "models": "", "environments": "", "expires_at": ""}
    response = browser.post(f"/keys/{made['id']}/edit", data, htmx="form", headers=OVER_THE_LIST)
    assert response.headers["HX-Retarget"] == f"#key-{made['id']}"
    assert response.text.lstrip().startswith(f'<tr id="key-{made["id"]}"')
    assert "renamed" in row(response, made)


# --- rotating one -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("htmx", [None, "form"])
def test_rotating_shows_the_new_key_once_and_says_until_when_the_old_one_works(browser, api, made, htmx):
    assert "This key works on" in browser.get(f"/keys/{made['id']}/rotate").text
    headers = OVER_THE_LIST if htmx else {}
    response = browser.post(f"/keys/{made['id']}/rotate", {"overlap_seconds": "3600"}, htmx=htmx, headers=headers)
    assert (response.status_code, is_whole(response)) == (200, htmx is None)
    assert response.headers["Cache-Control"] == "no-store, no-transform"
    (key,) = set(KEY.findall(response.text))
    assert f"It replaces {made['prefix']}, which works until" in Page(response).one(id="form").text
    for works in (made["key"], key):
        assert api.by(None).get("/api/v1/models", headers={"X-API-Key": works}).status_code == 200
    if htmx:
        assert response.text.count("<tr id=") == 2
        assert "in 1 h" in row_text(response, made)


def row_text(response, key):
    return Page(response).one("tr", id=f"key-{key['id']}", hx_swap_oob="true").text


def test_a_key_is_rotated_once_and_revoking_it_names_its_successor(browser, api, made):
    path = f"/keys/{made['id']}"
    assert "rotated" not in browser.get(f"{path}/revoke").text
    browser.post(f"{path}/rotate", {"overlap_seconds": "3600"})
    new = next(row for row in api.get("/api/v1/api-keys").json if row["replaces_id"] == made["id"])
    assert f"It was rotated to <code>{new['prefix']}</code>, which works on." in browser.get(f"{path}/revoke").words
    assert f"<code>{new['prefix']}</code> already" in browser.get(f"{path}/rotate").words
    again = browser.post(f"{path}/rotate", {"overlap_seconds": "0"})
    assert again.status_code == 409
    assert new["prefix"] in again.text
    assert browser.post(f"/keys/{new['id']}/rotate", {"overlap_seconds": "ages"}).status_code == 422


def test_rotating_the_key_that_is_signed_in_says_that_the_session_ends_with_it(browser, api, made):
    own = next(key for key in api.get("/api/v1/api-keys").json if key["name"] == "admin-key")
    assert "You are signed in with this key" in browser.get(f"/keys/{own['id']}/rotate").text
    assert "You are signed in with this key" not in browser.get(f"/keys/{made['id']}/rotate").text
