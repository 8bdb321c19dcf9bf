"""What let a version through: the card on versions and deployments, the column in time travel, the page and the file."""

import json

import pytest
from markup import Page, is_whole
from stage import Api

VERSION = "/models/org/bert/versions/1.0.0"
METRIC = {"model": "*", "target": "release", "kind": "metric", "path": "accuracy", "op": ">=", "value": 0.9}
APPROVED = {"model": "*", "target": "release", "kind": "approved"}
LATER = "2100-01-01T00:00"


@pytest.fixture
def version(api):
    """A version of accuracy 0.95 that the publisher registered; there is an environment, staging."""
    api.put("/api/v1/environments/staging", {})
    return api.by("publisher").version(api.model(), metadata={"accuracy": 0.95})


def promote(api, version, **body):
    return api.post(f"/api/v1/versions/{version['id']}/promote", body)


def card(response, name="promotion"):
    return Page(response).one("section", id=name).text


def test_a_release_shows_each_verdict_with_its_numbers_and_each_approval(browser, api, version):
    for gate in (METRIC, APPROVED):
        api.make("/api/v1/gates", gate)
    dana = api.make("/api/v1/people", {"name": "Dana Ortiz", "role": "releaser"})
    key = api.make("/api/v1/api-keys", {"name": "laptop", "role": "releaser", "person_id": dana["id"]})
    by_dana = Api(api.app, {"own": key["key"]}, "own")
    by_dana.make(f"/api/v1/versions/{version['id']}/approvals", {"target": "release", "comment": "Checked <b>"})
    promote(api, version)
    shown = card(browser.get(VERSION))
    assert "Let through by 2 of 2 gates" in shown
    assert "admin-key promoted it just now" in shown
    assert "accuracy ≥ 0.9 accuracy is 0.95; it must be >= 0.9" in shown
    assert "it has 1 of 1 approvals" in shown
    assert "Dana Ortiz approved just now “Checked <b>”" in shown
    assert "overridden" not in shown
    assert "Kept as it was at " in shown


def test_it_stays_as_it_was_whatever_happens_to_gates_and_people(browser, api, version):
    gate = api.make("/api/v1/gates", METRIC)
    promote(api, version)
    before = card(browser.get(VERSION))
    api.put(f"/api/v1/gates/{gate['id']}", {"value": 0.99})
    assert card(browser.get(VERSION)) == before
    api.delete(f"/api/v1/gates/{gate['id']}")
    assert card(browser.get(VERSION)) == before


def test_an_override_is_amber_with_its_reason_quoted(browser, api, version):
    api.make("/api/v1/gates", {**METRIC, "value": 0.99})
    promote(api, version, force=True, reason="Customers wait")
    page = Page(browser.get(VERSION))
    assert page.has_class("quote")[0].text == "“Customers wait”"
    assert [it.text for it in page.has_class("warn") if "chip" in it["class"]] == ["override", "1 override"]
    assert "accuracy ≥ 0.99 overridden accuracy is 0.95" in page.one("section", id="promotion").text


def test_a_deployment_and_the_version_that_is_live_show_what_let_it_through(browser, api, version):
    api.make("/api/v1/gates", {**METRIC, "target": "staging"})
    made = api.deployment(version, "staging", reason="Asked for by sales")
    for path, name in ((f"/deployments/{made['id']}", "evidence"), (VERSION, "live-evidence")):
        shown = card(browser.by("viewer").get(path), name)
        assert "admin-key deployed it just now" in shown
        assert "“Asked for by sales”" in shown
        assert "1 of 1 gates" in shown


def test_a_rollback_through_a_freeze_says_so(browser, api, version):
    api.deployment(version, "staging")
    api.deployment(api.version({"id": version["model_id"]}, "1.1.0"), "staging")
    api.put("/api/v1/environments/staging", {"frozen": True, "frozen_reason": "Sale"})
    back = api.make("/api/v1/environments/staging/rollback", {"model_name": "org/bert", "reason": "slow"})
    shown = card(browser.get(f"/deployments/{back['id']}"), "evidence")
    assert "admin-key rolled back to it" in shown
    assert "“slow” staging was frozen passed Sale" in shown


