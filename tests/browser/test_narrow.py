"""320 px wide, and the switch between light and dark."""

import pytest
from playwright.sync_api import expect

from browser.window import PHONE, account, fits, row, toast


@pytest.fixture(scope="module")
def phone(lasting):
    """An admin's window on a phone."""
    return lasting("admin", viewport=PHONE)


@pytest.mark.parametrize(
    ("name", "action"),
    {
        "the models": "New model",
        "a model": "New version",
        "the deployments": "Deploy…",
        "the keys": "New key",
        "a candidate": "Edit notes…",
    }.items(),
)
def test_the_first_action_of_a_page_is_in_sight_at_320_px(phone, addresses, name, action):
    phone.goto(addresses[name])
    link = phone.get_by_role("link", name=action).first
    link.scroll_into_view_if_needed()
    expect(link).to_be_in_viewport(ratio=1)


@pytest.mark.parametrize("path", ["/", "/environments", "/keys"])
def test_the_menu_shows_where_somebody_is_and_the_page_does_not_move(phone, path):
    phone.goto(path)
    expect(phone.locator(".rail")).to_be_hidden()
    phone.get_by_role("button", name="Menu").click()
    expect(phone.locator(".nav [aria-current]")).to_be_in_viewport(ratio=1)
    assert phone.evaluate("[scrollX, scrollY]") == [0, 0]
    phone.keyboard.press("Escape")
    expect(phone.locator(".rail")).to_be_hidden()


def test_the_sign_in_does_not_scroll_sideways_at_320_px(windows):
    page = windows(role=None, viewport=PHONE)
    page.goto("/login")
    fits(page)
    expect(page.get_by_role("button", name="Sign in")).to_be_in_viewport()


def test_a_dialog_and_its_buttons_fit_into_320_px(windows):
    page = windows(viewport=PHONE)
    page.goto("/models")
    page.get_by_role("link", name="New model").click()
    register = page.get_by_role("button", name="Register")
    register.scroll_into_view_if_needed()
    expect(register).to_be_in_viewport(ratio=1)
    dialog = page.locator("#dialog")
    assert dialog.evaluate("(it) => it.scrollWidth <= it.clientWidth && it.getBoundingClientRect().right <= 320")
    fits(page)


def test_promoting_in_the_row_works_at_320_px_and_the_toast_fits(windows, model):
    page = windows("releaser", viewport=PHONE)
    page.goto(f"/models/{model['name']}")
    row(page, "1.2.0").get_by_role("button", name="Promote").click()
    expect(row(page, "1.2.0").locator(".chip.release")).to_be_visible()
    expect(toast(page).get_by_role("button", name="Undo")).to_be_in_viewport(ratio=1)
    fits(page)


def background(page):
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


LIGHT, DARK = "rgb(248, 248, 246)", "rgb(15, 16, 18)"


@pytest.mark.parametrize("scripts", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_the_switch_of_the_theme_is_remembered(windows, scripts):
    page = windows("viewer", java_script_enabled=scripts, color_scheme="light")
    page.goto("/models?sort=name")
    switch = page.get_by_role("button", name="Switch between light and dark")
    assert background(page) == LIGHT
    account(page)
    switch.click()
    expect(page.locator("body")).to_have_css("background-color", DARK)
    page.reload()
    assert background(page) == DARK
    assert page.url.endswith("/models?sort=name")
    page.goto("/audit")
    assert background(page) == DARK
    account(page)
    switch.click()
    expect(page.locator("body")).to_have_css("background-color", LIGHT)
    page.reload()
    assert background(page) == LIGHT


def test_without_a_choice_the_theme_is_the_system_s(windows):
    page = windows("viewer", color_scheme="dark")
    page.goto("/models")
    assert background(page) == DARK
    account(page).get_by_role("button", name="Switch between light and dark").click()
    expect(page.locator("body")).to_have_css("background-color", LIGHT)
    page.reload()
    assert background(page) == LIGHT
