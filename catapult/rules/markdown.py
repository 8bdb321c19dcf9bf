"""Markdown as HTML: the one function for all Markdown of the product.

Raw HTML is shown as text. What the parser makes goes through a sanitizer that knows a few tags and four attributes, so that a
mistake in one of them is held by the other, and both by the pages' content policy.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import nh3
from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

TAGS = {
    *(
        "p",
        "br",
        "hr",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "em",
        "strong",
        "s",
        "code",
        "pre",
        "blockquote",
        "ul",
        "ol",
        "li",
    ),
    *("table", "thead", "tbody", "tr", "th", "td", "a", "img"),
}
ATTRIBUTES: dict[str, set[str]] = {"*": set(), "a": {"href"}, "img": {"src", "alt"}, "ol": {"start"}}
VALUES = {
    "href": re.compile(r"https?://[!-~]+", re.IGNORECASE),
    # An address of this origin. Browsers read \ as /, and two of them at the beginning name another host.
    "src": re.compile(r"/[!-.0-\[\]-~][!-\[\]-~]*"),
    "start": re.compile(r"\d{1,9}"),
}
LAST_LEVEL = 6


@lru_cache(maxsize=256)
def to_html(text: str, level: int = 3) -> str:
    """Return the Markdown as HTML that cannot run anything, link outside http(s), or load from another origin.

    `level` is that of its first heading: the one below the heading of the page or card that shows it. Results are kept: a page
    is asked for many times, and text full of brackets may take a second.
    """
    tokens = _MARKDOWN.parse(text)
    _shift_headings(tokens, level)
    html = _MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {})
    return nh3.clean(
        html,
        tags=TAGS,
        attributes=ATTRIBUTES,
        attribute_filter=_allowed,
        link_rel="nofollow noopener",
        url_schemes={"http", "https"},
    )


def _allowed(_: str, attribute: str, value: str) -> str | None:
    rule = VALUES.get(attribute)
    return value if rule is None or rule.fullmatch(value) else None


def _shift_headings(tokens: Sequence[Token], level: int) -> None:
    """Let the headings begin at this level, and skip none on the way down."""
    open_levels: list[str] = []
    for token in tokens:
        if token.type == "heading_open":
            while open_levels and open_levels[-1] >= token.tag:
                open_levels.pop()
            open_levels.append(token.tag)
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(level + len(open_levels) - 1, LAST_LEVEL)}"


def _image(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    """Return an image of this origin, or the description of another one: loading it would tell its host who reads."""
    token = tokens[index]
    if VALUES["src"].fullmatch(str(token.attrs["src"])):
        return renderer.image(tokens, index, options, env)
    return escapeHtml(renderer.renderInlineAsText(token.children, options, env))


_MARKDOWN = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable(["table", "strikethrough"])
_MARKDOWN.add_render_rule("image", _image)
