"""Refusals in MLflow's form. Clients retry any status from 500 up for minutes, so only 503 is used: the database will be back."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager

from flask import Response, request

from catapult import errors
from catapult.errors import Blocked, Conflict, Refusal
from catapult.web import auth

MLFLOW_PATH = re.compile(r"/(ajax-)?api/[0-9.]+/mlflow(/|\Z)")
NOT_SERVED = (
    "Catapult has no {}: it is the registry of MLflow's clients and has models, versions, tags and aliases. Runs, experiments, "
    "logged models, traces and webhooks are at the tracking server: set MLFLOW_TRACKING_URI to that."
)


class AlreadyExists(Conflict):
    """A name is taken. Clients that register a version create its model first, and expect this refusal if the model exists."""


CODES: dict[type[Refusal], tuple[str, int]] = {
    AlreadyExists: ("RESOURCE_ALREADY_EXISTS", 400),
    errors.Unauthenticated: ("UNAUTHENTICATED", 401),
    errors.Forbidden: ("PERMISSION_DENIED", 403),
    errors.Conflict: ("PERMISSION_DENIED", 403),
    errors.NotFound: ("RESOURCE_DOES_NOT_EXIST", 404),
    errors.PreconditionFailed: ("RESOURCE_CONFLICT", 409),
    errors.Invalid: ("INVALID_PARAMETER_VALUE", 400),
    errors.BadRequest: ("BAD_REQUEST", 400),
    errors.TooLarge: ("INVALID_PARAMETER_VALUE", 400),
    errors.RateLimited: ("REQUEST_LIMIT_EXCEEDED", 429),
    errors.Unavailable: ("TEMPORARILY_UNAVAILABLE", 503),
}
OTHER = ("INTERNAL_ERROR", 400)


def is_mlflow_request() -> bool:
    """Return whether a client of MLflow sent the request."""
    return MLFLOW_PATH.match(request.path) is not None


def answer(refusal: Refusal) -> Response:
    """Return the error message."""
    code, status = next((CODES[kind] for kind in type(refusal).__mro__ if kind in CODES), OTHER)
    message = refusal.detail
    if refusal.errors and type(refusal) is errors.Invalid:
        message = " ".join(f"Invalid value for {field}: {text}" for field, text in _texts(refusal.errors))
    if request.url_rule is None and isinstance(refusal, errors.NotFound | errors.MethodNotAllowed):
        code, status, message = "ENDPOINT_NOT_FOUND", 404, NOT_SERVED.format(f"{request.method} {request.path}")
    if code == OTHER[0]:
        message += f" request_id: {auth.request_id()}"
    response = Response(json.dumps({"error_code": code, "message": message}), status, content_type="application/json")
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="catapult"'
    if refusal.retry_after is not None:
        response.headers["Retry-After"] = str(refusal.retry_after)
    return response


def _texts(faults: object, field: str = "") -> Iterator[tuple[str, str]]:
    """Yield each field with a sentence about it. Fields within others have dotted names."""
    if isinstance(faults, dict):
        for name, inner in faults.items():
            yield from _texts(inner, f"{field}.{name}" if field else str(name))
    else:
        yield from ((field, str(text)) for text in (faults if isinstance(faults, list) else [faults]))


@contextmanager
def already_exists(message: str) -> Iterator[None]:
    """Raise AlreadyExists, with this message, instead of a Conflict, unless a gate or a freeze raised it."""
    try:
        yield
    except Conflict as conflict:
        if isinstance(conflict, Blocked | errors.Frozen):
            raise
        raise AlreadyExists(message) from conflict
