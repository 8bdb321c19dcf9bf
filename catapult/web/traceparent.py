"""W3C Trace Context: continue the request's trace with a span of our own.

Source: https://www.w3.org/TR/trace-context/, version 00. `tracestate` is ignored, since requests make no calls of their own.
"""

import re
import secrets
from typing import NamedTuple

from flask import request

ENVIRON = "catapult.trace"
TRACEPARENT = re.compile(
    r"(?P<version>(?!ff)[0-9a-f]{2})-(?P<trace>(?!0{32})[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?"
)
SAMPLED = 1


class Trace(NamedTuple):
    """The trace id (16 bytes in hex), our span id (8 bytes in hex) and whether the caller may have recorded it."""

    trace_id: str
    span_id: str
    flags: int

    def __str__(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{self.flags:02x}"


def current() -> Trace:
    """Return this request's trace: the one in `traceparent`, or a new one."""
    trace: Trace | None = request.environ.get(ENVIRON)
    if trace is None:
        trace = request.environ[ENVIRON] = continued(request.headers.get("traceparent", ""))
    return trace


def continued(traceparent: str) -> Trace:
    """Return a new span in that trace, or in a new trace if it is malformed. Only the `sampled` flag is passed on."""
    match = TRACEPARENT.fullmatch(traceparent.strip())
    if match is None or (match["version"] == "00" and match["more"]):
        return Trace(secrets.token_hex(16), secrets.token_hex(8), SAMPLED)
    return Trace(match["trace"], secrets.token_hex(8), int(match["flags"], 16) & SAMPLED)
