"""Values of metadata in a table: on one line, or as a summary that unfolds."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from catapult.pages.parts.formats import commit_address, is_link, pretty
from catapult.rules.comparison import Cell, Row

WORDS, LINE = 200, 48
"""Texts longer than `WORDS` characters are folded, and so are lists and objects longer than `LINE`."""

FOLDED, FOLDED_IN_ALL, SUMMARY = 4_800, 40_000, 60
"""Characters of a row's unfolded values together, of a table's (then `WORDS` of each), and of a folded text's beginning."""

KEY = 160

DIGEST = re.compile(r"(?:([a-z0-9]{2,16}):)?([0-9a-f]{40,128})")
DIGITS = 12
"""The first digits of a digest or a commit that are shown."""


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


@dataclass(frozen=True)
class Line:
    """A row of the table."""

    key: str
    cells: tuple[Shown, ...]


def lines(rows: Sequence[Row], columns: Sequence[dict[str, Any]]) -> list[Line]:
    """Return the rows as the page shows them; `columns` are the metadata."""
    commits = [commit_address(column) for column in columns]
    shown, left = [], FOLDED_IN_ALL
    for row in rows:
        line = _line(row, commits, max(min(FOLDED, left) // len(commits), WORDS))
        left -= sum(len(cell.folded) for cell in line.cells)
        shown.append(line)
    return shown


def _line(row: Row, commits: list[str | None], most: int) -> Line:
    is_commit = row.path == ("git_commit",)
    cells = tuple(
        _commit(cell, address) if is_commit and address and cell.is_there else _value(cell, most)
        for cell, address in zip(row.cells, commits, strict=True)
    )
    return Line(short(row.key, KEY), cells)


def short(text: str, longest: int) -> str:
    """Return the text, or its beginning and its end."""
    return text if len(text) <= longest else f"{text[: longest * 2 // 3]}…{text[-longest // 3 :]}"


def _commit(cell: Cell, address: str) -> Shown:
    commit = str(cell.value)
    return Shown(cell, commit[:7] if re.fullmatch(r"[0-9a-f]{40,64}", commit) else commit, address=address)


def _value(cell: Cell, most: int) -> Shown:
    if not cell.is_there:
        return Shown(cell, "")
    text = pretty(cell.value, most + 1)
    if isinstance(cell.value, list | dict):
        return _structure(cell, text, most)
    if isinstance(cell.value, str) and (digest := DIGEST.fullmatch(text)):
        return Shown(cell, digest[2][:DIGITS], whole=text)
    if len(text) <= WORDS:
        return Shown(cell, text, address=text if is_link(cell.value) else None)
    return Shown(cell, f"{text[:SUMMARY]}…", text[:most], is_cut=len(text) > most)


def _structure(cell: Cell, text: str, most: int) -> Shown:
    """Return JSON on one line if it is short. JSON escapes line ends in strings, so every line end is its own."""
    line = re.sub(r"\n *", "", re.sub(r",\n *", ", ", text)) if len(text) <= 4 * LINE else text
    if len(line) <= LINE:
        return Shown(cell, line)
    count = len(cell.value)
    noun = "value" if isinstance(cell.value, list) else "key"
    summary = f"{count:,} {noun}{'' if count == 1 else 's'}"
    return Shown(cell, summary, text[:most], is_cut=len(text) > most)
