"""The way of a version as steps, on its page: what is done keeps who and when, whatever happens later."""

import re

import pytest
from markup import Page

AT = "/models/org/bert/versions/1.0.0"
DAY = 86_400
LIVE_FOR = "UPDATE deployments SET live_from = now() - make_interval(hours => :hours)"


@pytest.fixture(autouse=True)
def environments(api):
    """Staging and production, which is protected."""
    api.put("/api/v1/environments/staging", {"rank": 1})
    api.put("/api/v1/environments/production", {"rank": 2, "protected": True})


def steps(browser):
    """Each step's text by its first word, and the state of each."""
    page = Page(browser.get(AT))
    rows = [row for row in page.all("li") if row.get("data-state")]
    texts = [(row["data-state"], row.text.replace(" ,", ",")) for row in rows]
    return {text.split()[0].strip(","): (state, text) for state, text in texts}


def promote(api, version, **body):
    answer = api.post(f"/api/v1/versions/{version['id']}/promote", body)
    assert answer.status_code == 200, answer.text


def test_without_gates_the_way_is_registered_release_and_production(browser, version):
    found = steps(browser)
    assert list(found) == ["Registered", "Release", "production"]
    assert found["Registered"] == ("done", "Registered, done publisher-key, just now")
    assert found["Release"][0] == found["production"][0] == "ahead"
    page = Page(browser.get(AT))
    assert page.one("li", aria_current="step").text.startswith("Release , to come")
    assert page.one("ol", class_="stepper").text.startswith("Registered")


def test_the_first_deployment_that_went_live_stays(browser, api, version):
    first = api.by("publisher").deployment(version, "staging")
    api.deployment(version, "staging")
    api.deployment(version, "staging", status="failed")
    state, text = steps(browser)["staging"]
    assert (state, text) == ("done", "staging, done publisher-key, just now")
    assert f"/deployments/{first['id']}" in Page(browser.get(AT)).links
    api.deployment(api.version({"id": version["model_id"]}, "2.0.0"), "staging")
    assert steps(browser)["staging"] == (state, text)


def test_a_deployment_on_its_way_is_in_progress(browser, api, version):
    api.deployment(version, "production", status="running")
    assert steps(browser)["production"][0] == "running"
    api.deployment(version, "production")
    assert steps(browser)["production"][0] == "done"


def test_a_soak_says_what_is_left_and_is_done_after_it(browser, api, sql, version, gate):
    gate("soaked", environment="staging", seconds=DAY)
    assert steps(browser)["Soak"] == ("ahead", "Soak, to come 1 day in staging")
    assert steps(browser)["staging"][0] == "ahead"
    api.deployment(version, "staging")
    sql(LIVE_FOR, hours=18)
    state, text = steps(browser)["Soak"]
    assert state == "running"
    assert re.match(r"Soak, [56] h left, in progress 18 h of 1 day, ready \S", text)
    assert Page(browser.get(AT)).one("li", aria_current="step").text.replace(" ,", ",") == text
    sql(LIVE_FOR, hours=30)
    assert steps(browser)["Soak"] == ("done", "Soak, done 1 day in staging")


def test_approvals_are_counted_with_the_names(browser, api, version, gate):
    gate("approved", count=2, role="releaser")
    assert steps(browser)["Approved"] == ("ahead", "Approved 0 of 2, to come")
    api.make(f"/api/v1/versions/{version['id']}/approvals", {"target": "release"})
    assert steps(browser)["Approved"] == ("running", "Approved 1 of 2, in progress admin-key, just now")
    api.by("releaser").make(f"/api/v1/versions/{version['id']}/approvals", {"target": "release"})
    assert steps(browser)["Approved"] == ("done", "Approved 2 of 2, done admin-key, releaser-key, just now")


def test_an_approval_that_a_changed_gate_made_void_does_not_count(browser, api, version, gate):
    made = gate("approved", count=1, role="releaser")
    api.make(f"/api/v1/versions/{version['id']}/approvals", {"target": "release"})
    assert steps(browser)["Approved"][0] == "done"
    api.put(f"/api/v1/gates/{made['id']}", {"count": 2})
    assert steps(browser)["Approved"] == ("ahead", "Approved 0 of 2, to come")


def test_an_overridden_step_says_who_and_stays_when_the_gates_are_gone(browser, api, sql, version, gate):
    made = [gate("soaked", environment="staging", seconds=DAY), gate("approved", count=1, role="releaser")]
    api.deployment(version, "staging")
    sql(LIVE_FOR, hours=18)
    api.by("releaser").make(f"/api/v1/versions/{version['id']}/approvals", {"target": "release"})
    promote(api, version, force=True, reason="now")
    found = steps(browser)
    assert found["Soak"][0] == "overridden"
    assert found["Soak"][1].startswith("Soak overridden admin-key, just now, live in staging for 18 hours")
    assert found["Approved"] == ("done", "Approved by 1, done releaser-key, just now")
    assert found["Release"] == ("done", "Release, done admin-key, just now")
    for each in made:
        api.delete(f"/api/v1/gates/{each['id']}")
    assert {name: found[name] for name in ("Soak", "Approved", "Release")}.items() <= steps(browser).items()


def test_a_gate_of_production_is_a_step_too_until_it_let_the_version_through(browser, api, sql, version, gate):
    gate("soaked", "production", environment="staging", seconds=DAY)
    api.deployment(version, "staging")
    assert steps(browser)["Soak"][0] == "running"
    sql(LIVE_FOR, hours=48)
    api.deployment(version, "production")
    found = steps(browser)
    assert found["Soak"] == ("done", "Soak, done live in staging for 2 days")
    assert found["production"][0] == "done"
    api.deployment(api.version({"id": version["model_id"]}, "2.0.0"), "staging")
    assert steps(browser)["Soak"] == found["Soak"]


def test_what_production_asks_for_is_a_step_of_its_own_after_the_release(browser, api, sql, version, gate):
    gate("soaked", environment="staging", seconds=1)
    gate("soaked", "production", environment="staging", seconds=DAY)
    gate("approved", "production", count=2, role="releaser")
    api.deployment(version, "staging")
    sql(LIVE_FOR, hours=1)
    promote(api, version)
    rows = [row for row in Page(browser.get(AT)).all("li") if row.get("data-state")]
    assert [(row.text.split()[0].strip(","), row["data-state"]) for row in rows] == [
        *(("Registered", "done"), ("staging", "done"), ("Soak", "done"), ("Release", "done")),
        *(("Soak", "running"), ("Approved", "ahead"), ("production", "ahead")),
    ]


def test_a_frozen_environment_says_until_when(browser, api, version):
    freeze = {"frozen": True, "frozen_reason": "Sale", "frozen_until": "2100-01-04T08:00:00Z"}
    api.put("/api/v1/environments/production", freeze)
    assert steps(browser)["production"] == ("frozen", "production frozen until 4 Jan 08:00")


def test_a_release_before_gates_has_no_such_steps(browser, api, version, gate):
    promote(api, version)
    gate("approved", count=1, role="releaser")
    assert "Approved" not in steps(browser)


def test_a_name_that_is_markup_is_text(browser, api):
    key = api.make("/api/v1/api-keys", {"name": "<b>ci</b>", "role": "publisher"})
    model = api.model()
    type(api)(api.app, {"own": key["key"]}, "own").version(model)
    assert "<b>ci</b>" not in browser.get(AT).text
    assert "<b>ci</b>" in steps(browser)["Registered"][1]
