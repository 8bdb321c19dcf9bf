import pytest
from markup import Page, is_whole

AT = "/environments/staging/-/rollback"
ASK = f"{AT}?model_name=org/bert"


@pytest.fixture
def lived(api, model):
    """Three versions that were live in staging one after the other; the deployments by version."""
    found = {}
    for number, accuracy in enumerate((0.9, 0.92, 0.91)):
        metadata = {"accuracy": accuracy, "framework": "torch", "seed": number}
        version = api.version(model, f"1.{number}.0", metadata=metadata, is_release=number == 0)
        found[f"1.{number}.0"] = api.deployment(version, "staging")
    return found


def send(browser, lived, htmx="form", **changed):
    data = {"model_name": "org/bert", "from": lived["1.2.0"]["id"], "reason": "p99 doubled", **changed}
    return browser.post(AT, data, htmx=htmx)


def live(api):
    return [one["version"] for one in api.get("/api/v1/environments/staging/live").json]


def shown(response):
    """`{key: [what is live now has, what would be]}` of the keys that differ."""
    page = Page(response)
    rows, found = [one for one in page.elements if one.tag in ("th", "td")], {}
    for element in rows:
        if element.tag == "th" and element.get("scope") == "row":
            found[element.text] = []
        elif element.tag == "td" and found:
            found[list(found)[-1]].append(element.text)
    return found


def test_it_shows_first_what_differs(browser, lived):
    response = browser.get(ASK)
    assert response.status_code == 200
    assert shown(response) == {"accuracy": ["0.91", "0.92 +0.01"], "seed": ["2", "1 −1"]}
    page = Page(response)
    assert page.texts("button", type="submit") == ["Roll back to 1.1.0"]
    assert [option.text.split()[0] for option in page.all("option")] == ["1.1.0", "1.0.0"]
    assert "(release)" in page.texts("option")[1]
    assert page.field("reason").value == ""
    assert 'name="confirm"' not in response.text


@pytest.mark.parametrize("htmx", [None, "form"])
def test_another_version_can_be_chosen_and_what_was_typed_stays(browser, lived, htmx):
    response = browser.get(f"{ASK}&to={lived['1.0.0']['id']}&reason=slow+%3Cb%3E", htmx=htmx)
    assert is_whole(response) == (htmx is None)
    assert shown(response)["accuracy"] == ["0.91", "0.9 −0.01"]
    page = Page(response)
    assert page.texts("button", type="submit") == ["Roll back to 1.0.0"]
    assert page.field("reason").value == "slow <b>"
    assert [option.text.split()[0] for option in page.all("option") if option.get("selected") is not None] == ["1.0.0"]


@pytest.mark.parametrize("to", ["", "x", "00000000-0000-7000-8000-000000000000"])
def test_an_unknown_choice_shows_the_default(browser, lived, to):
    assert Page(browser.get(f"{ASK}&to={to}", follow_redirects=True)).texts("button", type="submit") == [
        "Roll back to 1.1.0"
    ]


def test_it_goes_back_to_the_version_that_was_chosen(browser, api, lived):
    response = send(browser, lived, htmx=None, to=lived["1.0.0"]["id"])
    assert (response.status_code, response.headers["Location"]) == (303, "/environments")
    assert live(api) == ["1.0.0"]


@pytest.mark.parametrize("htmx", [None, "form"])
def test_it_takes_a_reason(browser, lived, trail, htmx):
    response = send(browser, lived, htmx=htmx, reason=" ")
    assert response.status_code == 422
    assert Page(response).invalid == ["reason"]
    assert shown(response)
    assert not trail("deployment.rollback")


def test_what_went_live_meanwhile_is_not_rolled_back_from(browser, api, lived, model, trail):
    api.deployment(api.version(model, "1.3.0"), "staging")
    response = send(browser, lived)
    assert response.status_code == 412
    assert "Changed" in response.text
    assert Page(response).field("reason").value == "p99 doubled"
    assert not trail("deployment.rollback")
    assert live(api) == ["1.3.0"]


@pytest.mark.parametrize("deployed", [0, 1])
def test_where_there_is_nothing_to_go_back_to_the_dialog_says_so(browser, api, model, deployed):
    version = api.version(model)
    if deployed:
        api.deployment(version, "staging")
    else:
        api.put("/api/v1/environments/staging", {})
    told = "no earlier version of org/bert in staging" if deployed else "Nothing of org/bert in staging is live"
    form = browser.get(ASK, htmx="dialog-body")
    assert form.status_code == 200
    assert told in form.text
    assert not Page(form).all("button", type="submit")
    response = browser.post(AT, {"model_name": "org/bert", "reason": "x"}, htmx="form")
    assert response.status_code == 409
    assert told in response.text


def test_it_says_which_gates_and_which_freeze_it_passes(browser, api, lived, trail):
    gate = {"model": "*", "target": "staging", "kind": "metric", "path": "accuracy", "op": ">=", "value": 0.99}
    api.make("/api/v1/gates", gate)
    api.put("/api/v1/environments/staging", {"frozen": True, "frozen_reason": "Sale <b>"})
    text = browser.get(ASK).text
    assert "1.1.0 does not pass 1 gate" in text
    assert "accuracy is 0.92" in text
    assert "staging is frozen: Sale &lt;b&gt;" in text
    assert send(browser, lived, htmx=None).status_code == 303
    (entry,) = trail("deployment.rollback")
    assert entry["details"]["passed_freeze"] == "Sale <b>"


def test_what_is_archived_is_not_offered(browser, api, lived):
    api.put(f"/api/v1/versions/{lived['1.0.0']['release_id']}", {"status": "archived"})
    page = Page(browser.get(ASK))
    assert not page.all("option")
    assert page.one("input", name="to")["value"] == lived["1.1.0"]["id"]


def test_the_overview_and_the_version_tell_of_it_and_lead_to_it(browser, api, lived):
    assert ASK in Page(browser.get("/models/org/bert/versions/1.2.0")).links
    assert ASK not in Page(browser.by("publisher").get("/models/org/bert/versions/1.2.0")).links
    send(browser, lived, htmx=None)
    text = Page(browser.get("/")).one("section", id="live").text
    assert "1.1.0 rolled back from 1.2.0" in text
    assert f"/deployments/{lived['1.0.0']['id']}" in Page(browser.get("/models/org/bert/-/deployments")).links
