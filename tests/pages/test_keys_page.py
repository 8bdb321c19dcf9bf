import re
from datetime import UTC, datetime, timedelta

import pytest

KEY = re.compile(r"cat_[A-Za-z0-9]{8}_[A-Za-z0-9]{49}")
ROW = re.compile(r'<tr id="key-([0-9a-f-]{36})"')


@pytest.fixture
def made(api):
    return api.make("/api/v1/api-keys", {"name": "training"})


def many(sql, count):
    sql(
        "INSERT INTO api_keys (id, name, role, prefix, key_hash, salt_mark, created_by, created_at)"
        " SELECT gen_random_uuid(), 'k', 'viewer', 'cat_' || lpad(i::text, 8, '0'), decode(repeat('00', 32), 'hex'), 'x', 'me',"
        " now() FROM generate_series(1, :count) i",
        count=count,
    )


def row(response, key):
    return re.search(rf'<tr id="key-{key["id"]}">.*?</tr>', response.text, re.DOTALL)[0]


def state(response, key):
    return re.search(r'class="chip[^"]*">(\w+)', row(response, key))[1]


OVER_THE_LIST = {"HX-Current-URL": "http://localhost/keys"}


def test_another_site_makes_and_revokes_none(browser, made, trail):
    before = len(trail("api_key.create"))
    for path, data in (("/new/key", {"name": "x"}), (f"/keys/{made['id']}/revoke", {"confirm": "training"})):
        for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}):
            assert browser.post(path, data, headers=headers).status_code == 403
    assert len(trail("api_key.create")) == before
    assert not trail("api_key.revoke")


def test_a_key_that_nobody_used_was_never_used(browser, made, sql):
    page = browser.get(f"/keys/{made['id']}/revoke").text
    assert "it was never used." in page
    sql("UPDATE api_keys SET last_used_at = now() WHERE id = :id", id=made["id"])
    assert "it was last used <time" in browser.get(f"/keys/{made['id']}/revoke").text


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


def test_names_are_never_markup(browser, api):
    api.make("/api/v1/api-keys", {"name": '<img src=x onerror="a()"> שלום'})
    page = browser.get("/keys").text
    assert "<img" not in page
    assert "<bdi>&lt;img src=x onerror=&#34;a()&#34;&gt; שלום</bdi>" in page


def test_loading_more_neither_skips_nor_repeats_a_key(browser, sql):
    many(sql, 70)
    found, address, htmx = [], "/keys", None
    while address:
        response = browser.get(address, htmx=htmx)
        assert response.text.lstrip().startswith("<tr" if htmx else "<!doctype html>")
        found += ROW.findall(response.text)
        more = re.search(r'href="(/keys\?cursor=[^"]+)"', response.text)
        address, htmx = more and more[1], "more"
    (count,) = sql("SELECT count(*) FROM api_keys")
    assert len(found) == len(set(found)) == count["count"]


def test_fifty_keys_take_no_more_statements_than_few(browser, sql, statement_count):
    browser.get("/keys")
    few = statement_count(lambda: browser.get("/keys"))
    many(sql, 45)
    assert statement_count(lambda: browser.get("/keys")) == few


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


def test_htmx_gets_the_key_and_its_row_for_the_list_behind(browser):
    response = browser.post("/new/key", {"name": "ci", "role": "viewer"}, htmx="form", headers=OVER_THE_LIST)
    assert response.status_code == 200
    assert "<!doctype" not in response.text
    assert KEY.search(response.text)
    behind = response.text[response.text.index("<template>") :]
    assert 'hx-swap-oob="afterbegin:#rows"' in behind
    assert "<bdi>ci</bdi>" in behind
    assert not KEY.search(behind)


def test_the_form_has_publisher_chosen(browser):
    assert "<option selected>publisher</option>" in browser.get("/new/key").text


def test_the_dialog_gets_the_form_alone(browser):
    dialog = browser.get("/new/key", htmx="dialog-body").text
    assert dialog.lstrip().startswith("<form")
    assert "<nav" not in dialog


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


@pytest.mark.parametrize("htmx", [None, "form"])
@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"name": "", "role": "viewer"}, "name"),
        ({"name": "a\nb", "role": "viewer"}, "name"),
        ({"name": "<keep me>", "role": "viewer", "expires_at": "2001-01-01T00:00"}, "expires_at"),
        ({"name": "<keep me>", "role": "emperor"}, "role"),
    ],
)
def test_what_is_at_fault_is_marked_and_what_was_typed_stays(browser, trail, sent, field, htmx):
    before = len(trail("api_key.create"))
    response = browser.post("/new/key", sent, htmx=htmx)
    assert response.status_code == 422
    assert response.text.lstrip().startswith("<form" if htmx else "<!doctype html>")
    marked = re.search(rf'<(input|select) id="field-{field}"[^>]*>', response.text)[0]
    assert 'aria-invalid="true"' in marked
    if "<keep me>" in sent["name"]:
        assert 'value="&lt;keep me&gt;"' in response.text
    if sent["role"] == "viewer":
        assert "<option selected>viewer</option>" in response.text
    assert len(trail("api_key.create")) == before


def test_revoking_without_javascript_goes_back_to_the_list(browser, api, made, trail):
    assert "cannot be undone" in browser.get(f"/keys/{made['id']}/revoke").text
    response = browser.post(f"/keys/{made['id']}/revoke", {"confirm": "training"})
    assert (response.status_code, response.headers["Location"]) == (303, "/keys")
    assert api.by(None).get("/api/v1/models", headers={"X-API-Key": made["key"]}).status_code == 401
    assert [entry["api_key_name"] for entry in trail("api_key.revoke")] == ["admin-key"]


def test_revoking_by_htmx_swaps_the_row_and_closes_the_dialog(browser, made):
    response = browser.post(f"/keys/{made['id']}/revoke", {"confirm": "training"}, htmx="form", headers=OVER_THE_LIST)
    assert response.status_code == 200
    assert response.headers["HX-Retarget"] == f"#key-{made['id']}"
    assert response.headers["HX-Trigger"] == "close-dialog"
    assert response.text.lstrip().startswith(f'<tr id="key-{made["id"]}">')
    assert state(response, made) == "revoked"
    assert "training is revoked." in response.text


def test_a_key_is_revoked_only_by_its_name(browser, made, trail):
    response = browser.post(f"/keys/{made['id']}/revoke", {"confirm": "trainin"})
    assert response.status_code == 422
    assert 'value="trainin"' in response.text
    assert re.search(r'<input id="field-confirm"[^>]*aria-invalid="true"', response.text)
    assert not trail("api_key.revoke")


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


def test_revoking_on_a_page_of_its_own_leads_to_the_list(browser, made):
    here = {"HX-Current-URL": f"http://localhost/keys/{made['id']}/revoke"}
    response = browser.post(f"/keys/{made['id']}/revoke", {"confirm": "training"}, htmx="form", headers=here)
    assert response.status_code == 204
    assert '"path": "/keys"' in response.headers["HX-Location"]


def test_an_end_that_is_not_in_the_list_is_refused(browser):
    assert browser.post("/new/key", {"name": "ci", "role": "viewer", "ends": "never ever"}).status_code == 422
