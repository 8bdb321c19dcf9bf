"""Aliases in a browser: a guarded one moves once somebody else has approved it, and another is removed in a dialog."""

import pytest
from playwright.sync_api import expect

from browser.axe import check
from browser.window import dialog_of, is_marked, mark, toast, visit


@pytest.fixture
def address(model):
    return f"/models/{model['name']}/versions/1.2.0"


def points_at(admin, model):
    rows = admin.get("/api/v1/models", params={"name": model["name"]}).json()
    return {row["name"]: row["version"] for row in admin.get(f"/api/v1/models/{rows[0]['id']}/aliases").json()}


def test_a_release_engineer_points_champion_at_a_version_only_after_approval(windows, admin, model, address):
    gate = {"model": model["name"], "target": "@champion", "kind": "approved", "role": "publisher"}
    admin.made("/api/v1/gates", gate)
    windows.allow(409)
    page = windows("releaser")
    visit(page, address)
    dialog = dialog_of(page, "Point an alias here…")
    dialog.get_by_label("Alias").fill("champion")
    dialog.get_by_role("button", name="Point it here").click()
    expect(dialog.get_by_role("alert")).to_contain_text("1 gate does not pass for @champion")
    expect(dialog).to_contain_text("it has 0 of 1 approvals")
    check(page, " blocked")
    assert points_at(admin, model) == {}

    approver = windows("publisher")
    visit(approver, address)
    approver.locator("#elsewhere").get_by_role("button", name="Approve 1.2.0 for @champion").click()
    expect(toast(approver)).to_contain_text("for @champion")

    dialog.get_by_label("Reason").fill("Best so far")
    dialog.get_by_role("button", name="Point it here").click()
    expect(toast(page)).to_contain_text(f"@champion points at {model['name']} 1.2.0")
    expect(dialog).to_be_hidden()
    expect(page.locator(".title")).to_contain_text("@champion")
    assert points_at(admin, model) == {"champion": "1.2.0"}
    assert is_marked(page)


def test_an_alias_is_removed_in_a_dialog(windows, admin, model, address):
    page = windows("publisher")
    visit(page, address)
    dialog = dialog_of(page, "Point an alias here…")
    dialog.get_by_label("Alias").fill("next")
    dialog.get_by_role("button", name="Point it here").click()
    expect(page.locator(".title")).to_contain_text("@next")
    mark(page)
    dialog = dialog_of(page, "Remove @next…")
    expect(dialog).to_contain_text("It points at 1.2.0")
    check(page, " removal")
    dialog.get_by_role("button", name="Remove").click()
    expect(page.locator(".title")).not_to_contain_text("@next")
    assert points_at(admin, model) == {}
    assert is_marked(page)
