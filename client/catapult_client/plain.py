"""Python values as JSON: converted before they are sent, and compared with what the registry returns."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from enum import Enum
from typing import Any

from .errors import InvalidArgument

DEEPEST = 100  # the registry allows 32; this limit only stops a structure that contains itself


def plain(value: Any, path: str, depth: int = 0) -> Any:
    """Return the value built of `None`, `bool`, `int`, `float`, `str`, `list` and `dict` only.

    Converts scalars of numpy, torch and others (0-dimensional, with `.item()`), sequences to lists, mappings with text
    keys, enums to their value, paths to text, and datetimes with a zone to RFC 3339 in UTC. Raises InvalidArgument for
    anything else, with its path (`metadata.eval.f1`) and what to pass instead.
    """
    if depth > DEEPEST:
        raise InvalidArgument(f"{path[:200]}… is nested deeper than {DEEPEST} levels, or contains itself.")
    if isinstance(value, Enum):  # before int and str, which an IntEnum also is
        return plain(value.value, path, depth + 1)
    if value is None or isinstance(value, (bool, int, float, str)):
        return _scalar(value, path)
    if isinstance(value, datetime):
        return rfc3339(value, path)
    if isinstance(value, Mapping):
        return {_key(key, path): plain(inner, f"{path}.{key}", depth + 1) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray, memoryview)):
        return [plain(inner, f"{path}[{index}]", depth + 1) for index, inner in enumerate(value)]
    if isinstance(value, os.PathLike):
        return plain(os.fspath(value), path, depth + 1)
    return _scalar(_item(value, path), path)


def _scalar(value: Any, path: str) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _string(str(value), path)
    if isinstance(value, float):
        return _float(float(value), path)  # float(): numpy.float64 is a float as well, and repr() of it is not
    return _integer(int(value), path)


def _float(number: float, path: str) -> float:
    if math.isnan(number) or math.isinf(number):
        raise InvalidArgument(f"{path} is {number}, which JSON cannot hold: leave it out, or pass None.")
    return number


def _integer(number: int, path: str) -> int:
    try:
        float(number)
    except OverflowError:
        raise InvalidArgument(f"{path} is too large for a float64: pass it as text.") from None
    return number


def _string(text: str, path: str) -> str:
    if "\0" in text:
        raise InvalidArgument(f"{path} contains the character U+0000, which the registry cannot store: remove it.")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidArgument(
            f"{path} contains half of a surrogate pair, which is not a character: remove it."
        ) from None
    return text


def _key(key: Any, path: str) -> str:
    if not isinstance(key, str):
        raise InvalidArgument(f"{path} has the key {key!r:.40}, but keys in JSON are text: use {str(key)!r:.40}.")
    return _string(str(key), f"a key of {path}")


def _item(value: Any, path: str) -> Any:
    """Return the value of a 0-dimensional array or scalar. Raises InvalidArgument for anything else."""
    shape, kind = getattr(value, "shape", None), getattr(getattr(value, "dtype", None), "kind", None)
    if shape is not None and len(shape) == 0 and kind not in ("M", "m"):  # datetime64's item() may be a bare integer
        item = value.item()
        if isinstance(item, (bool, int, float, str)):
            return item
    raise InvalidArgument(f"{path} is a {type(value).__name__}, which JSON cannot hold: {_remedy(value)}.")


def _remedy(value: Any) -> str:
    if isinstance(value, (set, frozenset)):
        return "pass sorted(…), a list"
    if isinstance(value, (bytes, bytearray, memoryview)):
        return "decode it, or pass its sha256"
    if getattr(value, "shape", None) and hasattr(value, "tolist"):
        return "pass .tolist(), or a number computed from it"
    if hasattr(value, "__dataclass_fields__"):
        return "pass dataclasses.asdict(…)"
    return "pass vars(…)" if type(value).__name__ == "Namespace" else "pass a number, text, list or dict"


def rfc3339(value: Any, path: str) -> str:
    """Return a time as RFC 3339 in UTC; text is returned unchanged. Raises InvalidArgument without a zone."""
    if isinstance(value, str):
        return _string(value, path)
    if not isinstance(value, datetime):
        raise InvalidArgument(f"{path} is a {type(value).__name__}: pass a datetime with a zone, or RFC 3339 text.")
    if value.utcoffset() is None:
        raise InvalidArgument(f"{path} is a datetime without a zone: use datetime.now(timezone.utc), or .astimezone().")
    return value.astimezone(timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")


def same(current: Any, sent: Any) -> bool:
    """Return whether two decoded JSON values are equal in JSON: `1` is `1.0`, and `true` is not `1`."""
    if _is_number(current) and _is_number(sent):
        return _same_number(current, sent)
    if isinstance(current, Mapping) and isinstance(sent, Mapping):
        return current.keys() == sent.keys() and all(same(current[key], sent[key]) for key in sent)
    if isinstance(current, list) and isinstance(sent, list):
        return len(current) == len(sent) and all(map(same, current, sent))
    return type(current) is type(sent) and bool(current == sent)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _same_number(current: float, sent: float) -> bool:
    if isinstance(current, int) and isinstance(sent, int):
        return current == sent
    try:  # PostgreSQL returns 1e23 as 10**23, which is not the same number as the float
        return float(current) == float(sent)
    except OverflowError:
        return False


def differences(current: Any, sent: Any, path: str) -> Iterator[str]:
    """Yield a text for each value that differs: `metadata.accuracy is 0.9, but 0.95 was sent`."""
    if isinstance(current, Mapping) and isinstance(sent, Mapping):
        for key in sorted({*current, *sent}):
            yield from _difference(current, sent, key, f"{path}.{key}")
    elif not same(current, sent):
        yield f"{path} is {current!r:.80}, but {sent!r:.80} was sent"


def _difference(current: Mapping[str, Any], sent: Mapping[str, Any], key: str, path: str) -> Iterator[str]:
    if key not in sent:
        yield f"{path} is {current[key]!r:.80}, but was not sent"
    elif key not in current:
        yield f"{path} is not set, but {sent[key]!r:.80} was sent"
    else:
        yield from differences(current[key], sent[key], path)
