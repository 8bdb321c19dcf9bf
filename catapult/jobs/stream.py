"""Send the sealed entries of the audit log to a syslog collector, each at least once, in their order."""

import socket
import time
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

from catapult.actions import audit_stream
from catapult.config import Settings
from catapult.extensions import current_settings
from catapult.jobs import syslog
from catapult.jobs.queue import JobFailed
from catapult.queries import audit_export
from catapult.rules import syslog_message

BATCH = 1_000
LARGE = 1024 * 1024
"""Bytes after which a batch ends: few entries have much metadata."""
LONGEST = 5.0
"""Seconds after which no further batch begins. The next run continues."""
UNSET = 60.0


def run(_: str, __: dict[str, Any]) -> float | None:
    """Send batches until everything is sent. Each is recorded once the collector has read it."""
    settings, deadline = current_settings(), time.monotonic() + LONGEST
    if not settings.syslog_url:
        return UNSET
    while _send_batch(settings):
        if time.monotonic() > deadline:
            return 0
    return None


def _send_batch(settings: Settings) -> bool:
    """Send one batch. Return False if there was nothing to send."""
    host = urlsplit(settings.public_url).hostname or socket.gethostname()
    first, frames = max(audit_export.unstreamed() or 0, audit_export.archived()), bytearray()
    following = first
    for entry in islice(audit_export.sealed(first), BATCH):
        frames += syslog_message.frame(host, entry)
        following = entry.seq + 1
        if len(frames) >= LARGE:
            break
    if following > first:
        try:
            syslog.send(settings.syslog_url, settings.egress_ca, frames)
        except OSError as error:  # entries that it has read without acknowledging are sent again
            raise JobFailed(
                f"The collector of SYSLOG_URL has not read entry {first} and later ones: {_reason(error)}."
            ) from None
        audit_stream.advance(first, following)
    return following > first


def _reason(error: OSError) -> str:
    return getattr(error, "verify_message", "") or error.strerror or str(error) or type(error).__name__
