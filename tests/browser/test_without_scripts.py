"""Everything goes with JavaScript off, too."""

import re
from typing import Any
from urllib.parse import unquote

import pytest
from playwright.sync_api import Page, expect
from up import Caller, Up

from browser.window import Windows, at, row

DIGEST = "sha256:" + "d" * 64


@pytest.fixture
def page(windows: Windows) -> Page:
    return windows("admin", java_script_enabled=False)


def test_signing_in_and_out(windows: Windows, server: Up) -> None:
    server.sql("DELETE FROM sign_in_counts")
    windows.allow(422)
    page = windows(role=None, java_script_enabled=False)
    page.goto("/models?sort=name")
    assert unquote(at(page)) == "/login?next=/models?sort=name"
    for key in ("cat_wrong", server.keys["viewer"]):
        page.get_by_label("API key").fill(key)
        page.get_by_role("button", name="Sign in").click()
    assert at(page) == "/models?sort=name"
    page.get_by_role("button", name="Sign out").click()
    page.goto("/models")
    assert at(page) == "/login?next=/models"


def test_promoting_and_demoting_in_the_row(page: Page, model: dict[str, Any]) -> None:
    place = f"/models/{model['name']}?c=loss"
    page.goto(place)
    row(page, "1.2.0").get_by_role("button", name="Promote").click()
    expect(row(page, "1.2.0").locator(".chip.release")).to_be_visible()
    assert at(page) == place
    row(page, "1.2.0").get_by_role("button", name="Demote").click()
    expect(row(page, "1.2.0").locator(".chip.release")).to_have_count(0)
    assert at(page) == place


def test_comparing(page: Page, model: dict[str, Any]) -> None:
    page.goto(f"/models/{model['name']}")
    for version in ("1.0.0", "1.2.0"):
        row(page, version).get_by_role("checkbox").check()
    page.locator("#compare-button").click()
    expect(page.get_by_role("rowheader", name="framework")).to_be_visible()
    page.get_by_label("Only differences").check()
    page.get_by_label("Version 2", exact=True).select_option("1.1.0")
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("rowheader", name="framework")).to_have_count(0)
    expect(page.locator("thead").first).to_contain_text("1.1.0")
    assert "only=1" in page.url


def test_registering_changing_and_deleting_a_model_and_its_version(windows: Windows, page: Page, admin: Caller) -> None:
    windows.allow(422)
    page.goto("/models")
    page.get_by_role("link", name="New model").click()
    assert at(page) == "/new/model"
    page.get_by_label("Name", exact=True).fill("plain/model")
    page.get_by_label("Description").fill("typed once")
    page.get_by_role("button", name="Register").click()
    expect(page.get_by_label("Storage path")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Description")).to_have_value("typed once")
    page.get_by_label("Storage path").fill("docker.io/plain/model")
    page.get_by_role("button", name="Register").click()
    assert at(page) == "/models/plain/model"

    page.get_by_role("link", name="New version").click()
    for label, text in (("Version", "1.0.0"), ("Image tag", "v1"), ("Image digest", DIGEST)):
        page.get_by_label(re.compile(f"^{label}")).fill(text)
    page.get_by_label("Metadata").fill("[1]")
    page.get_by_role("button", name="Register").click()
    expect(page.get_by_label("Metadata")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Metadata").fill('{"a": 1}')
    page.get_by_role("button", name="Register").click()
    assert at(page) == "/models/plain/model/versions/1.0.0"

    page.get_by_role("link", name="Edit notes…").click()
    page.get_by_label("Release notes").fill("plain notes")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("[aria-labelledby=notes-name]")).to_contain_text("plain notes")

    page.get_by_role("link", name="Record deployment").click()
    page.get_by_label("Environment").fill("staging")
    page.get_by_role("button", name="Record deployment").click()
    expect(page.locator(".title .chip", has_text="staging")).to_be_visible()

    page.goto("/models/plain/model/-/settings")
    page.get_by_label("Description").fill("changed")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".lead")).to_contain_text("changed")
    page.get_by_role("link", name="Delete plain/model…").click()
    page.get_by_label("Type the name").fill("plain")
    page.get_by_label("Also end its live deployments").check()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_label("Type the name")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Also end its live deployments")).to_be_checked()
    page.get_by_label("Type the name").fill("plain/model")
    page.get_by_role("button", name="Delete").click()
    assert at(page) == "/models"
    assert admin.get("/api/v1/models?name=plain/model").json() == []


