"""Every page, opened once: nothing scrolls sideways or stands out of its card, and axe-core finds nothing."""

import pytest

from browser.axe import check, check_widths
from browser.places import PAGES, REFUSED
from browser.window import SCREEN, fits, set_width

OUTSIDE = """() => [...document.querySelectorAll(".card table, .card form, .card .row")].filter((it) => {
  const around = it.closest(".table") || it.closest(".card");
  return around.clientWidth && it.getBoundingClientRect().right > around.getBoundingClientRect().right + 0.5
    && !["auto", "scroll"].includes(getComputedStyle(around).overflowX);
}).map((it) => it.outerHTML.slice(0, 120))"""
CUT = """() => [...document.querySelectorAll(".table:not([tabindex])")].filter((it) => it.scrollWidth > it.clientWidth)
  .map((it) => `${it.scrollWidth} in ${it.clientWidth}: ${it.innerText.slice(0, 60)}`)"""

SHORTEN = """document.querySelectorAll("tbody, ul, ol").forEach((list) =>
  [...list.children].slice(20, -1).forEach((it) => it.remove()))"""
"""Leave the first twenty and the last of many rows, which the others repeat: axe-core needs long for each."""


@pytest.fixture(scope="module")
def window(lasting):
    """An admin's window."""
    return lasting("admin")


@pytest.fixture(scope="module", params=PAGES)
def page(request, lasting, window, addresses):
    """Each of the pages; all tests look at one before the next is opened."""
    status = REFUSED.get(request.param, 200)
    lasting.allow(status)
    window.set_viewport_size(SCREEN)
    answer = window.goto(addresses[request.param])
    assert answer is not None
    assert answer.status == status
    yield window
    lasting.check()


LONG_TIMES = "document.querySelectorAll('td time').forEach(time => time.textContent = '59 minutes ago')"
"""Writes the longest text of a time into each, whenever the test runs."""


def test_nothing_stands_out_of_its_card_or_is_cut_off_on_a_screen(page):
    page.evaluate(LONG_TIMES)
    for width in (840, 1024, 1280, 1440):
        set_width(page, width)
        assert page.evaluate(OUTSIDE) == [], width
        if width >= 1280:
            assert page.evaluate(CUT) == [], width


def test_nothing_scrolls_sideways_at_320_px(page):
    set_width(page, 320)
    fits(page)
    page.evaluate("document.querySelectorAll('main details').forEach((it) => { it.open = true; })")
    fits(page)


def test_axe_finds_nothing(page):
    page.set_viewport_size(SCREEN)
    page.evaluate(SHORTEN)
    check(page)
    check_widths(page)
