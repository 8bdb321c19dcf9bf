"""Values of metadata as a table shows them: on one line, or as a summary of what unfolds."""

import re
from dataclasses import dataclass

from markupsafe import escape

from catapult.pages.parts.formats import is_link, pretty
from catapult.rules.comparison import Cell, Row

ROW_LETTERS, CELL_LETTERS, CUT_LETTERS = 180, 110, 1_300
"""What stands around a row and a value, and the link to what was cut from one, where all names are of the longest."""

WORDS, LINE = 200, 48
"""Longer text is folded, and so are lists and objects of more than `LINE` characters."""

FOLDED, SUMMARY = 4_000, 60
"""Characters of what unfolds, and of a text's beginning before it does."""

KEY = 160


@dataclass(frozen=True)
class Shown:
    """A value as the page shows it."""

    cell: Cell
    text: str
    folded: str = ""
    is_cut: bool = False
    address: str | None = None

    @property
    def letters(self) -> int:
        """What it takes in HTML."""
        around = CELL_LETTERS + (CUT_LETTERS if self.is_cut else 0)
        return around + len(escape(self.text)) + len(escape(self.folded)) + len(escape(self.address or ""))


@dataclass(frozen=True)
class Line:
    """A row of the table."""

    key: str
    cells: tuple[Shown, ...]

    @property
    def letters(self) -> int:
        """What it takes in HTML."""
        return ROW_LETTERS + len(escape(self.key)) + sum(cell.letters for cell in self.cells)


def line(row: Row, commits: list[str | None]) -> Line:
    """The row, with the commit that a column names as a link where `commits` has the column's address for it."""
    is_commit = row.path == ("git_commit",)
    cells = tuple(
        _commit(cell, address) if is_commit and address and cell.is_there else _value(cell)
        for cell, address in zip(row.cells, commits, strict=True)
    )
    return Line(short(row.key, KEY), cells)


def short(text: str, longest: int) -> str:
    """The text, or its beginning and its end."""
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
    if len(text) <= WORDS:
        return Shown(cell, text, address=text if is_link(cell.value) else None)
    return Shown(cell, f"{text[:SUMMARY]}…", text[:FOLDED], is_cut=len(text) > FOLDED)


def _structure(cell: Cell, text: str) -> Shown:
    """JSON on one line where it is short. No string in it has a line's end of its own: JSON writes that as two characters."""
    line = re.sub(r"\n *", "", re.sub(r",\n *", ", ", text)) if len(text) <= 4 * LINE else text
    if len(line) <= LINE:
        return Shown(cell, line)
    count = len(cell.value)
    noun = "value" if isinstance(cell.value, list) else "key"
    summary = f"{count:,} {noun}{'' if count == 1 else 's'}"
    return Shown(cell, summary, text[:FOLDED], is_cut=len(text) > FOLDED)
