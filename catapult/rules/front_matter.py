"""The YAML of model cards: the front matter of a README.md, and an MLmodel file. It is untrusted.

Every value is the text that somebody wrote: `no` is Norwegian and not false, and `1.10` is not `1.1`.
"""

import re
from typing import Any

import yaml

from catapult.rules.file_head import Unreadable

LONGEST, MOST_PARTS, DEEPEST = 64 * 1024, 10_000, 20
"""Characters, values with what begins and ends them, and lists and mappings within each other."""

FRONT = re.compile(r"---[ \t]*\r?\n(.*?)^---[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)
LOADER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
"""Builds texts, lists and dictionaries only, whatever tags the YAML has."""


def split(text: str) -> tuple[str, str]:
    """Return the front matter without its lines of dashes, "" if there is none, and the rest of the text."""
    match = FRONT.match(text)
    return (match[1], text[match.end() :]) if match else ("", text)


def fields(text: str) -> dict[str, Any]:
    """Return the mapping in the YAML. Raises Unreadable if it is not a mapping, exceeds a limit, or has aliases.

    The limits are checked on the parser's events, before any object is built.
    """
    if len(text) > LONGEST:
        raise Unreadable(f"it is longer than {LONGEST:,} characters")
    try:
        _check(text)
        result = yaml.load(text, LOADER)  # noqa: S506 - builds texts, lists and dictionaries only
    except yaml.YAMLError as error:
        problem, mark = getattr(error, "problem", None), getattr(error, "problem_mark", None)
        raise Unreadable(f"{problem or 'it is not YAML'}{f', line {mark.line + 1}' if mark else ''}") from None
    if not isinstance(result, dict):
        raise Unreadable("it is not a list of names with values")
    return result


def _check(text: str) -> None:
    depth = 0
    for count, event in enumerate(yaml.parse(text, LOADER)):
        if isinstance(event, yaml.AliasEvent):
            raise Unreadable(f"it refers to one of its own parts (*{event.anchor[:60]})")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise Unreadable(f"it has more than {DEEPEST} levels")
        if count > MOST_PARTS:
            raise Unreadable(f"it has more than {MOST_PARTS:,} values")