def test_where_nothing_was_kept_it_says_so(browser, api, version, sql):
    promote(api, version)
    made = api.deployment(version, "staging")
    sql("UPDATE versions SET decision_id = NULL")
    sql("UPDATE deployments SET decision_id = NULL")
    assert "by admin-key. No evidence was kept then." in card(browser.get(VERSION))
    assert "No evidence was kept then." in card(browser.get(VERSION), "live-evidence")
    assert "No evidence was kept then." in card(browser.get(f"/deployments/{made['id']}"), "evidence")
    assert "No evidence was kept then" in browser.get(f"/environments/staging?at={LATER}").text


def test_a_failed_deployment_was_let_through_by_nobody(browser, api, version):
    made = api.deployment(version, "staging", status="failed")
    assert "It did not get there" in card(browser.get(f"/deployments/{made['id']}"), "evidence")


def test_time_travel_says_who_let_it_through(browser, api, version):
    api.make("/api/v1/gates", {**METRIC, "target": "staging", "value": 0.99})
    made = api.deployment(version, "staging", force=True, reason="now")
    page = Page(browser.get(f"/environments/staging?at={LATER}"))
    cell = page.one("td", data_label="Let through by")
    assert cell.text == "admin-key override 1 override"
    assert f"/decisions/{made['decision_id']}" in page.links


def test_its_page_shows_all_of_it_and_the_file_is_what_the_api_answers(browser, api, version):
    api.make("/api/v1/gates", {**METRIC, "value": 0.99})
    decision = promote(api, version, force=True, reason="Customers <wait>").json["decision_id"]
    response = browser.by("viewer").get(f"/decisions/{decision}")
    page = Page(response)
    assert is_whole(response)
    assert page.texts("h1") == ["Promotion of org/bert 1.0.0"]
    main = page.one("main").text
    kept = api.get(f"/api/v1/decisions/{decision}").json
    assert kept["sha256"] in main
    assert kept["content"]["hash"] in main
    assert "Customers <wait>" in main
    assert "accuracy 0.95" in main
    file = browser.by("viewer").get(f"/decisions/{decision}.json")
    assert file.headers["Content-Disposition"] == f'attachment; filename="decision-{decision}.json"'
    assert json.loads(file.text) == kept
    assert f"/decisions/{decision}.json" in page.links
    assert browser.get("/decisions/019ab2f0-7c1e-7d52-a1f3-2b7c9d0e4f11").status_code == 404
    assert browser.by(None).get(f"/decisions/{decision}.json").status_code == 303


@pytest.mark.parametrize("kind", ["demote", "deploy", "rollback", "retire"])
def test_every_kind_of_decision_has_a_page(browser, api, version, kind):
    later = api.version({"id": version["model_id"]}, "1.1.0")
    promote(api, version)
    api.post(f"/api/v1/versions/{version['id']}/demote", {})
    api.deployment(version, "staging")
    api.deployment(later, "staging")
    api.make("/api/v1/environments/staging/rollback", {"model_name": "org/bert", "reason": "slow"})
    api.post("/api/v1/environments/staging/retire", {"model_name": "org/bert", "reason": "done"})
    decisions = api.get(f"/api/v1/versions/{version['id']}/decisions").json
    (decision,) = [it["id"] for it in decisions if it["kind"] == kind][:1]
    assert "org/bert 1.0.0" in Page(browser.get(f"/decisions/{decision}")).texts("h1")[0]


def test_the_longest_evidence_fits_on_a_page(browser, api):
    version = api.version(api.model("org/".ljust(255, "x")), "&" * 128, tag="t", metadata={"text": "&" * 60_000})
    for target in ("release", "staging", "canary"):
        if target != "release":
            api.put(f"/api/v1/environments/{target}", {})
        for number in range(60):
            paths = [f"{number}-{path}".ljust(255, "&") for path in range(50)]
            api.make("/api/v1/gates", {"model": "*", "target": target, "kind": "metadata_present", "paths": paths})
    reason = "&" * 10_000
    released = promote(api, version, force=True, reason=reason).json["decision_id"]
    made = [api.deployment(version, target, force=True, reason=reason) for target in ("staging", "canary")]
    at = f"/models/{'org/'.ljust(255, 'x')}/versions/{'%26' * 128}"
    for path in (at, f"/deployments/{made[0]['id']}", f"/decisions/{released}", f"/environments/staging?at={LATER}"):
        response = browser.get(path)
        assert response.status_code == 200
        assert len(response.data) <= 900_000, path
