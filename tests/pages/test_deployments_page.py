"""`/deployments`: the list, the form that records a deployment, and a deployment's own page with its next steps."""

import json
import re

import pytest
from markup import Page, is_whole

ROW = re.compile(r'<tr id="deployment-([0-9a-f-]{36})"')


@pytest.fixture
def deployed(api, version):
    """The version's deployments by name, and two of another model."""
    other = api.version(api.model("org/other"), "2.0.0")
    return {
        "staging": api.deployment(version, "staging", endpoint_url="https://bert.example.com/v1"),
        "production": api.deployment(version, "Production"),
        "failed": api.deployment(version, "canary", status="failed"),
        "over": api.deployment(other, "staging"),
        "again": api.deployment(other, "staging"),
    }


def rows(response):
    return ROW.findall(response.text)


def send(browser, htmx=None, **changed):
    data = {"model": "org/bert", "version": "1.0.0", "environment": "staging", "status": "success", **changed}
    return browser.post("/new/deployment", data, htmx=htmx)


# --- the list ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["again", "over", "failed", "production", "staging"]),
        ("environment=STAGING", ["again", "over", "staging"]),
        ("model_name=Org/Bert", ["failed", "production", "staging"]),
        ("status=failed", ["failed"]),
        ("live=true", ["again", "production", "staging"]),
        ("environment=staging&model_name=org/other&live=true", ["again"]),
        ("environment=staging", ["again", "over", "staging"]),
        ("environment=nowhere", []),
    ],
)
def test_filters_are_in_the_address(browser, deployed, query, found):
    assert rows(browser.by("viewer").get(f"/deployments?{query}")) == [deployed[name]["id"] for name in found]


def test_a_row_says_what_went_where_how_by_whom_and_leads_there(browser, deployed):
    page = Page(browser.get("/deployments?environment=staging&model_name=org/bert"))
    row = page.one("tr", id=f"deployment-{deployed['staging']['id']}").text
    assert all(text in row for text in ("success · live", "admin-key", "bert.example.com/v1"))
    links = {"/models/org/bert", "/models/org/bert/versions/1.0.0", "https://bert.example.com/v1"}
    assert links | {f"/deployments/{deployed['staging']['id']}"} <= set(page.links)
    assert "success · over" in browser.get("/deployments?model_name=org/other").text


def test_only_http_and_https_become_links(browser, deployed, sql):
    sql("SET CONSTRAINTS ALL IMMEDIATE")
    for column in ("endpoint_url", "log_url"):
        sql(f"ALTER TABLE deployments DROP CONSTRAINT ck_deployments_{column}")
        sql(f"UPDATE deployments SET {column} = 'javascript:alert(1)'")
    assert "javascript:alert(1)" in browser.get("/deployments").text
    for path in ("/deployments", f"/deployments/{deployed['staging']['id']}"):
        assert 'href="javascript:' not in browser.get(path).text


# --- recording one ----------------------------------------------------------------------------------------------------


def test_recording_one_goes_to_its_version(browser, version, api):
    sent = {"endpoint_url": "https://x.example", "log_url": "https://ci.example/1", "metadata": '{"replicas": 3}'}
    response = send(browser.by("publisher"), **sent)
    assert (response.status_code, response.headers["Location"]) == (303, "/models/org/bert/versions/1.0.0")
    (made,) = api.get("/api/v1/deployments").json
    assert (made["release_id"], made["live"], made["deployed_by"]) == (version["id"], True, "publisher-key")
    assert {name: made[name] for name in sent} == {**sent, "metadata": {"replicas": 3}}


def test_htmx_learns_where_to_go_and_what_happened(browser, api, version):
    response = send(browser, htmx="form")
    assert response.status_code == 204
    assert '"/models/org/bert/versions/1.0.0"' in response.headers["HX-Location"]
    toast = json.loads(response.headers["HX-Trigger"])["toast"]
    assert toast["text"] == "org/bert 1.0.0 is live in staging."
    (made,) = api.get("/api/v1/deployments").json
    assert toast["link"] == {"address": f"/deployments/{made['id']}", "label": "Open the deployment"}
    assert "staging: failed." in send(browser, htmx="form", status="failed").headers["HX-Trigger"]


