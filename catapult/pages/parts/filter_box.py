"""The filter box above a list of versions: conditions to add by a click, and the field that an unknown one may mean."""

import difflib
import json
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from catapult.filters import completion
from catapult.filters.mistakes import Misread
from catapult.filters.nouns import Noun
from catapult.pages.parts import formats, lists

SIGNS = {">=": "≥", "<=": "≤", "==": "=", ">": ">", "<": "<"}
_STEP = r"""(?:[\w-]+|"(?:[^"\\]|\\.)+")(?:\[[0-9]+\])*"""
NUMBERS = re.compile(rf"\bmetadata\.({_STEP}(?:\.{_STEP})*)\s*(?:[<>=!]|in\b|between\b)")
"""A path of metadata in a filter, before an operator that numbers have."""
MOST_GATES = 3
"""The most gates whose conditions are offered."""

COMMON = (
    ("Releases", "is_release"),
    ("Not released", "not is_release"),
    ("Active", 'status = "active"'),
    ("Archived", 'status = "archived"'),
)


class Chip(NamedTuple):
    """A condition, and the address of the list with it."""

    label: str
    address: str


class Guess(NamedTuple):
    """The field that an unknown one may mean, and the address of the list with it."""

    field: str
    address: str


def chips(gates: Iterable[Any] = ()) -> list[Chip]:
    """Return conditions that the filter in the address lacks: common ones, and what these gates on metrics ask for."""
    text = lists.typed("filter")
    return [Chip(label, lists.here(filter=_both(text, condition))) for label, condition in _conditions(gates)]


def _conditions(gates: Iterable[Any]) -> list[tuple[str, str]]:
    text = lists.typed("filter")
    asked = {(row.path, row.op, row.value) for row in gates if row.value is not None and row.op in SIGNS}
    offered = list(COMMON)
    for path, op, value in sorted(asked)[:MOST_GATES]:
        label = f"{path} {SIGNS[op]} {formats.number(value)}"
        condition = f"{field(path)} {'=' if op == '==' else op} {json.dumps(value)}"
        offered += [(label, condition), (f"Fails {label}", f"not {condition}")]
    return [(label, condition) for label, condition in offered if condition not in text]


def _both(text: str, condition: str) -> str:
    """Return the filter with another condition."""
    if not text:
        return condition
    return f"({text}) and {condition}" if re.search(r"\bor\b", text, re.IGNORECASE) else f"{text} and {condition}"


def guess(mistake: Misread | None, noun: Noun, paths: Iterable[str] = (), is_empty: bool = False) -> Guess | None:
    """Return the field that the one in the address may mean, if that is what is wrong there. `paths` are metrics'.

    In a filter that nothing matches, a number's path that no version has may be misspelt.
    """
    if mistake is None:
        return _near_path(paths) if is_empty else None
    name = next(iter(mistake.errors))
    near = completion.nearest(mistake, lists.typed(name), noun, map(field, paths))
    return near and Guess(near[0], lists.here(**{name: near[1]}))


def _near_path(paths: Iterable[str]) -> Guess | None:
    text, known = lists.typed("filter"), [field(path).removeprefix("metadata.") for path in paths]
    for name in NUMBERS.findall(text):
        near = difflib.get_close_matches(name, known, 1, cutoff=0.75) if name not in known else []
        if near:
            changed = text.replace(f"metadata.{name}", f"metadata.{near[0]}")
            return Guess(f"metadata.{near[0]}", lists.here(filter=changed))
    return None


def field(path: str) -> str:
    """Return the field that a filter or an order names this number by: unusual keys are in quotes."""
    return f"metadata.{'.'.join(map(_key, path.split('.')))}"


def _key(text: str) -> str:
    """Return a key with the positions in lists below it, quoted if it is unusual."""
    key, positions = re.fullmatch(r"(.*?)((?:\[[0-9]{1,4}\])*)", text, re.DOTALL).groups()  # type: ignore[union-attr]
    return (key if re.fullmatch(r"[\w-]+", key) else json.dumps(key, ensure_ascii=False)) + positions
