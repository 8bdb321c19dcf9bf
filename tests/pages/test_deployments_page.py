import re

import pytest
from stage import environments

ROW = re.compile(r'<tr id="deployment-([0-9a-f-]{36})"')
LINES = '{"replicas": 3,\n "note": "</textarea><script>x()</script>"'


@pytest.fixture
def version(api):
    return api.version(api.model())


@pytest.fixture
def told(api, version):
    """Where the version went, by environment; another model's beside them."""
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


def many(sql, version, count, environment="bulk"):
    sql(environments(environment))
    sql(
        "INSERT INTO deployments (id, release_id, model_id, environment, status, deployed_by, deployed_at)"
        " SELECT gen_random_uuid(), :version, :model, :environment, 'failed', 'ci',"
        " now() - interval '1 day' + i / 3 * interval '1 second'"
        " FROM generate_series(1, :count) i",
        version=version["id"],
        model=version["model_id"],
        environment=environment,
        count=count,
    )


def send(browser, htmx=None, **changed):
    data = {"model": "org/bert", "version": "1.0.0", "environment": "staging", "status": "success", **changed}
    return browser.post("/new/deployment", data, htmx=htmx)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["again", "over", "failed", "production", "staging"]),
        ("environment=STAGING", ["again", "over", "staging"]),
        ("model_name=Org/Bert", ["failed", "production", "staging"]),
        ("status=failed", ["failed"]),
        ("live=true", ["again", "production", "staging"]),
        ("environment=staging&model_name=org/other&live=true", ["again"]),
        ("environment=staging&model_name=&status=&live=", ["again", "over", "staging"]),
        ("environment=nowhere", []),
    ],
)
def test_filters_stand_in_the_address(browser, told, query, found):
    assert rows(browser.by("viewer").get(f"/deployments?{query}")) == [told[name]["id"] for name in found]


def test_a_row_says_what_went_where_how_by_whom(browser, told):
    page = browser.get("/deployments?environment=staging&model_name=org/bert").text
    for text in ('href="/models/org/bert"', 'href="/models/org/bert/versions/1.0.0"', "success · live", "admin-key"):
        assert text in page
    assert 'href="https://bert.example.com/v1"' in page
    assert "success · over" in browser.get("/deployments?model_name=org/other").text


def test_only_http_and_https_become_links(browser, told, sql, app):
    sql("SET CONSTRAINTS ALL IMMEDIATE")
    sql("ALTER TABLE deployments DROP CONSTRAINT ck_deployments_endpoint_url")
    sql("UPDATE deployments SET endpoint_url = 'javascript:alert(1)' WHERE id = :id", id=told["staging"]["id"])
    page = browser.get("/deployments").text
    assert "javascript:alert(1)" in page
    assert 'href="javascript:' not in page


@pytest.mark.parametrize(("name", "value"), [("status", "great"), ("live", "maybe"), ("environment", "a%00")])
def test_a_bad_filter_is_marked_and_what_was_typed_stays(browser, told, name, value):
    page = browser.get(f"/deployments?{name}={value}&model_name=org/%3Cbert")
    assert page.status_code == 422
    assert re.search(rf'id="filter-{name}"[^>]*aria-invalid="true"', page.text)
    assert 'value="org/&lt;bert"' in page.text
    assert not rows(page)


def test_a_fault_comes_to_htmx_with_the_filters(browser):
    response = browser.get("/deployments?status=great", htmx="list")
    assert (response.status_code, response.headers["HX-Retarget"]) == (422, "#filtered")
    assert "<option selected>great</option>" in response.text


def test_htmx_gets_the_list_and_a_browser_without_it_the_page(browser, told):
    part = browser.get("/deployments?live=true", htmx="list")
    assert part.text.lstrip().startswith("<section")
    assert rows(part) == rows(browser.get("/deployments?live=true"))


@pytest.mark.parametrize("htmx", [None, "more"])
def test_loading_more_neither_skips_nor_repeats_a_deployment(browser, sql, version, htmx):
    many(sql, version, 120)
    found, address = [], "/deployments?environment=bulk"
    while address:
        response = browser.get(address, htmx=htmx)
        found += rows(response)
        more = re.search(r'<tr id="more">.*?href="([^"]+)"', response.text, re.DOTALL)
        address = more and more[1].replace("&amp;", "&")
    ordered = sql("SELECT id FROM deployments WHERE environment = 'bulk' ORDER BY deployed_at DESC, id DESC")
    assert found == [str(row["id"]) for row in ordered]


def test_nothing_matches_is_another_text_than_nothing_yet(browser, told, sql):
    assert "Nothing matches" in browser.get("/deployments?environment=nowhere").text
    sql("UPDATE deployments SET ended_at = live_from, deleted_at = now()")
    page = browser.get("/deployments").text
    assert "Nothing deployed yet" in page
    assert "http://localhost/api/v1/deployments" in page
    assert "Nothing matches" not in page


def test_fifty_deployments_take_no_more_statements_than_five(browser, sql, version, statement_count):
    many(sql, version, 5, "few")
    many(sql, version, 50, "many")
    browser.get("/deployments")
    few = statement_count(lambda: browser.get("/deployments?environment=few"))
    assert statement_count(lambda: browser.get("/deployments?environment=many")) == few


