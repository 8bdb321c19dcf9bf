"""Promoting and demoting in place: in the row, on the version's page, on the overview."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect
from up import Caller, Up

from browser.window import Windows, at, is_marked, mark, row, toast

WATCH = """(changed) => {
  document.addEventListener("click", () => { window.clicked = performance.now(); }, { capture: true, once: true });
  const look = new MutationObserver(() => {
    if (!document.querySelector(changed)) return;
    window.took = performance.now() - window.clicked;
    look.disconnect();
  });
  look.observe(document.body, { childList: true, subtree: true, attributes: true });
}"""


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
    page.evaluate(WATCH, f"#{row(page, '1.2.0').get_attribute('id')} .chip.release")
    row(page, "1.2.0").get_by_role("button", name="Promote 1.2.0").click()
    expect(row(page, "1.2.0").locator(".chip.release")).to_have_text("release")
    print(f"\nfrom click to changed row, database and browser included: {page.evaluate('window.took'):.0f} ms")
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
    expect(toast(page)).to_contain_text("1.2.0 is no release")
    assert is_marked(page)
    (entry,) = entries(admin, "version.demote")
    assert told(entry) == ("releaser-key", model["name"], "1.2.0")


def test_demoting_in_the_row_can_be_undone(page: Page, model: dict[str, Any]) -> None:
    page.goto(f"/models/{model['name']}")
    row(page, "1.0.0").get_by_role("button", name="Demote").click()
    expect(page.locator("#release-count")).to_have_text("0 releases")
    toast(page).get_by_role("button", name="Undo").click()
    expect(row(page, "1.0.0").locator(".chip.release")).to_be_visible()
    expect(page.locator("#release-count")).to_have_text("1 release")


def test_the_row_keeps_the_columns_that_were_chosen(page: Page, model: dict[str, Any]) -> None:
    page.goto(f"/models/{model['name']}?c=seed&metric=loss")
    cells = row(page, "1.2.0").locator("td").count()
    row(page, "1.2.0").get_by_role("button", name="Promote").click()
    expect(row(page, "1.2.0").locator(".chip.release")).to_be_visible()
    expect(row(page, "1.2.0").locator("td")).to_have_count(cells)
    expect(row(page, "1.2.0").locator("td[data-label=seed]")).to_have_text("2")
    expect(page.locator("#chart-name")).to_have_text("loss")


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
    page.evaluate(WATCH, "#toasts .toast")
    mine.get_by_role("button", name=f"Promote {model['name']} 1.2.0").click()
    expect(mine).to_have_count(0)
    print(f"\nfrom click to changed list, database and browser included: {page.evaluate('window.took'):.0f} ms")
    toast(page).get_by_role("button", name="Undo").click()
    expect(mine).to_have_count(1)
    assert is_marked(page)
    assert at(page) == "/"
    (entry,) = entries(admin, "version.promote")
    assert told(entry) == ("releaser-key", model["name"], "1.2.0")


def test_archiving_takes_the_promote_button_away_and_can_be_undone(windows: Windows, model: dict[str, Any]) -> None:
    page = windows("publisher")
    page.goto(f"/models/{model['name']}/versions/1.2.0")
    page.get_by_role("button", name="Archive").click()
    expect(page.locator(".title .chip")).to_have_text("archived")
    toast(page).get_by_role("button", name="Undo").click()
    expect(page.locator(".title .chip")).to_have_text("candidate")


def test_nobody_but_a_releaser_sees_the_button_and_the_server_decides_again(
    windows: Windows, server: Up, model: dict[str, Any]
) -> None:
    windows.allow(403)
    page = windows("publisher")
    page.goto(f"/models/{model['name']}")
    expect(row(page, "1.2.0")).to_be_visible()
    expect(page.get_by_role("button", name="Promote")).to_have_count(0)
    mighty = windows("releaser")
    mighty.goto(f"/models/{model['name']}")
    mighty.context.clear_cookies()
    mighty.context.add_cookies(page.context.cookies())  # type: ignore[arg-type]
    row(mighty, "1.2.0").get_by_role("button", name="Promote").click()
    expect(toast(mighty)).to_contain_text("releaser")
    expect(row(mighty, "1.2.0").get_by_role("button", name="Promote")).to_be_enabled()
    expect(row(mighty, "1.2.0").locator(".chip.release")).to_have_count(0)


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
