"""`ETag: "<row counter>-<hash of the answer>"`, and what `If-Match` sends back. `web/compression.py` answers 304."""

import hashlib
import re
from typing import Any

from flask import request

from catapult.errors import PreconditionFailed

TAG = re.compile(r'"(\d{1,18})-[0-9a-f]{16}(?:-gzip)?"')


def of(row: Any, body: bytes) -> str:
    """Return the answer's tag: the counter shows a change of the row itself, the hash any other change."""
    return f'"{row.counter}-{hashlib.blake2b(body, digest_size=8).hexdigest()}"'


def expected() -> set[int] | None:
    """Return the row counters that `If-Match` accepts, or None for any. A malformed tag matches nothing.

    Raises PreconditionFailed if all are weak: RFC 9110 requires strong comparison here.
    """
    sent = request.headers.get("If-Match", "*").strip()
    if sent == "*":
        return None
    tags = [tag.strip() for tag in sent.split(",")]
    if all(tag.startswith("W/") for tag in tags):
        raise PreconditionFailed(
            "If-Match takes strong tags, and W/ marks a weak one. A proxy that compresses answers makes tags weak: turn that off"
            " for /api, which Catapult compresses by itself."
        )
    return {int(match[1]) for tag in tags if (match := TAG.fullmatch(tag))}
