"""Describe the changes of a version's content in words."""

import json
from collections.abc import Mapping
from typing import Any

SHOWN, LENGTH = 3, 60
"""Changes that are named, and shown characters of a value."""


def described(changes: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the changes in a sentence: `accuracy changed from 0.5 to 0.99`. `changes` are those of an audit entry."""
    parts = []
    for field, change in changes.items():
        old, new = _flat(field, change.get("old")), _flat(field, change.get("new"))
        parts += [
            _sentence(path, old, new) for path in (*old, *(new.keys() - old.keys())) if old.get(path) != new.get(path)
        ]
    more = [f"{len(parts) - SHOWN} more changes"] if len(parts) > SHOWN else []
    return ", ".join([*parts[:SHOWN], *more])


def _sentence(path: str, old: Mapping[str, str], new: Mapping[str, str]) -> str:
    if path not in old:
        return f"{path} was added as {new[path]}"
    return f"{path} changed from {old[path]} to {new[path]}" if path in new else f"{path} was removed"


def _flat(field: str, value: Any) -> dict[str, str]:
    """Return `{dotted path: value as JSON}`. The paths of metadata begin within it."""
    if field != "metadata":
        return {} if value is None else {field: _text(value)}
    flat, pending = {}, [("", value or {})]
    while pending:
        path, part = pending.pop()
        if isinstance(part, dict) and (part or not path):
            pending += [(f"{path}.{key}" if path else key, inner) for key, inner in reversed(part.items())]
        else:
            flat[path] = _text(part)
    return flat


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LENGTH else f"{text[: LENGTH - 1]}…"
