"""The reference at `/docs`: it reads with the session, follows the theme, and leads back."""

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from browser.axe import OF_COLOUR, OF_WIDTH, RUN, check
from browser.window import SCREEN, at, set_width
from catapult.web.compression import SMALLEST

OPERATION = "#operations-service-get_version_information"
DRAWN = 30_000
"""Milliseconds for Swagger UI to draw all operations, on a machine that does other things as well."""


def reference(windows, role: str | None) -> Page:
    """Open the reference in a window of that role."""
    page = windows(role)
    page.set_default_timeout(DRAWN)
    page.goto("/docs")
    expect(page.locator(OPERATION)).to_be_visible(timeout=DRAWN)
    return page


@pytest.fixture(scope="module")
def drawn(lasting):
    """The reference as a viewer sees it, drawn once for the tests below: that takes seconds."""
    return reference(lasting, "viewer")


@pytest.fixture
def page(lasting, drawn):
    """That page; in the end nothing went wrong in it."""
    yield drawn
    lasting.check()


def execute(page: Page) -> None:
    operation = page.locator(OPERATION)
    operation.get_by_role("button").first.click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()


@pytest.mark.parametrize("width", [320, 390, 768, 1024, 1440])
def test_nothing_scrolls_sideways(page, width):
    set_width(page, width)
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_axe_finds_nothing_around_it_and_no_colour_or_target_in_it(page):
    page.set_viewport_size(SCREEN)
    check(page, within={"exclude": [["#swagger"]]})
    for theme in ("light", "dark"):
        page.evaluate("(theme) => { document.documentElement.dataset.theme = theme; }", theme)
        assert page.evaluate(RUN, [[*OF_COLOUR, *OF_WIDTH], "#swagger"]) == []
    page.evaluate("delete document.documentElement.dataset.theme")


def test_who_is_signed_in_reads_without_a_key(page):
    execute(page)
    expect(page.locator(f"{OPERATION} .live-responses-table .response-col_status").last).to_contain_text(
        "200", timeout=DRAWN
    )


def test_it_follows_the_theme(page):
    light = page.evaluate("getComputedStyle(document.querySelector('.opblock-tag')).color")
    page.emulate_media(color_scheme="dark")
    expect(page.locator("html")).to_have_class("js dark-mode")
    assert page.evaluate("getComputedStyle(document.querySelector('.opblock-tag')).color") != light


def test_without_a_session_it_asks_for_a_key_and_signing_in_leads_back(windows, server):
    windows.allow(401)
    server.sql("DELETE FROM sign_in_counts")
    page = reference(windows, None)
    execute(page)
    expect(page.locator(f"{OPERATION} .live-responses-table .response-col_status").last).to_contain_text(
        "401", timeout=DRAWN
    )
    page.get_by_role("link", name="Sign in").click()
    page.get_by_label("API key").fill(server.keys["viewer"])
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator(OPERATION)).to_be_visible(timeout=DRAWN)
    assert at(page) == "/docs"


def test_what_it_loads_is_compressed_and_ours(windows, server):
    page = windows("viewer")
    answers = []
    page.on("response", lambda answer: answers.append(answer))
    page.goto("/docs", wait_until="networkidle")
    assert {answer.url.startswith(server.url) for answer in answers} == {True}
    texts = [answer for answer in answers if urlsplit(answer.url).path.endswith((".js", ".css", ".json", "/docs"))]
    long = [answer for answer in texts if len(answer.body()) > SMALLEST]
    assert len(long) >= 8
    assert {answer.headers.get("content-encoding") for answer in long} == {"gzip"}
