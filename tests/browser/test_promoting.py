"""Promoting and demoting in place: in the row, on the version's page, on the overview."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect
from up import Caller

from browser.window import Windows, at, is_marked, mark, row, toast


@pytest.fixture
def page(windows: Windows) -> Page:
    return windows("releaser")


def entries(admin: Caller, action: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = admin.get(f"/api/v1/audit-logs?action={action}&limit=1").json()
    return found


def told(entry: dict[str, Any]) -> tuple[str, str, str]:
    """Who did it, on which model's version."""
    return entry["api_key_name"], entry["details"]["model"], entry["details"]["version"]


def test_promoting_changes_the_row_the_count_and_nothing_else(page: Page, model: dict[str, Any], admin: Caller) -> None:
    page.goto(f"/models/{model['name']}")
    mark(page)
    expect(page.locator("#release-count")).to_have_text("1 release")
    expect(row(page, "1.2.0").locator(".chip.release")).to_have_count(0)
    row(page, "1.2.0").get_by_role("button", name="Promote 1.2.0").click()
    expect(row(page, "1.2.0").locator(".chip.release")).to_have_text("release")
    expect(row(page, "1.2.0").get_by_role("button", name="Demote 1.2.0")).to_be_visible()
    expect(page.locator("#release-count")).to_have_text("2 releases")
    expect(toast(page)).to_contain_text(f"{model['name']} 1.2.0 is a release")
    expect(page.locator("#chart .point.release")).to_have_count(2)
    assert is_marked(page)
    assert at(page) == f"/models/{model['name']}"
    (entry,) = entries(admin, "version.promote")
    assert told(entry) == ("releaser-key", model["name"], "1.2.0")


def test_undo_takes_a_promotion_back(page: Page, model: dict[str, Any], admin: Caller) -> None:
    page.goto(f"/models/{model['name']}")
    mark(page)
    row(page, "1.2.0").get_by_role("button", name="Promote").click()
    toast(page).get_by_role("button", name="Undo").click()
    expect(row(page, "1.2.0").get_by_role("button", name="Promote")).to_be_visible()
    expect(row(page, "1.2.0").locator(".chip.release")).to_have_count(0)
    expect(page.locator("#release-count")).to_have_text("1 release")
    expect(toast(page)).to_have_count(1)
    expect(toast(page)).to_contain_text("1.2.0 is not a release")
    assert is_marked(page)
    (entry,) = entries(admin, "version.demote")
    assert told(entry) == ("releaser-key", model["name"], "1.2.0")


def test_promoting_on_the_version_s_page_changes_its_badge(page: Page, model: dict[str, Any], admin: Caller) -> None:
    page.goto(f"/models/{model['name']}/versions/1.2.0")
    mark(page)
    expect(page.locator(".title .chip")).to_have_text("candidate")
    page.get_by_role("button", name="Promote to release").click()
    expect(page.locator(".title .chip")).to_have_text("release")
    expect(page.get_by_role("button", name="Demote")).to_be_visible()
    expect(page.locator(".facts")).to_contain_text("releaser-key")
    toast(page).get_by_role("button", name="Undo").click()
    expect(page.locator(".title .chip")).to_have_text("candidate")
    assert is_marked(page)
    (entry,) = entries(admin, "version.promote")
    assert told(entry) == ("releaser-key", model["name"], "1.2.0")


def test_promoting_on_the_overview_takes_the_candidate_off_the_list(
    page: Page, model: dict[str, Any], admin: Caller
) -> None:
    page.goto("/")
    mark(page)
    mine = page.locator("#ready li", has_text=model["name"])
    expect(mine).to_contain_text("1.2.0")
    mine.get_by_role("button", name=f"Promote {model['name']} 1.2.0").click()
    expect(mine).to_have_count(0)
    toast(page).get_by_role("button", name="Undo").click()
    expect(mine).to_have_count(1)
    assert is_marked(page)
    assert at(page) == "/"
    (entry,) = entries(admin, "version.promote")
    assert told(entry) == ("releaser-key", model["name"], "1.2.0")


def test_a_row_of_the_next_page_can_be_promoted_too(page: Page, admin: Caller) -> None:
    made = admin.model("promoting/many")
    for number in range(52):
        admin.version(made, f"0.{number}.0")
    page.goto("/models/promoting/many")
    expect(page.locator("#versions tbody tr[id^=version-]")).to_have_count(50)
    page.get_by_role("link", name="Show more").click()
    expect(page.locator("#versions tbody tr[id^=version-]")).to_have_count(52)
    row(page, "0.0.0").get_by_role("button", name="Promote").click()
    expect(row(page, "0.0.0").locator(".chip.release")).to_be_visible()
    expect(page.locator("#release-count")).to_have_text("1 release")
    expect(page.locator("#versions tbody tr[id^=version-]")).to_have_count(52)
