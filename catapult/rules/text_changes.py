"""The changes from one text to another, word by word."""

import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Literal, NamedTuple

WORDS, LENGTH = 120, 1_000
"""Words and characters of each text that are compared: the time grows with their square."""


class Piece(NamedTuple):
    """A part of both texts, or of the new or the old one alone."""

    state: Literal["same", "new", "gone"]
    text: str


def text_changes(old: str, new: str) -> Iterator[Piece]:
    """Yield the beginnings of both texts in order, with what is gone before what is new."""
    before, after = _words(old), _words(new)
    for state, start, end, at, to in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if state == "equal":
            yield Piece("same", "".join(after[at:to]))
        if state in ("delete", "replace"):
            yield Piece("gone", "".join(before[start:end]))
        if state in ("insert", "replace"):
            yield Piece("new", "".join(after[at:to]))


def beginning(text: str) -> str:
    """Return as much of a text as `text_changes` compares."""
    return "".join(_words(text))


def _words(text: str) -> list[str]:
    """Return the first words, each with the space after it."""
    return re.findall(r"\S*\s+|\S+", text[:LENGTH])[:WORDS]
