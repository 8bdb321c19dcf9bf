"""Aliases on the pages: chips beside versions, the forms that point and remove them, and gates that guard them."""

import pytest
from markup import Page, is_whole

AT = "/models/org/bert/versions/1.0.0"
POINT, REMOVE = f"{AT}/-/alias", "/models/org/bert/-/aliases/champion/remove"


@pytest.fixture
def champion(api, model, version):
    answer = api.put(f"/api/v1/models/{model['id']}/aliases/champion", {"version_id": version["id"]})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (AT, True),
        ("/models/org/bert", True),
        ("/versions", True),
        ("/models/org/bert/compare?v=1.0.0&v=2.0.0", True),
        ("/models/org/bert/versions/2.0.0", False),
    ],
)
def test_a_version_has_the_chips_of_its_aliases(browser, api, model, champion, path, shown):
    api.version(model, "2.0.0")
    chips = Page(browser.get(path)).texts("span", class_="chip info")
    assert ("@champion" in chips) is shown


@pytest.mark.parametrize("typed", ["champion", "@champion"])
def test_an_alias_is_pointed_at_the_version_with_the_reason(browser, api, version, trail, typed):
    answer = browser.by("publisher").post(POINT, {"alias": typed, "reason": "Better recall"})
    assert (answer.status_code, answer.headers["Location"]) == (303, AT)
    assert trail()[0]["details"]["reason"] == "Better recall"
    assert "@champion" in Page(browser.get(AT)).one("section", id="aliases").text
    feed = "moved the alias <bdi>@champion</bdi> of org/bert to <code>1.0.0</code>"
    for path in ("/", AT, "/models/org/bert/-/activity", "/audit"):
        assert feed in browser.get(path).words, path


@pytest.mark.parametrize("htmx", [None, "form"])
@pytest.mark.parametrize("alias", ["", "latest", "v7", "a b"])
def test_what_cannot_be_an_alias_is_said_in_the_form(browser, version, trail, alias, htmx):
    answer = browser.post(POINT, {"alias": alias, "reason": "x"}, htmx=htmx)
    assert (answer.status_code, is_whole(answer), Page(answer).invalid) == (422, htmx is None, ["alias"])
    assert Page(answer).form["reason"] == "x"
    assert not trail("alias.move")


def test_an_alias_is_removed_with_the_reason(browser, champion, trail):
    assert "It points at 1.0.0" in Page(browser.get(REMOVE)).one("form", id="form").text
    answer = browser.by("publisher").post(REMOVE, {"reason": "Over"})
    assert (answer.status_code, answer.headers["Location"]) == (303, AT)
    assert (trail()[0]["action"], trail()[0]["details"]["reason"]) == ("alias.remove", "Over")
    assert "removed the alias <bdi>@champion</bdi> of org/bert from <code>1.0.0</code>" in browser.get(AT).words
    assert browser.get(REMOVE).status_code == browser.post(REMOVE).status_code == 404


def test_a_page_that_is_old_does_not_remove_what_it_did_not_show(browser, api, model, champion, trail):
    shown = Page(browser.get(REMOVE)).one("input", name="shown")["value"]
    other = api.version(model, "2.0.0")
    api.put(f"/api/v1/models/{model['id']}/aliases/champion", {"version_id": other["id"]})
    answer = browser.post(REMOVE, {"shown": shown, "reason": "Over"})
    assert answer.status_code == 412
    assert "in the meantime" in answer.words
    assert trail()[0]["action"] == "alias.move"


def test_the_gates_before_an_alias_are_shown_and_an_admin_overrides_them(browser, gate, version, trail):
    gate("approved", target="@champion")
    card = Page(browser.get(AT)).one("section", id="elsewhere").text
    assert "@champion 1 gate does not pass" in card
    releaser = browser.by("releaser").post(POINT, {"alias": "champion"})
    assert (releaser.status_code, "Override the gates" in releaser.text) == (409, False)
    blocked = browser.post(POINT, {"alias": "Champion", "reason": "now"})
    assert (blocked.status_code, "1 gate does not pass for @champion" in blocked.words) == (409, True)
    assert "it has 0 of 1 approvals" in blocked.words
    assert browser.post(POINT, {**Page(blocked).form, "force": "true"}).status_code == 303
    assert trail("gate.override")
    decision = Page(browser.get(AT)).one("section", id="aliases")
    assert "@Champion" in decision.text


def test_a_decision_about_an_alias_has_a_page(browser, api, model, version, gate):
    gate("approved", target="@champion", role="publisher")
    api.make(f"/api/v1/versions/{version['id']}/approvals", {"target": "@champion"})
    path = f"/api/v1/models/{model['id']}/aliases/champion"
    moved = api.by("releaser").put(path, {"version_id": version["id"]}).json
    assert "Move of @champion to org/bert 1.0.0" in browser.get(f"/decisions/{moved['decision_id']}").words
    api.by("releaser").delete(path)
    (removed, _) = api.get(f"/api/v1/versions/{version['id']}/decisions").json
    assert "Removal of @champion from org/bert 1.0.0" in browser.get(f"/decisions/{removed['id']}").words


def test_what_waits_for_an_alias_is_in_the_inbox_until_it_points_there(browser, api, model, version, gate):
    gate("approved", target="@champion")
    releaser = browser.by("releaser")
    assert "org/bert 1.0.0 to @champion" in " ".join(
        Page(releaser.get("/inbox")).one("section", id="waiting").text.split()
    )
    assert releaser.post(f"{AT}/-/approve", {"target": "@champion"}, htmx="main").status_code == 200
    answer = api.put(f"/api/v1/models/{model['id']}/aliases/champion", {"version_id": version["id"]})
    assert answer.status_code == 200, answer.text
    gate("approved", target="@champion", role="admin")
    assert "Nothing is waiting" in browser.get("/inbox").text
    api.by("publisher").version(model, "2.0.0")
    assert "org/bert 2.0.0 to @champion" in " ".join(
        Page(browser.get("/inbox")).one("section", id="waiting").text.split()
    )


def test_the_form_of_a_gate_takes_an_alias_and_tries_it(browser, api, version, trail):
    form = {"model": "*", "target": "@Champion", "kind": "metric", "path": "accuracy", "op": ">=", "value": "0.9"}
    tried = browser.post("/new/gate", {**form, "do": "try"})
    assert "Of the last 1 version none would pass" in tried.words
    assert browser.post("/new/gate", form).status_code == 303
    assert trail()[0]["details"]["target"] == "@champion"
    assert "@champion" in Page(browser.get("/gates")).texts("span", class_="chip")
    assert Page(browser.post("/new/gate", {**form, "target": "@v7"})).invalid == ["target"]
