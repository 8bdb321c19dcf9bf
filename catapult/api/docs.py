"""`/openapi.json`, which the page at `/docs` shows."""

from flask import Blueprint, Response, current_app, request

from catapult.api.wire import openapi
from catapult.api.wire.rendering import encode

blp = Blueprint("docs", __name__)
EXTENSION = "catapult-openapi"


@blp.get("/openapi.json")
def document() -> Response:
    """Return the OpenAPI document, generated once per process. Below a path of a proxy, its server is that path."""
    api, body = current_app.extensions[EXTENSION]
    if body is None:
        body = encode(openapi.document(current_app, api))
        current_app.extensions[EXTENSION] = api, body
    if request.script_root:
        body = encode({"servers": [{"url": request.script_root}]})[:-1] + b"," + body[1:]
    response = Response(body, content_type="application/json")
    response.add_etag()
    return response
