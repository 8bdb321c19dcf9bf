"""`/openapi.json`, `/docs` with a bundled Swagger UI, and `/docs/errors/…`, a page for each kind of problem."""

from flask import Blueprint, Response, current_app, render_template

from catapult import errors
from catapult.api.wire import openapi
from catapult.api.wire.rendering import encode

blp = Blueprint("docs", __name__)
EXTENSION = "catapult-openapi"


@blp.get("/openapi.json")
def document() -> Response:
    """Return the OpenAPI document, generated once per process."""
    api, body = current_app.extensions[EXTENSION]
    if body is None:
        body = encode(openapi.document(current_app, api))
        current_app.extensions[EXTENSION] = api, body
    response = Response(body, content_type="application/json")
    response.add_etag()
    return response


@blp.get("/docs")
def swagger() -> str:
    """Return Swagger UI, which works offline."""
    return render_template("docs/index.html")


@blp.get("/docs/errors/<code>")
def explain(code: str) -> str:
    """Return the page that a problem's `type` links to."""
    kind = errors.KINDS.get(code)
    if kind is None:
        raise errors.NotFound(f"There is no kind of problem {code!r}. The kinds are {', '.join(errors.KINDS)}.")
    return render_template("docs/error.html", kind=kind, kinds=errors.KINDS.values())
