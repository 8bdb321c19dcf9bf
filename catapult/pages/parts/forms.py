"""What a form sends, read by the schemas of the JSON API, so that a page refuses what the API refuses in the same words."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from flask import Response, request
from marshmallow import Schema, fields

from catapult.contract import strict
from catapult.contract.fields import Flag, Metadata, Time, Whole, with_zone
from catapult.errors import BadRequest, Conflict, Invalid, PreconditionFailed, Refusal
from catapult.extensions import db

NUMBER = re.compile(r"[+-]?(\d{1,400}\.?\d{0,400}|\.\d{1,400})([eE][+-]?\d{1,4})?", re.ASCII)
PLACE = re.compile(r"line (\d+) column (\d+)")


@dataclass(frozen=True)
class Form:
    """A form as it is shown: what was typed or stored, what is wrong with it by field, and what is wrong with all of it."""

    values: dict[str, str] = field(default_factory=dict)
    errors: dict[str, list[str]] = field(default_factory=dict)
    refusal: Refusal | None = None


def submit(act: Callable[[], Response], show: Callable[[Form, int], Response]) -> Response:
    """What `act` answers; where it refuses what was typed, the form again with everything that was typed."""
    try:
        return act()
    except (Invalid, Conflict, PreconditionFailed) as refusal:
        db.session.rollback()  # what PostgreSQL refused has ended the transaction, and the page asks it for more
        errors = {name: _sentences(said) for name, said in refusal.errors.items()}
        return show(Form(typed(), errors, refusal), refusal.status)


def typed() -> dict[str, str]:
    """The form's fields as they were typed."""
    return request.form.to_dict()


def read(schema: type[Schema], *, shown: dict[str, str] | None = None) -> dict[str, Any]:
    """The form's fields, loaded. Raises Invalid.

    An empty one is left out. Where the form was `shown` with these texts, one that says the same is left out, whatever a browser
    makes of its line ends, and an empty one clears.
    """
    data: dict[str, Any] = {}
    faults: dict[str, list[str]] = {}
    made = schema()
    for name, kind in made.load_fields.items():
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
    for name, value in data.items():
        if found := strict.fault(value):
            faults[name] = [found]
    return strict.load(made, data, faults)


def counter() -> set[int] | None:
    """The row's counter that the form was shown with; None where it says none."""
    text = request.form.get("counter", "")
    return {int(text)} if re.fullmatch(r"\d{1,9}", text) else None


def check_typed(name: str) -> None:
    """Nothing, if the form holds that name as its confirmation. Raises Invalid."""
    if request.form.get("confirm", "").strip() != name:
        raise Invalid("Type the name to confirm.", errors={"confirm": [f"Type {name} here, as it stands above."]})


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").strip()


def _value(kind: Any, text: str) -> Any:
    """The text as the JSON API would have been sent it; None for an empty one."""
    if not text.strip():
        return None
    if isinstance(kind, Metadata):
        return json_object(text)
    if isinstance(kind, fields.List):
        return [one.strip() for one in text.splitlines() if one.strip()]  # a label or a path may hold a comma
    if isinstance(kind, Whole):
        return int(text) if re.fullmatch(r"-?\d{1,30}", text) else text
    if isinstance(kind, fields.Float):
        return float(text) if NUMBER.fullmatch(text) else text
    if isinstance(kind, Flag):
        return {"true": True, "false": False}.get(text, text)
    if isinstance(kind, Time):
        return with_zone(text)
    # A browser sends every line's end as two characters, which would count as a change.
    return text.replace("\r\n", "\n")


def json_object(text: str) -> Any:
    """The JSON that was typed. Raises Invalid, with the line and the column of what is no JSON."""
    try:
        return strict.parse(text.encode("utf-8", "surrogatepass"))
    except BadRequest as error:
        said = str(error.__cause__)
        place = PLACE.search(said)
        where = f"line {place[1]}, column {place[2]}: " if place else ""
        what = said.split(": line ")[0]
        raise Invalid(f"Is not JSON. {where[:1].upper()}{where[1:]}{what}.") from error


def _sentences(said: Any) -> list[str]:
    """Every sentence in it: of a list, each item that is at fault has its own."""
    if isinstance(said, dict | list):
        return [one for inner in (said.values() if isinstance(said, dict) else said) for one in _sentences(inner)]
    return [str(said)]
