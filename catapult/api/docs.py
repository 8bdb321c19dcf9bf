"""`/openapi.json`, `/docs` by Swagger UI from files of our own, and `/docs/errors/…`, a page for each kind of problem."""

from flask import Blueprint, Response, current_app, render_template, request

from catapult import errors
from catapult.api.wire import openapi
from catapult.api.wire.rendering import encode

blp = Blueprint("docs", __name__)
EXTENSION = "catapult-openapi"


@blp.get("/openapi.json")
def document() -> Response:
    """The OpenAPI document; made once a process."""
    api, made = current_app.extensions[EXTENSION]
    if made is None:
        made = encode(openapi.document(current_app, api))
        current_app.extensions[EXTENSION] = api, made
    response = Response(made, content_type="application/json")
    response.add_etag()
    return response.make_conditional(request)  # type: ignore[return-value]


@blp.get("/docs")
def swagger() -> str:
    """Swagger UI; works with no network."""
    return render_template("docs/index.html")


@blp.get("/docs/errors/<code>")
def explain(code: str) -> str:
    """What a problem's `type` leads to."""
    kind = errors.KINDS.get(code)
    if kind is None:
        raise errors.NotFound(f"There is no kind of problem {code!r}. Those there are: {', '.join(errors.KINDS)}.")
    return render_template("docs/error.html", kind=kind, kinds=errors.KINDS.values())
