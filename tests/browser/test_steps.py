"""The page of a version: its steps, beside each other or on a phone one below the other, and what is folded."""

import pytest
from playwright.sync_api import expect

from browser.window import PHONE, fits

TOPS = "(list) => new Set([...list.children].map((it) => Math.round(it.getBoundingClientRect().top))).size"


@pytest.fixture
def address(model):
    return f"/models/{model['name']}/versions/1.0.0"


def test_the_steps_stand_beside_each_other(windows, address):
    page = windows("viewer")
    page.goto(address)
    steps = page.get_by_role("region", name="The way of 1.0.0").get_by_role("listitem")
    expect(steps.first).to_contain_text("Registered")
    expect(page.locator(".stepper [aria-current=step]")).to_have_count(1)
    assert page.locator(".stepper").evaluate(TOPS) == 1


def test_on_a_phone_the_steps_stand_one_below_the_other(windows, address):
    page = windows("viewer", viewport=PHONE)
    page.goto(address)
    steps = page.locator(".stepper li")
    assert page.locator(".stepper").evaluate(TOPS) == steps.count() > 1
    fits(page)


def test_one_way_to_use_a_version_is_open_at_a_time(windows, address):
    page = windows("viewer")
    page.goto(address)
    expect(page.locator("#use-python")).to_be_visible()
    page.get_by_text("curl", exact=True).click()
    expect(page.locator("#use-curl")).to_be_visible()
    expect(page.locator("#use-python")).to_be_hidden()


def test_what_was_unfolded_stays_so_when_the_page_asks_again(windows, admin, model):
    admin.version(model, "2.0.0", metadata={"accuracy": 0.95, "framework": "torch"})
    page = windows("viewer")
    page.goto(f"/models/{model['name']}/versions/2.0.0")
    page.get_by_text("1 unchanged").click()
    with page.expect_response(lambda response: "x-poll" in response.request.headers):
        page.evaluate("htmx.trigger('#updated', 'refresh')")
    expect(page.locator("#unchanged table")).to_be_visible()
