"""What people send, read strictly: JSON as RFC 8259 has it, every field known, nothing that PostgreSQL could not hold.

For whoever takes input: the JSON API's bodies, and the pages' forms.
"""

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
    """Valid JSON that nothing here could hold; the message says what."""


def load(schema: Schema, data: dict[str, Any], faults: dict[str, Any]) -> dict[str, Any]:
    """The data as the schema has it. Raises Invalid, naming every field at fault: `faults` were found before."""
    try:
        loaded: dict[str, Any] = schema.load({name: value for name, value in data.items() if name not in faults})
    except ValidationError as error:
        raise invalid({**error.messages_dict, **faults}) from error
    if faults:
        raise invalid(dict(faults))
    return loaded


def invalid(errors: dict[str, Any]) -> Invalid:
    """The refusal for those fields."""
    whole = errors.pop("_schema", None)
    names = ", ".join(str(name) for name in errors)
    detail = f"Correct {names}: `errors` says what each takes." if names else " ".join(whole or ["Correct the body."])
    return Invalid(detail, errors={**errors, **({"_schema": whole} if whole else {})})


def parse(raw: bytes) -> Any:
    """JSON that can be stored and given back as it came. Raises BadRequest, Invalid."""
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
        too_deep = f"The JSON is nested deeper than {MAX_DEPTH} levels."
        raise Invalid(too_deep, errors={"_schema": [too_deep]}) from error
    except ValueError as error:
        raise BadRequest(f"The body is not JSON: {error}.") from error


def fault(value: Any) -> str | None:
    """What is wrong somewhere in the value, None if nothing is. Without recursion: depth is the client's choice."""
    for part, depth in _parts(value):
        if depth > MAX_DEPTH:
            return f"Is nested deeper than {MAX_DEPTH} levels."
        if isinstance(part, str) and (found := bad_text(part)):
            return found
    return None


def _parts(value: Any) -> Iterator[tuple[Any, int]]:
    """The value, and everything in it with how many objects and lists are around it, itself included."""
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
    if "\x00" in text:
        return "Holds the character U+0000, which PostgreSQL cannot store. Leave it out."
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        return "Holds half of a surrogate pair, which is no character. Leave it out."
    return None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON; send null or a string instead")


def _float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise Unusable(f"The number {text[:40]} is beyond what a 64-bit float holds.")
    return number


def _int(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise Unusable(f"A number has {len(text)} digits; at most {MAX_DIGITS} are taken.")
    number = int(text)
    if len(text) > 308 and math.isinf(_as_float(number)):
        raise Unusable(f"The number {text[:40]}… is beyond what a 64-bit float holds.")
    return number


def _as_float(number: int) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose names differ: PostgreSQL would keep the last of two silently."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise Unusable(f"The name {twice[:80]!r} stands twice in one object.")
    return found
