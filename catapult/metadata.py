"""Free metadata: its limits, and the numbers in it."""

import json
from collections.abc import Iterator
from typing import Any

from catapult.tables import METRIC_PATH_LENGTH

MAX_BYTES = 64 * 1024
MAX_KEYS = 512


def problems(metadata: dict[str, Any]) -> list[str]:
    """What is wrong with it, in sentences; an empty list if nothing is."""
    found = []
    size = len(json.dumps(metadata, ensure_ascii=False, separators=(",", ":")).encode())
    if size > MAX_BYTES:
        found.append(
            f"Has {size} bytes as JSON; at most {MAX_BYTES} are taken. Store the rest elsewhere and link to it."
        )
    keys = sum(len(part) for part in _objects(metadata))
    if keys > MAX_KEYS:
        found.append(f"Has {keys} keys in all; at most {MAX_KEYS} are taken.")
    return found


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    pending = [value]
    while pending:
        part = pending.pop()
        if isinstance(part, dict):
            yield part
        pending.extend(part.values() if isinstance(part, dict) else part if isinstance(part, list) else ())


def numbers(metadata: dict[str, Any], path: str | None = None) -> Iterator[tuple[str, float]]:
    """Every number in it with its dotted path, `("eval.f1", 0.9)`. Lists and true/false hold none."""
    for key, value in metadata.items():
        at = key if path is None else f"{path}.{key}"
        if isinstance(value, dict):
            yield from numbers(value, at)
        elif isinstance(value, int | float) and not isinstance(value, bool) and len(at) <= METRIC_PATH_LENGTH:
            yield at, float(value)
