"""Python values as JSON holds them: made plain before they are sent, and compared after they come back."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from enum import Enum
from typing import Any

from .errors import InvalidArgument

DEEPEST = 100  # the registry refuses much less (32); this only ends a structure that holds itself


def plain(value: Any, path: str, depth: int = 0) -> Any:
    """The value as `None`, `bool`, `int`, `float`, `str`, `list` and `dict` alone.

    Taken: scalars of numpy, torch and their like (anything 0-dimensional with `.item()`; none of them is imported),
    tuples and other sequences (lists), any mapping with text keys, enums (their value), paths (text), datetimes that
    have a zone (RFC 3339, UTC). Raises InvalidArgument, naming the path (`metadata.eval.f1`) and the remedy, for what
    JSON cannot hold.
    """
    if depth > DEEPEST:
        raise InvalidArgument(f"{path[:200]}… is nested deeper than {DEEPEST} levels, or holds itself.")
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
        raise InvalidArgument(f"{path} is {number}, which JSON cannot hold: leave it out, or send None.")
    return number


def _integer(number: int, path: str) -> int:
    try:
        float(number)
    except OverflowError:
        raise InvalidArgument(f"{path} is beyond what a float64 holds: send it as text.") from None
    return number


def _string(text: str, path: str) -> str:
    if "\0" in text:
        raise InvalidArgument(f"{path} holds the character U+0000, which the registry cannot keep: take it out.")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidArgument(f"{path} holds half of a surrogate pair, which is no character: take it out.") from None
    return text


def _key(key: Any, path: str) -> str:
    if not isinstance(key, str):
        raise InvalidArgument(f"{path} has the key {key!r:.40}; JSON's keys are text: write {str(key)!r:.40}.")
    return _string(str(key), f"a key of {path}")


def _item(value: Any, path: str) -> Any:
    """What a 0-dimensional array or scalar holds. Raises InvalidArgument for anything else."""
    shape, kind = getattr(value, "shape", None), getattr(getattr(value, "dtype", None), "kind", None)
    if shape is not None and len(shape) == 0 and kind not in ("M", "m"):  # datetime64's item() may be a bare integer
        item = value.item()
        if isinstance(item, (bool, int, float, str)):
            return item
    raise InvalidArgument(f"{path} is a {type(value).__name__}, which JSON cannot hold: {_remedy(value)}.")


def _remedy(value: Any) -> str:
    if isinstance(value, (set, frozenset)):
        return "send sorted(…), a list"
    if isinstance(value, (bytes, bytearray, memoryview)):
        return "decode it, or send its sha256"
    if getattr(value, "shape", None) and hasattr(value, "tolist"):
        return "send .tolist(), or a figure made from it"
    if hasattr(value, "__dataclass_fields__"):
        return "send dataclasses.asdict(…)"
    return "send vars(…)" if type(value).__name__ == "Namespace" else "send a number, text, list or dict"


def rfc3339(value: Any, path: str) -> str:
    """A time as the contract writes it; text is passed on as it is. Raises InvalidArgument without a zone."""
    if isinstance(value, str):
        return _string(value, path)
    if not isinstance(value, datetime):
        raise InvalidArgument(f"{path} is a {type(value).__name__}: send a datetime with a zone, or RFC 3339 text.")
    if value.utcoffset() is None:
        raise InvalidArgument(f"{path} is a datetime without a zone: use datetime.now(timezone.utc), or .astimezone().")
    return value.astimezone(timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")


def same(there: Any, sent: Any) -> bool:
    """True when two decoded JSON values are one and the same to JSON: `1` is `1.0`, and `true` is not `1`."""
    if _is_number(there) and _is_number(sent):
        return _same_number(there, sent)
    if isinstance(there, Mapping) and isinstance(sent, Mapping):
        return there.keys() == sent.keys() and all(same(there[key], sent[key]) for key in sent)
    if isinstance(there, list) and isinstance(sent, list):
        return len(there) == len(sent) and all(map(same, there, sent))
    return type(there) is type(sent) and bool(there == sent)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _same_number(there: float, sent: float) -> bool:
    if isinstance(there, int) and isinstance(sent, int):
        return there == sent
    try:  # 1e23 comes back from the database as 10**23: another number than that float, which prints the same
        return float(there) == float(sent)
    except OverflowError:
        return False


def differences(there: Any, sent: Any, path: str) -> Iterator[str]:
    """Each place where the two differ, in words: `metadata.accuracy is 0.9 there, 0.95 was sent`."""
    if isinstance(there, Mapping) and isinstance(sent, Mapping):
        for key in sorted({*there, *sent}):
            yield from _entry(there, sent, key, f"{path}.{key}")
    elif not same(there, sent):
        yield f"{path} is {there!r:.80} there, {sent!r:.80} was sent"


def _entry(there: Mapping[str, Any], sent: Mapping[str, Any], key: str, path: str) -> Iterator[str]:
    if key not in sent:
        yield f"{path} is {there[key]!r:.80} there, and was not sent"
    elif key not in there:
        yield f"{path} is not there, {sent[key]!r:.80} was sent"
    else:
        yield from differences(there[key], sent[key], path)