@pytest.mark.parametrize(
    ("current", "path"),
    [
        ("http://localhost/environments?days=90", "/environments?days=90"),
        ("http://localhost/deployments?status=failed", "/deployments?status=failed"),
        ("http://localhost/new/deployment?model=org/bert", "/models/org/bert/versions/1.0.0"),
        ("https://evil.example/environments", "/models/org/bert/versions/1.0.0"),
    ],
)
def test_a_dialog_leads_back_to_the_page_it_was_opened_on(browser, version, current, path):
    headers = {"HX-Current-URL": current}
    data = {"model": "org/bert", "version": "1.0.0", "environment": "staging"}
    response = browser.post("/new/deployment", data, htmx="form", headers=headers)
    assert json.loads(response.headers["HX-Location"])["path"] == path


def test_the_address_fills_the_form(browser, version):
    page = Page(browser.get("/new/deployment?model=org/bert&version=1.0.0", htmx="dialog-body"))
    assert [page.field(name).value for name in ("model", "version")] == ["org/bert", "1.0.0"]
    assert "cancelled" not in page.texts("option")


def test_only_a_protected_environment_takes_the_model_s_name(browser, api, version):
    assert send(browser, environment="production").status_code == 303
    api.put("/api/v1/environments/edge", {"protected": True})
    form = Page(browser.get("/new/deployment?environment=Edge"))
    assert form.field("confirm")
    assert form.one("option", value="edge")["label"] == "edge · protected"
    assert Page(send(browser, environment=" EDGE ")).invalid == ["confirm"]
    assert send(browser, environment=" EDGE ", confirm="org/bert").status_code == 303


def test_protected_environments_and_no_others_have_a_green_chip(browser, api, version):
    api.put("/api/v1/environments/edge", {"protected": True})
    for name in ("edge", "production"):
        api.deployment(version, name)
    for path in ("/models/org/bert", "/models/org/bert/versions/1.0.0", "/deployments"):
        chips = [link for link in Page(browser.get(path)).all("a") if "chip" in (link.get("class") or "")]
        assert {link.text for link in chips if "ok" in link["class"].split()} == {"edge"}, path


@pytest.mark.parametrize("htmx", [None, "form"])
def test_a_freeze_is_shown_beside_the_name_and_refuses_with_its_reason(browser, api, version, trail, htmx):
    freeze = {"frozen": True, "frozen_reason": "Sale <b>", "frozen_until": "2100-01-02T03:04:05Z"}
    api.put("/api/v1/environments/staging", freeze)
    about = "frozen until 2100-01-02 03:04:05 UTC: Sale <b>"
    page = Page(browser.get("/new/deployment?environment=staging"))
    assert page.one("option", value="staging")["label"] == f"staging · {about}"
    assert page.has_class("is-freeze")[0].text.startswith("staging is frozen until 2100-01-02 03:04 UTC: Sale <b>")
    response = send(browser, htmx, log_url="https://ci.example/1")
    assert response.status_code == 409
    assert f"staging is {about}" in Page(response).one(role="alert").text
    assert Page(response).field("log_url").value == "https://ci.example/1"
    assert not trail("deployment.create")
    assert send(browser, htmx, status="failed").status_code in (204, 303)


# --- its own page -----------------------------------------------------------------------------------------------------


def moves(page):
    """`{state: how it is reached}` of the buttons: "form" in place, or "dialog"."""
    forms = {action.rpartition("/")[2]: "form" for action in page.actions if action.startswith("/deployments/")}
    links = [link for link in page.links if link.startswith("/deployments/") and "/-/" in link]
    return forms | {link.rpartition("/")[2]: "dialog" for link in links}


def steps(page):
    return [(item["data-state"], item.text) for item in page.all("li") if item.get("data-state")]


def took(sql, deployment, minutes):
    """Let the deployment have begun so many minutes earlier."""
    for statement in ("deployments SET deployed_at = deployed_at", "deployment_states SET at = at"):
        where = "id" if "deployed_at" in statement else "status IN ('pending', 'running') AND deployment_id"
        sql(f"UPDATE {statement} - make_interval(mins => :mins) WHERE {where} = :id", mins=minutes, id=deployment["id"])


def finished(api, sql, version, minutes, status="success"):
    made = api.deployment(version, "staging", status="running")
    api.put(f"/api/v1/deployments/{made['id']}", {"status": status})
    took(sql, made, minutes)
    return made


def test_its_steps_end_with_what_became_of_it(browser, api, version):
    ends = {"success": ("done", "Live"), "failed": ("failed", "Failed"), "cancelled": ("failed", "Cancelled")}
    for status, (state, what) in ends.items():
        made = api.deployment(version, "staging", status="running")
        api.put(f"/api/v1/deployments/{made['id']}", {"status": status})
        shown = steps(Page(browser.get(f"/deployments/{made['id']}")))
        assert [each for each, _ in shown] == ["done", "done", state]
        assert shown[-1][1].startswith(what)


