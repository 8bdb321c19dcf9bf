"""Headers that every answer has."""

from flask import Response, request

from catapult.web import auth, traceparent

POLICY = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
SECURITY = [
    ("Content-Security-Policy", POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
]


def add_headers(response: Response) -> None:
    """Add the request id, the trace, the security headers, and `no-cache` for the JSON API."""
    response.headers.extend(
        [("X-Request-ID", auth.request_id()), ("traceparent", str(traceparent.current())), *SECURITY]
    )
    if request.is_secure:
        response.headers["Strict-Transport-Security"] = "max-age=31536000"
    if request.path.startswith("/api/"):
        response.headers.setdefault("Cache-Control", "no-cache")
