"""Below a path of a proxy: what scripts ask, open and keep stays below it."""

import tempfile
from contextlib import ExitStack
from copy import copy
from pathlib import Path

import pytest
from playwright.sync_api import expect
from stage import on_server
from stripping import MOUNT, TOLD, Stripping
from up import for_a_team

from browser.window import account, dialog_of, settled, toast


@pytest.fixture(scope="module")
def shown(start, make_database):
    """A server with a model, as the proxy shows it."""
    server = start(**for_a_team(make_database()), TRUSTED_PROXIES="127.0.0.2").ready()
    server.make_keys()
    with server.by("admin") as admin:
        admin.version(admin.model("org/bert"), "1.0.0", metadata={"accuracy": 0.9})
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        folder.chmod(0o755)
        proxy = Stripping(folder).start(server.port, TOLD)
        stack.callback(proxy.close)
        shown = copy(server)
        shown.url = proxy.url
        yield shown


@pytest.fixture
def windows(windows_on, shown):
    """Windows in which a request for anything outside the path is a fault."""
    return windows_on(shown)


@pytest.fixture
def page(windows, shown):
    """The overview, after signing in by the form."""
    page = windows(None)
    page.goto(f"{shown.url}/")
    page.get_by_label("API key").fill(shown.keys["admin"])
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(f"{shown.url}/")
    return page


def test_shortcuts_the_theme_and_the_search_stay_below_the_path(page, shown):
    page.keyboard.press("g")
    page.keyboard.press("m")
    expect(page).to_have_url(f"{shown.url}/models")
    account(page).get_by_role("button", name="Switch between light and dark").click()
    theme = page.locator("html").get_attribute("data-theme")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", theme)
    assert {(cookie["name"], cookie["path"]) for cookie in page.context.cookies()} >= {("theme", MOUNT)}
    page.keyboard.press("/")
    page.keyboard.type("bert")
    page.locator("#hits").get_by_role("link", name="org/bert").first.click()
    expect(page.get_by_role("heading", name="1.0.0").or_(page.get_by_role("heading", name="org/bert"))).to_be_visible()


def test_dialogs_polls_and_completions_stay_below_the_path(page, shown):
    page.goto(f"{shown.url}/versions")
    page.locator("[data-completions]").press_sequentially("stat")
    expect(page.locator("#completions")).to_contain_text("status")
    page.keyboard.press("Escape")
    dialog = dialog_of(page, "Save view…")
    dialog.get_by_label("Name").fill("Mine")
    dialog.get_by_role("button", name="Save the view").click()
    expect(toast(page)).to_contain_text("saved")
    expect(page.get_by_role("link", name="Mine", exact=True)).to_have_attribute("href", f"{MOUNT}/versions")
    page.goto(f"{shown.url}/models/org/bert/versions/1.0.0")
    page.get_by_role("button", name="Promote to release").click()
    expect(toast(page)).to_be_visible()
    settled(page)
    page.evaluate("htmx.trigger('#updated', 'refresh')")
    settled(page)
    page.go_back()
    expect(page).to_have_url(f"{shown.url}/versions")


def test_the_reference_asks_the_api_below_the_path(page, shown):
    page.set_default_timeout(30_000)  # Swagger UI draws all operations again at each click
    page.goto(f"{shown.url}/docs")
    page.locator("#operations-models-list_models, [id*='list_models']").first.click(
        timeout=30_000
    )  # Swagger UI draws all
    page.get_by_role("button", name="Try it out").first.click()
    with page.expect_response(lambda answer: "/api/v1/models" in answer.url) as asked:
        page.get_by_role("button", name="Execute").first.click()
    assert asked.value.url.startswith(f"{shown.url}/api/v1/models")
    assert asked.value.status == 200


def test_a_page_that_waits_for_the_database_comes_back_below_the_path(windows, page, shown, cluster):
    windows.allow(503)
    name = shown.database_url.partition("?")[0].rpartition("/")[2]
    on_server(cluster, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    try:
        on_server(cluster, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        with page.expect_response(lambda answer: answer.status == 503):
            page.goto(f"{shown.url}/models")
    finally:
        on_server(cluster, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    expect(page.get_by_role("heading", name="Models")).to_be_visible(timeout=15_000)
    assert page.url == f"{shown.url}/models"
