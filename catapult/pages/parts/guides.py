"""The guides of `docs/` as pages. In a wheel they are in the package, in a checkout and the image beside it."""

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

from catapult.rules.markdown import to_html

PACKAGE = Path(__file__).parents[2]
FOLDER = next(folder for folder in (PACKAGE / "docs", PACKAGE.parent / "docs") if folder.is_dir())
INDEX = "README"
NAMES = frozenset(path.stem for path in FOLDER.glob("*.md")) - {INDEX}
ROW = re.compile(r"^\| \[(.+?)\]\(([\w-]+)\.md\) \| (.+) \|$", re.MULTILINE)
"""A line of the table in `docs/README.md`, which lists every guide."""

LINK = re.compile(r"([\w-]+)\.md(#[\w-]+)?")


class Guide(NamedTuple):
    """A guide: the name in its address, its title, and what it is about or its text as HTML."""

    name: str
    title: str
    text: str


@cache
def listed() -> list[Guide]:
    """Return all guides in the order of the index, with what each is about as plain text."""
    rows = ROW.findall((FOLDER / f"{INDEX}.md").read_text("utf-8"))
    return [Guide(name, title, about.replace("`", "")) for title, name, about in rows]


@cache
def read(name: str) -> Guide:
    """Return the guide with that name, one of `NAMES`."""
    title, _, text = (FOLDER / f"{name}.md").read_text("utf-8").partition("\n")
    return Guide(name, title.removeprefix("# "), _without_empty(to_html(text, 2, address)))


def _without_empty(html: str) -> str:
    """Return the HTML without paragraphs that held only a picture, and with empty heads of columns as cells."""
    return html.replace("<p></p>", "").replace("<th></th>", "<td></td>")


def address(link: str) -> str | None:
    """Return where a link of a guide leads, from beside it, or None for a file that is not served."""
    if link.startswith(("https://", "http://", "#")):
        return link
    match = LINK.fullmatch(link)
    if match is None or match[1] not in (*NAMES, INDEX):
        return None
    return f"./{match[1].replace(INDEX, '')}{match[2] or ''}"
