"""Headers that every answer has."""

from datetime import timedelta

from flask import Response, g, request

from catapult.rules.json_text import rfc3339
from catapult.web import auth, traceparent

POLICY = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
SECURITY = [
    ("Content-Security-Policy", POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
]
KEY_EXPIRES = "Catapult-Key-Expires"
WARN_BEFORE = timedelta(days=7)
"""How long before its end each answer of the JSON API has a key's expiry."""


def add_headers(response: Response) -> None:
    """Add the request id, the trace, the security headers, and for the JSON API `no-cache` and the end of a key that ends soon."""
    response.headers.extend(
        [("X-Request-ID", auth.request_id()), ("traceparent", str(traceparent.current())), *SECURITY]
    )
    if request.is_secure:
        response.headers["Strict-Transport-Security"] = "max-age=31536000"
    if request.path.startswith(("/api/", "/ajax-api/")):
        if auth.sent_token() is not None:
            response.headers.setdefault("Cache-Control", "private, no-cache")
            response.vary.update(("Cookie", *auth.KEY_HEADERS))
        response.headers.setdefault("Cache-Control", "no-cache")
        ends = g.actor.expires_at if "actor" in g else None
        if ends is not None and ends - g.used_at <= WARN_BEFORE:
            response.headers[KEY_EXPIRES] = rfc3339(ends)
