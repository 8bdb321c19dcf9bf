"""`/people` and `/me`: who may sign in, and what people change of themselves."""

import re
from datetime import UTC, datetime, timedelta
from unicodedata import normalize

import pytest
from conftest import Browser
from markup import Page

KEY = re.compile(r"cat_[A-Za-z0-9]{8}_[A-Za-z0-9]{49}")
PEOPLE, KEYS = "/api/v1/people", "/api/v1/api-keys"


@pytest.fixture
def dana(api):
    """A releaser with one key."""
    return api.make(PEOPLE, {"name": "Dana Ortiz", "role": "releaser", "email": "dana@example.com"})


@pytest.fixture
def held(api):
    """A function that makes a key of a person, and returns it and a browser that is signed in with it."""

    def make(person, **fields):
        body = {"name": "laptop", "role": person["role"], "person_id": person["id"], **fields}
        key = api.make(KEYS, body)
        return key, Browser(api.app, {"own": key["key"]}, "own")

    return make


def sent(page):
    """What the form on the page sends, without what is chosen; of two fields with a name the first counts."""
    fields = [it for it in page.all("input") if it.get("name") and it["name"] != "q"]
    checked = [it for it in fields if it.get("type") != "checkbox" or it.get("checked") is not None]
    return {it["name"]: it.value for it in reversed(checked)}


# --- the list ---------------------------------------------------------------------------------------------------------


def test_the_list_says_who_with_which_role_and_since_when(browser, dana, api):
    api.make(PEOPLE, {"name": "Sam", "role": "viewer"})
    page = Page(browser.get("/people"))
    row = page.one("tr", id=f"person-{dana['id']}").text
    assert row.startswith("Dana Ortiz releaser active dana@example.com just now · admin-key")
    assert len(page.all("tr")) == 3
    assert f"/people/{dana['id']}/edit" in page.links


@pytest.mark.parametrize("role", ["viewer", "publisher", "releaser"])
def test_only_admins_see_email_addresses_and_the_link(browser, dana, role):
    response = browser.by(role).get("/people")
    assert "Dana Ortiz" in response.text
    assert "dana@example.com" not in response.text
    page = Page(browser.by(role).get("/"))
    assert "/people" not in page.links
    assert "/me" in page.links
    assert "/people" in Page(browser.get("/")).links


def test_nobody_yet_says_what_to_do(browser):
    assert "Nobody yet" in browser.get("/people").text
    assert "/new/person" in Page(browser.get("/people")).links


# --- adding and changing somebody -------------------------------------------------------------------------------------


def test_a_person_is_added_without_javascript(browser, api):
    data = {"name": "Sam Lee", "email": "sam@example.com", "role": "publisher"}
    response = browser.post("/new/person", data)
    assert (response.status_code, response.headers["Location"]) == (303, "/people")
    (person,) = api.get(PEOPLE).json
    assert {name: person[name] for name in data} == data


@pytest.mark.parametrize("htmx", [None, "form"])
@pytest.mark.parametrize(
    ("data", "field"),
    [({"name": ""}, "name"), ({"name": "<x>", "email": "nobody"}, "email"), ({"name": "<x>", "role": "boss"}, "role")],
)
def test_a_mistake_is_marked_and_what_was_typed_stays(browser, trail, data, field, htmx):
    response = browser.post("/new/person", data, htmx=htmx)
    page = Page(response)
    assert (response.status_code, page.invalid) == (422, [field])
    assert page.field("name").value == data["name"]
    assert not trail("person.create")


def test_a_taken_email_address_is_refused_in_place(browser, dana):
    response = browser.post("/new/person", {"name": "Dan", "email": "DANA@example.com", "role": "viewer"})
    assert response.status_code == 409
    assert "Somebody else has this email address." in response.text


def test_a_name_is_confirmed_in_either_unicode_form(browser, api):
    person = api.make(PEOPLE, {"name": normalize("NFD", "José"), "role": "viewer"})
    path = f"/people/{person['id']}/edit"
    data = {**sent(Page(browser.get(path))), "active": "false", "confirm": normalize("NFC", "José")}
    assert browser.post(path, data).status_code == 303


