"""The headers that every answer has."""

from flask import Response, request

from catapult.web import auth, traceparent

SECURITY = [
    (
        "Content-Security-Policy",
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
]


def add_headers(response: Response) -> None:
    """Add the request's id and trace, the security headers, and for the JSON API that caches must ask again."""
    response.headers.extend(
        [("X-Request-ID", auth.request_id()), ("traceparent", str(traceparent.current())), *SECURITY]
    )
    if request.is_secure:
        response.headers["Strict-Transport-Security"] = "max-age=31536000"
    if request.path.startswith("/api/"):
        response.headers["Cache-Control"] = "no-cache"
