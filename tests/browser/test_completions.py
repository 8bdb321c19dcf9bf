"""What a filter may go on with, by keyboard and by pointer; without an answer the box works as it is."""

import pytest
from playwright.sync_api import expect


@pytest.fixture
def page(windows, model):
    page = windows("viewer")
    page.goto(f"/models/{model['name']}")
    return page


def test_a_filter_is_written_by_keyboard_alone(page):
    box, options = page.locator("#filter"), page.locator("#completions li")
    box.focus()
    page.keyboard.type("is_rel")
    expect(options).to_have_text(["is_release"])
    expect(box).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("ArrowDown")
    expect(options.first).to_have_attribute("aria-selected", "true")
    expect(box).to_have_attribute("aria-activedescendant", options.first.get_attribute("id"))
    page.keyboard.press("Enter")
    expect(box).to_have_value("is_release ")
    expect(options.first).to_have_text("=")
    page.keyboard.press("ArrowUp")
    expect(options.last).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Escape")
    expect(options).to_have_count(0)
    page.keyboard.press("Enter")
    expect(page.locator("#versions tbody tr")).to_have_count(1)


def test_an_option_is_chosen_by_the_pointer_and_the_focus_stays(page):
    box = page.locator("#filter")
    box.focus()
    page.keyboard.type("not sta")
    page.get_by_role("option", name="status").click()
    expect(box).to_have_value("not status ")
    expect(box).to_be_focused()
    page.locator("#sort").focus()
    expect(page.get_by_role("listbox")).to_have_count(0)


def test_the_pages_of_versions_are_reached_by_keys(windows):
    page = windows("viewer")
    page.goto("/")
    page.keyboard.press("g")
    page.keyboard.press("v")
    expect(page.get_by_role("heading", name="Versions")).to_be_visible()
