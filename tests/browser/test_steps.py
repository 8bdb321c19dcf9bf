"""The steps of a version: beside each other, on a phone one below the other."""

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
