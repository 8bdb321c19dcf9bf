"""320 px wide, and the switch between light and dark."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from browser.places import PAGES, REFUSED
from browser.window import Windows, row, toast

PHONE = {"viewport": {"width": 320, "height": 640}}
ACTIONS = {
    "the models": "New model",
    "a model": "New version",
    "the deployments": "Record deployment",
    "the keys": "New key",
    "a candidate": "Edit notes…",
}
WIDE = """() => [...document.querySelectorAll("body *")].filter((it) => it.getBoundingClientRect().right > 320.5
  && !it.closest("thead, [tabindex='0'], .nav, .tabs, .unseen, .toasts, .board"))
  .slice(0, 3).map((it) => it.outerHTML.slice(0, 120))"""


def fits(page: Page) -> None:
    """The page does not scroll sideways."""
    found = page.evaluate("[document.documentElement.scrollWidth, document.body.scrollWidth]")
    assert max(found) <= 320, page.evaluate(WIDE)


@pytest.fixture(scope="module")
def phone(lasting: Windows) -> Page:
    """An admin's window on a phone."""
    return lasting("admin", **PHONE)


@pytest.fixture(scope="module")
def desk(lasting: Windows) -> Page:
    """An admin's window on a screen."""
    return lasting("admin")


@pytest.mark.parametrize("name", PAGES)
def test_no_page_scrolls_sideways_at_320_px(
    lasting: Windows, phone: Page, addresses: dict[str, str], name: str
) -> None:
    lasting.allow(REFUSED.get(name, 200))
    page = phone
    page.goto(addresses[name])
    fits(page)
    for details in page.locator("main details").all()[:5]:
        details.evaluate("(it) => { it.open = true; }")
    fits(page)
    if name in ACTIONS:
        action = page.get_by_role("link", name=ACTIONS[name]).first
        expect(action).to_be_visible()
        box = action.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 320
    lasting.check()


@pytest.mark.parametrize("path", ["/", "/environments", "/keys"])
def test_where_somebody_is_can_be_seen_in_the_navigation_and_the_page_does_not_move(phone: Page, path: str) -> None:
    phone.goto(path)
    expect(phone.locator(".nav [aria-current]")).to_be_in_viewport(ratio=1)
    assert phone.evaluate("[scrollX, scrollY]") == [0, 0]


OUTSIDE = """() => [...document.querySelectorAll(".card table, .card form, .card .row")].filter((it) => {
  const around = it.closest(".table") || it.closest(".card");
  return around.clientWidth && it.getBoundingClientRect().right > around.getBoundingClientRect().right + 0.5
    && !["auto", "scroll"].includes(getComputedStyle(around).overflowX);
}).map((it) => it.outerHTML.slice(0, 120))"""
CUT = """() => [...document.querySelectorAll(".table:not([tabindex])")].filter((it) => it.scrollWidth > it.clientWidth)
  .map((it) => `${it.scrollWidth} in ${it.clientWidth}: ${it.innerText.slice(0, 60)}`)"""


@pytest.mark.parametrize("name", PAGES)
def test_nothing_stands_out_of_its_card_or_is_cut_off_on_a_screen(
    lasting: Windows, desk: Page, addresses: dict[str, str], name: str
) -> None:
    lasting.allow(REFUSED.get(name, 200))
    desk.goto(addresses[name])
    for width in (840, 1024, 1280, 1440):
        desk.set_viewport_size({"width": width, "height": 900})
        assert desk.evaluate(OUTSIDE) == [], width
        if width >= 1280:
            assert desk.evaluate(CUT) == [], width
    lasting.check()


def test_the_sign_in_does_not_scroll_sideways_at_320_px(windows: Windows) -> None:
    page = windows(role=None, **PHONE)
    page.goto("/login")
    fits(page)
    expect(page.get_by_role("button", name="Sign in")).to_be_in_viewport()


def test_a_dialog_and_its_buttons_fit_into_320_px(windows: Windows) -> None:
    page = windows(**PHONE)
    page.goto("/models")
    page.get_by_role("link", name="New model").click()
    register = page.get_by_role("button", name="Register")
    register.scroll_into_view_if_needed()
    expect(register).to_be_in_viewport(ratio=1)
    dialog = page.locator("#dialog")
    assert dialog.evaluate("(it) => it.scrollWidth <= it.clientWidth && it.getBoundingClientRect().right <= 320")
    fits(page)


def test_promoting_in_the_row_works_at_320_px_and_the_toast_fits(windows: Windows, model: dict[str, Any]) -> None:
    page = windows("releaser", **PHONE)
    page.goto(f"/models/{model['name']}")
    row(page, "1.2.0").get_by_role("button", name="Promote").click()
    expect(row(page, "1.2.0").locator(".chip.release")).to_be_visible()
    expect(toast(page).get_by_role("button", name="Undo")).to_be_in_viewport(ratio=1)
    fits(page)


def background(page: Page) -> str:
    found: str = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return found


LIGHT, DARK = "rgb(247, 247, 245)", "rgb(16, 17, 20)"


@pytest.mark.parametrize("scripts", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_the_switch_of_the_theme_is_remembered(windows: Windows, scripts: bool) -> None:
    page = windows("viewer", java_script_enabled=scripts, color_scheme="light")
    page.goto("/models?sort=name")
    switch = page.get_by_role("button", name="Switch between light and dark")
    assert background(page) == LIGHT
    switch.click()
    expect(page.locator("body")).to_have_css("background-color", DARK)
    page.reload()
    assert background(page) == DARK
    assert page.url.endswith("/models?sort=name")
    page.goto("/audit")
    assert background(page) == DARK
    switch.click()
    expect(page.locator("body")).to_have_css("background-color", LIGHT)
    page.reload()
    assert background(page) == LIGHT


def test_without_a_choice_the_theme_is_the_system_s(windows: Windows) -> None:
    page = windows("viewer", color_scheme="dark")
    page.goto("/models")
    assert background(page) == DARK
    page.get_by_role("button", name="Switch between light and dark").click()
    expect(page.locator("body")).to_have_css("background-color", LIGHT)
    page.reload()
    assert background(page) == LIGHT
