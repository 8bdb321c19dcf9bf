"""The base of every record: an answer of the registry, parsed and frozen.

A record ignores fields of an answer that it does not know, and has the default for those that are missing or null, so
that older and newer servers work. Times are aware datetimes in UTC. Records can be hashed; their dicts and lists are
left out of the hash. `etag` is for `if_match=`: records from a list have None.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import datetime, timezone
from typing import Any, Callable, TypeVar

from .errors import UnexpectedAnswer
from .plain import rfc3339

RecordT = TypeVar("RecordT", bound="Record")

_TIME = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)[Tt ](?P<clock>\d\d:\d\d:\d\d)(?:\.(?P<fraction>\d+))?(?P<zone>[Zz]|[+-]\d\d:\d\d)?"
)


def moment(text: str) -> datetime:
    """Return an RFC 3339 time as an aware datetime in UTC; a time without a zone is in UTC. Raises ValueError.

    Before Python 3.11 `datetime.fromisoformat` accepts neither `Z` nor fractions that do not have 3 or 6 digits.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not an RFC 3339 time")
    fraction = (match["fraction"] or "0")[:6].ljust(6, "0")
    zone = match["zone"] if match["zone"] and match["zone"] not in "Zz" else "+00:00"
    return datetime.fromisoformat(f"{match['date']}T{match['clock']}.{fraction}{zone}").astimezone(timezone.utc)


# The parser of a field, by the text of its annotation. A module adds those of its own records.
PARSE: dict[Any, Callable[[Any], Any]] = {
    "datetime | None": moment,
    "dict[str, Any]": dict,
    "dict[str, int]": dict,
    "list[str]": list,
    "list[str] | None": list,
    "list[dict[str, Any]]": list,
}


class Record:
    """A JSON object of an answer."""

    @classmethod
    def from_json(cls: type[RecordT], body: Any, etag: str | None = None) -> RecordT:
        """Return the record of a decoded JSON object. Raises UnexpectedAnswer for anything else."""
        if not isinstance(body, Mapping):
            raise UnexpectedAnswer(f"Expected a {cls.__name__}, but the answer is not a JSON object.")
        known = {f.name: f for f in fields(cls) if f.name != "etag"}  # type: ignore[arg-type]
        values: dict[str, Any] = {}
        for name, value in body.items():
            if name in known and value is not None:
                values[name] = _parsed(cls.__name__, name, value, PARSE.get(known[name].type))
        record = cls(**values)
        return record if etag is None else replace(record, etag=etag)  # type: ignore[type-var]

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain JSON values, which `from_json` reads again: all fields except `etag`."""
        return {f.name: as_json(getattr(self, f.name)) for f in fields(self) if f.name != "etag"}  # type: ignore[arg-type]


def as_json(value: Any) -> Any:
    """Return records, and values that contain them, as JSON values, with times as the registry writes them."""
    if isinstance(value, Record):
        return value.to_dict()
    if isinstance(value, datetime):
        return rfc3339(value, "")
    if isinstance(value, Mapping):
        return {name: as_json(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json(inner) for inner in value]
    return value


def second(at: datetime | None) -> str:
    """Return the time to the second, as people read it; an empty text for None."""
    return rfc3339(at, "")[:19] + "Z" if at else ""


def _parsed(kind: str, name: str, value: Any, parse: Any) -> Any:
    try:
        return parse(value) if parse else value
    except (TypeError, ValueError):
        raise UnexpectedAnswer(f"{kind}.{name} is {value!r:.80}, which is not of the expected type.") from None


def each(kind: type[Record]) -> Callable[[Any], Any]:
    """Return a parser for a list or a dict of JSON objects of that kind."""

    def parse(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: kind.from_json(item) for name, item in value.items()}
        return [kind.from_json(item) for item in value]

    return parse
