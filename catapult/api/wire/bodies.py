"""Strict reading of requests: JSON as in RFC 8259, known fields and parameters only, each once.

Replaces webargs below flask-smorest, which accepts unknown and repeated parameters, NaN, `1e400`, JSON sent as text,
U+0000 and a nesting of thousands.
"""

from collections.abc import Callable
from typing import Any

from flask import g, request
from marshmallow import Schema

from catapult.contract.fields import In
from catapult.contract.strict import bad_text, fault, load, parse
from catapult.errors import Invalid, UnsupportedMediaType
from catapult.web import body_bytes

NO_QUERY = Schema()


def receiver(schema: Schema, location: str) -> Callable[[], dict[str, Any]]:
    """Return a function that reads and loads the request's body or query.

    It raises BadRequest, UnsupportedMediaType, TooLarge or Invalid.
    """
    if location == "json":
        return lambda: load(schema, *body(getattr(schema, "media_types", In.media_types)))
    return lambda: load(schema, *query(schema)) if request.query_string or schema.load_fields else {}


def check_no_query() -> None:
    """Raise Invalid if the request has any query parameter, since it must be a typo."""
    if request.query_string:
        load(NO_QUERY, *query(NO_QUERY))


def body(media_types: tuple[str, ...] = In.media_types) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Return the request's JSON object and what is wrong in it. A missing body is an empty object."""
    check_no_query()
    raw = body_bytes.read()
    if raw or request.mimetype:
        _check_type(media_types)
    data = parse(raw) if raw else {}
    if not isinstance(data, dict):
        raise Invalid("Send a JSON object.", errors={"_schema": [f"Is {_kind(data)}; it must be an object."]})
    g.body = data
    return data, {name: [problem] for name, value in data.items() if (problem := fault(name) or fault(value))}


def query(schema: Schema) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Return the query's parameters and what is wrong with them."""
    known = f"Known parameters: {', '.join(schema.load_fields) or 'none'}."
    errors: dict[str, list[str]] = {}
    for name, values in request.args.lists():
        if name not in schema.load_fields:
            errors[name] = [f"Unknown parameter. {known}"]
        elif len(values) > 1:
            errors[name] = [f"Given {len(values)} times; give it once. {known}"]
        elif problem := bad_text(values[0]):
            errors[name] = [problem]
    return request.args.to_dict(), errors


def _check_type(media_types: tuple[str, ...]) -> None:
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    if request.mimetype not in media_types or charset not in ("utf-8", "utf8"):
        raise UnsupportedMediaType("Send the body as Content-Type: application/json, in UTF-8.")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("Send the body uncompressed, without Content-Encoding.")


def _kind(data: Any) -> str:
    return {list: "a list", str: "a string", bool: "true or false", type(None): "null"}.get(type(data), "a number")
