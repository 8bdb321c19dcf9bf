"""Python values as JSON: converted before they are sent, and compared with what the registry returns."""

from __future__ import annotations

import math
import operator
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from decimal import Decimal
from enum import Enum
from typing import Any

from .errors import InvalidArgument

DEEPEST = 100  # the registry allows 32; this limit only stops a structure that contains itself


def plain(value: Any, path: str, dropped: list[str] | None = None) -> Any:
    """Return the value as `None`, `bool`, `int`, `float`, `str`, `list` and `dict` only.

    Converts arrays of numpy, torch and others that hold one element (by `.item()`), sequences to lists, mappings with
    keys of text or integers, enums to their value, paths and UUIDs to text, and datetimes with a zone to RFC 3339 in UTC.
    With the list `dropped`, a number that is not finite becomes None and its path is added to the list. Raises
    InvalidArgument for anything else, with its path (`metadata.eval.f1`) and what to pass instead.
    """
    return _plain(value, path, dropped, 0)


def _plain(value: Any, path: str, dropped: list[str] | None, depth: int) -> Any:
    try:
        return _converted(value, path, dropped, depth)
    except InvalidArgument:
        raise
    except Exception as error:  # from a foreign class, whose methods may raise anything
        raise InvalidArgument(
            f"{path} is a {type(value).__name__}, which raised {type(error).__name__} when it was read:"
            " pass a number, text, list or dict."
        ) from error


def _converted(value: Any, path: str, dropped: list[str] | None, depth: int) -> Any:
    if depth > DEEPEST:
        raise InvalidArgument(f"{path[:200]}… is nested deeper than {DEEPEST} levels, or contains itself.")
    if isinstance(value, Enum):  # before int and str, which an IntEnum also is
        return _plain(value.value, path, dropped, depth + 1)
    if value is None or isinstance(value, (bool, int, float, str)):
        return _scalar(value, path, dropped)
    if isinstance(value, datetime):
        return rfc3339(value, path)
    if isinstance(value, Mapping):
        return _object(value, path, dropped, depth)
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray, memoryview)):
        return [_plain(inner, f"{path}[{index}]", dropped, depth + 1) for index, inner in enumerate(value)]
    if isinstance(value, os.PathLike):
        return _plain(os.fspath(value), path, dropped, depth + 1)
    if isinstance(value, uuid.UUID):
        return str(value)
    return _scalar(_item(value, path), path, dropped)


def _object(value: Mapping[Any, Any], path: str, dropped: list[str] | None, depth: int) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, inner in value.items():
        name = _key(key, path)
        if name in result:
            raise InvalidArgument(f"{path} has the key {name!r:.40} twice, as text and as a number: rename one.")
        result[name] = _plain(inner, f"{path}.{name}", dropped, depth + 1)
    return result


def _scalar(value: Any, path: str, dropped: list[str] | None) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _string(str(value), path)
    if isinstance(value, float):
        return _float(float(value), path, dropped)  # float(): numpy.float64 is a float as well, and repr() of it is not
    return _integer(int(value), path)


def _float(number: float, path: str, dropped: list[str] | None) -> float | None:
    if math.isnan(number) or math.isinf(number):
        if dropped is not None:
            dropped.append(path)
            return None
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
    if isinstance(key, Enum):
        key = key.value
    if not isinstance(key, (str, bool, float)) and hasattr(key, "__index__"):
        return str(operator.index(key))  # as json.dumps does
    if not isinstance(key, str):
        raise InvalidArgument(f"{path} has the key {key!r:.40}, but keys in JSON are text: use {str(key)!r:.40}.")
    return _string(str(key), f"a key of {path}")


def _item(value: Any, path: str) -> Any:
    """Return the value of a scalar, or of an array of one element. Raises InvalidArgument for anything else."""
    shape, kind = getattr(value, "shape", None), getattr(getattr(value, "dtype", None), "kind", None)
    single = shape is not None and callable(getattr(value, "item", None)) and math.prod(shape) == 1
    if single and kind not in ("M", "m"):  # datetime64's item() may be a bare integer
        item = value.item()
        if isinstance(item, (bool, int, float, str)):
            return item
    raise InvalidArgument(f"{path} is a {type(value).__name__}, which JSON cannot hold: {_remedy(value)}.")


ADVICE = {
    "Decimal": "pass float(…), or str(…) if every digit counts",
    "Fraction": "pass float(…)",
    "complex": "pass .real and .imag",
    "complex128": "pass .real and .imag",
    "date": "pass .isoformat()",
    "time": "pass .isoformat()",
    "datetime64": "pass str(…), or a datetime with a zone",
    "timedelta": "pass .total_seconds()",
    "timedelta64": "pass a number of seconds",
    "Timedelta": "pass .total_seconds()",
    "Namespace": "pass vars(…)",
}
"""What to pass instead, by the name of the class."""


def _remedy(value: Any) -> str:
    if advice := ADVICE.get(type(value).__name__):
        return advice
    if "dtype" in type(value).__name__.lower():  # numpy's are classes of their own, such as Float32DType
        return "pass str(…)"
    if isinstance(value, (set, frozenset)):
        return "pass sorted(…), a list"
    if isinstance(value, (bytes, bytearray, memoryview)):
        return "decode it, or pass its sha256"
    if getattr(value, "shape", None) and hasattr(value, "tolist"):
        return "pass .tolist(), or a number computed from it"
    if hasattr(value, "__dataclass_fields__"):
        return "pass dataclasses.asdict(…)"
    return "pass a number, text, list or dict"


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
    """Compare the decimal text: the registry returns 1e23 as 10**23, which differs from the float's exact value."""
    return Decimal(repr(current)) == Decimal(repr(sent))


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
