"""Submitted forms, loaded with the schemas of the JSON API: both refuse the same input with the same messages."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from flask import Response, request
from marshmallow import Schema, fields

from catapult.contract import strict
from catapult.contract.fields import Flag, Metadata, Time, Whole, with_zone
from catapult.errors import BadRequest, Conflict, Forbidden, Invalid, PreconditionFailed, Refusal
from catapult.queries import audit_logs
from catapult.rules.normal_text import normal
from catapult.web import error_handlers
from catapult.web.origin import SAFE

NUMBER = re.compile(r"[+-]?(\d{1,400}\.?\d{0,400}|\.\d{1,400})([eE][+-]?\d{1,4})?", re.ASCII)
ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
POSITION = re.compile(r"line (\d+) column (\d+)")


@dataclass(frozen=True)
class Form:
    """A form to show: its texts, its errors by field, and the refusal of the form as a whole."""

    values: dict[str, str] = field(default_factory=dict)
    errors: dict[str, list[str]] = field(default_factory=dict)
    refusal: Refusal | None = None


METHODS = ("GET", "POST")
"""The methods of a form's address: GET shows it, POST submits it."""


def answer(act: Callable[[], Response], show: Callable[[Form, int], Response], first: Form | None = None) -> Response:
    """Show the form for a GET, with the values of `first`. For a POST return what `act` returns.

    If `act` refuses the input, show the form again with everything that was typed.
    """
    if request.method in SAFE:
        return show(first or Form(), 200)
    try:
        return act()
    except (Invalid, Conflict, PreconditionFailed, Forbidden) as refusal:
        error_handlers.record(refusal)  # ends the transaction, too, which a refusal by PostgreSQL has aborted
        errors = {name: _messages(details) for name, details in refusal.errors.items()}
        return show(Form(typed(), errors, refusal), refusal.status)


def typed() -> dict[str, str]:
    """Return the form's fields as they were typed."""
    return request.form.to_dict()


def read(schema: type[Schema], *, shown: dict[str, str] | None = None) -> dict[str, Any]:
    """Return the form's fields, loaded. Raises Invalid.

    Empty fields are left out. `shown` are the texts that the form was shown with: fields with the same text are left out,
    whatever line ends the browser sends, and empty ones clear the value.
    """
    data: dict[str, Any] = {}
    faults: dict[str, list[str]] = {}
    loader = schema()
    for name, kind in loader.load_fields.items():
        text = request.form.get(name)
        if text is None or (shown is not None and _plain(text) == _plain(shown.get(name, ""))):
            continue
        try:
            value = _value(kind, text.strip() if not isinstance(kind, Metadata) else text)
        except Invalid as fault:
            faults[name] = [fault.detail]
            continue
        if value is not None or shown is not None:
            data[name] = value
    faults |= {name: [message] for name, value in data.items() if (message := strict.fault(value))}
    return strict.load(loader, data, faults)


def counter() -> set[int] | None:
    """Return the row's counter that the form was shown with; None if it has none."""
    text = request.form.get("counter", "")
    return {int(text)} if re.fullmatch(r"\d{1,9}", text) else None


def shown_id(name: str) -> UUID | None:
    """Return the id of what the form was shown with, in its hidden field of that name; None if it has none."""
    return as_id(request.form.get(name, ""))


def as_id(text: str) -> UUID | None:
    """Return the text as an id; None if it is not one."""
    return UUID(text) if ID.fullmatch(text) else None


def changed_by(row: Any, status: int) -> str:
    """Return who changed the row last if the form was refused for that (412); otherwise an empty text."""
    return audit_logs.last_actor(UUID(row.id)) if status == 412 else ""


def check_typed(name: str) -> None:
    """Raise Invalid unless this name was typed as the confirmation."""
    if normal(request.form.get("confirm", "").strip()) != normal(name):
        raise Invalid("Type the name to confirm.", errors={"confirm": [f"Type {name} exactly as shown above."]})


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").strip()


def _value(kind: Any, text: str) -> Any:
    """Return the value that the JSON API would receive for this text; None for an empty one."""
    if not text.strip():
        return None
    if isinstance(kind, Metadata):
        return json_object(text)
    if isinstance(kind, fields.List):
        return [line.strip() for line in text.splitlines() if line.strip()]  # a label or a path may contain a comma
    if isinstance(kind, Whole):
        return int(text) if re.fullmatch(r"-?\d{1,30}", text) else text
    if isinstance(kind, fields.Float):
        if not NUMBER.fullmatch(text):
            return text
        return int(text) if re.fullmatch(r"[+-]?\d+", text) else float(text)
    if isinstance(kind, Flag):
        return {"true": True, "false": False}.get(text, text)
    if isinstance(kind, Time):
        return with_zone(text)
    return text.replace("\r\n", "\n")  # browsers send CR LF, which would count as a change


def json_object(text: str) -> Any:
    """Return the JSON that was typed. Raises Invalid with the line and column of the first error."""
    try:
        return strict.parse(text.encode("utf-8", "surrogatepass"))
    except BadRequest as error:
        message = str(error.__cause__)
        position = POSITION.search(message)
        where = f"Line {position[1]}, column {position[2]}: " if position else ""
        raise Invalid(f"Is not JSON. {where}{message.split(': line ')[0]}.") from error


def _messages(details: Any) -> list[str]:
    """Return every message; each invalid item of a list has its own."""
    if isinstance(details, dict | list):
        inner = details.values() if isinstance(details, dict) else details
        return [message for item in inner for message in _messages(item)]
    return [str(details)]
