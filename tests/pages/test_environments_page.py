from urllib.parse import parse_qsl, urlsplit

import pytest
import stage
from markup import Page
from rows import live_everywhere


def board(response):
    """`{environment: {model: what its cell says}}`."""
    columns, model = {}, None
    for element in Page(response).elements:
        if element.tag == "th" and (element.get("id") or "").startswith("column-"):
            columns[element["id"].removeprefix("column-")] = {}
        elif element.tag == "th" and element.get("scope") == "row":
            model = element.text
        elif element.tag == "td" and element.get("data-label"):
            columns[element["data-label"]][model] = element.text
    return columns


def takes_to_production(response):
    return any(link.startswith("/new/deployment") and "environment=production" in link for link in Page(response).links)


def head(response, name):
    return Page(response).one("th", id=f"column-{name}").text


@pytest.fixture
def things(api, sql):
    sql(stage.environments("dev", "staging", "production"))
    model = api.model()
    old = api.version(model, "1.0.0", is_release=True)
    api.deployment(old, "Production")
    api.deployment(old, "dev")
    api.deployment(api.version(model, "1.1.0"), "staging")
    api.deployment(api.version(api.model("org/gpt"), "0.1.0"), "dev")


def test_the_matrix_is_models_by_environments_in_the_order_of_a_versions_way(browser, things):
    response = browser.get("/environments")
    columns = board(response)
    assert list(columns) == ["dev", "staging", "production"]
    assert list(columns["dev"]) == ["org/gpt", "org/bert"]
    assert columns["production"] == {"org/gpt": "—", "org/bert": "1.0.0 0 s"}
    assert columns["staging"]["org/bert"] == "1.1.0 0 s 1 ahead"
    assert len(Page(response).has_class("release-mark")) == 3  # with the legend
    assert head(response, "dev").startswith("dev Freeze… Settings… 2 live")


def test_who_may_takes_a_version_to_the_next_environment(browser, things):
    for role, onward in (("viewer", []), ("publisher", ["org/gpt 0.1.0 staging", "org/bert 1.1.0 production"])):
        links = [urlsplit(link) for link in Page(browser.by(role).get("/environments")).links]
        queries = [link.query for link in links if link.path == "/new/deployment"]
        assert [" ".join(dict(parse_qsl(query)).values()) for query in queries] == onward


def test_who_may_rolls_back_and_retires_what_is_live(browser, things):
    for role, count in (("viewer", 0), ("publisher", 4), ("releaser", 8)):
        links = Page(browser.by(role).get("/environments")).links
        assert len([link for link in links if "/-/rollback?" in link or "/-/retire?" in link]) == count


def test_a_version_that_is_there_already_is_not_taken_to_the_next(browser, api):
    version = api.version(api.model())
    api.deployment(version, "staging")
    api.put("/api/v1/environments/production", {"rank": 9})
    assert "/new/deployment" in browser.get("/environments").text
    api.deployment(version, "production")
    assert "/new/deployment" not in browser.get("/environments").text


def test_what_is_over_leaves_the_matrix(browser, api, things):
    for deployment in api.get("/api/v1/deployments?environment=staging&live=true").json:
        api.put(f"/api/v1/deployments/{deployment['id']}", {"status": "failed"})
    [model] = [one for one in api.get("/api/v1/models").json if one["name"] == "org/gpt"]
    assert api.delete(f"/api/v1/models/{model['id']}?force=true").status_code == 204
    assert all(list(column) == ["org/bert"] for column in board(browser.get("/environments")).values())


def test_a_cell_shows_what_is_on_its_way_and_for_how_long(browser, api, things, sql):
    model = {"id": api.get("/api/v1/models?name=org/bert").json[0]["id"]}
    made = api.deployment(api.version(model, "1.2.0"), "staging", status="running")
    sql("UPDATE deployments SET deployed_at = now() - interval '4 minutes' WHERE id = :id", id=made["id"])
    response = browser.get("/environments")
    assert board(response)["staging"]["org/bert"] == "1.1.0 → 1.2.0 running 4 min"
    assert "1 live, 1 on the way" in head(response, "staging")
    assert f"/deployments/{made['id']}" in Page(response).links
    assert not Page(response).all("progress")
    api.put("/api/v1/environments/staging", {"deploy_within": 600})
    assert int(Page(browser.get("/environments")).one("progress")["value"]) >= 240
    api.put(f"/api/v1/deployments/{made['id']}", {"status": "success"})
    assert board(browser.get("/environments"))["staging"]["org/bert"].startswith("1.2.0 ")


def test_a_model_with_nothing_live_is_there_as_soon_as_its_first_deployment_is_on_its_way(browser, api, things):
    api.deployment(api.version(api.model("org/new"), "0.0.1"), "staging", status="pending")
    columns = board(browser.get("/environments"))
    assert next(iter(columns["dev"])) == "org/new"
    assert columns["staging"]["org/new"] == "→ 0.0.1 pending 0 s"


