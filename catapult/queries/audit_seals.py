"""The sealed audit log: its newest checkpoint, its key, and proofs."""

from base64 import b64encode
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from sqlalchemy import select

from catapult.errors import Conflict, Invalid, NotFound
from catapult.extensions import db
from catapult.queries.lists.raw_columns import as_text
from catapult.rules import checkpoint_note, merkle
from catapult.tables import AuditCheckpoint, AuditKey, AuditLog, AuditNode, SealedEntry

SEALED_COLUMNS = (
    *("id", "action", "resource_type", "resource_id", "api_key_id", "api_key_name"),
    *("person_id", "person_name", "details", "ip_address", "request_id"),
)
_PAIRS = ", ".join(f"'{column}', audit_logs.{column}" for column in SEALED_COLUMNS)
SEALED_TEXT = (
    f"CAST(jsonb_build_object({_PAIRS}, 'created_at',"
    " to_char(audit_logs.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')) AS text)"
)
"""SQL for the text of a row of `audit_logs` that is sealed. It does not depend on settings of the session.

It never changes, since the leaves of all entries depend on it. A new column needs a second text, for entries from then on.
"""


def newest() -> Any:
    """Return `size root note created_at public_key` of the newest checkpoint, or None."""
    query = select(
        AuditCheckpoint.size,
        AuditCheckpoint.root,
        AuditCheckpoint.note,
        AuditCheckpoint.created_at,
        AuditKey.public_key,
    ).join(AuditKey, AuditKey.id == AuditCheckpoint.key_id)
    return db.session.execute(query.order_by(AuditCheckpoint.size.desc()).limit(1)).one_or_none()


def checkpoint() -> Any:
    """Return the newest checkpoint, `size root note created_at`, with the root in hex. Raises NotFound."""
    row = _newest()
    return SimpleNamespace(size=row.size, root=row.root.hex(), note=row.note, created_at=row.created_at)


def _newest() -> Any:
    row = newest()
    if row is None:
        raise NotFound("Nothing of the audit log is sealed yet. The worker does that, or `flask audit seal`.")
    return row


def key() -> Any:
    """Return the key that signed the newest checkpoint, `origin public_key verifier`. Raises NotFound."""
    row = _newest()
    origin = row.note.partition("\n")[0]
    public_key, verifier = b64encode(row.public_key).decode(), checkpoint_note.verifier(origin, row.public_key)
    return SimpleNamespace(origin=origin, public_key=public_key, verifier=verifier)


def of(ids: Sequence[str]) -> dict[str, Any]:
    """Return `{entry's id: its seal, `seq leaf`}` for the entries that are sealed."""
    query = select(as_text(SealedEntry.entry_id), SealedEntry.seq, SealedEntry.leaf)
    rows = db.session.execute(query.where(SealedEntry.entry_id.in_([UUID(each) for each in ids]))) if ids else ()
    return {row.entry_id: row for row in rows}


def proof(entry_id: UUID) -> Any:
    """Return the proof that the newest checkpoint contains the entry. Raises NotFound, Conflict."""
    row = db.session.execute(select(SealedEntry.seq, SealedEntry.leaf).where(SealedEntry.entry_id == entry_id)).first()
    if row is None:
        if db.session.scalar(select(AuditLog.id).where(AuditLog.id == entry_id)) is None:
            raise NotFound("There is no audit entry with this id.")
        raise Conflict("This entry is not sealed yet. Ask again in a few seconds; if it stays so, look at the worker.")
    signed = _newest()
    hashes = _hex(tree(signed.size).inclusion(row.seq))
    values = {"leaf": row.leaf.hex(), "size": signed.size, "root": signed.root.hex(), "hashes": hashes}
    return SimpleNamespace(id=entry_id, seq=row.seq, **values)


def consistency(first: int, last: int) -> Any:
    """Return the proof that the log of `last` entries begins with that of `first` entries. Raises Invalid, NotFound."""
    size = _newest().size
    if first > last:
        raise Invalid("The log does not shrink.", errors={"from": ["Must be at most `to`."]})
    if last > size:
        raise Invalid("So many are not sealed.", errors={"to": [f"Must be at most {size}, the sealed entries."]})
    later = tree(last)
    return SimpleNamespace(first=first, last=last, root=later.root().hex(), hashes=_hex(later.consistency(first)))


def _hex(hashes: Sequence[bytes]) -> list[str]:
    return [each.hex() for each in hashes]


def tree(size: int) -> merkle.Tree:
    """Return the tree of the first sealed entries. Reading it raises Conflict if rows are missing."""
    return merkle.Tree(size, _nodes)


def _nodes(level: int, start: int, stop: int) -> Sequence[bytes]:
    """Return the nodes of a level, read by the primary key."""
    hashes, number = (AuditNode.hash, AuditNode.index) if level else (SealedEntry.leaf, SealedEntry.seq)
    query = select(hashes).where(number >= start, number < stop).order_by(number)
    nodes = db.session.scalars(query.where(AuditNode.level == level) if level else query).all()
    if len(nodes) != stop - start:
        raise Conflict(
            "The sealed audit log is damaged: rows of it are gone. Verify an export with the last checkpoint you hold."
        )
    return nodes