def test_deactivating_says_what_it_ends_and_takes_the_name(browser, dana, held, api):
    _, by_dana = held(dana)
    path = f"/people/{dana['id']}/edit"
    shown = browser.get(path)
    assert "revokes 1 key that works and ends 1 session at once" in shown.words
    data = {**sent(Page(shown)), "role": "releaser", "active": "false"}
    refused = browser.post(path, data)
    assert (refused.status_code, Page(refused).invalid) == (422, ["confirm"])
    assert by_dana.get("/me").status_code == 200
    assert browser.post(path, {**data, "confirm": "Dana Ortiz"}).status_code == 303
    assert by_dana.get("/me").status_code == 303
    assert api.get(f"{PEOPLE}/{dana['id']}").json["active"] is False
    assert "Deactivating" not in browser.get(path).text
    assert "inactive" in browser.get("/people").text


def test_saving_the_form_as_it_is_changes_nothing(browser, dana, trail):
    path = f"/people/{dana['id']}/edit"
    assert browser.post(path, sent(Page(browser.get(path))) | {"role": "releaser"}).status_code == 303
    assert not trail("person.update")


def test_a_change_meanwhile_is_told_with_who_made_it(browser, dana, api):
    path = f"/people/{dana['id']}/edit"
    data = sent(Page(browser.get(path))) | {"role": "releaser", "name": "Typed"}
    api.put(f"{PEOPLE}/{dana['id']}", {"name": "Dana O."})
    response = browser.post(path, data)
    assert response.status_code == 412
    assert "Changed by admin-key in the meantime." in response.words
    assert Page(response).field("name").value == "Typed"


# --- oneself ----------------------------------------------------------------------------------------------------------


def test_me_shows_the_person_the_key_and_the_keys(dana, held, api):
    key, by_dana = held(dana, models=["nlp/*"])
    page = Page(by_dana.get("/me"))
    assert page.texts("h1") == ["Dana Ortiz"]
    facts = page.has_class("facts")[0].text
    assert all(text in facts for text in ("dana@example.com", "laptop", "releaser", "models nlp/*"))
    assert "in use here" in page.one("tr", id=f"key-{key['id']}").text
    assert {f"/keys/{key['id']}/rotate", f"/keys/{key['id']}/revoke", "/new/own-key", "/me/edit"} <= set(page.links)


def test_a_service_sees_its_key_and_is_told_to_ask_for_a_person(browser, keys):
    page = Page(browser.by("viewer").get("/me"))
    assert page.texts("h1") == ["viewer-key"]
    assert "belongs to no person" in page.one("main").text
    assert len(page.all("tr")) == 2
    for path in ("/new/own-key", "/me/edit"):
        assert path not in page.links
        assert browser.by("viewer").get(path).status_code == 403


def test_people_change_their_name_and_email_and_nothing_else(dana, held, api):
    _, by_dana = held(dana)
    data = sent(Page(by_dana.get("/me/edit"))) | {"name": "Dana O.", "email": "", "role": "admin", "active": "false"}
    response = by_dana.post("/me/edit", data)
    assert (response.status_code, response.headers["Location"]) == (303, "/me")
    person = api.get(f"{PEOPLE}/{dana['id']}").json
    assert [person[name] for name in ("name", "email", "role", "active")] == ["Dana O.", None, "releaser", True]
    assert "Dana O." in Page(by_dana.get("/")).has_class("me")[0].text


def test_people_make_a_key_that_is_never_above_the_one_that_asks(dana, held, api):
    _, by_dana = held(dana, models=["nlp/*"])
    form = Page(by_dana.get("/new/own-key"))
    assert [option.text for option in form.all("option")][:3] == ["viewer", "publisher", "releaser"]
    assert form.field("models").value == "nlp/*"
    data = {"name": "ci", "role": "publisher", "models": "nlp/bert\r\nnlp/gpt-*", "no_environments": "true"}
    response = by_dana.post("/new/own-key", {**data, "ends": "never"})
    assert response.status_code == 200
    (key,) = set(KEY.findall(response.text))
    assert response.headers["Cache-Control"] == "no-store, no-transform"
    made = next(row for row in api.get(KEYS).json if row["name"] == "ci")
    assert [made[name] for name in ("role", "models", "environments")] == ["publisher", ["nlp/bert", "nlp/gpt-*"], []]
    assert made["person"]["name"] == "Dana Ortiz"
    assert api.by(None).get("/api/v1/me", headers={"X-API-Key": key}).json["name"] == "Dana Ortiz"
    assert by_dana.post("/new/own-key", {"name": "x", "models": "*", "ends": "never"}).status_code == 403


