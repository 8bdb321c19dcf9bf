"""The search at the top of every page: while typing, by keyboard, by what people have at hand."""

import pytest
from playwright.sync_api import expect

from browser.window import at

TORCH = "needles/torch-7"


@pytest.fixture(scope="module")
def searched(admin):
    """Two models, one of which has a version with this digest and tag."""
    made = admin.model(TORCH, description="Finds them")
    admin.model("needles/haystack")
    admin.version(made, "7.31.0", tag="needle-7.31")


@pytest.fixture
def page(windows, searched):
    page = windows("viewer")
    page.goto("/audit")
    return page


def hits(page):
    return page.locator("#hits a")


def find(page, words):
    page.get_by_label("Search models").press_sequentially(words)


def test_what_is_found_is_shown_while_typing_in_groups(page):
    find(page, "needle")
    expect(page.locator("#hits h2")).to_have_text(["Models", "Tags"])
    expect(hits(page)).to_have_count(3)
    expect(hits(page).filter(has_text=TORCH)).to_have_count(2)
    expect(hits(page).last).to_contain_text("needle-7.31")
    assert at(page) == "/audit"


def test_a_hit_is_reached_and_opened_by_keyboard(page):
    page.keyboard.press("/")
    expect(page.get_by_label("Search models")).to_be_focused()
    page.keyboard.type("needles/")
    expect(hits(page)).to_have_count(2)
    page.keyboard.press("ArrowDown")
    expect(hits(page).nth(0)).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(hits(page).nth(1)).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(hits(page).nth(1)).to_be_focused()
    page.keyboard.press("ArrowUp")
    name = hits(page).nth(0).locator(".bold").inner_text()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()
    assert at(page) == f"/models/{name}"


@pytest.mark.parametrize("how", ["Escape", "a click elsewhere"])
def test_what_was_found_is_closed_by(page, how):
    find(page, "needles/")
    expect(hits(page)).to_have_count(2)
    if how == "Escape":
        page.keyboard.press(how)
    else:
        page.locator("#main").click(position={"x": 900, "y": 10})
    expect(page.locator("#hits")).to_be_hidden()
    expect(page.get_by_label("Search models")).not_to_be_focused()


def test_enter_in_the_field_opens_a_page_of_what_was_found(page):
    find(page, "needle")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Search", level=1)).to_be_visible()
    assert at(page) == "/search?q=needle"
    expect(page.locator(".found a")).to_have_count(3)


def test_the_models_list_narrows_while_typing_and_the_address_follows(page):
    page.goto("/models")
    some = page.get_by_label("Name or description")
    some.press_sequentially("haystack")
    expect(page.locator("#list tbody tr")).to_have_count(1)
    expect(page.locator("#list")).to_contain_text("needles/haystack")
    expect(some).to_be_focused()
    page.wait_for_url("**search=haystack**")
    page.reload()
    expect(page.locator("#list tbody tr")).to_have_count(1)
