"""Every page, opened once: nothing scrolls sideways or stands out of its card, and axe-core finds nothing."""

import functools

import pytest

from browser.axe import check, check_widths, shorten
from browser.places import PAGES, REFUSED
from browser.window import SCREEN, fits, set_width

OUTSIDE = """() => [...document.querySelectorAll(".card table, .card form, .card .row")].filter((it) => {
  const around = it.closest(".table") || it.closest(".card");
  return around.clientWidth && it.getBoundingClientRect().right > around.getBoundingClientRect().right + 0.5
    && !["auto", "scroll"].includes(getComputedStyle(around).overflowX);
}).map((it) => it.outerHTML.slice(0, 120))"""
CUT = """() => [...document.querySelectorAll(".table:not([tabindex])")].filter((it) => it.scrollWidth > it.clientWidth)
  .map((it) => `${it.scrollWidth} in ${it.clientWidth}: ${it.innerText.slice(0, 60)}`)"""


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


BROKEN = r"""() => {
  const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  const range = document.createRange(), found = [];
  for (let text = walker.nextNode(); text; text = walker.nextNode()) {
    if (!text.parentElement.checkVisibility() || text.parentElement.closest("a[rel], .guide code, .markdown pre")) continue;
    for (const word of text.data.matchAll(/(?<![\p{L}\d])[\p{L}\d]{2,16}(?![\p{L}\d])/gu)) {
      range.setStart(text, word.index);
      range.setEnd(text, word.index + word[0].length);
      const lines = new Set([...range.getClientRects()].filter((it) => it.width > 1).map((it) => Math.round(it.top)));
      if (lines.size > 1) found.push(`${word[0]} in ${text.parentElement.outerHTML.slice(0, 80)}`);
    }
  }
  return found.slice(0, 5);
}"""
"""The words of up to 16 letters that are on more than one line, but in addresses and in the code of guides, which may break anywhere."""
TALL = """() => [...document.querySelectorAll("tbody tr:not(.cards tr)")].filter((it) => it.clientHeight > 240
  && !it.querySelector("details[open], pre, .text")).map((it) => `${it.clientHeight}: ${it.innerText.slice(0, 80)}`)"""
NARROW = """() => [...document.querySelectorAll("table:not(.columns table) td:first-child:not(.tick, :only-child)")]
  .filter((it) => it.checkVisibility() && it.clientWidth < 190).map((it) => `${it.clientWidth}: ${it.innerText.slice(0, 60)}`)"""


WORDS_AND_ROWS = f"""async () => {{
  await document.fonts.ready;
  return {{ wide: document.documentElement.scrollWidth, broken: ({BROKEN})(), tall: ({TALL})(), narrow: ({NARROW})() }};
}}"""
CARDS = f"async () => {{ await document.fonts.ready; return {{ outside: ({OUTSIDE})(), cut: ({CUT})() }}; }}"


def measured(page, width, script):
    """The result of the script at that width. One script asks for everything: each question costs more than its answer."""
    page.set_viewport_size({**SCREEN, "width": width})
    return page.evaluate(script)


def test_no_word_is_broken_and_no_row_is_a_tower(page):
    for width in (320, 390, 768, 823, 960, 1099, 2560, 1440):  # 960 and 823 are 1440 at a zoom of 150 % and 175 %
        found = measured(page, width, WORDS_AND_ROWS)
        assert (found["broken"], found["wide"]) == ([], width), width
        if width > 760:
            assert (found["tall"], found["narrow"]) == ([], []), width


def test_nothing_stands_out_of_its_card_or_is_cut_off_on_a_screen(page):
    page.evaluate(LONG_TIMES)
    for width in (1440, 1280, 1024, 840):
        found = measured(page, width, CARDS)
        assert found["outside"] == [], width
        if width >= 1280:
            assert found["cut"] == [], width


def test_nothing_scrolls_sideways_at_320_px(page):
    set_width(page, 320)
    fits(page)
    page.evaluate("document.querySelectorAll('main details').forEach((it) => { it.open = true; })")
    fits(page)


def test_axe_finds_nothing(page):
    page.set_viewport_size(SCREEN)
    shorten(page)
    check(page)
    check_widths(page)


@pytest.fixture(scope="module")
def guide(window):
    """A function that returns the source of a guide, which it asks for once: many pages lead to the same."""
    return functools.cache(lambda address: window.request.get(address).text())


def test_every_question_mark_leads_to_a_section_that_is_there(page, guide):
    page.set_viewport_size(SCREEN)
    for link in page.locator("a.about").all():
        assert link.get_attribute("aria-label").startswith("About ")
        box = link.bounding_box()
        assert box is None or min(box["width"], box["height"]) >= 24  # None: in a tab that is not open
        address, _, anchor = link.get_attribute("href").partition("#")
        assert f'id="{anchor}"' in guide(address)
