"""Markdown as HTML: the one function for all Markdown of the product.

Raw HTML is shown as text. The parser's output goes through a sanitizer that allows a few tags and four attributes, so that each
catches a mistake of the other; the pages' content policy is the third barrier.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

import nh3
from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererHTML
from markdown_it.rules_block import StateBlock
from markdown_it.rules_core import StateCore
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
MOST_TOKENS = 50_000
"""The most tokens of a text: one of 256 KiB that somebody wrote has a fifth of them."""

MARKS, MOST_MARKS = re.compile(r"[\[*_~&<\\`\n]"), 10_000
"""Characters that cost time, at worst the square of their number in a paragraph. The squares may add up to `MOST_MARKS`²."""


class Files(NamedTuple):
    """Where links lead that name files beside a text: pairs of the link as it is written and our address, and those of images."""

    links: tuple[tuple[str, str], ...] = ()
    images: tuple[tuple[str, str], ...] = ()


class _TooMuch(Exception):
    """The text has more than `MOST_TOKENS`."""


@lru_cache(maxsize=256)
def to_html(text: str, level: int = 3, address: Address | None = None) -> str:
    """Return the Markdown as HTML that cannot run anything, link outside http(s), or load from another origin.

    `level` is that of its first heading: the one below the heading of the page or card that shows it. Results are cached: a
    page is requested many times, and text full of brackets may take a second. Text that would take longer stays plain.

    `address` is for the guides, a text of ours: it returns where a link leads, or None for words without a link. Headings have
    ids then, and pictures are budget out.
    """

    def adapt(tokens: list[Token]) -> None:
        if address:
            _name_headings(tokens)
            _turn_links(tokens, address)
            _drop_images(tokens)

    return _html(text, level, adapt, GUIDE_VALUES if address else VALUES)


@lru_cache(maxsize=16)
def file_to_html(text: str, level: int, files: Files) -> str:
    """Return the Markdown of a file as `to_html` does. Links may lead to files beside it, and its images are such files alone.

    Paragraphs that are a comment, as the forms of Hugging Face's cards have them, are budget out.
    """
    links, images = dict(files.links), dict(files.images)

    def adapt(tokens: list[Token]) -> None:
        for token in tokens:
            if token.type == "inline" and _is_comment(token.content):
                token.children = []
        for token in _inline(tokens):
            if token.type == "image" and (ours := images.get(str(token.attrs["src"]))):
                token.attrs["src"] = ours
            elif token.type == "image":
                token.type, token.content = "text", _description(token)
        _turn_links(tokens, lambda link: link if VALUES["href"].fullmatch(link) else links.get(link))

    href = re.compile("|".join([VALUES["href"].pattern, *map(re.escape, links.values())]), re.IGNORECASE)
    return _html(text, level, adapt, {**VALUES, "href": href}).replace("<p></p>", "")


@lru_cache(maxsize=16)
def links(text: str) -> tuple[str, ...]:
    """Return where the links and images of the Markdown lead, as they are written, each once."""
    try:
        tokens = list(_inline(_MARKDOWN.parse(text)))
    except _TooMuch:
        return ()
    return tuple(dict.fromkeys(str(token.attrs.get("href", token.attrs.get("src", ""))) for token in tokens))


def _html(text: str, level: int, adapt: Callable[[list[Token]], None], values: dict[str, re.Pattern[str]]) -> str:
    """Return the HTML, after `adapt` has changed its tokens, with attributes that match `values`."""
    try:
        tokens = _MARKDOWN.parse(text)
    except _TooMuch:
        return f"<pre>{escapeHtml(text)}</pre>"
    _shift_headings(tokens, level)
    adapt(tokens)
    return nh3.clean(
        _MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {}),
        tags=TAGS,
        attributes=GUIDE_ATTRIBUTES if values is GUIDE_VALUES else ATTRIBUTES,
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
    """Let links lead where `address` says, and leave out links that lead nowhere."""
    leads = True  # links do not nest
    for token in _inline(tokens):
        if token.type == "link_open":
            target = address(str(token.attrs["href"]))
            leads = target is not None
            token.attrs["href"] = target or ""
        if token.type in ("link_open", "link_close") and not leads:
            token.type, token.content = "text", ""


def _drop_images(tokens: Sequence[Token]) -> None:
    for token in _inline(tokens):
        if token.type == "image":
            token.type, token.content = "text", ""


def _is_comment(text: str) -> bool:
    """Return whether the text is one comment of HTML and nothing else."""
    return text.startswith("<!--") and text.find("-->", len("<!--")) == len(text) - len("-->")


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


def _description(image: Token) -> str:
    return RendererHTML().renderInlineAsText(image.children, _MARKDOWN.options, {})


def _image(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    """Return an image of this origin, or the description of another one: loading it would reveal the reader to its host."""
    token = tokens[index]
    if VALUES["src"].fullmatch(str(token.attrs["src"])):
        return renderer.image(tokens, index, options, env)
    return escapeHtml(_description(token))


def _check_tokens(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Raise _TooMuch if there are too many. It is asked before every block, and every line of a table or a paragraph."""
    if len(state.tokens) > MOST_TOKENS:
        raise _TooMuch
    return False


def _parse_inline(state: StateCore) -> None:
    """Parse the text of paragraphs, headings and cells, and leave text plain that would take too long."""
    budget = MOST_MARKS**2
    for token in state.tokens:
        if token.type == "inline":
            budget -= len(MARKS.findall(token.content)) ** 2
            token.children = [] if budget >= 0 else [Token("text", "", 0, content=token.content)]
            if budget >= 0:
                state.md.inline.parse(token.content, state.md, state.env, token.children)


_MARKDOWN = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable(["table", "strikethrough"])
_MARKDOWN.add_render_rule("image", _image)
_MARKDOWN.block.ruler.before(
    "table", "tokens", _check_tokens, {"alt": ["paragraph", "reference", "blockquote", "list"]}
)
_MARKDOWN.core.ruler.at("inline", _parse_inline)
