"""Gzip for text answers, and 304 for what the client already has.

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
    if TEXT.fullmatch(response.mimetype or "") and not response.cache_control.no_transform:
        response.vary.add("Accept-Encoding")
        compressed = _is_long(response) and _accepts_gzip()
    tag, weak = response.get_etag()
    if tag and compressed:
        tag = f"{tag}-gzip"
        response.set_etag(tag, bool(weak))
    if tag and _has(tag) and response.status_code == 200:
        response.status_code = 304
    elif compressed:
        _compress(response)
    return response


def _is_long(response: Response) -> bool:
    """Return whether this is a whole body worth compressing; a stream has no length."""
    whole = response.status_code not in (206, 304) and "Content-Encoding" not in response.headers
    return whole and (response.content_length or 0) > SMALLEST


def _accepts_gzip() -> bool:
    accepted = request.accept_encodings
    return 0 < accepted.quality("gzip") >= accepted.quality("identity")


def _has(tag: str) -> bool:
    """Return whether the client says that it has the answer with this tag. A proxy may have made the tag weak."""
    return request.method in ("GET", "HEAD") and request.if_none_match.contains_weak(tag)


def _compress(response: Response) -> None:
    response.direct_passthrough = False  # a static file is read here
    response.set_data(gzip.compress(response.get_data(), LEVEL, mtime=0))  # the same bytes each time: the tag is strong
    response.headers["Content-Encoding"] = "gzip"
    response.headers.pop("Accept-Ranges", None)
