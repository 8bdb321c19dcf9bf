"""JSON as PostgreSQL writes it, and times as answers show them."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from json.encoder import encode_basestring
from typing import Any


class JsonText(str):
    """Text that is JSON already. It is passed on unparsed, so that every number stays exact."""

    __slots__ = ()


def rfc3339(time: datetime) -> str:
    """Return the time as `2026-11-23T10:15:30.123456Z`: UTC with microseconds."""
    if time.utcoffset():
        time = time.astimezone(UTC)
    return time.isoformat(timespec="microseconds")[:26] + "Z"


def as_stored(value: Any) -> str:
    """Return the JSON exactly as PostgreSQL writes a JSONB column, so that the answer to a POST equals that of a GET.

    Source: PostgreSQL's documentation, "JSON Types". Names are sorted by length, then by their bytes; numbers are `numeric`,
    without an exponent and without a negative zero.
    """
    if isinstance(value, str):
        return encode_basestring(value)
    if isinstance(value, dict):
        return object_of({name: as_stored(item) for name, item in value.items()})
    if isinstance(value, list):
        return "[" + ", ".join(as_stored(item) for item in value) + "]"
    if isinstance(value, float):
        return format(Decimal(repr(abs(value) if value == 0 else value)), "f")
    return json.dumps(value)


def object_of(values: dict[str, str]) -> str:
    """Return the object with these values, each of which is JSON already, as `as_stored` does."""
    names = sorted(values, key=_by_length)
    return "{" + ", ".join(f"{encode_basestring(name)}: {values[name]}" for name in names) + "}"


def _by_length(name: str) -> tuple[int, bytes]:
    encoded = name.encode()
    return len(encoded), encoded
