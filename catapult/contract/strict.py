"""Strict input for bodies and forms: JSON as in RFC 8259, known fields only, nothing that PostgreSQL cannot store."""

import json
import math
from collections import Counter
from collections.abc import Iterator
from typing import Any, NoReturn

from marshmallow import Schema, ValidationError

from catapult.errors import BadRequest, Invalid

MAX_DEPTH = 32
MAX_DIGITS = 4_300


class Unusable(ValueError):
    """Valid JSON that cannot be stored; the message says why."""


def load(schema: Schema, data: dict[str, Any], faults: dict[str, Any]) -> dict[str, Any]:
    """Return the data loaded by the schema. Raises Invalid, naming every bad field, with the `faults` already known."""
    try:
        loaded: dict[str, Any] = schema.load({name: value for name, value in data.items() if name not in faults})
    except ValidationError as error:
        raise invalid({**error.messages_dict, **faults}) from error
    if faults:
        raise invalid(dict(faults))
    return loaded


def invalid(errors: dict[str, Any]) -> Invalid:
    """Return the refusal for these fields."""
    whole = errors.pop("_schema", None)
    names = ", ".join(str(name) for name in errors)
    detail = (
        f"Correct {names}. `errors` says what is wrong with each."
        if names
        else " ".join(whole or ["Correct the body."])
    )
    return Invalid(detail, errors={**errors, **({"_schema": whole} if whole else {})})


def parse(raw: bytes) -> Any:
    """Return parsed JSON that can be stored and given back unchanged. Raises BadRequest, Invalid."""
    try:
        return json.loads(
            raw.decode("utf-8"),
            parse_constant=_no_constant,
            parse_float=_float,
            parse_int=_int,
            object_pairs_hook=_object,
        )
    except Unusable as error:
        raise Invalid(str(error), errors={"_schema": [str(error)]}) from error
    except RecursionError as error:
        message = f"The JSON is nested deeper than {MAX_DEPTH} levels."
        raise Invalid(message, errors={"_schema": [message]}) from error
    except ValueError as error:
        raise BadRequest(f"The body is not JSON: {error}.") from error


def fault(value: Any) -> str | None:
    """Return what is wrong anywhere in the value, or None. Not recursive, since the client chooses the depth."""
    for part, depth in _parts(value):
        if depth > MAX_DEPTH:
            return f"Is nested deeper than {MAX_DEPTH} levels."
        if isinstance(part, str) and (problem := bad_text(part)):
            return problem
    return None


def _parts(value: Any) -> Iterator[tuple[Any, int]]:
    """Yield the value and everything in it, each with its depth."""
    pending = [(value, 0)]
    while pending:
        part, depth = pending.pop()
        if isinstance(part, dict):
            depth += 1
            pending.extend((inner, depth) for pair in part.items() for inner in pair)
        elif isinstance(part, list):
            depth += 1
            pending.extend((inner, depth) for inner in part)
        yield part, depth


def bad_text(text: str) -> str | None:
    """Return why PostgreSQL cannot store the text, or None."""
    if "\x00" in text:
        return "Contains the character U+0000, which PostgreSQL cannot store. Remove it."
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        return "Contains half of a surrogate pair, which is not a character. Remove it."
    return None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON; send null or a string instead")


def _float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise Unusable(f"The number {text[:40]} is beyond the range of a 64-bit float.")
    return number


def _int(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise Unusable(f"A number has {len(text)} digits; the limit is {MAX_DIGITS}.")
    number = int(text)
    try:
        float(number)
    except OverflowError as error:
        raise Unusable(f"The number {text[:40]}… is beyond the range of a 64-bit float.") from error
    return number


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object. Raises Unusable for a repeated name, of which PostgreSQL would keep only the last."""
    value = dict(pairs)
    if len(value) < len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise Unusable(f"The name {twice[:80]!r} appears twice in one object.")
    return value