def test_a_deployment_that_failed_is_beside_what_is_live_until_another_one_succeeds(browser, api, things):
    model = {"id": api.get("/api/v1/models?name=org/bert").json[0]["id"]}
    version = api.version(model, "1.2.0")
    api.deployment(version, "staging", status="failed")
    assert board(browser.get("/environments"))["staging"]["org/bert"] == "1.1.0 0 s × 1.2.0 failed 1 ahead"
    api.deployment(version, "staging")
    assert "failed" not in board(browser.get("/environments"))["staging"]["org/bert"]


def test_a_rollback_says_what_it_left(browser, api, things):
    model = {"id": api.get("/api/v1/models?name=org/bert").json[0]["id"]}
    api.deployment(api.version(model, "1.2.0"), "staging")
    api.make("/api/v1/environments/staging/rollback", {"model_name": "org/bert", "reason": "slow"})
    assert "1.1.0 ← rolled back from 1.2.0" in board(browser.get("/environments"))["staging"]["org/bert"]


@pytest.mark.parametrize(("models", "environments"), [(60, 1), (30, 50), (40, 4), (1, 60)])
def test_the_matrix_shows_the_models_deployed_last_and_leads_to_the_others(browser, sql, models, environments):
    live_everywhere(sql, models, environments)
    found, address, pages = [], "/environments", 0
    while address:
        page = browser.get(address)
        columns = board(page)
        assert list(columns) == [f"env-{number}" for number in range(1, min(environments, 8) + 1)]
        found += columns["env-1"]
        address, pages = Page(page).more, pages + 1
    assert found == [f"org/m{number}" for number in range(models, 0, -1)]
    assert pages <= 4


def test_environments_that_are_no_column_are_listed_and_the_chosen_one_is_a_column(browser, sql):
    live_everywhere(sql, 1, 12)
    page = Page(browser.get("/environments"))
    listed = {link for link in page.links if link.startswith("/environments/env-") and link.count("/") == 2}
    assert {f"/environments/env-{number}" for number in range(1, 13)} <= listed
    assert list(board(browser.get("/environments?environment=ENV-11")))[-1] == "env-11"


def test_one_environment_shows_everything_that_is_live_there(browser, sql):
    live_everywhere(sql, 60, 1)
    found, address = [], "/environments/env-1"
    while address:
        page = Page(browser.get(address))
        found += [article.text.split()[0] for article in page.all("article")]
        address = page.more
    assert found == [f"org/m{number}" for number in range(60, 0, -1)]


def test_an_environment_s_name_knows_no_case(browser, things):
    assert len(Page(browser.get("/environments/PRODUCTION")).all("article")) == 1


def test_a_name_with_segments_has_every_page_and_form(browser, api):
    name = "review/feature-x"
    browser.post("/new/environment", {"name": name, "rank": "2"})
    model = api.model()
    for version in ("1", "2"):
        api.deployment(api.version(model, version), name)
    at = f"/environments/{name}"
    links = Page(browser.get("/environments")).links
    rollback, retire = (f"{at}/-/{form}?model_name=org/bert" for form in ("rollback", "retire"))
    assert {at, rollback, retire, f"{at}/-/freeze"} <= set(links)
    for address in (at, f"{at}/-/history", f"{at}/-/settings", f"{at}/-/delete", "/new/deployment?environment=" + name):
        page = browser.get(address)
        assert (page.status_code, name in page.text) == (200, True), address
    for address in (rollback, retire):
        form = {**Page(browser.get(address)).form, "model_name": "org/bert", "reason": "slow"}
        assert browser.post(address.partition("?")[0], form).status_code == 303, address
    assert api.get(f"/api/v1{at}/live").json == []
    assert browser.post(f"{at}/-/freeze", {"frozen_reason": "sale"}).status_code == 303
    assert stored(api, name)["frozen"]
    assert browser.post(f"{at}/-/thaw").status_code == 303
    assert browser.post(f"{at}/-/delete", {"confirm": name}).status_code == 303
    refused = browser.post("/new/environment", {"name": "review/live"})
    assert (refused.status_code, Page(refused).invalid) == (422, ["name"])


def test_where_a_version_is_live_is_told_in_order_of_rank(browser, api):
    version = api.version(api.model())
    for rank, name in ((3, "alpha"), (1, "zeta"), (2, "production")):
        api.put(f"/api/v1/environments/{name}", {"rank": rank})
        api.deployment(version, name)
    for path in ("/models/org/bert", "/models/org/bert/versions/1.0.0"):
        links = [link for link in Page(browser.get(path)).all("a") if "?environment=" in (link.get("href") or "")]
        assert [link.text for link in links][:3] == ["zeta", "production", "alpha"], path


