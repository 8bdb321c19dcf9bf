"""Free metadata: its limits, and the numbers in it."""

import json
from collections.abc import Iterator
from heapq import nsmallest
from typing import Any

from catapult.errors import Invalid
from catapult.rules import mlflow_tags
from catapult.rules.numbers import Number
from catapult.tables import METRIC_PATH_LENGTH

MAX_BYTES = 256 * 1024
MAX_KEYS = 2_048

MOST_LISTED = 64
"""The most numbers in lists of a version that are indexed, and the most items of a list that are searched for them."""

Keys = tuple[str | int, ...]
AMBIGUOUS = frozenset(".[")


def problems(metadata: dict[str, Any]) -> list[str]:
    """Return what exceeds the limits, a sentence each; an empty list if nothing does. The tags of MLflow have their own."""
    exceeded = mlflow_tags.problems(metadata)
    metadata = mlflow_tags.without(metadata)
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


def path(keys: Keys) -> str:
    """Return the keys and positions in lists that lead to a value as text: `eval.f1`, `results[0].metrics[1].value`."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys)[1:]


def is_ambiguous(key: str | int) -> bool:
    """Return whether the path with this key may equal the path of other keys."""
    return isinstance(key, str) and bool(AMBIGUOUS & set(key))


def numbers(metadata: dict[str, Any]) -> list[tuple[str, Number]]:
    """Return numbers with their paths, `("eval.f1", 0.9)`: all but those in lists, and of these the first `MOST_LISTED`.

    Lower positions in lists come first. True and false are left out. Two paths can read alike if a key has a
    dot or a bracket in it. The one without such a key comes last: a filter means that one.
    """
    numbers = ((keys, path(keys), value) for keys, value in _numbers(metadata, ()))
    short = [number for number in numbers if len(number[1]) <= METRIC_PATH_LENGTH]
    listed = [number for number in short if _highest(number[0]) is not None]
    first = nsmallest(MOST_LISTED, listed, key=lambda number: (_highest(number[0]), number[1]))
    chosen = [*(number for number in short if _highest(number[0]) is None), *first]
    chosen.sort(key=lambda number: not any(map(is_ambiguous, number[0])))
    return [(text, value) for _, text, value in chosen]


def _highest(keys: Keys) -> int | None:
    """Return the highest position in a list on the way; None if there is no list."""
    return max((key for key in keys if isinstance(key, int)), default=None)


def _numbers(value: Any, within: Keys) -> Iterator[tuple[Keys, Number]]:
    if isinstance(value, dict | list):
        inner = value.items() if isinstance(value, dict) else enumerate(value[:MOST_LISTED])
        for key, item in inner:
            yield from _numbers(item, (*within, key))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield within, value
