"""Free metadata: its limits, and the numbers in it."""

import json
from collections.abc import Iterator
from typing import Any

from catapult.errors import Invalid
from catapult.tables import METRIC_PATH_LENGTH

MAX_BYTES = 64 * 1024
MAX_KEYS = 512


def problems(metadata: dict[str, Any]) -> list[str]:
    """Return what exceeds the limits, a sentence each; an empty list if nothing does."""
    exceeded = []
    size = len(json.dumps(metadata, ensure_ascii=False, separators=(",", ":")).encode())
    if size > MAX_BYTES:
        exceeded.append(
            f"Has {size} bytes as JSON; at most {MAX_BYTES} are allowed. Store the rest elsewhere and link to it."
        )
    keys = sum(len(part) for part in _objects(metadata))
    if keys > MAX_KEYS:
        exceeded.append(f"Has {keys} keys in all; at most {MAX_KEYS} are allowed.")
    return exceeded


def check(metadata: dict[str, Any] | None) -> None:
    """Raise Invalid if the metadata exceeds the limits."""
    if metadata and (exceeded := problems(metadata)):
        raise Invalid("The metadata is too large.", errors={"metadata": exceeded})


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    pending = [value]
    while pending:
        part = pending.pop()
        if isinstance(part, dict):
            yield part
        pending.extend(part.values() if isinstance(part, dict) else part if isinstance(part, list) else ())


def numbers(metadata: dict[str, Any]) -> list[tuple[str, float]]:
    """Return every number with its dotted path, `("eval.f1", 0.9)`. Numbers in lists are left out, and so are true and false.

    Two paths can read alike if a key has a dot in it. The one without such a key comes last: a filter means that one.
    """
    numbers = [(keys, float(value)) for keys, value in _numbers(metadata, ())]
    numbers.sort(key=lambda number: not any("." in key for key in number[0]))
    paths = ((".".join(keys), value) for keys, value in numbers)
    return [(path, value) for path, value in paths if len(path) <= METRIC_PATH_LENGTH]


def _numbers(metadata: dict[str, Any], within: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], int | float]]:
    for key, value in metadata.items():
        if isinstance(value, dict):
            yield from _numbers(value, (*within, key))
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield (*within, key), value
