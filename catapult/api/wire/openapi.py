"""The OpenAPI 3.1 document: flask-smorest generates it from the schemas; this file adds what all endpoints share."""

import re
from typing import Any

from flask import Flask
from flask_smorest import Api as SmorestApi

from catapult import errors, version
from catapult.api.wire.blueprint import documentation
from catapult.api.wire.problems import MEDIA_TYPE
from catapult.contract.fields import Time
from catapult.contract.service import ProblemOut
from catapult.contract.webhooks import MessageOut
from catapult.errors import Refusal
from catapult.tables import EventType
from catapult.web.environment_name import EnvironmentName

DESCRIPTION = """\
The registry and release desk for ML models that ship as container images.

Send a key as `X-API-Key` or as a bearer token. Errors are RFC 9457 problems, lists are paged with `Link` headers, a `POST`
with an `Idempotency-Key` can be sent again safely, and `x-role` is the role that an endpoint needs: viewer, publisher, releaser or
admin, where each includes the roles before it. In a browser that is signed in this page reads without a key; what changes something
takes one."""


def _header(description: str, type_: str = "string", **more: Any) -> dict[str, Any]:
    return {"description": description, "schema": {"type": type_, **more}}


def _parameter(name: str, description: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "in": "header", **_header(description, **more)}


REPLAYED = "The same key, caller, path and body within 24 hours gives the first answer again."
PARAMETERS = {
    "RequestId": _parameter("X-Request-ID", "Echoed, logged and audited; replaced unless visible ASCII."),
    "IdempotencyKey": _parameter("Idempotency-Key", REPLAYED, pattern="^[!-~]{1,255}$"),
    "IfMatch": _parameter("If-Match", "The ETag that the change is based on; 412 if the row was changed since."),
    "IfNoneMatch": _parameter("If-None-Match", "The ETag of the answer that the client has; 304 if it is unchanged."),
}

HEADERS = {
    "ETag": _header("The row's counter and a hash of the answer; with -gzip if the answer is compressed."),
    "Location": _header("The address of what was created."),
    "Link": _header("RFC 8288: next and first."),
    "X-Total-Count": _header("The number of all rows, with count=true."),
    "X-Set-Aside": _header(
        "With order=semver: how many versions have names that are not numbers; at most 1,000 are counted."
    ),
    "Idempotency-Replayed": _header("true if this is the first answer again."),
}


SIGNED = (
    _parameter("webhook-id", "The delivery's id, the same at each try: ignore one that was received before."),
    _parameter("webhook-timestamp", "When this try was sent, in Unix seconds.", pattern="^[0-9]+$"),
    _parameter("webhook-signature", "HMAC-SHA-256 by Standard Webhooks, one a secret: `v1,…`."),
)
"""The headers of a message to a webhook."""


class Api(SmorestApi):  # type: ignore[misc]
    """flask-smorest's `Api` without its error handlers; `problems.py` answers errors here."""

    DEFAULT_ERROR_RESPONSE_NAME = None

    def _register_error_handlers(self) -> None:
        pass


def init_app(app: Flask) -> Api:
    """Return the object to register blueprints with."""
    app.config.update(API_TITLE="Catapult", API_VERSION=version.VERSION, OPENAPI_VERSION="3.1.0")
    api = Api(app, spec_kwargs={"info": {"description": DESCRIPTION, "license": {"name": "MIT", "identifier": "MIT"}}})
    api.register_field(Time, "string", "date-time")
    api.register_converter(EnvironmentName, lambda _: {"type": "string", "minLength": 1})
    components = api.spec.components
    components.security_scheme("key", {"type": "apiKey", "in": "header", "name": "X-API-Key"})
    components.security_scheme("bearer", {"type": "http", "scheme": "bearer"})
    components.schema("Problem", schema=ProblemOut)
    components.schema("Message", schema=MessageOut)
    return api


def document(app: Flask, api: Api) -> dict[str, Any]:
    """Return the whole document, with every status that an endpoint can answer."""
    whole: dict[str, Any] = api.spec.to_dict()
    components = whole["components"]
    for unused in ("responses", "headers", "parameters"):
        components.pop(unused, None)
    components["parameters"] = PARAMETERS
    components["responses"] = {kind.__name__: _problem(kind) for kind in errors.KINDS.values()}
    whole["security"] = [{"key": []}, {"bearer": []}]
    whole["webhooks"] = {str(kind): {"post": _message(kind)} for kind in EventType}
    for rule in app.url_map.iter_rules():
        item = whole["paths"].get(re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), {})
        for method in {method.lower() for method in rule.methods or ()} & item.keys():
            _complete(item[method], documentation(app.view_functions[rule.endpoint]), method)
    return whole


def _message(kind: EventType) -> dict[str, Any]:
    """Return the operation that a receiver of this event has to serve."""
    return {
        "summary": f"Receive {kind}",
        "operationId": f"receive_{kind.replace('.', '_')}",
        "security": [],
        "parameters": list(SIGNED),
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _reference("schemas", "Message")}},
        },
        "responses": {"2XX": {"description": "Received. Anything else is tried again; 410 ends the webhook."}},
    }


def _complete(operation: dict[str, Any], details: dict[str, Any], method: str) -> None:
    role = details.get("role")
    if role:
        operation["x-role"] = str(role)
        operation["description"] = f"Needs the role {role}."
    else:
        operation["security"] = []
    operation["operationId"] = _operation_id(operation)
    operation.setdefault("parameters", []).extend(_references("parameters", _parameters(details, method)))
    operation["responses"].pop("422", None)  # flask-smorest's own refers to a response that does not exist
    operation["responses"] = {**_refusals(operation, details, method), **operation["responses"]}
    _add_headers(operation, details, method)


def _operation_id(operation: dict[str, Any]) -> str:
    words = operation["summary"].replace("'s", "").replace(",", "").replace("-", " ").lower().split()
    return "_".join(word for word in words if word not in ("a", "an", "the"))


def _parameters(details: dict[str, Any], method: str) -> list[str]:
    names = ["RequestId"]
    if method == "post":
        names.append("IdempotencyKey")
    if method == "get" and details.get("etag"):
        names.append("IfNoneMatch")
    if errors.PreconditionFailed in details.get("refuses", ()):
        names.append("IfMatch")
    return names


def _refusals(operation: dict[str, Any], details: dict[str, Any], method: str) -> dict[str, Any]:
    """Return every status other than success; several kinds of one status share an entry."""
    kinds: set[type[Refusal]] = {errors.Invalid, errors.Internal, errors.Unavailable, *details.get("refuses", ())}
    if details.get("role"):
        kinds.add(errors.Unauthenticated)
        if details["role"] != "viewer":
            kinds.add(errors.Forbidden)
    if "requestBody" in operation:
        kinds |= {errors.BadRequest, errors.TooLarge, errors.UnsupportedMediaType}
    if method == "post":
        kinds.add(errors.Conflict)
    ordered = sorted(kinds, key=lambda kind: kind.status)  # the order of a set differs between processes
    responses: dict[str, Any] = {str(kind.status): _reference("responses", kind.__name__) for kind in ordered}
    if method == "get" and details.get("etag"):
        responses["304"] = {"description": "The client has this answer already."}
    return responses


def _add_headers(operation: dict[str, Any], details: dict[str, Any], method: str) -> None:
    flags = (("ETag", "etag"), ("X-Set-Aside", "set_aside"), ("Location", "location"), ("Link", "paged"))
    names = [name for name, flag in flags if details.get(flag)]
    names += ["X-Total-Count"] if details.get("paged") else []
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
