"""The card of a chart's point: under the pointer and the keyboard's focus, and gone by Escape."""

import re

import pytest
from playwright.sync_api import expect


@pytest.fixture
def page(windows, model):
    page = windows("viewer")
    page.goto(f"/models/{model['name']}")
    return page


def test_the_pointer_and_the_focus_show_the_card_of_a_point(page):
    point, card = page.locator(".chart .plot a").first, page.locator(".point-card")
    point.hover()
    expect(card).to_have_count(1)
    expect(card).to_contain_text(re.compile("against|release"))
    expect(card).to_contain_text("registered")
    page.mouse.move(1, 1)
    expect(card).to_have_count(0)
    point.focus()
    expect(card).to_have_count(1)
    page.keyboard.press("Tab")
    expect(card.locator("p").first).to_contain_text(
        page.locator(".chart .plot a").nth(1).get_attribute("aria-label").partition(",")[0]
    )
    page.keyboard.press("Escape")
    expect(card).to_have_count(0)


def test_the_card_lies_within_the_screen_of_a_phone(windows, model):
    page = windows("viewer", viewport={"width": 320, "height": 640})
    page.goto(f"/models/{model['name']}")
    for point in page.locator(".chart .plot a").all():
        point.focus()
        box = page.locator(".point-card").bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 320
