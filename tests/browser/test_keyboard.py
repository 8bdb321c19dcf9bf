"""By keyboard alone; the focus is never lost."""

import pytest
from playwright.sync_api import expect

from browser.window import at, focused, row, settled, toast, until

IN_PLACE = """(row) => { const it = document.activeElement;
  return it !== document.body && (it.closest(row) !== null || it.closest("#toasts") !== null)
    && it.matches("button, a, input"); }"""


AGAIN = """document.addEventListener("htmx:afterSettle", () => {
  setTimeout(() => document.activeElement.click(), 50);
}, { once: true })"""
"""Press what has the focus at once after the next swap, as a key that is held down does."""


def tab_to(page, name, most=120):
    """Tab until the control of that name has the focus."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if name in focused(page):
            return
    raise AssertionError(f"Tab never came to {name}")


def test_the_first_tab_is_a_link_that_skips_to_the_content(windows):
    page = windows("releaser")
    page.goto("/models")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")


def test_a_version_is_promoted_and_taken_back_by_keyboard(windows, model):
    page = windows("releaser")
    page.goto(f"/models/{model['name']}")
    tab_to(page, "Promote 1.2.0")
    mine = f"#{row(page, '1.2.0').get_attribute('id')}"
    page.evaluate(AGAIN)
    page.keyboard.press("Enter")
    expect(row(page, "1.2.0").locator(".chip.release")).to_be_visible()
    until(page, lambda: page.evaluate(IN_PLACE, mine))
    expect(row(page, "1.2.0").get_by_role("button", name="Undo")).to_be_focused()
    page.wait_for_timeout(700)
    expect(row(page, "1.2.0").locator(".chip.release")).to_be_visible()
    page.keyboard.press("Enter")
    expect(row(page, "1.2.0").get_by_role("button", name="Promote")).to_be_visible()
    expect(toast(page).last).to_contain_text("not a release")
    until(page, lambda: page.evaluate(IN_PLACE, mine))


@pytest.mark.parametrize(
    ("path", "button", "part"),
    [("/models/{}/versions/1.2.0", "Promote to release", "#main"), ("/", "Promote {} 1.2.0", "#ready")],
)
def test_the_focus_stays_where_somebody_promoted(windows, model, path, button, part):
    page = windows("releaser")
    page.goto(path.format(model["name"]))
    tab_to(page, button.format(model["name"]))
    page.keyboard.press("Enter")
    expect(toast(page)).to_contain_text("is a release now")
    until(page, lambda: page.evaluate(IN_PLACE, part))


def test_g_and_a_letter_go_to_a_page(windows):
    page = windows("admin")
    page.goto("/search")
    for letter, path in ("m", "/models"), ("e", "/environments"), ("t", "/gates"), ("i", "/inbox"), ("o", "/"):
        page.keyboard.press("g")
        page.keyboard.press(letter)
        page.wait_for_url(f"**{path}")
        assert at(page) == path


def test_a_question_mark_opens_the_help_and_escape_closes_it(windows):
    page = windows("viewer")
    page.goto("/models")
    page.keyboard.press("?")
    help_ = page.locator("#help")
    expect(help_).to_be_visible()
    expect(help_).to_contain_text("Audit log")
    page.keyboard.press("Escape")
    expect(help_).to_be_hidden()


def test_shortcuts_are_off_while_somebody_types(windows):
    page = windows("admin")
    page.goto("/models")
    field = page.get_by_label("Name or description")
    field.press_sequentially("gm?/")
    expect(field).to_have_value("gm?/")
    expect(page.locator("#help")).to_be_hidden()
    expect(field).to_be_focused()
    page.get_by_role("link", name="New model").click()
    description = page.locator("#dialog").get_by_label("Description")
    expect(description).to_be_visible()
    settled(page)
    description.press_sequentially("go ga ?/")
    expect(description).to_have_value("go ga ?/")
    expect(page.locator("#help")).to_be_hidden()
    assert at(page).startswith("/models")


def test_shortcuts_leave_the_browser_s_own_alone(windows):
    page = windows("admin")
    page.goto("/models")
    page.keyboard.press("Control+/")
    expect(page.get_by_label("Search models")).not_to_be_focused()
    page.keyboard.press("g")
    page.keyboard.press("Control+d")
    page.keyboard.press("x")
    assert at(page) == "/models"


def test_what_has_the_focus_is_seen(windows, model):
    page = windows("releaser")
    page.goto(f"/models/{model['name']}")
    for _ in range(40):
        page.keyboard.press("Tab")
        width = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
        assert page.evaluate("document.activeElement === document.body") or width != "0px", focused(page)


def test_a_dialog_keeps_the_focus_inside(windows):
    page = windows("publisher")
    page.goto("/models")
    page.get_by_role("link", name="New model").click()
    expect(page.locator("#dialog form.card")).to_be_visible()
    for _ in range(25):
        page.keyboard.press("Tab")
        assert page.evaluate(
            "document.activeElement === document.body || document.activeElement.closest('#dialog') !== null"
        )
