"""Free metadata: its limits, and the numbers in it."""

import json
from collections.abc import Iterator
from typing import Any

from catapult.errors import Invalid
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


def check(metadata: dict[str, Any] | None) -> None:
    """Nothing, if it is within the limits. Raises Invalid."""
    if metadata and (found := problems(metadata)):
        raise Invalid("The metadata is too large.", errors={"metadata": found})


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    pending = [value]
    while pending:
        part = pending.pop()
        if isinstance(part, dict):
            yield part
        pending.extend(part.values() if isinstance(part, dict) else part if isinstance(part, list) else ())


def numbers(metadata: dict[str, Any]) -> list[tuple[str, float]]:
    """Every number in it with its dotted path, `("eval.f1", 0.9)`. Lists and true/false hold none.

    Of several that read alike the last is that without a dot in any of its keys: the one that a filter means by the path.
    """
    found = [(keys, float(value)) for keys, value in _numbers(metadata, ())]
    found.sort(key=lambda number: not any("." in key for key in number[0]))
    paths = ((".".join(keys), value) for keys, value in found)
    return [(path, value) for path, value in paths if len(path) <= METRIC_PATH_LENGTH]


def _numbers(metadata: dict[str, Any], within: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], int | float]]:
    for key, value in metadata.items():
        if isinstance(value, dict):
            yield from _numbers(value, (*within, key))
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield (*within, key), value
