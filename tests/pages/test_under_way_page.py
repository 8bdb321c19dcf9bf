"""What is on its way and what is frozen, wherever somebody decides about it: the version, the environment, the form."""

import pytest
from markup import Page

FORM = "/new/deployment?model=org/bert"
FREEZE = {"frozen": True, "frozen_reason": "Sale <b>", "frozen_until": "2100-01-02T03:04:00Z"}


@pytest.fixture
def going(api, sql):
    """org/bert 1.0 is live in staging, and 1.1 has been on its way there for four minutes."""
    model = api.model()
    api.deployment(api.version(model, "1.0"), "staging")
    made = api.deployment(api.version(model, "1.1"), "staging", status="running")
    sql("UPDATE deployments SET deployed_at = now() - interval '4 minutes' WHERE id = :id", id=made["id"])
    return made


def test_a_version_says_where_it_is_going_and_for_how_long(browser, api, going):
    page = Page(browser.by("viewer").get("/models/org/bert/versions/1.1"))
    [chip] = [link for link in page.all("a", href=f"/deployments/{going['id']}") if "chip" in (link.get("class") or "")]
    assert chip.text == "→ staging running 4 min"
    assert "→ staging" not in browser.get("/models/org/bert/versions/1.0").words
    api.put(f"/api/v1/deployments/{going['id']}", {"status": "success"})
    assert "→ staging" not in browser.get("/models/org/bert/versions/1.1").words


def test_a_version_says_which_environments_are_frozen_until_when_and_why(browser, api, going):
    assert "frozen" not in browser.get("/models/org/bert/versions/1.1").words
    api.put("/api/v1/environments/staging", FREEZE)
    page = Page(browser.by("viewer").get("/models/org/bert/versions/1.1"))
    assert page.has_class("freeze-line")[0].text == "staging is frozen until 2100-01-02 03:04 UTC: Sale <b>"


def test_an_environment_lists_what_is_on_its_way(browser, going):
    page = Page(browser.by("viewer").get("/environments/staging"))
    assert page.has_class("going")[0].text == "org/bert 1.1 running 4 min"
    assert not Page(browser.get("/environments/staging?at=2100-01-01T00:00")).has_class("going")


def freezes(response):
    return [note.text for note in Page(response).has_class("is-freeze")]


def test_the_form_says_what_is_frozen_before_anything_is_filled_in(browser, api, going):
    assert freezes(browser.get(FORM)) == []
    api.put("/api/v1/environments/staging", FREEZE)
    api.put("/api/v1/environments/edge", {"rank": 0})
    told = "staging is frozen until 2100-01-02 03:04 UTC: Sale <b>"
    for htmx in (None, "dialog-body"):
        response = browser.get(FORM, htmx=htmx)
        assert freezes(response) == [told]
        assert response.text.index("is-freeze") < response.text.index('type="submit"')
    [chosen] = freezes(browser.get(f"{FORM}&version=1.0&environment=Staging"))
    assert chosen.startswith(f"{told} It accepts no deployments until then")


def before(response):
    return Page(response).one(id="before").text


def test_the_form_says_what_is_live_there_on_its_way_and_what_the_gates_say(browser, api, going):
    model = {"id": api.get("/api/v1/models").json[0]["id"]}
    api.version(model, "1.2")
    api.make("/api/v1/gates", {"model": "*", "target": "staging", "kind": "released"})
    said = before(browser.get(f"{FORM}&version=1.2&environment=staging"))
    assert said.startswith("replaces 1.0 live for ")
    assert "1.0 → 1.1 running 4 min ends when another one succeeds" in said
    assert "1 gate does not pass" in said
    assert "1.0 is live in staging already" in before(browser.get(f"{FORM}&version=1.0&environment=staging"))
    api.put("/api/v1/environments/edge", {"rank": 0})
    assert "Nothing of org/bert is live in edge yet" in before(browser.get(f"{FORM}&version=1.0&environment=edge"))


@pytest.mark.parametrize("rest", ["", "&version=1.0", "&version=9&environment=staging", "&version=1.0&environment=new"])
def test_the_form_says_nothing_of_what_is_not_known_yet(browser, going, rest):
    response = browser.get(f"{FORM}{rest}")
    assert response.status_code == 200
    assert not Page(response).all(id="before")


def test_another_environment_is_told_of_at_once_and_no_field_is_replaced(browser, going):
    page = Page(browser.get(FORM))
    [asks] = page.all("div", hx_target="#chosen")
    sent = (
        "model",
        "version",
        "environment",
        "status",
        "confirm",
    )  # not the metadata, which may be too long for an address
    assert (asks["hx-get"], asks["hx-include"]) == ("/new/deployment", ", ".join(f"#field-{name}" for name in sent))
    part = browser.get(f"{FORM}&version=1.1&environment=staging", htmx="chosen")
    assert "replaces 1.0" in before(part)
    assert not [it for it in Page(part).elements if it.tag in ("html", "form", "input", "textarea", "select")]


def differences(response):
    return [row.text for row in Page(response).all("tr")][1:]


def test_the_form_says_what_differs_from_what_is_live_there(browser, api, sql, going):
    model = {"id": api.get("/api/v1/models").json[0]["id"]}
    sql("""UPDATE versions SET metadata = '{"accuracy": 0.9, "loss": 1, "same": 1}' WHERE version = '1.0'""")
    api.version(model, "1.2", metadata={"accuracy": 0.95, "loss": 2, "same": 1, "new": "x"})
    gate = {"model": "*", "target": "staging", "kind": "metric", "path": "accuracy", "op": ">=", "value": 0.9}
    api.make("/api/v1/gates", gate)
    response = browser.get(f"{FORM}&version=1.2&environment=staging")
    assert differences(response) == ["accuracy 0.9 0.95 +0.05 better", "loss 1 2 +1", "new — x new"]
    assert response.text.index("differs") < response.text.index('type="submit"')
    assert "Older than what is live" not in response.text


def test_the_form_says_that_a_version_is_older_than_what_is_live(browser, api, going):
    api.put(f"/api/v1/deployments/{going['id']}", {"status": "success"})
    response = browser.get(f"{FORM}&version=1.0&environment=staging")
    assert "Older than what is live" in before(response)
    assert "Their metadata is the same" in before(response)


def test_what_few_fill_in_is_folded_until_it_is_filled_in(browser, going):
    assert Page(browser.get(FORM)).has_class("folded")[0].get("open") is None
    assert Page(browser.get(f"{FORM}&log_url=https://ci.example")).has_class("folded")[0].get("open") is not None
