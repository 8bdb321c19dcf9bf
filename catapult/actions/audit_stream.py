"""The position up to which the sealed audit log was streamed."""

from sqlalchemy import bindparam, text

from catapult import audit
from catapult.extensions import db
from catapult.queries.audit_export import SYSLOG

# Changes nothing if the position was moved meanwhile, by `begin_at` or by a worker whose lease had ended.
_ADVANCE = text(
    """
    INSERT INTO audit_streams AS stream (name, next_seq, sent_at) VALUES (:name, :next, statement_timestamp())
    ON CONFLICT (name) DO UPDATE SET next_seq = excluded.next_seq, sent_at = excluded.sent_at WHERE stream.next_seq = :first
    """
).bindparams(bindparam("name", SYSLOG))
_BEGIN_AT = text(
    """
    INSERT INTO audit_streams (name, next_seq) VALUES (:name, :next)
    ON CONFLICT (name) DO UPDATE SET next_seq = excluded.next_seq
    """
).bindparams(bindparam("name", SYSLOG))


def advance(first: int, following: int) -> None:
    """Record that the entries from `first` on, and before `following`, were sent."""
    with audit.bookkeeping():
        db.session.execute(_ADVANCE, {"first": first, "next": following})


def begin_at(first: int) -> None:
    """Set the next entry to send: later ones are sent again, earlier ones are skipped."""
    with audit.bookkeeping():
        db.session.execute(_BEGIN_AT, {"next": first})
