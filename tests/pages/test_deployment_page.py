"""A deployment's own page: how far it came, and what moves it on."""

import pytest
from markup import Page, is_whole


@pytest.fixture
def version(api):
    return api.version(api.model())


def moves(page):
    """`{state: how it is reached}` of the buttons: "form" in place, or "dialog"."""
    forms = {action.rpartition("/")[2]: "form" for action in page.actions if action.startswith("/deployments/")}
    links = {
        link.rpartition("/")[2]: "dialog" for link in page.links if link.startswith("/deployments/") and "/-/" in link
    }
    return forms | links


def counter(page):
    return page.all("input", name="counter")[0]["value"]


def test_it_says_what_went_where_how_far_and_by_whom(browser, api, version):
    made = api.deployment(
        version,
        "staging",
        status="pending",
        log_url="https://ci.example.com/1",
        endpoint_url="https://bert.example.com",
        metadata={"replicas": 3, "<b>": "<script>"},
    )
    api.put(f"/api/v1/deployments/{made['id']}", {"status": "running"})
    response = browser.by("viewer").get(f"/deployments/{made['id']}")
    page = Page(response)
    assert page.texts("h1") == ["org/bert 1.0.0 to staging"]
    assert {"https://ci.example.com/1", "https://bert.example.com", "/environments/staging"} <= set(page.links)
    assert [one.text.split()[0] for one in page.all("li") if "UTC" in one.text] == ["pending", "running"]
    assert "replicas" in response.text
    assert "<script>" not in response.text.partition("<body")[2].replace('<script src="', "")
    assert moves(page) == {}


def test_only_http_and_https_become_links(browser, api, version, sql):
    sql("ALTER TABLE deployments DROP CONSTRAINT ck_deployments_log_url")
    made = api.deployment(version, "staging")
    sql("UPDATE deployments SET log_url = 'javascript:alert(1)'")
    assert 'href="javascript:' not in browser.get(f"/deployments/{made['id']}").text


def test_it_leads_to_what_took_its_place_and_to_what_it_rolled_back_from(browser, api, version):
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
    made = api.deployment(version, "staging", status=status)
    page = Page(browser.by("publisher").get(f"/deployments/{made['id']}"))
    assert set(moves(page)) == steps
    assert set(moves(page).values()) <= {"form"}


def test_where_it_is_protected_going_live_is_confirmed(browser, api, version):
    api.put("/api/v1/environments/edge", {"protected": True})
    made = api.deployment(version, "edge", status="running")
    page = Page(browser.by("releaser").get(f"/deployments/{made['id']}"))
    assert moves(page) == {"success": "dialog", "failed": "form", "cancelled": "form"}


def test_moving_on_changes_the_page_in_place(browser, api, version, trail):
    made = api.deployment(version, "staging", status="running")
    at = f"/deployments/{made['id']}"
    sent = {"counter": counter(Page(browser.get(at)))}
    response = browser.by("publisher").post(f"{at}/-/success", sent, htmx="main")
    assert response.status_code == 200
    assert not is_whole(response)
    assert "org/bert 1.0.0 to staging: success." in response.text
    assert "success · live" in response.text
    assert api.get(f"/api/v1/deployments/{made['id']}").json["live"]
    assert len(trail("deployment.update")) == 1


def test_without_scripts_it_leads_back_to_the_page(browser, api, version):
    made = api.deployment(version, "staging", status="running")
    response = browser.post(f"/deployments/{made['id']}/-/cancelled")
    assert (response.status_code, response.headers["Location"]) == (303, f"/deployments/{made['id']}")


def test_a_step_back_is_refused_in_place_and_the_page_shows_what_is(browser, api, version):
    made = api.deployment(version, "staging", status="running")
    at = f"/deployments/{made['id']}"
    sent = {"counter": counter(Page(browser.get(at)))}
    api.put(f"/api/v1/deployments/{made['id']}", {"status": "failed"})
    stale = browser.post(f"{at}/-/success", sent, htmx="main")
    assert stale.status_code == 412
    assert "changed meanwhile" in stale.text
    assert moves(Page(stale)) == {}
    refused = browser.post(f"{at}/-/running", htmx="main")
    assert refused.status_code == 409
    assert "can&#39;t become running" in refused.text
    assert is_whole(browser.post(f"{at}/-/running"))


def test_success_in_production_takes_the_models_name(browser, api, version, trail):
    made = api.deployment(version, "production", status="running")
    at = f"/deployments/{made['id']}"
    assert moves(Page(browser.get(at)))["success"] == "dialog"
    form = browser.get(f"{at}/-/success", htmx="dialog-body")
    assert not is_whole(form)
    assert Page(form).field("confirm")["data-confirm"] == "org/bert"
    response = browser.post(f"{at}/-/success", {"confirm": "bert"}, htmx="form")
    assert (response.status_code, Page(response).invalid) == (422, ["confirm"])
    assert not trail("deployment.update")
    assert browser.post(f"{at}/-/success", {"confirm": "org/bert"}).status_code == 303
    assert api.get(f"/api/v1/deployments/{made['id']}").json["live"]


def test_what_is_not_there_is_not_found(browser, api, version):
    made = api.deployment(version, "staging", status="running")
    for address in ("/deployments/00000000-0000-7000-8000-000000000000", "/deployments/x"):
        assert browser.get(address).status_code == 404
    assert browser.post(f"/deployments/{made['id']}/-/pending").status_code == 404
    assert browser.post(f"/deployments/{made['id']}/-/great").status_code == 404


def test_another_site_moves_nothing_on(browser, api, version, trail):
    made = api.deployment(version, "staging", status="running")
    headers = {"Sec-Fetch-Site": "cross-site"}
    assert browser.post(f"/deployments/{made['id']}/-/failed", headers=headers).status_code == 403
    assert not trail("deployment.update")


def test_the_list_opens_it(browser, api, version):
    made = api.deployment(version, "staging")
    assert f"/deployments/{made['id']}" in Page(browser.get("/deployments")).links


def test_heavy_metadata_stays_under_300_kilobytes(browser, api, version):
    metadata = {f"{key}{'k' * 100}": '"' * 40 for key in range(300)}
    made = api.deployment(version, "staging", metadata=metadata)
    assert len(browser.get(f"/deployments/{made['id']}").data) < 300_000
