"""The decorator of every endpoint: its address and methods, who may call it, and the message that it takes."""

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any

from flask import Blueprint, Response, g, request
from marshmallow import Schema, fields

from catapult.contract import strict
from catapult.errors import Invalid
from catapult.extensions import autocommit
from catapult.mlflow.wire.messages import encode
from catapult.tables import Role
from catapult.web import auth, body_bytes
from catapult.web.error_handlers import try_again

PREFIXES = {"mlflow": "/api/2.0/mlflow", "mlflow_ajax": "/ajax-api/2.0/mlflow"}
DOOR = "mlflow"
View = Callable[..., dict[str, Any] | None]


def endpoint(
    blp: Blueprint, methods: str, path: str, role: Role, schema: type[Schema], *, one_statement: bool = False
) -> Callable[[View], Callable[[], Response]]:
    """Return a decorator for a view of these methods that needs this role or a higher one.

    The view gets the fields of the message and returns the answer's, or None for an empty answer. A view with the method `GET` only
    reads. `one_statement` says that its change is a single statement, which needs no transaction.
    """
    message = schema()

    def decorator(view: View) -> Callable[[], Response]:
        @wraps(view)
        def wrapper() -> Response:
            if "GET" in methods or one_statement:
                autocommit()
            g.actor = replace(auth.authenticate(), door=DOOR)
            g.actor.needs(role)
            answer = try_again(view, **_received(message))
            return Response(encode(answer or {}), content_type="application/json")

        blp.add_url_rule(path, view.__name__, wrapper, methods=methods.split())
        return wrapper

    return decorator


def _received(message: Schema) -> dict[str, Any]:
    """Return the fields of the message, from the query of a GET and the body of any other request. Raises Invalid, BadRequest."""
    data = _query(message) if request.method in ("GET", "HEAD") else strict.parse(body_bytes.read() or b"{}")
    if not isinstance(data, dict):
        raise Invalid("Send a JSON object.")
    known = {name: value for name, value in data.items() if name in message.load_fields}
    faults = {name: [fault] for name, value in known.items() if (fault := strict.fault(value))}
    return strict.load(message, known, faults)


def _query(message: Schema) -> dict[str, Any]:
    return {
        name: values if isinstance(message.load_fields.get(name), fields.List) else values[-1]
        for name, values in request.args.lists()
    }
