"""Choosing versions and comparing them."""

import pytest
from playwright.sync_api import expect

from browser.window import at, is_marked, row, visit


def tick(page, *versions):
    for version in versions:
        row(page, version).get_by_role("checkbox").check()


def test_two_ticked_versions_are_compared_and_the_address_can_be_shared(windows, model):
    page = windows("viewer")
    page.goto(f"/models/{model['name']}")
    button = page.locator("#compare-button")
    expect(button).to_be_disabled()
    tick(page, "1.2.0")
    expect(button).to_have_text("Compare 1")
    expect(button).to_be_disabled()
    tick(page, "1.0.0")
    expect(button).to_have_text("Compare 2")
    button.click()
    expect(page.get_by_role("heading", name="Compare", level=1)).to_be_visible()
    assert at(page) == f"/models/{model['name']}/compare?v=1.2.0&v=1.0.0"
    compared = page.locator("tbody").first.inner_text()
    page.reload()
    expect(page.locator("tbody").first).to_have_text(compared, use_inner_text=True)


def test_only_differences_leaves_out_what_is_the_same_and_stands_in_the_address(windows, model):
    page = windows("viewer")
    visit(page, f"/models/{model['name']}/compare?v=1.0.0&v=1.1.0")
    same = page.get_by_role("rowheader", name="framework")
    expect(same).to_be_visible()
    page.get_by_label("Only differences").check()
    expect(same).to_have_count(0)
    expect(page.get_by_role("rowheader", name="accuracy")).to_be_visible()
    page.wait_for_url("**only=1**")
    assert is_marked(page)
    page.reload()
    expect(page.get_by_label("Only differences")).to_be_checked()
    expect(same).to_have_count(0)
    page.get_by_label("Only differences").uncheck()
    expect(same).to_be_visible()


def test_a_version_is_added_from_the_list_and_going_back_shows_the_former(windows, model):
    page = windows("viewer")
    page.goto(f"/models/{model['name']}/compare?v=1.0.0&v=1.1.0")
    page.get_by_label("Add a version").select_option("1.2.0")
    page.wait_for_url("**v=1.2.0**")
    heads = page.locator("#comparison thead").first
    expect(heads).to_contain_text("1.2.0")
    page.get_by_role("link", name="Remove 1.1.0").click()
    expect(heads).not_to_contain_text("1.1.0")
    page.go_back()
    expect(heads).to_contain_text("1.1.0")
    page.go_back()
    expect(heads).not_to_contain_text("1.2.0")


@pytest.mark.parametrize("scripts", [True, False])
def test_a_click_on_the_head_of_a_column_makes_it_the_base(windows, model, scripts):
    page = windows("viewer", java_script_enabled=scripts)
    page.goto(f"/models/{model['name']}/compare?v=1.0.0&v=1.1.0")
    heads = page.locator("#comparison thead").first.get_by_role("columnheader")
    expect(heads.nth(1)).to_contain_text("1.0.0")
    heads.get_by_role("link", name="Compare with 1.1.0").click()
    expect(page.get_by_role("heading", name="Change against 1.1.0")).to_be_visible()
    expect(heads.nth(1)).to_contain_text("1.1.0")
    assert at(page) == f"/models/{model['name']}/compare?v=1.0.0&v=1.1.0&base=1.1.0"


NUMBERS = {"accuracy": 0.9123, "samples": 1_104_203_778, "whole": 10**30, "lr": 3e-5, "nested": {"a_long_key": 12.5}}
BROKEN = """() => [...document.querySelectorAll(".compare td.number, .compare .change, .compare .column, .chip")].filter(
  (box) => {
    const lines = document.createRange();
    lines.selectNodeContents(box.matches("td") ? box.firstChild : box);
    return lines.getBoundingClientRect().height > 30;
  }).map((box) => box.outerHTML)"""


@pytest.mark.parametrize("width", [320, 390, 768, 1024, 1440, 2560])
def test_six_versions_never_break_a_number_or_a_chip(windows, admin, width):
    made = admin.model(f"comparing/six-at-{width}")
    for number in range(6):
        values = {key: value * (1 + number) for key, value in NUMBERS.items() if key != "nested"}
        admin.version(made, f"1.{number}.0", metadata={**NUMBERS, **values}, is_release=number == 2)
    page = windows("viewer", viewport={"width": width, "height": 900})
    page.goto(f"/models/{made['name']}/compare?" + "&".join(f"v=1.{number}.0" for number in range(6)))
    assert page.evaluate(BROKEN) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_six_versions_of_ordinary_numbers_are_seen_at_once_at_1440_px(windows, admin):
    made = admin.model("comparing/ordinary")
    for number in range(6):
        values = {"accuracy": 0.9123 + number / 100, "samples": 1_104_203 * (1 + number), "name": "reviews-2026-11"}
        admin.version(made, f"1.{number}.0-rc{number}", metadata=values)
    page = windows("viewer", viewport={"width": 1440, "height": 1000})
    page.goto(f"/models/{made['name']}/compare?" + "&".join(f"v=1.{number}.0-rc{number}" for number in range(6)))
    for table in page.locator(".table:has(> .compare)").all():
        assert table.evaluate("(box) => box.scrollWidth <= box.clientWidth")


def test_more_than_six_cannot_be_compared(windows, admin):
    made = admin.model("comparing/seven")
    for number in range(7):
        admin.version(made, f"1.{number}.0")
    page = windows("viewer")
    page.goto("/models/comparing/seven")
    tick(page, *(f"1.{number}.0" for number in range(7)))
    expect(page.locator("#compare-button")).to_be_disabled()
    row(page, "1.6.0").get_by_role("checkbox").uncheck()
    expect(page.locator("#compare-button")).to_have_text("Compare 6")
    page.locator("#compare-button").click()
    expect(page.locator("#comparison thead").first.get_by_role("columnheader")).to_have_count(7)


def test_ticks_are_still_counted_after_a_promotion(windows, model):
    page = windows("releaser")
    page.goto(f"/models/{model['name']}")
    tick(page, "1.0.0", "1.1.0")
    row(page, "1.2.0").get_by_role("button", name="Promote").click()
    expect(row(page, "1.2.0").locator(".chip.release")).to_be_visible()
    expect(page.locator("#compare-button")).to_have_text("Compare 2")
