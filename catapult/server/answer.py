"""Run the application for one request, and send its answer."""

from collections.abc import Callable
from typing import Any


def answer(app: Callable[..., Any], environ: dict[str, Any], response: Any) -> None:
    """Send the application's answer by gunicorn's `response`, and close its body whatever happens."""
    body = app(environ, response.start_response)
    try:
        for part in body:
            response.write(part)
        response.close()
    finally:
        if hasattr(body, "close"):
            body.close()
