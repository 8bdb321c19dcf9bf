"""Complete a filter that somebody is typing: fields, operators, values, `and` and `or`."""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import NamedTuple

from lark import UnexpectedInput

from catapult.filters.fields import BooleanField, Field
from catapult.filters.mistakes import Misread, Mistake
from catapult.filters.nouns import Noun
from catapult.filters.parsing import LONGEST, parser, path_of, quoted
from catapult.filters.tree import Path
from catapult.rules.normal_text import normal
from catapult.tables import VersionStatus

WORD, IN_QUOTES = re.compile(r"[\w.\-\[\]]*$|[=!<>~]+$"), re.compile(r'[\w.\-\[\]]*"[^"]*$')
LAST_PATH = re.compile(r"([A-Za-z_][\w.\-\"\[\]]*)\s*(?:[=!<>~]+|(?:not\s+)?in\s*\([^()]*|(?:not)?)\s*$", re.IGNORECASE)
MOST = 12
"""The most that are offered at once."""

STATUSES = [status.value for status in VersionStatus]


class Offer(NamedTuple):
    """`texts` that may replace the text from `start` on. The caller adds values of the field `values_of`."""

    start: int
    texts: list[str]
    values_of: str = ""


def offer(noun: Noun, text: str, paths: Iterable[str]) -> Offer:
    """Return the completions of the last word of the text. `paths` are fields of metadata."""
    match = (IN_QUOTES if text.count('"') % 2 else WORD).search(text) if len(text) <= LONGEST else None
    start = match.start() if match else len(text)
    prefix, expected = text[start:], _expected(text[:start])
    if "PATH" in expected:
        fields = [*paths, *noun.fields, *(["not"] if "NOT" in expected else [])]
        return Offer(start, _matching(fields, prefix))
    if "OPERATOR" in expected:
        return Offer(start, _matching([*_operators(noun, text[:start]), "and", "or"], prefix))
    if "STRING" in expected:
        field = _path_before(text[:start])
        return Offer(start, _matching(_values(noun, field), prefix), field.name if field else "")
    return Offer(start, _matching([name.lower() for name in ("AND", "OR") if name in expected], prefix))


def nearest(misread: Misread, text: str, noun: Noun, paths: Iterable[str]) -> tuple[str, str] | None:
    """Return a known field similar to the unknown one, and the text with it; None if there is none."""
    if not misread.unknown:
        return None
    known = {name: name for name in noun.fields} | {path.removeprefix("metadata."): path for path in paths}
    match = get_close_matches(misread.unknown, known, 1)
    if not match:
        return None
    start = misread.column - 1
    return known[match[0]], text[:start] + known[match[0]] + text[start + len(misread.unknown) :]


def _expected(before: str) -> set[str]:
    """Return the terminals that may follow the text; none if it is already invalid."""
    try:
        state = parser().parse_interactive(before, start="filter")
        state.exhaust_lexer()
    except (UnexpectedInput, Mistake):
        return set()
    return set(state.accepts())  # type: ignore[no-untyped-call]


def _path_before(text: str) -> Path | None:
    match = LAST_PATH.search(text)
    return path_of(match[1]) if match else None


def _field(noun: Noun, text: str) -> Field | None:
    path = _path_before(text)
    try:
        return noun.field(path) if path else None
    except Mistake:
        return None


def _operators(noun: Noun, text: str) -> list[str]:
    field = _field(noun, text)
    return [*(it for it in field.operators if it != "in"), "exists", "in ("] if field else []


def _values(noun: Noun, path: Path | None) -> list[str]:
    """Return the values that the field may have, where they are few."""
    if path is not None and path.name == "status":
        return [quoted(status) for status in STATUSES]
    is_boolean = path is not None and isinstance(noun.fields.get(path.name), BooleanField)
    return ["true", "false"] if is_boolean else []


def _matching(texts: Iterable[str], prefix: str) -> list[str]:
    """Return the texts that begin with the prefix, or have a key that does."""
    sought, folded = normal(prefix).lower(), {text: normal(text).lower() for text in texts}
    return [text for text, it in folded.items() if f".{sought}" in f".{it}" and it != sought][:MOST]
