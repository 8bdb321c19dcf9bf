"""axe-core finds nothing, on any page and in any state of it, in both themes."""

import re
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page, expect
from up import Up

from browser.places import PAGES, REFUSED
from browser.window import Windows, row, toast

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
OF_COLOUR = ["color-contrast", "link-in-text-block"]
"""The rules that the dark theme can break by itself: both themes have the same markup."""

OF_WIDTH = ["target-size"]
"""The rule that what wraps can break at any width."""
WIDTHS = (390, 820, 1100, 1440)

RUN = """async ([rules, within]) => {
  const found = await axe.run(within, { runOnly: rules, resultTypes: ["violations"], preload: false });
  return found.violations.map((each) => `${each.id}: ${each.help}` +
    each.nodes.slice(0, 5).map((node) =>
      `\\n    ${node.target.join(" ")}: ${node.failureSummary.split("\\n").slice(1, 3).join(" ")}`).join(""));
}"""


def check(page: Page, tell: str = "", within: str = "html") -> None:
    """Nothing is wrong with what the page shows now, in either theme."""
    page.evaluate(AXE_SCRIPT)
    found = []
    for theme, rules in (("light", TAGS), ("dark", OF_COLOUR)):
        page.evaluate("(theme) => { document.documentElement.dataset.theme = theme; }", theme)
        assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == theme
        found += [f"{theme}{tell}: {violation}" for violation in page.evaluate(RUN, [rules, within])]
    assert not found, "\n".join(found)


@pytest.fixture(scope="module")
def window(lasting: Windows) -> Page:
    """An admin's window."""
    return lasting("admin")


@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_on(lasting: Windows, window: Page, addresses: dict[str, str], name: str) -> None:
    status, page = REFUSED.get(name, 200), window
    lasting.allow(status)
    answer = page.goto(addresses[name])
    assert answer is not None
    assert answer.status == status
    for details in page.locator("details").all()[:3]:
        details.evaluate("(it) => { it.open = true; }")
    check(page)
    size = page.viewport_size
    assert size
    for width in WIDTHS:
        page.set_viewport_size({**size, "width": width})
        found = page.evaluate(RUN, [OF_WIDTH, "html"])
        assert not found, "\n".join([f"{width} px wide:", *found])
    page.set_viewport_size(size)
    lasting.check()


@pytest.mark.parametrize("path", ["/", "/models", "/models/nothing/here", "/deployments", "/environments", "/audit"])
def test_axe_finds_nothing_where_there_is_nothing_yet(windows_on: Any, empty: Up, path: str) -> None:
    with empty.by("admin") as caller:
        if path == "/models/nothing/here" and not caller.get("/api/v1/models").json():
            caller.model("nothing/here")
    page = windows_on(empty)("admin")
    page.goto(path)
    expect(page.locator("#main .empty, #main .audit").first).to_be_visible()
    check(page)


def test_axe_finds_nothing_at_the_sign_in(windows: Windows) -> None:
    windows.allow(422)
    page = windows(role=None)
    page.goto("/login?next=/models")
    check(page)
    page.get_by_label("API key").fill("cat_wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    check(page)


@pytest.mark.parametrize("role", ["viewer", "releaser"])
def test_axe_finds_nothing_on_what_other_roles_see(windows: Windows, addresses: dict[str, str], role: str) -> None:
    page = windows(role)
    for name in ("the overview", "a candidate", "its settings"):
        page.goto(addresses[name])
        check(page, f" {name}")


DIALOGS = [
    ("the models", "New model"),
    ("a model", "New version"),
    ("the deployments", "Record deployment"),
    ("the keys", "New key"),
    ("the environments", "New environment"),
    ("the environments", "Freeze production…"),
    ("the environments", "Settings production…"),
    ("the environments", re.compile("^Roll back .* in production…")),
    ("the gates", "New gate"),
    ("a candidate", "Override…"),
    ("a candidate", "Edit notes…"),
    ("a candidate", "Delete…"),
    ("its settings", re.compile("^Delete .*…")),
    ("the keys", re.compile(r"^Revoke revoked some day ")),
]


@pytest.mark.parametrize(("name", "link"), DIALOGS, ids=[f"{name}: {link}" for name, link in DIALOGS])
def test_axe_finds_nothing_in_the_dialog(
    lasting: Windows, window: Page, addresses: dict[str, str], name: str, link: str | re.Pattern[str]
) -> None:
    page = window
    page.goto(addresses[name])
    page.get_by_role("link", name=link).first.click()
    expect(page.locator("#dialog form.card")).to_be_visible()
    check(page)
    lasting.check()


def test_axe_finds_nothing_in_a_form_that_is_refused(windows: Windows) -> None:
    windows.allow(422)
    page = windows()
    page.goto("/models")
    page.get_by_role("link", name="New model").click()
    page.get_by_label("Name", exact=True).fill("no name!")
    page.get_by_label("Metadata").fill("{")
    page.get_by_role("button", name="Register").click()
    expect(page.locator("#dialog [aria-invalid=true]")).to_have_count(3)
    check(page)


def test_axe_finds_nothing_where_a_key_is_shown(windows: Windows) -> None:
    page = windows()
    page.goto("/keys")
    page.get_by_role("link", name="New key").click()
    page.locator("#dialog").get_by_label("Name").fill("seen by axe")
    page.get_by_role("button", name="Create the key").click()
    expect(page.locator("#new-key")).to_be_visible()
    check(page)


def test_axe_finds_nothing_in_the_help_in_toasts_and_in_hits(windows: Windows, model: dict[str, Any]) -> None:
    page = windows("releaser")
    page.goto(f"/models/{model['name']}")
    row(page, "1.2.0").get_by_role("button", name="Promote").click()
    expect(toast(page).get_by_role("button", name="Undo")).to_be_visible()
    check(page, " toast")
    page.get_by_label("Search models").press_sequentially("browser/")
    expect(page.locator("#hits a").first).to_be_visible()
    check(page, " hits", within=".search")  # they cover what is below them, however little of it is left
    page.keyboard.press("Escape")
    page.locator("body").press("?")
    expect(page.locator("#help")).to_be_visible()
    check(page, " help")
