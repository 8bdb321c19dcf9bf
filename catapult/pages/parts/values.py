"""Values of metadata in a table: on one line, or as a summary that unfolds."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import escape

from catapult.pages.parts import lists
from catapult.pages.parts.formats import commit_address, is_link, pretty
from catapult.rules.comparison import Cell, Row

ROW_CHARS, CELL_CHARS, CUT_CHARS = 180, 110, 1_300
"""Characters of HTML around a row, around a value, and of the link to a value that was cut."""

WORDS, LINE = 200, 48
"""Texts longer than `WORDS` characters are folded, and so are lists and objects longer than `LINE`."""

FOLDED, SUMMARY = 4_000, 60
"""Characters of an unfolded value, and of a folded text's beginning."""

KEY = 160

DIGEST = re.compile(r"(?:([a-z0-9]{2,16}):)?([0-9a-f]{40,128})")
DIGITS, COPY_CHARS = 12, 420
"""The first digits of a digest or a commit that are shown, and characters of HTML of the button that copies all of it."""


@dataclass(frozen=True)
class Shown:
    """A value as the page shows it."""

    cell: Cell
    text: str
    folded: str = ""
    is_cut: bool = False
    address: str | None = None
    whole: str = ""
    """All of a digest, of which `text` is the beginning."""

    @property
    def html_length(self) -> int:
        """The characters of HTML that it takes."""
        around = CELL_CHARS + (CUT_CHARS if self.is_cut else 0) + (COPY_CHARS if self.whole else 0)
        return around + len(escape(self.text)) + len(escape(self.folded)) + len(escape(self.address or ""))


@dataclass(frozen=True)
class Line:
    """A row of the table."""

    key: str
    cells: tuple[Shown, ...]

    @property
    def html_length(self) -> int:
        """The characters of HTML that it takes."""
        return ROW_CHARS + len(escape(self.key)) + sum(cell.html_length for cell in self.cells)


def lines(rows: Sequence[Row], columns: Sequence[dict[str, Any]], room: int) -> list[Line]:
    """Return the first of these rows, as many as fit into so many characters of HTML; `columns` are the metadata."""
    commits = [commit_address(column) for column in columns]
    return list(lists.take_fitting((line(row, commits) for row in rows), room, lambda line: line.html_length))


def line(row: Row, commits: list[str | None]) -> Line:
    """Return the row; `commits` has, for each column, the address of the commit that it names."""
    is_commit = row.path == ("git_commit",)
    cells = tuple(
        _commit(cell, address) if is_commit and address and cell.is_there else _value(cell)
        for cell, address in zip(row.cells, commits, strict=True)
    )
    return Line(short(row.key, KEY), cells)


def short(text: str, longest: int) -> str:
    """Return the text, or its beginning and its end."""
    return text if len(text) <= longest else f"{text[: longest * 2 // 3]}…{text[-longest // 3 :]}"


def _commit(cell: Cell, address: str) -> Shown:
    commit = str(cell.value)
    return Shown(cell, commit[:7] if re.fullmatch(r"[0-9a-f]{40,64}", commit) else commit, address=address)


def _value(cell: Cell) -> Shown:
    if not cell.is_there:
        return Shown(cell, "")
    text = pretty(cell.value, FOLDED + 1)
    if isinstance(cell.value, list | dict):
        return _structure(cell, text)
    if isinstance(cell.value, str) and (digest := DIGEST.fullmatch(text)):
        return Shown(cell, digest[2][:DIGITS], whole=text)
    if len(text) <= WORDS:
        return Shown(cell, text, address=text if is_link(cell.value) else None)
    return Shown(cell, f"{text[:SUMMARY]}…", text[:FOLDED], is_cut=len(text) > FOLDED)


def _structure(cell: Cell, text: str) -> Shown:
    """Return JSON on one line if it is short. JSON escapes line ends in strings, so every line end is its own."""
    line = re.sub(r"\n *", "", re.sub(r",\n *", ", ", text)) if len(text) <= 4 * LINE else text
    if len(line) <= LINE:
        return Shown(cell, line)
    count = len(cell.value)
    noun = "value" if isinstance(cell.value, list) else "key"
    summary = f"{count:,} {noun}{'' if count == 1 else 's'}"
    return Shown(cell, summary, text[:FOLDED], is_cut=len(text) > FOLDED)