def test_another_site_records_none(browser, version, trail):
    data = {"model": "org/bert", "version": "1.0.0", "environment": "staging"}
    assert browser.post("/new/deployment", data, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert not trail("deployment.create")


def test_recording_one_goes_on_to_its_version(browser, version, api):
    response = send(browser.by("publisher"), endpoint_url="https://x.example", metadata='{"replicas": 3}')
    assert (response.status_code, response.headers["Location"]) == (303, "/models/org/bert/versions/1.0.0")
    (made,) = api.get("/api/v1/deployments").json
    assert (made["release_id"], made["live"], made["deployed_by"]) == (version["id"], True, "publisher-key")
    assert (made["endpoint_url"], made["metadata"]) == ("https://x.example", {"replicas": 3})


def test_htmx_is_told_where_to_go_and_what_happened(browser, version):
    response = send(browser, htmx="form")
    assert response.status_code == 204
    assert '"/models/org/bert/versions/1.0.0"' in response.headers["HX-Location"]
    assert "org/bert 1.0.0 is live in staging." in response.headers["HX-Trigger"]
    assert "staging: failed." in send(browser, htmx="form", status="failed").headers["HX-Trigger"]


def test_the_address_fills_the_form(browser, version):
    form = browser.get("/new/deployment?model=org/bert&version=1.0.0", htmx="dialog-body").text
    assert form.lstrip().startswith("<form")
    assert re.search(r'name="model"[^>]*value="org/bert"', form)
    assert re.search(r'name="version"[^>]*value="1.0.0"', form)
    assert 'name="confirm"' not in form
    assert 'name="confirm"' in browser.get("/new/deployment?model=org/bert&version=1.0.0&environment=production").text


@pytest.mark.parametrize("environment", ["production", "prod", "PRODUCTION", " production "])
def test_production_takes_the_models_name(browser, version, trail, environment):
    for confirm in ({}, {"confirm": ""}, {"confirm": "org/ber"}):
        response = send(browser, environment=environment, **confirm)
        assert response.status_code == 422
        assert re.search(r'<input id="field-confirm"[^>]*aria-invalid="true"', response.text)
    assert not trail("deployment.create")
    assert send(browser, environment=environment, confirm="org/bert").status_code == 303
    assert len(trail("deployment.create")) == 1


@pytest.mark.parametrize("htmx", [None, "form"])
@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"version": "9.9.9"}, "version"),
        ({"model": "no/such"}, "version"),
        ({"model": ""}, "model"),
        ({"environment": "-bad-"}, "environment"),
        ({"environment": ""}, "environment"),
        ({"environment": "release"}, "environment"),
        ({"status": "great"}, "status"),
        ({"endpoint_url": "javascript:alert(1)"}, "endpoint_url"),
        ({"metadata": LINES}, "metadata"),
        ({"metadata": "[1]"}, "metadata"),
    ],
)
def test_what_is_at_fault_is_marked_and_what_was_typed_stays(browser, version, trail, changed, field, htmx):
    response = send(browser, htmx, **{"endpoint_url": "https://kept.example", **changed})
    assert response.status_code == 422
    assert response.text.lstrip().startswith("<form" if htmx else "<!doctype html>")
    assert re.search(rf'id="field-{field}"[^>]*aria-invalid="true"', response.text)
    assert f'id="field-{field}-fault"' in response.text
    if field != "endpoint_url":
        assert 'value="https://kept.example"' in response.text
    if changed.get("metadata") == LINES:
        assert "&lt;/textarea>&lt;script>x()&lt;/script>" in response.text
        assert "<script>x()" not in response.text
    assert not trail("deployment.create")


def test_several_faults_are_told_at_once(browser, version):
    page = send(browser, environment="-", status="great", endpoint_url="ftp://x").text
    assert page.count('aria-invalid="true"') == 3


def test_an_archived_version_is_refused_in_place(browser, api, version, trail):
    api.put(f"/api/v1/versions/{version['id']}", {"status": "archived"})
    response = send(browser)
    assert response.status_code == 409
    assert "1.0.0 is archived" in response.text
    assert 'value="staging"' in response.text
    assert not trail("deployment.create")


def test_what_is_protected_takes_the_models_name_as_production_does(browser, api, version, trail):
    api.put("/api/v1/environments/edge", {"protected": True})
    form = browser.get("/new/deployment?environment=Edge").text
    assert 'name="confirm"' in form
    assert 'label="edge · protected"' in form
    assert send(browser, environment="Edge").status_code == 422
    assert not trail("deployment.create")
    assert send(browser, environment="Edge", confirm="org/bert").status_code == 303


@pytest.mark.parametrize("htmx", [None, "form"])
def test_a_freeze_is_told_beside_the_name_and_refuses_with_its_reason(browser, api, version, trail, htmx):
    freeze = {"frozen": True, "frozen_reason": "Sale <b>", "frozen_until": "2100-01-02T03:04:05Z"}
    api.put("/api/v1/environments/staging", freeze)
    told = "frozen until 2100-01-02 03:04:05 UTC: Sale &lt;b&gt;"
    page = browser.get("/new/deployment?environment=staging").text
    assert f'label="staging · {told}"' in page
    assert f'id="field-environment-hint">{told}' in page
    response = send(browser, htmx, log_url="https://ci.example/1")
    assert response.status_code == 409
    assert "staging is frozen until 2100-01-02 03:04:05 UTC: Sale &lt;b&gt;" in response.text
    assert 'value="https://ci.example/1"' in response.text
    assert not trail("deployment.create")
    assert send(browser, htmx, status="failed").status_code in (204, 303)


def test_the_log_is_kept_and_nothing_begins_as_cancelled(browser, api, version):
    assert send(browser, status="running", log_url="https://ci.example/1").status_code == 303
    (made,) = api.get("/api/v1/deployments").json
    assert (made["status"], made["log_url"]) == ("running", "https://ci.example/1")
    assert "<option>cancelled</option>" not in browser.get("/new/deployment").text
    assert send(browser, status="cancelled").status_code == 422
