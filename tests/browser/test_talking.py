"""Comments, asks for changes and tags in a browser: swapped in place, and the same without JavaScript."""

import pytest
from playwright.sync_api import expect

from browser.axe import check, check_widths
from browser.window import fits, focused, is_marked, settled, toast, visit

PHONE = {"width": 320, "height": 640}


@pytest.fixture
def address(model):
    return f"/models/{model['name']}/versions/1.2.0"


@pytest.fixture
def approved(admin, model):
    """A gate that asks for an approval of the test's own model."""
    admin.made("/api/v1/gates", {"model": model["name"], "target": "release", "kind": "approved", "role": "publisher"})


def comments(page):
    return page.locator("#comments li")


def test_a_comment_appears_in_place_and_is_deleted_by_a_dialog(windows, address):
    windows.allow(422)
    page = windows("publisher")
    visit(page, address)
    page.get_by_label("Comment on 1.2.0").fill("   ")
    page.get_by_role("button", name="Comment", exact=True).click()
    expect(page.locator("#comment-fault")).to_be_visible()
    settled(page)
    assert focused(page).startswith("textarea #comment-text")
    page.get_by_label("Comment on 1.2.0").fill("Looks good")
    page.get_by_role("button", name="Comment", exact=True).click()
    expect(comments(page)).to_have_count(1)
    expect(toast(page)).to_contain_text("You commented on")
    page.get_by_label("Comment on 1.2.0").fill("Too slow")
    page.locator("#comment-ask").click()
    expect(comments(page).first).to_contain_text("asks for changes")
    check(page)
    check_widths(page)
    comments(page).first.get_by_role("link", name="Delete").click()
    dialog = page.locator("#dialog")
    expect(dialog).to_contain_text("Too slow")
    check(page, " delete")
    dialog.get_by_role("button", name="Delete").click()
    expect(comments(page)).to_have_count(1)
    expect(dialog).to_be_hidden()
    assert is_marked(page)


def test_who_asks_for_changes_in_the_inbox_stays_there_and_says_what(windows, approved, model, address):
    windows.allow(422)
    page = windows("releaser")
    visit(page, "/inbox")
    item = page.locator("#waiting li", has_text=model["name"]).first
    item.get_by_role("button", name="Ask for changes").click()
    expect(item.locator(".fault")).to_have_text("Say what should change.")
    settled(page)
    assert focused(page).startswith("input #comment-")
    item.get_by_placeholder("Comment, optional").fill("The German slice looks wrong")
    item.get_by_role("button", name="Ask for changes").click()
    assert is_marked(page)
    settled(page)
    page.goto("/inbox")  # only what was pressed changes at once
    expect(item.locator(".ask")).to_contain_text("“The German slice looks wrong”")
    expect(item.get_by_role("button", name="Approve")).to_be_enabled()
    check(page)
    page.set_viewport_size(PHONE)
    fits(page)
    other = windows("viewer")
    other.goto(address)
    expect(other.locator("#promotion .ask")).to_contain_text("The German slice looks wrong")


def test_return_in_the_comment_approves(windows, approved, model, address):
    page = windows("releaser")
    visit(page, address)
    page.locator("#promotion").get_by_placeholder("Comment, optional").fill("fine")
    page.keyboard.press("Enter")
    expect(page.locator("#promotion .words")).to_contain_text("“fine”")
    expect(page.locator("#comments li")).to_have_count(0)


def test_tags_change_in_place(windows, address):
    page = windows("publisher")
    visit(page, address)
    page.locator("#tags summary").click()
    page.get_by_label("Tags of 1.2.0").fill("candidate\ngerman slice")
    check(page, " tags")
    page.get_by_role("button", name="Save tags").click()
    expect(page.locator("#tags .chip")).to_have_text(["candidate", "german slice"])
    assert is_marked(page)
    page.set_viewport_size(PHONE)
    fits(page)
    page.get_by_role("link", name="german slice").click()
    expect(page.locator("#versions tbody tr")).to_have_count(1)


def test_all_of_it_goes_without_javascript(windows, approved, model, address):
    windows.allow(422)
    page = windows("releaser", java_script_enabled=False)
    page.goto(address)
    panel = page.locator("#promotion")
    panel.get_by_role("button", name="Ask for changes").click()
    expect(panel.locator(".fault")).to_have_text("Say what should change.")
    panel.get_by_placeholder("Comment, optional").fill("Too slow")
    panel.get_by_role("button", name="Ask for changes").click()
    expect(panel.locator(".ask")).to_contain_text("Too slow")
    page.get_by_label("Comment on 1.2.0").fill("And once more")
    page.get_by_role("button", name="Comment", exact=True).click()
    expect(comments(page)).to_have_count(2)
    comments(page).first.get_by_role("link", name="Delete").click()
    page.get_by_role("button", name="Delete").click()
    expect(comments(page)).to_have_count(1)
    page.locator("#tags summary").click()
    page.get_by_label("Tags of 1.2.0").fill("é")
    page.get_by_role("button", name="Save tags").click()
    expect(page.locator("#tags-fault")).to_contain_text("visible ASCII")
    page.get_by_label("Tags of 1.2.0").fill("plain")
    page.get_by_role("button", name="Save tags").click()
    expect(page.locator("#tags .chip")).to_have_text(["plain"])