def test_its_steps_say_which_gates_let_it_through_and_which_were_overridden(browser, api, version, gate):
    gate(target="staging", value=0.5)
    passed = api.deployment(version, "staging")
    assert steps(Page(browser.get(f"/deployments/{passed['id']}")))[1][1].startswith("Gates, 1 of 1")
    gate(target="staging", value=0.99)
    forced = api.deployment(version, "staging", force=True, reason="now")
    assert steps(Page(browser.get(f"/deployments/{forced['id']}")))[1] == (
        *("overridden", "Gates, 1 of 2, overridden admin-key, just now"),
    )


def test_it_shows_how_long_it_takes_beside_the_median_of_the_last_ones(browser, api, sql, version):
    for minutes in (4, 8, 30):
        finished(api, sql, version, minutes)
    made = api.deployment(version, "staging", status="running")
    took(sql, made, 2)
    page = Page(browser.get(f"/deployments/{made['id']}"))
    bar = page.one("progress")
    assert (round(float(bar["max"])), round(float(bar["value"]))) == (480, 120)
    assert page.has_class("took")[0].text == "2 min so far Median of the last ones: 8 min"
    assert steps(page)[-1][1].startswith("Live , to come about ")
    took(sql, made, 20)
    assert "about" not in steps(Page(browser.get(f"/deployments/{made['id']}")))[-1][1]


def test_it_lists_the_ones_before_it_in_its_environment_alone(browser, api, sql, version):
    finished(api, sql, version, 4)
    finished(api, sql, version, 8, "failed")
    api.deployment(version, "production")
    api.deployment(api.version(api.model("org/other"), "9.9"), "staging")
    made = api.deployment(api.version({"id": version["model_id"]}, "2.0.0"), "staging")
    api.deployment(version, "staging", status="pending")
    page = Page(browser.get(f"/deployments/{made['id']}"))
    rows = [row.text for row in page.all("tr") if "1.0.0" in row.text or "9.9" in row.text]
    assert [row.split()[1] for row in rows if row.startswith("1.0.0")] == ["success", "failed"]
    assert "4 min" in rows[-2]
    assert "8 min" in rows[-1]
    first = Page(browser.get(f"/deployments/{api.get('/api/v1/deployments').json[-1]['id']}"))
    assert "This is the first one" in first.one("section", id="earlier").text


def test_it_shows_what_changed_against_the_one_before_it(browser, api, version):
    api.make(
        "/api/v1/gates",
        {"model": "*", "target": "release", "kind": "metric", "path": "accuracy", "op": ">", "value": 0},
    )
    second = api.version({"id": version["model_id"]}, "2.0.0", metadata={"accuracy": 0.95, "new": 1})
    for_first, for_second = api.deployment(version, "staging"), api.deployment(second, "staging")
    api.deployment(api.version({"id": version["model_id"]}, "3.0.0"), "staging")
    page = Page(browser.get(f"/deployments/{for_second['id']}"))
    shown = page.one("section", id="changes").text
    assert "1.0.0 went live here just now" in shown
    assert "accuracy 0.89 0.95 +0.06 better" in shown
    assert "3.0.0" not in shown
    assert "/models/org/bert/compare?v=1.0.0&v=2.0.0" in page.links
    shown = Page(browser.get(f"/deployments/{for_first['id']}")).one("section", id="changes").text
    assert "Nothing of org/bert was live in staging before" in shown


def test_what_is_on_its_way_is_compared_with_what_is_live_now(browser, api, version):
    second = api.version({"id": version["model_id"]}, "2.0.0", metadata={"accuracy": 0.95})
    made = api.deployment(second, "staging", status="pending")
    assert "Nothing of org/bert was live" in Page(browser.get(f"/deployments/{made['id']}")).one(id="changes").text
    api.deployment(version, "staging")
    made = api.deployment(second, "staging", status="running")
    assert "1.0.0 went live here" in Page(browser.get(f"/deployments/{made['id']}")).one(id="changes").text
    again = api.deployment(version, "staging")
    assert "The same version as before" in Page(browser.get(f"/deployments/{again['id']}")).one(id="changes").text


