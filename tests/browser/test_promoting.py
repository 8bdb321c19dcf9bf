"""Promoting and demoting in place: in the row, on the version's page, on the overview."""

import pytest
from playwright.sync_api import expect

from browser.window import at, is_marked, row, toast, visit


@pytest.fixture
def page(windows):
    return windows("releaser")


def test_promoting_and_undo_change_the_row_and_what_counts_it_and_nothing_else(page, model):
    visit(page, f"/models/{model['name']}")
    mine, count = row(page, "1.2.0"), page.locator("#release-count")
    expect(count).to_have_text("1 release")
    mine.get_by_role("button", name="Promote 1.2.0").click()
    expect(mine.locator(".chip.release")).to_have_text("release")
    expect(mine.locator(".done")).to_contain_text("Promoted")
    expect(count).to_have_text("2 releases")
    expect(page.locator("#chart .point.release")).to_have_count(2)
    expect(toast(page)).to_contain_text(f"{model['name']} 1.2.0 is a release")
    toast(page).get_by_role("button", name="Undo").click()
    expect(mine.get_by_role("button", name="Promote 1.2.0")).to_be_visible()
    expect(mine.locator(".chip.release")).to_have_count(0)
    expect(count).to_have_text("1 release")
    expect(toast(page)).to_have_count(1)
    expect(toast(page)).to_contain_text("1.2.0 is not a release")
    assert is_marked(page)
    assert at(page) == f"/models/{model['name']}"


def test_promoting_on_the_version_s_page_changes_its_badge(page, model):
    visit(page, f"/models/{model['name']}/versions/1.2.0")
    expect(page.locator(".title .chip")).to_have_text("candidate")
    page.get_by_role("button", name="Promote to release").click()
    expect(page.locator(".title .chip")).to_have_text("release")
    expect(page.locator("#promotion footer .done")).to_contain_text("Promoted")
    toast(page).get_by_role("button", name="Undo").click()
    expect(page.locator(".title .chip")).to_have_text("candidate")
    assert is_marked(page)


def test_promoting_on_the_overview_takes_the_candidate_off_the_list_once_the_pointer_leaves(page, model):
    visit(page, "/")
    mine = page.locator("#ready li", has_text=model["name"])
    expect(mine).to_contain_text("1.2.0")
    mine.get_by_role("button", name=f"Promote {model['name']} 1.2.0").click()
    expect(mine).to_contain_text("Promoted")
    page.mouse.move(1, 1)
    expect(mine).to_have_count(0)
    toast(page).get_by_role("button", name="Undo").click()
    expect(mine).to_have_count(1)
    assert is_marked(page)
    assert at(page) == "/"


def test_a_row_of_the_next_page_can_be_promoted_too(page, admin):
    made = admin.model("promoting/many")
    for number in range(52):
        admin.version(made, f"0.{number}.0")
    page.goto("/models/promoting/many")
    expect(page.locator("#versions tbody tr[id^=version-]")).to_have_count(50)
    page.get_by_role("link", name="Load more").click()
    expect(page.locator("#versions tbody tr[id^=version-]")).to_have_count(52)
    row(page, "0.0.0").get_by_role("button", name="Promote").click()
    expect(row(page, "0.0.0").locator(".chip.release")).to_be_visible()
    expect(page.locator("#release-count")).to_have_text("1 release")
    expect(page.locator("#versions tbody tr[id^=version-]")).to_have_count(52)
