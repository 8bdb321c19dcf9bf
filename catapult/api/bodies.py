"""What a request sends, read strictly: JSON as RFC 8259 has it, every field and parameter known, each once.

Takes the place of webargs below flask-smorest, which lets unknown and repeated parameters, NaN, `1e400`, JSON sent as text,
U+0000 and a nesting of thousands through.
"""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NoReturn

from flask import g, request
from marshmallow import Schema, ValidationError
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from catapult.errors import BadRequest, Invalid, TooLarge, UnsupportedMediaType

MAX_DEPTH = 32
MAX_DIGITS = 4_300
NO_QUERY = Schema()
TOO_LARGE = "The body has more than 1 MiB. Store large things elsewhere and register their address."


class Unusable(ValueError):
    """Valid JSON that nothing here could hold; the message says what."""


def receiver(schema: Schema, location: str) -> Callable[[], dict[str, Any]]:
    """A function that gives what the request sent in that place, loaded.

    Raises BadRequest, UnsupportedMediaType, TooLarge, Invalid.
    """
    if location == "json":
        return lambda: load(schema, *body())
    return lambda: load(schema, *query(schema)) if request.query_string or schema.load_fields else {}


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


def body() -> tuple[dict[str, Any], dict[str, list[str]]]:
    """The request's JSON object and what is wrong in it. A missing body is an empty object: what is required names itself."""
    if request.query_string:
        load(NO_QUERY, *query(NO_QUERY))
    raw = _raw()
    if raw or request.mimetype:
        _check_type()
    data = parse(raw) if raw else {}
    if not isinstance(data, dict):
        raise Invalid("Send a JSON object.", errors={"_schema": [f"Is {_kind(data)}; it has to be an object."]})
    g.body = data
    return data, {name: [fault] for name, value in data.items() if (fault := _fault(name) or _fault(value))}


def query(schema: Schema) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """The query's parameters and what is wrong with them: one that is unknown or repeated names those there are."""
    known = f"Known here: {', '.join(schema.load_fields) or 'none'}."
    errors: dict[str, list[str]] = {}
    for name, values in request.args.lists():
        if name not in schema.load_fields:
            errors[name] = [f"Unknown parameter. {known}"]
        elif len(values) > 1:
            errors[name] = [f"Given {len(values)} times; give it once. {known}"]
        elif fault := _bad_text(values[0]):
            errors[name] = [fault]
    return request.args.to_dict(), errors


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


def _raw() -> bytes:
    try:
        raw = request.get_data(cache=True)
    except RequestEntityTooLarge as error:
        raise TooLarge(TOO_LARGE) from error
    except HTTPException:
        raise
    except Exception as error:  # whatever the server has for a bad chunk or a client that went away
        raise BadRequest("The body could not be read to its end. Send it again, whole.") from error
    if request.content_length is None and len(raw) >= (request.max_content_length or math.inf):
        raise TooLarge(TOO_LARGE)  # a chunked body is cut off at the limit without a word
    return raw


def drain() -> None:
    """What the client still sends is read, within the limit: an answer before that would cut its connection."""
    with suppress(Exception):
        request.get_data(cache=False)


def _check_type() -> None:
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    if request.mimetype != "application/json" or charset not in ("utf-8", "utf8"):
        raise UnsupportedMediaType("Send the body as Content-Type: application/json, in UTF-8.")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("Send the body uncompressed, without Content-Encoding.")


def _fault(value: Any) -> str | None:
    """What is wrong somewhere in the value, None if nothing is. Without recursion: depth is the client's choice."""
    for part, depth in _parts(value):
        if depth > MAX_DEPTH:
            return f"Is nested deeper than {MAX_DEPTH} levels."
        if isinstance(part, str) and (fault := _bad_text(part)):
            return fault
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


def _bad_text(text: str) -> str | None:
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


def _kind(data: Any) -> str:
    return {list: "a list", str: "a string", bool: "true or false", type(None): "null"}.get(type(data), "a number")
