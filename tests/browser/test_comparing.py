"""Choosing versions and comparing them."""

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


def test_another_version_is_chosen_from_the_list_and_going_back_shows_the_former(windows, model):
    page = windows("viewer")
    page.goto(f"/models/{model['name']}/compare?v=1.0.0&v=1.1.0")
    page.get_by_label("Version 2", exact=True).select_option("1.2.0")
    page.wait_for_url("**v=1.2.0**")
    heads = page.locator("#comparison thead").first
    expect(heads).to_contain_text("1.2.0")
    expect(heads).not_to_contain_text("1.1.0")
    page.go_back()
    expect(heads).to_contain_text("1.1.0")
    expect(heads).not_to_contain_text("1.2.0")


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
    expect(page.locator("#comparison thead").first.locator("a.mono")).to_have_count(6)


def test_ticks_are_still_counted_after_a_promotion(windows, model):
    page = windows("releaser")
    page.goto(f"/models/{model['name']}")
    tick(page, "1.0.0", "1.1.0")
    row(page, "1.2.0").get_by_role("button", name="Promote").click()
    expect(row(page, "1.2.0").locator(".chip.release")).to_be_visible()
    expect(page.locator("#compare-button")).to_have_text("Compare 2")
