"""axe-core finds nothing in any state of the pages, in both themes; `test_every_page.py` has the pages themselves."""

import re

import pytest
from playwright.sync_api import expect

from browser.axe import check, shorten
from browser.window import row, toast


@pytest.fixture(scope="module")
def window(lasting):
    """An admin's window."""
    return lasting("admin")


@pytest.mark.parametrize("path", ["/", "/models", "/models/nothing/here", "/deployments", "/environments", "/audit"])
def test_axe_finds_nothing_where_there_is_nothing_yet(windows_on, empty, path):
    with empty.by("admin") as caller:
        if path == "/models/nothing/here" and not caller.get("/api/v1/models").json():
            caller.model("nothing/here")
    page = windows_on(empty)("admin")
    page.goto(path)
    expect(page.locator("#main .empty, #main .entries").first).to_be_visible()
    check(page)


def test_axe_finds_nothing_at_the_sign_in(windows):
    windows.allow(422)
    page = windows(role=None)
    page.goto("/login?next=/models")
    check(page)
    page.get_by_label("API key").fill("cat_wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    check(page)


@pytest.mark.parametrize("role", ["viewer", "releaser"])
def test_axe_finds_nothing_on_what_other_roles_see(windows, addresses, role):
    page = windows(role)
    for name in ("the overview", "a candidate", "its settings"):
        page.goto(addresses[name])
        shorten(page)
        check(page, f" {name}")


DIALOGS = [
    ("the models", "New model"),
    ("a model", "New version"),
    ("the deployments", "Deploy…"),
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
    ("the keys", re.compile(r"^Rotate revoked some day ")),
    ("the keys", re.compile(r"^Edit revoked some day ")),
    ("the people", "New person"),
    ("the environments", re.compile("^Retire .* from production…")),
]


@pytest.mark.parametrize(("name", "link"), DIALOGS, ids=[f"{name}: {link}" for name, link in DIALOGS])
def test_axe_finds_nothing_in_the_dialog(lasting, window, addresses, name, link):
    window.goto(addresses[name])
    folded = window.locator("tr", has=window.get_by_role("link", name=link, include_hidden=True)).locator("summary")
    if folded.count():
        folded.first.click()
    window.get_by_role("link", name=link).first.click()
    expect(window.locator("#dialog form.card")).to_be_visible()
    shorten(window)
    check(window)
    lasting.check()


def test_axe_finds_nothing_in_a_form_that_is_refused(windows):
    windows.allow(422)
    page = windows()
    page.goto("/models")
    page.get_by_role("link", name="New model").click()
    page.get_by_label("Name", exact=True).fill("no name!")
    page.get_by_label("Metadata").fill("{")
    page.get_by_role("button", name="Register").click()
    expect(page.locator("#dialog [aria-invalid=true]")).to_have_count(3)
    check(page)


def test_axe_finds_nothing_where_a_key_is_shown(windows):
    page = windows()
    page.goto("/keys")
    page.get_by_role("link", name="New key").click()
    page.locator("#dialog").get_by_label("Name").fill("seen by axe")
    page.get_by_role("button", name="Create the key").click()
    expect(page.locator("#new-key")).to_be_visible()
    check(page)


def test_axe_finds_nothing_in_the_help_in_toasts_and_in_hits(windows, model):
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
