"""`/webhooks`, `/jobs` and the mail that people choose: what the pages show, and what they never show."""

import pytest
from markup import Page
from rolecases import failed
from stage import faults

URL = "https://93.184.215.14/services/T000/secrettoken"


@pytest.fixture
def hook(api):
    return api.make("/api/v1/webhooks", {"url": URL, "events": ["version.promoted"], "models": ["nlp/*"]})


def test_a_new_webhook_shows_its_secret_once(browser, api):
    form = {
        "url": URL,
        "format": "slack",
        "events": ["version.promoted", "approval.wanted"],
        "models": "nlp/*\nvision/vit",
    }
    answer = browser.post("/new/webhook", form)
    assert answer.status_code == 200
    assert "whsec_" in answer.text
    assert "no-transform" in answer.headers["Cache-Control"]
    [webhook] = api.get("/api/v1/webhooks").json
    assert (webhook["format"], webhook["models"]) == ("slack", ["nlp/*", "vision/vit"])
    assert webhook["events"] == ["version.promoted", "approval.wanted"]
    for address in ("/webhooks", f"/webhooks/{webhook['id']}", f"/webhooks/{webhook['id']}/-/edit", "/audit"):
        text = browser.get(address).text
        assert "whsec_" not in text
        assert "secrettoken" not in text


@pytest.mark.parametrize("ticked", [[], None])
def test_no_event_ticked_is_every_event(browser, api, ticked):
    form = {"url": URL, "format": "standard"} | ({} if ticked is None else {"events": ticked})
    browser.post("/new/webhook", form)
    assert api.get("/api/v1/webhooks").json[0]["events"] is None


def test_an_address_that_may_not_be_sent_to_is_refused_with_what_was_typed(browser):
    answer = browser.post(
        "/new/webhook", {"url": "https://10.0.0.7/x", "format": "standard", "events": ["version.created"]}
    )
    assert answer.status_code == 422
    assert "EGRESS_ALLOW" in answer.text
    assert 'value="version.created" checked' in " ".join(answer.text.split())


def test_an_edit_keeps_the_address_and_changes_what_was_changed(browser, api, hook):
    form = {"url": "", "format": "standard", "events": ["version.created"], "models": "", "active": "true"}
    assert browser.post(f"/webhooks/{hook['id']}/-/edit", form).status_code == 303
    row = api.get(f"/api/v1/webhooks/{hook['id']}").json
    assert (row["url_end"], row["events"], row["models"], row["state"]) == ("oken", ["version.created"], None, "active")
    assert browser.post(f"/webhooks/{hook['id']}/-/edit", {**form, "active": "false"}).status_code == 303
    assert api.get(f"/api/v1/webhooks/{hook['id']}").json["state"] == "ended"
    assert browser.post(f"/webhooks/{hook['id']}/-/edit", {**form, "counter": "1"}).status_code == 412


def test_deliveries_show_each_try_and_are_sent_again(browser, api, hook, sql):
    delivery = failed(api.app, hook["id"])["delivery"]
    sql("INSERT INTO delivery_tries VALUES (gen_random_uuid(), :id, now(), 31, 500, '<b>broken</b>')", id=delivery)
    page = browser.get(f"/webhooks/{hook['id']}")
    assert "&lt;b&gt;broken&lt;/b&gt;" in page.text
    assert f"/deliveries/{delivery}/-/replay" in Page(page).actions
    assert browser.post(f"/deliveries/{delivery}/-/replay", {}).status_code == 303
    assert f"/deliveries/{delivery}/-/replay" not in Page(browser.get(f"/webhooks/{hook['id']}")).actions
    assert browser.post(f"/deliveries/{delivery}/-/replay", {}).status_code == 409


def test_jobs_say_that_no_worker_runs_and_what_failed(browser, api, hook, sql):
    assert "flask worker" in browser.get("/jobs").text
    job = failed(api.app, hook["id"])["job"]
    sql("UPDATE jobs SET last_error = '<i>no</i>', last_run_at = now(), attempts = 12")
    page = browser.get("/jobs")
    assert "flask worker" not in page.text
    assert "12 attempts: &lt;i&gt;no&lt;/i&gt;" in " ".join(page.text.split())
    assert browser.post(f"/jobs/{job}/-/retry", {}).status_code == 303
    assert sql("SELECT state, attempts FROM jobs") == [{"state": "open", "attempts": 0}]
    assert browser.post(f"/jobs/{job}/-/retry", {}).status_code == 409


def test_people_choose_what_they_are_told_of_by_mail(api, sql, browser):
    person = api.make("/api/v1/people", {"name": "Dana", "role": "viewer"})
    sql("UPDATE api_keys SET person_id = :id WHERE name = 'viewer-key'", id=person["id"])
    browser = browser.by("viewer")
    assert "SMTP_URL" in browser.get("/me/edit").text
    form = {"name": "Dana", "email": "dana@example.com", "events": ["approval.wanted", "webhook.ended"]}
    assert browser.post("/me/edit", form).status_code == 303
    assert api.get(f"/api/v1/people/{person['id']}").json["notices"] == ["approval.wanted", "webhook.ended"]
    assert browser.post("/me/edit", {**form, "events": []}).status_code == 303
    assert api.get(f"/api/v1/people/{person['id']}").json["notices"] == []
    assert "notices" in faults(api.put(f"/api/v1/people/{person['id']}", {"notices": ["nonsense"]}))
