"""W3C Trace Context: the trace that a request belongs to goes on, with a span of our own.

Source: https://www.w3.org/TR/trace-context/, version 00. A `tracestate` is for those we would call, and we call nobody.
"""

import re
import secrets
from typing import NamedTuple

from flask import request

KEPT = "catapult.trace"
TRACEPARENT = re.compile(
    r"(?P<version>(?!ff)[0-9a-f]{2})-(?P<trace>(?!0{32})[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?"
)
SAMPLED = 1


class Trace(NamedTuple):
    """The trace's id (16 bytes in hex), our span's (8 bytes), and whether who asks may have recorded it."""

    trace_id: str
    span_id: str
    flags: int

    def __str__(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{self.flags:02x}"


def current() -> Trace:
    """This request's: the one that `traceparent` names, or a new one where it names none."""
    found: Trace | None = request.environ.get(KEPT)
    if found is None:
        found = request.environ[KEPT] = continued(request.headers.get("traceparent", ""))
    return found


def continued(traceparent: str) -> Trace:
    """A span in that trace; in a new one if that cannot be read. Of the flags only the one that is known is passed on."""
    match = TRACEPARENT.fullmatch(traceparent.strip())
    if match is None or (match["version"] == "00" and match["more"]):
        return Trace(_random(16), _random(8), SAMPLED)
    return Trace(match["trace"], _random(8), int(match["flags"], 16) & SAMPLED)


def _random(size: int) -> str:
    """So many bytes in hex. All zeros would mean none, and will not come in the life of the universe."""
    return secrets.token_hex(size)
