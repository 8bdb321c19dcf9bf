"""Names with spaces, renaming a model on its page, and where the old name leads."""

import pytest
from markup import Page

NAME, OLD = "Team A/bert 2", "org/bert"


@pytest.fixture
def model(api):
    model = api.model(OLD)
    api.post(f"/api/v1/versions/{api.version(model, '1.0.0')['id']}/promote", {})
    api.deployment(api.version(model, "1.1.0"), "staging")
    return model


def test_an_admin_renames_a_model_in_its_settings(browser, api, model):
    api.make("/api/v1/gates", {"model": "org/*", "target": "staging", "kind": "released"})
    form = next(link for link in Page(browser.get(f"/models/{OLD}/-/settings")).links if link.endswith("/-/rename"))
    assert Page(browser.get(form)).one("input", name="name")["value"] == OLD
    refused = browser.post(form, data={"name": "org/"})
    assert (refused.status_code, "Must be segments" in refused.text) == (422, True)
    answer = browser.post(form, data={"name": NAME})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/models/Team%20A/bert%202/-/settings")
    page = browser.get(answer.headers["Location"])
    assert "formerly org/bert" in page.text
    activity = browser.get("/models/Team%20A/bert%202/-/activity").text
    assert "renamed the model <bdi>org/bert</bdi> to <bdi>Team A/bert 2</bdi>" in " ".join(activity.split())
    assert "promoted" in activity  # what was done under the old name
    back = browser.post("/models/Team%20A/bert%202/-/rename", data={"name": OLD}, htmx="form")
    assert "org/bert now. Gates that apply now: 1." in back.headers["HX-Trigger"]


@pytest.mark.parametrize("name", [OLD, NAME])
def test_every_page_of_the_model_is_found_by_both_names(browser, api, model, name):
    api.post(f"/api/v1/models/{model['id']}/rename", {"name": NAME})
    for path in (
        "",
        "/-/deployments",
        "/-/gates",
        "/-/activity",
        "/-/settings",
        "/-/versions.csv",
        "/-/rename",
        "/-/delete",
        "/compare?v=1.0.0&v=1.1.0",
        "/versions/1.1.0",
        "/versions/1.1.0/-/edit",
    ):
        answer = browser.get(f"/models/{name.replace(' ', '%20')}{path}")
        assert answer.status_code == 200, path
        assert ' href="/models/Team A' not in answer.text, path
    for path in (
        "/",
        "/models",
        "/versions",
        "/deployments",
        "/environments",
        "/environments/staging",
    ):
        page = browser.get(path)
        assert page.status_code == 200, path
        links = [link for link in Page(page).links if "bert" in link and link.startswith("/models/")]
        assert links, path
        assert all("/models/Team%20A/bert%202" in link for link in links), links
    assert browser.post("/models/Team%20A/bert%202/versions/1.0.0/-/demote").status_code == 303
