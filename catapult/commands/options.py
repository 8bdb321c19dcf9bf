"""Parsers of options: times, lengths of time, and values that a field of the API accepts."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from marshmallow import ValidationError

from catapult.contract.fields import In

DURATION = re.compile(r"(\d{1,5})([mhdw])")
UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_end(_: Any, __: Any, value: str | None) -> datetime | None:
    """Return the time that is `90d`, `12h` or `2w` from now, or that RFC 3339 time."""
    if value is None:
        return None
    length = _duration(value)
    if length:
        return datetime.now(UTC) + length
    try:
        end = datetime.fromisoformat(value)
    except ValueError:
        end = None
    if end is None or end.tzinfo is None:
        raise click.BadParameter("takes a length as 90d, 12h or 2w, or a time as 2027-01-31T00:00:00Z")
    return end


def parse_moment(context: Any, option: Any, value: str | None) -> datetime | None:
    """Return the time that was `90d`, `12h` or `2w` ago, or that RFC 3339 time."""
    length = _duration(value) if value else None
    return datetime.now(UTC) - length if length else parse_end(context, option, value)


def parse_length(_: Any, __: Any, value: str) -> timedelta:
    """Return the length of time `24h`, `7d` or `30m`; `0m` is none."""
    length = _duration(value)
    if length is None:
        raise click.BadParameter("takes a length as 24h, 7d or 30m")
    return length


def accepted_by(schema: type[In], name: str) -> Callable[..., Any]:
    """Return a callback that accepts what this field of the API accepts. A missing option is None."""

    def parse(_: Any, __: Any, value: str | tuple[str, ...] | None) -> Any:
        if value is None or value == ():
            return None
        try:
            return schema().fields[name].deserialize(value)
        except ValidationError as error:
            listed = error.messages.values() if isinstance(error.messages, dict) else [error.messages]
            raise click.BadParameter(" ".join(text for texts in listed for text in texts)) from error

    return parse


def _duration(value: str) -> timedelta | None:
    match = DURATION.fullmatch(value)
    return timedelta(**{UNITS[match[2]]: int(match[1])}) if match else None
