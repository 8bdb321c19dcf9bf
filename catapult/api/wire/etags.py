"""`ETag: "<row counter>-<hash of the answer>"`, and what clients send of it back."""

import hashlib
import re
from typing import Any

from flask import Response, request

TAG = re.compile(r'(?:W/)?"(\d{1,18})-[0-9a-f]{16}"')


def of(row: Any, body: bytes) -> str:
    """The answer's tag: the counter tells changes of the thing itself, the hash any other."""
    return f'"{row.counter}-{hashlib.blake2b(body, digest_size=8).hexdigest()}"'


def unless_unchanged(response: Response, tag: str) -> Response:
    """The response with its tag; 304 without a body where the client holds this very answer."""
    response.headers["ETag"] = tag
    sent = request.headers.get("If-None-Match")
    if sent and request.method in ("GET", "HEAD") and (sent.strip() == "*" or tag in _listed(sent)):
        return Response(status=304, headers={"ETag": tag})
    return response


def expected() -> set[int] | None:
    """The counters that `If-Match` takes; None for any. A tag that is none of ours matches nothing."""
    sent = request.headers.get("If-Match")
    if sent is None or sent.strip() == "*":
        return None
    return {int(match[1]) for match in map(TAG.fullmatch, _raw(sent)) if match}


def _raw(sent: str) -> list[str]:
    return [part.strip() for part in sent.split(",")]


def _listed(sent: str) -> set[str]:
    """Without `W/`: a proxy that compresses marks a tag as weak, and it still names this answer."""
    return {part.removeprefix("W/") for part in _raw(sent)}
