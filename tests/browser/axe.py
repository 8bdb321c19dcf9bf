"""What axe-core finds on a page, in both themes and at several widths."""

from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

from browser.window import set_width

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
OF_COLOUR = ["color-contrast", "link-in-text-block"]
"""The rules that the dark theme can break by itself: both themes have the same markup."""

OF_WIDTH = ["target-size"]
"""The rule that what wraps can break at any width."""
WIDTHS = (390, 820, 1100)

RUN = """async ([rules, within]) => {
  const found = await axe.run(within, { runOnly: rules, resultTypes: ["violations"], preload: false });
  return found.violations.map((each) => `${each.id}: ${each.help}` +
    each.nodes.slice(0, 5).map((node) =>
      `\\n    ${node.target.join(" ")}: ${node.failureSummary.split("\\n").slice(1, 3).join(" ")}`).join(""));
}"""

SHORTEN = """document.querySelectorAll("tbody, ul, ol").forEach((list) => {
  const seen = new Set();
  for (const row of [...list.children].slice(0, -1)) {
    const kinds = [row, ...row.querySelectorAll("*")].map((it) => `${it.tagName} ${it.getAttribute("class")}`);
    if (kinds.every((kind) => seen.has(kind))) row.remove();
    kinds.forEach((kind) => seen.add(kind));
  }
})"""
"""Leave the last row of each list, and of the others those that show something new: axe-core needs long for each."""


def shorten(page: Page) -> None:
    """Shorten the lists of a page that is not used any more after its check."""
    page.evaluate(SHORTEN)


def check(page: Page, tell: str = "", within: Any = "html") -> None:
    """Nothing is wrong with what the page shows now, in either theme."""
    page.evaluate(AXE_SCRIPT)
    found = []
    for theme, rules in (("light", TAGS), ("dark", OF_COLOUR)):
        page.evaluate("(theme) => { document.documentElement.dataset.theme = theme; }", theme)
        assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == theme
        found += [f"{theme}{tell}: {violation}" for violation in page.evaluate(RUN, [rules, within])]
    assert not found, "\n".join(found)


def check_widths(page: Page) -> None:
    """Targets are large enough at narrower widths too. The page was checked before."""
    for width in WIDTHS:
        set_width(page, width)
        found = page.evaluate(RUN, [OF_WIDTH, "html"])
        assert not found, "\n".join([f"{width} px wide:", *found])
