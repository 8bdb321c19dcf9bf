"""The pipeline on the overview: what is live, under way, failed and frozen, and how far one stage is ahead of the next."""

import re
from types import SimpleNamespace

import pytest
from markup import Page
from stage import counted

from catapult.pages.parts import pipeline
from catapult.queries.live import BEHIND, Matrix


@pytest.fixture
def stages(api):
    for rank, name in enumerate(("dev", "staging", "production"), 1):
        api.put(f"/api/v1/environments/{name}", {"rank": rank, "protected": name == "production"})


def cells(browser):
    """`{environment: what the cell says}` of the one model."""
    return {
        cell["data-label"]: re.sub(r"\d+ s$|\d+ s(?= )", "0 s", cell.text)
        for cell in Page(browser.get("/", htmx="live")).all("td")
    }


def test_a_stage_says_how_many_versions_it_is_ahead_of_the_next_that_has_one(browser, api, stages):
    model = api.model()
    versions = [api.version(model, f"1.{number}.0") for number in range(4)]
    api.deployment(versions[0], "production")
    api.deployment(versions[2], "dev")
    assert cells(browser)["dev"] == "1.2.0 0 s 2 ahead of production"
    api.deployment(versions[0], "staging")
    assert cells(browser)["dev"] == "1.2.0 0 s 2 ahead of staging"
    assert cells(browser)["staging"] == "1.0.0 0 s the same in production"
    api.deployment(versions[3], "production")
    assert cells(browser)["staging"] == "1.0.0 0 s 3 behind production"


def test_what_is_newer_than_everything_live_is_counted_beside_the_name(browser, api, stages):
    model = api.model()
    api.deployment(api.version(model, "1.0.0"), "production")
    assert "newer" not in Page(browser.get("/", htmx="live")).one("th", scope="row").text
    api.version(model, "1.1.0")
    assert Page(browser.get("/", htmx="live")).one("th", scope="row").text == "B org/bert 1 newer"


@pytest.mark.parametrize("status", ["pending", "running"])
def test_what_is_under_way_stands_beside_what_it_replaces_and_leads_to_the_deployment(browser, api, stages, status):
    model = api.model()
    api.deployment(api.version(model, "1.0.0"), "staging")
    begun = api.deployment(api.version(model, "1.1.0"), "staging", status=status)
    assert cells(browser)["staging"] == f"1.0.0 → becomes 1.1.0 {status} 0 s"
    assert f"/deployments/{begun['id']}" in Page(browser.get("/", htmx="live")).links
    api.put(f"/api/v1/deployments/{begun['id']}", {"status": "cancelled"})
    assert cells(browser)["staging"] == "1.0.0 0 s"


def test_a_bar_shows_the_share_of_the_usual_time(browser, api, stages, sql):
    model = api.model()
    for number in range(3):
        api.deployment(api.version(model, f"1.{number}.0"), "staging")
    sql("UPDATE deployments SET deployed_at = live_from - interval '400 seconds'")
    api.deployment(api.version(model, "1.3.0"), "staging", status="running")
    assert not [bar for bar in bars(browser) if bar != "0%"]
    sql("UPDATE deployments SET deployed_at = now() - interval '100 seconds' WHERE status = 'running'")
    assert bars(browser) == ["25%"]
    sql("UPDATE deployments SET deployed_at = now() - interval '2 hours' WHERE status = 'running'")
    sql("UPDATE deployments SET deployed_at = now() - interval '3 hours' WHERE status = 'success'")
    assert bars(browser)[0].removesuffix("%").isdigit()


def bars(browser):
    return [bar["width"] for bar in Page(browser.get("/", htmx="live")).has_class("done")]


def test_a_failed_version_stands_beside_the_live_one_until_another_succeeds(browser, api, stages):
    model = api.model()
    live = api.version(model, "1.0.0", is_release=True)
    api.deployment(live, "production")
    failed = api.deployment(api.version(model, "1.1.0"), "production", status="failed")
    assert cells(browser)["production"] == "1.0.0 release 0 s 1.1.0 failed"
    assert f"/deployments/{failed['id']}" in Page(browser.get("/", htmx="live")).links
    api.deployment(live, "production")
    assert cells(browser)["production"] == "1.0.0 release 0 s"


def test_a_first_deployment_is_shown_where_nothing_was_live(browser, api, stages):
    model = api.model()
    version = api.version(model, "1.0.0")
    api.deployment(version, "dev")
    api.deployment(api.version(api.model("org/other"), "1.0.0"), "staging")
    api.deployment(version, "staging", status="running")
    api.deployment(version, "staging", status="running")
    (row,) = [row for row in Page(browser.get("/", htmx="live")).all("tr") if "org/bert" in row.text]
    assert re.search(r"1.0.0 running \d s", row.text)


def test_the_head_of_a_frozen_environment_says_so(browser, api, stages):
    api.deployment(api.version(api.model()), "production")
    until = "2100-01-02T08:30:00Z"
    api.put("/api/v1/environments/production", {"frozen": True, "frozen_reason": "Sale", "frozen_until": until})
    (head,) = Page(browser.get("/", htmx="live")).has_class("frozen-head")
    assert head.text == "production frozen until Sat 08:30"


def test_the_pipeline_takes_four_statements(app, browser, api, stages):
    model = api.model()
    api.deployment(api.version(model, "1.0.0"), "production")
    api.deployment(api.version(model, "1.1.0"), "production", status="running")
    browser.get("/")
    with counted(app) as statements:
        browser.get("/", htmx="live")
    assert len(statements) <= 4, statements


@pytest.mark.parametrize(
    ("left", "right", "ahead"),
    [
        (0, 3, "3 ahead"),
        (3, 0, "3 behind"),
        (2, BEHIND, f"{BEHIND - 2}+ ahead"),
        (BEHIND, 2, f"{BEHIND - 2}+ behind"),
        (BEHIND, BEHIND, "differs"),
        (1, 1, "differs"),  # one of them is archived
    ],
)
def test_a_difference_of_versions_is_counted_as_far_as_they_are(left, right, ahead):
    def live(behind, version):
        return SimpleNamespace(model_id="m", model_name="org/m", release_id=version, behind=behind)

    row = {"staging": live(left, "a"), "production": live(right, "b")}
    matrix = Matrix(["staging", "production"], 2, set(), {}, [row], False)
    (drawn,) = pipeline.rows(matrix, {})
    assert [cell.ahead for cell in drawn.cells] == [ahead, None]
