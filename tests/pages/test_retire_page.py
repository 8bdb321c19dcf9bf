"""`/environments/<name>/-/retire`: taking a model out of service, and deployments that are overdue."""

import pytest
from markup import Page, is_whole

RETIRE = "/environments/staging/-/retire"


@pytest.fixture
def live(api):
    """A version that is live in staging."""
    return api.deployment(api.version(api.model()), "staging")


def send(browser, htmx=None, **changed):
    return browser.post(RETIRE, {"model_name": "org/bert", "reason": "Replaced", **changed}, htmx=htmx)


def test_the_form_says_what_ends_before_it_asks(browser, api, live):
    api.deployment({"id": live["release_id"]}, "staging", status="running")
    form = Page(browser.get(f"{RETIRE}?model_name=org/bert", htmx="dialog-body")).one("form").text
    assert "1.0.0, live since just now, ends, and nothing takes its place." in form
    assert "1 unfinished deployment of the model there is cancelled." in form


def test_retiring_ends_it_and_keeps_the_reason(browser, api, live, trail):
    response = send(browser.by("publisher"))
    assert (response.status_code, response.headers["Location"]) == (303, "/environments")
    assert api.get(f"/api/v1/deployments/{live['id']}").json["live"] is False
    (entry,) = trail("deployment.retire")
    assert entry["details"]["reason"] == "Replaced"
    feed = browser.get("/", htmx="activity").words
    assert "retired org/bert <code>1.0.0</code> from staging" in feed


def test_what_went_live_since_the_form_was_shown_is_not_retired(browser, api, live, trail):
    sent = {**Page(browser.get(f"{RETIRE}?model_name=org/bert")).form, "reason": "Replaced"}
    later = api.deployment({"id": live["release_id"]}, "staging")
    answer = browser.post(RETIRE, sent)
    assert (answer.status_code, Page(answer).field("reason").value) == (412, "Replaced")
    assert api.get(f"/api/v1/deployments/{later['id']}").json["live"] is True
    assert not trail("deployment.retire")
    assert browser.post(RETIRE, {**Page(answer).form, "reason": "Replaced"}).status_code == 303


@pytest.mark.parametrize("htmx", [None, "form"])
@pytest.mark.parametrize("reason", ["", " \u200b "])
def test_it_takes_a_reason_that_can_be_read(browser, api, live, trail, reason, htmx):
    response = send(browser, htmx, reason=reason)
    assert (response.status_code, is_whole(response), Page(response).invalid) == (422, htmx is None, ["reason"])
    assert not trail("deployment.retire")


def test_a_protected_environment_takes_a_releaser_and_the_models_name(browser, api, live, trail):
    api.put("/api/v1/environments/staging", {"protected": True})
    assert send(browser.by("publisher"), confirm="org/bert").status_code == 403
    assert Page(send(browser.by("releaser"))).invalid == ["confirm"]
    assert not trail("deployment.retire")
    assert send(browser.by("releaser"), confirm="org/bert").status_code == 303


def test_a_freeze_does_not_stop_it_and_is_told(browser, api, live):
    api.put("/api/v1/environments/staging", {"frozen": True, "frozen_reason": "Sale"})
    assert "is frozen: Sale. Retiring is allowed during a freeze" in browser.get(f"{RETIRE}?model_name=org/bert").words
    assert send(browser).status_code == 303
    assert "from staging during a freeze" in browser.get("/", htmx="activity").words


def test_where_nothing_is_live_there_is_nothing_to_retire(browser, api, live):
    send(browser)
    page = Page(browser.get(f"{RETIRE}?model_name=org/bert"))
    assert "nothing to retire" in page.one(role="alert").text
    assert "Retire" not in page.texts("button")
    assert send(browser).status_code == 409


@pytest.mark.parametrize("role", ["viewer", "publisher", "releaser"])
@pytest.mark.parametrize("protected", [False, True])
def test_it_is_offered_where_a_rollback_is_to_whoever_may(browser, api, live, role, protected):
    api.put("/api/v1/environments/staging", {"protected": protected})
    may = role == "releaser" or (role == "publisher" and not protected)
    paths = ["/environments", "/environments/staging", f"/deployments/{live['id']}", "/models/org/bert/versions/1.0.0"]
    for path in paths:
        links = Page(browser.by(role).get(path)).links
        assert (f"{RETIRE}?model_name=org/bert" in links) is may, path


# --- overdue ----------------------------------------------------------------------------------------------------------


def test_an_unfinished_deployment_that_takes_too_long_is_overdue_wherever_it_is_shown(browser, api, live, sql):
    running = api.deployment({"id": live["release_id"]}, "Staging", status="running")
    paths = ["/environments", "/deployments", f"/deployments/{running['id']}", "/models/org/bert/versions/1.0.0"]
    paths += ["/models/org/bert/-/deployments", "/environments/staging/-/history"]

    def shown():
        return [len([it for it in Page(browser.get(path)).has_class("chip") if it.text == "overdue"]) for path in paths]

    assert shown() == [0] * 6
    api.put("/api/v1/environments/staging", {"deploy_within": 600})
    assert shown() == [0] * 6
    sql("UPDATE deployments SET deployed_at = now() - interval '11 minutes'")
    assert shown() == [1] * 6
    api.put(f"/api/v1/deployments/{running['id']}", {"status": "failed"})
    assert shown() == [0] * 6


def test_the_settings_say_after_how_long(browser, api, live):
    path = "/environments/staging/-/settings"
    data = {"rank": "1", "protected": "false", "description": ""}
    assert browser.post(path, {**data, "deploy_within": "1800"}).status_code == 303
    assert api.get("/api/v1/environments/staging").json["deploy_within"] == 1800
    assert Page(browser.get(path)).field("deploy_within").value == "1800"
    assert Page(browser.post(path, {**data, "deploy_within": "0"})).invalid == ["deploy_within"]
    assert browser.post(path, {**data, "deploy_within": ""}).status_code == 303
    assert api.get("/api/v1/environments/staging").json["deploy_within"] is None