# --- freezes, settings, new ones, deletion ----------------------------------------------------------------------------

HOME = {"HX-Current-URL": "http://localhost/environments", "Host": "localhost"}


def stored(api, name="production"):
    return api.get(f"/api/v1/environments/{name}").json


def test_the_matrix_has_a_column_for_an_environment_where_nothing_is_live(browser, api, things):
    api.put("/api/v1/environments/edge", {"rank": 0})
    response = browser.get("/environments")
    assert list(board(response)) == ["edge", "dev", "staging", "production"]
    assert "0 live" in head(response, "edge")
    assert "Nothing is live yet" not in response.text


def test_what_is_protected_has_a_lock_and_takes_a_releaser(browser, api, things):
    api.put("/api/v1/environments/production", {"protected": True})
    assert Page(browser.get("/environments")).has_class("warn")[0].text == "protected"
    for role, may in (("publisher", False), ("releaser", True)):
        assert takes_to_production(browser.by(role).get("/environments")) == may


def test_a_frozen_environment_is_offered_to_thaw_and_not_to_deploy_to(browser, api, things):
    api.put("/api/v1/environments/production", {"frozen": True, "frozen_reason": "Sale"})
    page = Page(browser.get("/environments"))
    assert page.one(role="note").text == "frozen: Sale"
    assert "/environments/production/-/thaw" in page.actions
    assert not takes_to_production(browser.get("/environments"))
    response = browser.post("/environments/production/-/thaw", htmx="board", headers=HOME)
    assert "accepts deployments again" in response.text
    assert not stored(api)["frozen"]


def test_without_scripts_forms_lead_back_to_the_board(browser, api, things):
    for form, sent in (
        ("freeze", {"frozen_reason": "x"}),
        ("thaw", {}),
        ("settings", {"rank": "9", "protected": "true", "description": "d"}),
        ("delete", {"confirm": "production", "force": "true"}),
    ):
        response = browser.post(f"/environments/production/-/{form}", sent)
        assert (response.status_code, response.headers["Location"]) == (303, "/environments"), form
    assert api.get("/api/v1/environments/production").status_code == 404


def test_settings_change_what_was_changed_and_clear_what_was_emptied(browser, api, things):
    api.put("/api/v1/environments/production", {"description": "old", "protected": True})
    at = "/environments/production/-/settings"
    shown = Page(browser.get(at)).form
    assert (shown["protected"], shown["description"]) == ("true", "old")
    assert browser.post(at, {**shown, "protected": "false", "description": ""}).status_code == 303
    after = stored(api)
    assert (after["protected"], after["description"]) == (False, None)


def test_a_new_environment_appears_on_the_board(browser, api, trail):
    response = browser.post(
        "/new/environment", {"name": "Edge", "rank": "2", "protected": "true"}, "form", headers=HOME
    )
    assert "Edge is created." in response.text
    assert list(board(browser.get("/environments"))) == ["edge"]
    assert stored(api, "edge")["protected"]
    assert len(trail("environment.create")) == 1


def test_deleting_says_what_it_ends_and_leads_from_the_page_of_what_is_gone_to_the_board(browser, api, things):
    running = api.deployment(api.version({"id": api.get("/api/v1/models").json[0]["id"]}, "3.0.0"), status="running")
    at = "/environments/production/-/delete"
    form = browser.get(at)
    assert "1 live deployment ends with it" in form.words
    assert "1 deployment in progress will be cancelled" in form.words
    assert browser.post(at, {"confirm": "production"}).status_code == 409
    headers = {**HOME, "HX-Current-URL": "http://localhost/environments/production"}
    response = browser.post(at, {"confirm": "production", "force": "true"}, htmx="form", headers=headers)
    assert '"path": "/environments"' in response.headers["HX-Location"]
    assert api.get(f"/api/v1/deployments/{running['id']}").json["status"] == "cancelled"
    assert "deleted" in browser.get("/environments/production").text


def test_what_a_gate_names_cannot_be_deleted(browser, api, things):
    api.make("/api/v1/gates", {"model": "*", "target": "production", "kind": "released"})
    form = browser.get("/environments/production/-/delete")
    assert form.status_code == 200
    assert "gates name production" in form.text
    assert not Page(form).all("button", type="submit")[1:]
    assert (
        browser.post("/environments/production/-/delete", {"confirm": "production", "force": "true"}).status_code == 409
    )


def test_a_form_on_a_page_of_its_own_leads_to_the_board(browser, things):
    headers = {"HX-Current-URL": "http://localhost/environments/production/-/freeze"}
    response = browser.post("/environments/production/-/freeze", {"frozen_reason": "x"}, htmx="form", headers=headers)
    assert '"path": "/environments"' in response.headers["HX-Location"]
