"""Everything goes with JavaScript off, too."""

import re
from urllib.parse import unquote

import pytest
from playwright.sync_api import expect

from browser.window import account, at, row

DIGEST = "sha256:" + "d" * 64


@pytest.fixture
def page(windows):
    return windows("admin", java_script_enabled=False)


def test_signing_in_and_out(windows, server):
    server.sql("DELETE FROM sign_in_counts")
    windows.allow(422)
    page = windows(role=None, java_script_enabled=False)
    page.goto("/models?sort=name")
    assert unquote(at(page)) == "/login?next=/models?sort=name"
    for key in ("cat_wrong", server.keys["viewer"]):
        page.get_by_label("API key").fill(key)
        page.get_by_role("button", name="Sign in").click()
    assert at(page) == "/models?sort=name"
    account(page).get_by_role("button", name="Sign out").click()
    page.goto("/models")
    assert at(page) == "/login?next=/models"


def test_registering_changing_and_deleting_a_model_and_its_version(windows, page, admin):
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
    page.get_by_text("Tag and digest by hand").click()
    for label, text in (("Version", "1.0.0"), ("Image tag", "v1"), ("Image digest", DIGEST)):
        page.get_by_label(re.compile(f"^{label}")).fill(text)
    page.get_by_role("button", name="Register").click()
    assert at(page) == "/models/plain/model/versions/1.0.0"

    page.get_by_role("link", name="Edit notes…").click()
    page.get_by_label("Release notes").fill("plain notes")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("[aria-labelledby=notes-name]")).to_contain_text("plain notes")

    page.get_by_role("link", name="Deploy…").click()
    page.get_by_label("Environment").fill("staging")
    page.get_by_role("button", name="Deploy", exact=True).click()
    expect(page.locator(".title .chip", has_text="staging")).to_be_visible()

    page.goto("/models/plain/model/-/settings")
    page.get_by_label("Description").fill("changed")
    page.get_by_role("button", name="Save").click()
    page.goto("/models/plain/model")
    expect(page.locator(".lead.markdown")).to_have_text("changed")
    page.get_by_role("link", name="Settings").click()
    page.get_by_role("link", name="Delete plain/model…").click()
    page.get_by_label("Type the name").fill("plain/model")
    page.get_by_label("Also end its live deployments").check()
    page.get_by_role("button", name="Delete").click()
    assert at(page) == "/models"


def test_choosing_columns_filtering_and_comparing(page, model):
    place = f"/models/{model['name']}"
    page.goto(place)
    page.locator("summary", has_text="Columns").click()
    page.get_by_label("seed", exact=True).check()
    page.get_by_role("button", name="Show these").click()
    expect(page.get_by_role("columnheader", name="seed")).to_be_visible()
    page.goto(place)
    expect(page.get_by_role("columnheader", name="seed")).to_be_visible()
    page.get_by_label("Metric", exact=True).select_option("loss")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.locator("#chart-name")).to_have_text("loss")
    page.get_by_label("Which versions").select_option("Releases only")
    page.get_by_role("button", name="Show them").click()
    expect(page.locator("#versions tbody tr")).to_have_count(1)
    page.goto(place)
    for version in ("1.0.0", "1.2.0"):
        row(page, version).get_by_role("checkbox").check()
    page.locator("#compare-button").click()
    page.get_by_label("Only differences").check()
    page.get_by_label("Add a version").select_option("1.1.0")
    page.get_by_role("button", name="Compare").click()
    expect(page.locator("thead").first).to_contain_text("1.1.0")
    expect(page.get_by_role("rowheader", name="framework")).to_have_count(0)


def test_rolling_back(page, model, admin):
    for version in reversed(admin.get(f"/api/v1/models/{model['id']}/versions").json()):
        admin.made("/api/v1/deployments", {"release_id": version["id"], "environment": "plain"})
    page.goto("/environments/plain")
    page.get_by_role("link", name="Roll back").click()
    page.get_by_label("Reason").fill("slow")
    page.get_by_label("Go back to").select_option(index=1)
    page.get_by_role("button", name="Show the difference").click()
    expect(page.get_by_label("Reason")).to_have_value("slow")
    page.get_by_role("button", name="Roll back to 1.0.0").click()
    mine = page.locator("tr", has_text=model["name"]).locator("td[data-label=plain]")
    expect(mine).to_contain_text("rolled back from 1.2.0")
    assert admin.delete("/api/v1/environments/plain?force=true").status_code == 204


def test_writing_a_gate(windows, page, model):
    windows.allow(422)
    page.goto("/gates")
    page.get_by_role("link", name="New gate").click()
    page.get_by_label("Models", exact=True).fill(model["name"])
    page.get_by_label("Requires").select_option(label="Approval by others")
    page.get_by_role("button", name="Show the fields of this kind").click()
    page.get_by_label("Number of approvals").fill("0")
    page.get_by_role("button", name="Try it").click()
    expect(page.get_by_label("Number of approvals")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Number of approvals").fill("2")
    page.get_by_role("button", name="Create the gate").click()
    mine = page.locator("#rows tr", has_text=model["name"])
    mine.get_by_role("link", name="Delete").click()
    page.get_by_role("button", name="Delete").click()
    expect(mine).to_have_count(0)
