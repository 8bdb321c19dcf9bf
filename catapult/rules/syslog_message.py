"""Sealed audit entries as syslog messages (RFC 5424), each framed by its length (RFC 5425, RFC 6587)."""

from typing import Any

from catapult.version import VERSION

LOG_AUDIT = 13
"""The facility of audit logs."""
NOTICE, CRITICAL = 5, 2
LARGEST = 2**31 - 1
"""The largest `sequenceId`; 1 follows."""


def frame(host: str, entry: Any) -> bytes:
    """Return the message of a sealed entry, of which `seq id action created_at text` are read, with its length before it.

    What follows the headers is the sealed text itself, JSON on one line in UTF-8: its SHA-256 is the entry's leaf.
    `sequenceId` is the entry's number and 1. An entry that was removed after it was sealed becomes a sentence, critical.
    """
    if entry.text is None:
        severity, time, action = CRITICAL, "-", "-"
        content = f"Entry {entry.seq} ({entry.id}) of the audit log was removed after it was sealed."
    else:
        severity, action, content = NOTICE, entry.action, entry.text
        time = entry.created_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    elements = f'[origin software="Catapult" swVersion="{VERSION}"][meta sequenceId="{entry.seq % LARGEST + 1}"]'
    message = f"<{LOG_AUDIT * 8 + severity}>1 {time} {host} catapult - {action} {elements} {content}".encode()
    return b"%d %b" % (len(message), message)
