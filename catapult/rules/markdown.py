"""Markdown as HTML: the one function for all Markdown of the product.

Raw HTML is shown as text. What the parser makes goes through a sanitizer that knows a few tags and four attributes, so that a
mistake in one of them is held by the other, and both by the pages' content policy.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
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

GUIDE_ATTRIBUTES = {**ATTRIBUTES, **{f"h{level}": {"id"} for level in range(2, LAST_LEVEL + 1)}}
GUIDE_VALUES = {
    **VALUES,
    "href": re.compile(r"https?://[!-~]+|(?:\./[\w-]*)?(?:#[\w-]+)?", re.IGNORECASE),
    "id": re.compile(r"[\w-]+"),
}
Address = Callable[[str], str | None]


@lru_cache(maxsize=256)
def to_html(text: str, level: int = 3, address: Address | None = None) -> str:
    """Return the Markdown as HTML that cannot run anything, link outside http(s), or load from another origin.

    `level` is that of its first heading: the one below the heading of the page or card that shows it. Results are kept: a page
    is asked for many times, and text full of brackets may take a second.

    `address` is for the guides, a text of ours: it returns where a link leads, or None for words without a link. Headings have
    ids then, and pictures are left out.
    """
    tokens = _MARKDOWN.parse(text)
    _shift_headings(tokens, level)
    if address:
        _name_headings(tokens)
        _turn_links(tokens, address)
    values = GUIDE_VALUES if address else VALUES
    return nh3.clean(
        _MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {}),
        tags=TAGS,
        attributes=GUIDE_ATTRIBUTES if address else ATTRIBUTES,
        attribute_filter=lambda _, name, value: value if name not in values or values[name].fullmatch(value) else None,
        link_rel="nofollow noopener",
        url_schemes={"http", "https"},
    )


def anchor(heading: str) -> str:
    """Return the id of a heading, as GitHub makes it from the text."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def _name_headings(tokens: Sequence[Token]) -> None:
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open":
            opening.attrs["id"] = anchor(inline.content)


def _turn_links(tokens: Sequence[Token], address: Address) -> None:
    """Let links lead where `address` says, and leave out links that lead nowhere, and pictures."""
    leads = True  # links do not nest
    for token in _inline(tokens):
        if token.type == "link_open":
            target = address(str(token.attrs["href"]))
            leads = target is not None
            token.attrs["href"] = target or ""
        if token.type == "image" or (token.type in ("link_open", "link_close") and not leads):
            token.type, token.content = "text", ""


def _inline(tokens: Sequence[Token]) -> Iterator[Token]:
    for token in tokens:
        yield from token.children or ()


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
