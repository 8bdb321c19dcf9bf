"""The OpenAPI 3.1 document: flask-smorest makes it import re
from the schemas; what every endpoint shares is written here, once."""

import re
from typing import Any

from flask import Flask
from flask_smorest import Api as SmorestApi

from catapult import errors, version
from catapult.api.wire.problems import MEDIA_TYPE
from catapult.contract.fields import Time
from catapult.contract.schemas import ProblemOut
from catapult.errors import Refusal

DESCRIPTION = """\
The registry and release desk for ML models that ship as container images.

Send a key as `X-API-Key` or as a bearer token. Errors are RFC 9457 problems, lists page by their `Link` headers, a `POST` with
an `Idempotency-Key` is safe to send again, and `x-role` names the role that an endpoint takes: viewer, publisher, releaser,
admin, each holding those before it."""

PARAMETERS: dict[str, dict[str, Any]] = {
    "RequestId": {
        "name": "X-Request-ID",
        "in": "header",
        "description": "Echoed, and in the log and the audit entry; any other than visible ASCII is replaced.",
        "schema": {"type": "string"},
    },
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "The same key, caller, path and body within 24 hours gives the first answer again.",
        "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
    },
    "IfMatch": {
        "name": "If-Match",
        "in": "header",
        "description": "The ETag that the change is based on; 412 if the thing was changed meanwhile.",
        "schema": {"type": "string"},
    },
    "IfNoneMatch": {
        "name": "If-None-Match",
        "in": "header",
        "description": "The ETag of the answer that the client holds; 304 if it is still that.",
        "schema": {"type": "string"},
    },
}

HEADERS: dict[str, dict[str, Any]] = {
    "ETag": {"description": "The row's counter and a hash of the answer.", "schema": {"type": "string"}},
    "Location": {"description": "The address of what was made.", "schema": {"type": "string"}},
    "Link": {"description": "RFC 8288: next and first.", "schema": {"type": "string"}},
    "X-Total-Count": {"description": "All rows; with count=true.", "schema": {"type": "integer"}},
    "Idempotency-Replayed": {"description": "true where this is the first answer again.", "schema": {"type": "string"}},
}


class Api(SmorestApi):  # type: ignore[misc]
    """flask-smorest's, which answers errors in a way of its own; `problems.py` does that here."""

    DEFAULT_ERROR_RESPONSE_NAME = None

    def _register_error_handlers(self) -> None:
        pass


def init_app(app: Flask) -> Api:
    """The document's frame; blueprints are registered with what is returned."""
    app.config.update(API_TITLE="Catapult", API_VERSION=version.VERSION, OPENAPI_VERSION="3.1.0")
    api = Api(app, spec_kwargs={"info": {"description": DESCRIPTION, "license": {"name": "MIT", "identifier": "MIT"}}})
    api.register_field(Time, "string", "date-time")
    components = api.spec.components
    components.security_scheme("key", {"type": "apiKey", "in": "header", "name": "X-API-Key"})
    components.security_scheme("bearer", {"type": "http", "scheme": "bearer"})
    components.schema("Problem", schema=ProblemOut)
    return api


def document(app: Flask, api: Api) -> dict[str, Any]:
    """The whole document, every status that an endpoint can give named."""
    found: dict[str, Any] = api.spec.to_dict()
    components = found["components"]
    for unused in ("responses", "headers", "parameters"):
        components.pop(unused, None)
    components["parameters"] = PARAMETERS
    components["responses"] = {kind.__name__: _problem(kind) for kind in errors.KINDS.values()}
    found["security"] = [{"key": []}, {"bearer": []}]
    said = _said(app)
    for path, item in found["paths"].items():
        for method, operation in item.items():
            if method in ("get", "post", "put", "delete"):
                _complete(operation, said[path, method], method)
    return found


def _said(app: Flask) -> dict[tuple[str, str], dict[str, Any]]:
    """What the decorators left on each view, by path and method."""
    found = {}
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        for method in rule.methods or ():
            found[path, method.lower()] = getattr(app.view_functions[rule.endpoint], "said", {})
    return found


def _complete(operation: dict[str, Any], said: dict[str, Any], method: str) -> None:
    role = said.get("role")
    if role:
        operation["x-role"] = str(role)
        operation["description"] = f"Takes the role {role}."
    else:
        operation["security"] = []
    operation["operationId"] = _operation_id(operation)
    operation.setdefault("parameters", []).extend(_references("parameters", _parameters(said, method)))
    operation["responses"].pop("422", None)  # flask-smorest's own, which names a response that is not there
    operation["responses"] = {**_refusals(operation, said, method), **operation["responses"]}
    _add_headers(operation, said, method)


def _operation_id(operation: dict[str, Any]) -> str:
    words = operation["summary"].replace("'s", "").replace(",", "").replace("-", " ").lower().split()
    return "_".join(word for word in words if word not in ("a", "an", "the"))


def _parameters(said: dict[str, Any], method: str) -> list[str]:
    names = ["RequestId"]
    if method == "post":
        names.append("IdempotencyKey")
    if method == "get" and said.get("etag"):
        names.append("IfNoneMatch")
    if errors.PreconditionFailed in said.get("refuses", ()):
        names.append("IfMatch")
    return names


def _refusals(operation: dict[str, Any], said: dict[str, Any], method: str) -> dict[str, Any]:
    """Every status beside success, each once; two kinds of one status are one entry."""
    kinds: set[type[Refusal]] = {errors.Invalid, errors.Internal, errors.Unavailable, *said.get("refuses", ())}
    if said.get("role"):
        kinds.add(errors.Unauthenticated)
        if said["role"] != "viewer":
            kinds.add(errors.Forbidden)
    if "requestBody" in operation:
        kinds |= {errors.BadRequest, errors.TooLarge, errors.UnsupportedMediaType}
    if method == "post":
        kinds.add(errors.Conflict)
    ordered = sorted(kinds, key=lambda kind: kind.status)  # a set's own order differs from process to process
    found: dict[str, Any] = {str(kind.status): _reference("responses", kind.__name__) for kind in ordered}
    if method == "get" and said.get("etag"):
        found["304"] = {"description": "The client holds this answer already."}
    return found


def _add_headers(operation: dict[str, Any], said: dict[str, Any], method: str) -> None:
    names = [name for name, flag in (("ETag", "etag"), ("Location", "location"), ("Link", "paged")) if said.get(flag)]
    names += ["X-Total-Count"] if said.get("paged") else []
    names += ["Idempotency-Replayed"] if method == "post" else []
    for status in ("200", "201"):
        if status in operation["responses"] and names:
            operation["responses"][status]["headers"] = {name: HEADERS[name] for name in names}


def _problem(kind: type[Refusal]) -> dict[str, Any]:
    response: dict[str, Any] = {
        "description": f"{kind.title}. {kind.advice}",
        "content": {MEDIA_TYPE: {"schema": _reference("schemas", "Problem")}},
    }
    if kind is errors.Unauthenticated:
        response["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    if kind is errors.Unavailable:
        response["headers"] = {"Retry-After": {"schema": {"type": "integer"}}}
    return response


def _reference(kind: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/components/{kind}/{name}"}


def _references(kind: str, names: list[str]) -> list[dict[str, str]]:
    return [_reference(kind, name) for name in names]
