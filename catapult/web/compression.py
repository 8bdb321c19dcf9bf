"""Gzip for text answers, and 304 if the client has the answer already.

Each encoding has a strong ETag of its own (`"5-0af3"` and `"5-0af3-gzip"`), so the encoding is chosen before tags are
compared. An answer with `Cache-Control: no-transform` stays as it is: compressing a secret beside text that the client
chose would leak it by the answer's length (BREACH). So does a stream, which has no length.
"""

import gzip
import re

from flask import Flask, Response, request

SMALLEST = 1024
LEVEL = 1
"""A seventh of the time of level 6, for a tenth more bytes."""
TEXT = re.compile(r"text/.+|application/(.+\+)?json|application/(javascript|openmetrics-text)|image/svg\+xml")


def init_app(app: Flask) -> None:
    """Compress every answer of the application that may be."""
    app.after_request(encode)


def encode(response: Response) -> Response:
    """For `after_request`: choose the encoding, then send 304 or the body in it."""
    compressed = False
    if _varies(response):
        response.vary.add("Accept-Encoding")
        compressed = _is_whole(response) and _accepts_gzip()
    if compressed:
        tag, weak = response.get_etag()
        if tag:
            response.set_etag(f"{tag}-gzip", bool(weak))
    if _client_has(response):
        response.status_code = 304
    elif compressed:
        _compress(response)
    return response


def _varies(response: Response) -> bool:
    """Return whether the answer is a long text, or says that the client has it. A stream has no length."""
    return (
        (response.status_code == 304 or (response.content_length or 0) > SMALLEST)
        and TEXT.fullmatch(response.mimetype or "") is not None
        and not response.cache_control.no_transform
    )


def _is_whole(response: Response) -> bool:
    return response.status_code not in (206, 304) and "Content-Encoding" not in response.headers


def _accepts_gzip() -> bool:
    accepted = request.accept_encodings
    return 0 < accepted.quality("gzip") >= accepted.quality("identity")


def _client_has(response: Response) -> bool:
    """Return whether the client says that it has this answer. A proxy may have weakened the tag."""
    if "If-None-Match" not in request.headers or request.method not in ("GET", "HEAD") or response.status_code != 200:
        return False
    tag, _ = response.get_etag()
    return tag is not None and request.if_none_match.contains_weak(tag)


def _compress(response: Response) -> None:
    response.direct_passthrough = False  # a static file is read here
    response.set_data(gzip.compress(response.get_data(), LEVEL, mtime=0))  # the same bytes each time: the tag is strong
    response.headers["Content-Encoding"] = "gzip"
    response.headers.pop("Accept-Ranges", None)