def test_the_way_back_is_there_while_it_is_live(browser, api, version):
    first = api.deployment(version, "staging")
    second = api.deployment(api.version({"id": version["model_id"]}, "2.0.0"), "staging")
    page = Page(browser.get(f"/deployments/{second['id']}"))
    assert "Before it, 1.0.0 was live here until just now" in page.one(id="back").text
    assert not Page(browser.get(f"/deployments/{first['id']}")).all(id="back")
    assert not Page(browser.by("viewer").get(f"/deployments/{second['id']}")).all(id="back")


def test_it_says_what_went_where_how_far_and_by_whom(browser, api, version):
    links = {"log_url": "https://ci.example.com/1", "endpoint_url": "https://bert.example.com"}
    made = api.deployment(version, "staging", status="pending", metadata={"replicas": 3}, **links)
    api.put(f"/api/v1/deployments/{made['id']}", {"status": "running"})
    page = Page(browser.by("viewer").get(f"/deployments/{made['id']}"))
    assert page.texts("h1") == ["org/bert 1.0.0 to staging"]
    assert {*links.values(), "/environments/staging"} <= set(page.links)
    assert [state for state, _ in steps(page)] == ["done", "done", "running", "ahead"]
    assert [text.split()[0] for _, text in steps(page)] == ["Asked", "Pending", "Running,", "Live"]
    assert "replicas" in page.one("main").text
    assert moves(page) == {}


def test_it_leads_to_what_superseded_it_and_to_what_it_rolled_back_from(browser, api, version):
    first = api.deployment(version, "staging")
    second = api.deployment(api.version({"id": version["model_id"]}, "1.1.0"), "staging")
    back = api.make("/api/v1/environments/staging/rollback", {"model_name": "org/bert", "reason": "slow"})
    page = Page(browser.get(f"/deployments/{back['id']}"))
    assert f"/deployments/{second['id']}" in page.links
    assert "rolled back from 1.1.0" in page.has_class("bad")[0].text
    assert "slow" in page.texts("dd")[-1]
    assert f"/deployments/{second['id']}" in Page(browser.get(f"/deployments/{first['id']}")).links
    assert f"/deployments/{back['id']}" in Page(browser.get(f"/deployments/{second['id']}")).links
    assert "/environments/staging/-/rollback?model_name=org/bert" in page.links


@pytest.mark.parametrize(
    ("status", "steps"),
    [
        ("pending", {"running", "success", "failed", "cancelled"}),
        ("running", {"success", "failed", "cancelled"}),
        ("success", set()),
        ("failed", set()),
    ],
)
def test_only_what_may_follow_is_offered(browser, api, version, status, steps):
    made = api.deployment(version, "production", status=status)
    assert moves(Page(browser.by("publisher").get(f"/deployments/{made['id']}"))) == dict.fromkeys(steps, "form")


def test_where_it_is_protected_success_is_confirmed_in_a_dialog(browser, api, version):
    api.put("/api/v1/environments/edge", {"protected": True})
    at = f"/deployments/{api.deployment(version, 'edge', status='running')['id']}"
    assert moves(Page(browser.get(at))) == {"success": "dialog", "failed": "form", "cancelled": "form"}
    assert not is_whole(browser.get(f"{at}/-/success", htmx="dialog-body"))


def test_without_scripts_a_step_leads_back_to_the_page(browser, api, version):
    made = api.deployment(version, "staging", status="running")
    response = browser.post(f"/deployments/{made['id']}/-/cancelled")
    assert (response.status_code, response.headers["Location"]) == (303, f"/deployments/{made['id']}")


def test_a_step_back_is_refused_in_place_and_the_page_shows_the_current_state(browser, api, version):
    made = api.deployment(version, "staging", status="running")
    at = f"/deployments/{made['id']}"
    sent = {"counter": Page(browser.get(at)).form["counter"]}
    api.put(f"/api/v1/deployments/{made['id']}", {"status": "failed"})
    stale = browser.post(f"{at}/-/success", sent, htmx="main")
    assert (stale.status_code, moves(Page(stale))) == (412, {})
    assert "changed it in the meantime" in stale.text
    refused = browser.post(f"{at}/-/running", htmx="main")
    assert refused.status_code == 409
    assert "become running" in Page(refused).one(role="alert").text
    assert is_whole(browser.post(f"{at}/-/running"))


def test_unknown_states_are_not_found(browser, api, version):
    made = api.deployment(version, "staging", status="running")
    for status in ("pending", "great"):
        assert browser.post(f"/deployments/{made['id']}/-/{status}").status_code == 404