def test_making_and_revoking_a_key(windows: Windows, page: Page, server: Up) -> None:
    windows.allow(422)
    page.goto("/keys")
    page.get_by_role("link", name="New key").click()
    page.get_by_label("Name").fill("made plainly")
    page.get_by_label("Role").select_option("viewer")
    page.get_by_role("button", name="Create the key").click()
    key = page.locator("#new-key").inner_text()
    with server.caller(key) as caller:
        assert caller.get("/api/v1/models").status_code == 200
        page.goto("/keys")
        assert key not in page.content()
        page.locator("#rows tr", has_text="made plainly").get_by_role("link", name="Revoke").click()
        page.get_by_label("Type the name").fill("made plainly")
        page.get_by_role("button", name="Revoke").click()
        expect(page.locator("#rows tr", has_text="made plainly")).to_contain_text("revoked")
        assert at(page) == "/keys"
        assert caller.get("/api/v1/models").status_code == 401


def test_a_new_version_chosen_columns_and_a_filter(page: Page, model: dict[str, Any]) -> None:
    page.goto(f"/models/{model['name']}")
    page.locator("summary", has_text="Columns").click()
    page.get_by_label("seed", exact=True).check()
    page.get_by_role("button", name="Show these").click()
    expect(page.get_by_role("columnheader", name="seed")).to_be_visible()
    page.get_by_label("Which versions").select_option("Releases only")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("#versions tbody tr")).to_have_count(1)
    page.get_by_label("Metric", exact=True).select_option("loss")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.locator("#chart-name")).to_have_text("loss")
    for tab in ("Deployments", "Activity", "Settings", "Versions"):
        page.locator(".tabs").get_by_role("link", name=tab).click()
        expect(page.locator(".tabs [aria-current=page]")).to_contain_text(tab)


def test_filters_and_the_next_rows(page: Page) -> None:
    page.goto("/deployments")
    page.get_by_label("Status").select_option("failed")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("#list tbody .chip", has_text="failed").first).to_be_visible()
    assert set(page.locator("#list tbody td[data-label=Status]").all_inner_texts()) == {"failed"}
    page.goto("/audit")
    first = page.locator("#list tbody tr").first.get_attribute("id")
    page.locator("#more a").click()
    expect(page.locator("#list tbody tr").first).to_be_visible()
    assert page.locator(f"#{first}").count() == 0
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    assert download.value.suggested_filename == "catapult-audit.csv"


def test_freezing_and_rolling_back(page: Page, model: dict[str, Any], admin: Caller) -> None:
    admin.put("/api/v1/environments/plain", json={"rank": 1000})
    for version in reversed(admin.get(f"/api/v1/models/{model['id']}/versions").json()):
        admin.made("/api/v1/deployments", {"release_id": version["id"], "environment": "plain"})
    page.goto("/environments")
    column = page.locator("#column-plain")
    column.get_by_role("link", name="Freeze").click()
    page.get_by_label("Reason").fill("Load tests")
    page.get_by_role("button", name="Freeze").click()
    expect(column.get_by_role("note")).to_contain_text("Load tests")
    column.get_by_role("link", name="Roll back").click()
    page.get_by_label("Reason").fill("slow")
    page.get_by_label("Go back to").select_option(index=1)
    page.get_by_role("button", name="Show the difference").click()
    expect(page.locator("tr", has_text="accuracy")).to_contain_text("−0.03")
    expect(page.get_by_label("Reason")).to_have_value("slow")
    page.get_by_role("button", name="Roll back to 1.0.0").click()
    expect(column.locator("article")).to_contain_text("rolled back from 1.2.0")
    column.get_by_role("button", name="Thaw").click()
    expect(column.get_by_role("note")).to_have_count(0)
    assert admin.delete("/api/v1/environments/plain?force=true").status_code == 204