def test_people_rotate_and_revoke_their_own_keys_and_no_others(dana, held, api, browser):
    key, by_dana = held(dana)
    other, _ = held(api.make(PEOPLE, {"name": "Sam", "role": "viewer"}))
    for verb in ("rotate", "revoke"):
        assert by_dana.get(f"/keys/{other['id']}/{verb}").status_code == 403
        assert by_dana.post(f"/keys/{other['id']}/{verb}", {"confirm": "laptop"}).status_code == 403
    own = api.make(KEYS, {"name": "old", "role": "viewer", "person_id": dana["id"]})
    response = by_dana.post(f"/keys/{own['id']}/revoke", {"confirm": "old"})
    assert (response.status_code, response.headers["Location"]) == (303, "/me")
    assert by_dana.post(f"/keys/{key['id']}/rotate", {"overlap_seconds": "3600"}).status_code == 200


# --- a key that ends soon ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("days", "told"), [(3, "in 3 days"), (6.9, "in 6 days"), (8, None)])
def test_a_key_that_ends_soon_is_told_to_its_holder_on_every_page(dana, held, days, told):
    key, by_dana = held(dana, expires_at=(datetime.now(UTC) + timedelta(days=days)).isoformat())
    for path in ("/", "/models", "/me"):
        page = Page(by_dana.get(path))
        notes = [it.text for it in page.all("p", role="note")]
        assert notes == ([f"Your key expires {told}. Rotate it."] if told else [])
        assert (f"/keys/{key['id']}/rotate" in page.links) is (told is not None or path == "/me")


# --- the first sign-in ------------------------------------------------------------------------------------------------


@pytest.fixture
def first(api, sql):
    """The key that `flask up` made."""
    key = api.make(KEYS, {"name": "first-admin", "role": "admin"})
    sql("UPDATE api_keys SET asks_name = true WHERE id = :id", id=key["id"])
    return key


def sign_in(browser, key, address="/audit?action=model.create"):
    somebody = browser.by(None)
    response = somebody.post("/login", {"key": key["key"], "next": address})
    assert response.status_code == 303
    return somebody, response.headers["Location"]


def test_the_first_sign_in_asks_for_the_name_once_and_goes_where_one_wanted_to_go(browser, first, api):
    somebody, address = sign_in(browser, first)
    assert address == "/welcome?next=/audit?action%3Dmodel.create"
    page = Page(somebody.get(address))
    assert page.one("input", name="next").value == "/audit?action=model.create"
    refused = somebody.post("/welcome", {"name": " ", "next": "/audit"})
    assert (refused.status_code, Page(refused).invalid) == (422, ["name"])
    response = somebody.post("/welcome", {"name": "Dana Ortiz", "next": "/audit?action=model.create"})
    assert (response.status_code, response.headers["Location"]) == (303, "/audit?action=model.create")
    (person,) = api.get(PEOPLE).json
    assert (person["name"], person["role"]) == ("Dana Ortiz", "admin")
    assert Page(somebody.get("/")).has_class("me")[0].text == "Dana Ortiz"
    assert somebody.get("/welcome").headers["Location"] == "/"
    assert somebody.post("/welcome", {"name": "Eve"}).status_code == 409
    assert sign_in(browser, first)[1] == "/audit?action=model.create"


def test_skipping_it_asks_again_at_the_next_sign_in(browser, first):
    somebody, address = sign_in(browser, first)
    assert "/audit?action=model.create" in Page(somebody.get(address)).links
    assert somebody.get("/").status_code == 200
    assert sign_in(browser, first)[1].startswith("/welcome")


def test_no_other_key_asks_and_no_other_site_is_gone_to(browser, first, keys, trail):
    somebody = browser.by(None)
    assert somebody.post("/login", {"key": keys["admin"]}).headers["Location"] == "/"
    assert somebody.get("/welcome?next=/models").headers["Location"] == "/models"
    assert somebody.post("/welcome", {"name": "Eve"}).status_code == 409
    somebody, _ = sign_in(browser, first)
    assert Page(somebody.get("/welcome?next=//evil.example")).one("input", name="next").value == "/"
    assert not trail("person.create")
