"""The export of the audit log: its entries, oldest first, with their seals."""

import json
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from sqlalchemy import Text, TextClause, cast, func, lateral, literal_column, null, select, text, true

from catapult.extensions import db
from catapult.queries.audit_logs import COLUMNS, listing
from catapult.queries.audit_seals import SEALED_TEXT, tree
from catapult.queries.lists.paging import CHUNK, Listing, Page, in_order
from catapult.queries.lists.raw_columns import shown
from catapult.tables import Action, AuditLog, AuditStream, SealedEntry

A: Any = AuditLog.__table__.c
S: Any = SealedEntry.__table__.c

SYSLOG = "syslog"
WALKED = 10_000
"""Entries of a portion when only ids are read."""

_TEXT: Any = literal_column(SEALED_TEXT, Text()).label("text")
_LEAF: Any = func.encode(S.leaf, "hex", type_=Text()).label("leaf")
# Lateral, with a limit, so that the planner looks it up for each row of a portion.
_SEAL = lateral(select(S.seq, _LEAF).where(S.entry_id == A.id).limit(1)).alias("seal")
_ENTRY = lateral(select(*shown(A, COLUMNS), _TEXT).where(A.id == S.entry_id).limit(1)).alias("entry")
_SEALED = (
    select(cast(S.entry_id, Text).label("id"), *(column for column in _ENTRY.c if column.name != "id"), S.seq, _LEAF)
    .select_from(SealedEntry.__table__)
    .outerjoin(_ENTRY, true())
    .order_by(S.seq)
    .limit(CHUNK)
)
_UNSEALED = select(*shown(A, COLUMNS), null().label("seq"), null().label("leaf"), _TEXT).order_by(A.created_at, A.id)

# The ids of a portion without a seal or with a later one, and the end of the portion. Walks ix_audit_logs_newest.
_UNSEALED_IDS = text(
    """
WITH portion AS MATERIALIZED (
    SELECT created_at, id, (SELECT seq FROM sealed_entries WHERE entry_id = audit_logs.id) AS seq FROM audit_logs
    WHERE (created_at, id) > (CAST(:at AS timestamptz), CAST(:id AS uuid)) ORDER BY created_at, id LIMIT :most
)
SELECT CAST(created_at AS text) AS at, CAST(id AS text),
    ARRAY(SELECT CAST(id AS text) FROM portion WHERE seq IS NULL OR seq >= :size ORDER BY created_at, id) AS ids
FROM portion ORDER BY created_at DESC, id DESC LIMIT 1
"""
)
# The same for entries that were removed before they were sealed. Walks the primary key.
_GONE_IDS = text(
    """
WITH portion AS MATERIALIZED (
    SELECT entry_id AS id, (SELECT id FROM audit_logs WHERE id = entry_id) AS entry FROM unsealed_entries
    WHERE entry_id > CAST(:id AS uuid) ORDER BY entry_id LIMIT :most
)
SELECT CAST(id AS text), ARRAY(SELECT CAST(id AS text) FROM portion WHERE entry IS NULL ORDER BY id) AS ids
FROM portion ORDER BY id DESC LIMIT 1
"""
)


_NOTHING = dict.fromkeys((*COLUMNS.split(), "seq", "leaf", "text"))


def rows(**filters: Any) -> Iterator[Any]:
    """Yield the entries that match the filters, oldest first, with their seals `seq`, `leaf` and `text`.

    Without filters, yields the whole log for verification: first sealed entries by number, also removed ones, then the others.
    Each portion has its own transaction, because a reader may be slow.
    """
    given = {name: value for name, value in filters.items() if value is not None}
    return _matching(listing(**given)) if given else _whole()


def _matching(listing: Listing) -> Iterator[Any]:
    sealed = listing.rows.outerjoin(_SEAL, true()).add_columns(_SEAL.c.seq, _SEAL.c.leaf, _TEXT)
    oldest_first = replace(listing, rows=sealed, keys=in_order(A.created_at, A.id))
    page = Page(CHUNK - 1)
    while portion := db.session.execute(oldest_first.query(page)).all():
        db.session.rollback()
        yield from portion
        page = page._replace(after=listing.position(portion[-1]))


def archived() -> int:
    """Return how many of the first entries were moved to files, by the last entry about that."""
    newest = select(A.details["size"].as_integer()).where(A.action == Action.AUDIT_LOG_ARCHIVE)
    return db.session.scalar(newest.order_by(A.created_at.desc(), A.id.desc()).limit(1)) or 0


def unstreamed() -> int | None:
    """Return the number of the first sealed entry that the syslog collector has not read; None if none was ever sent."""
    return db.session.scalar(select(AuditStream.next_seq).where(AuditStream.name == SYSLOG))


def sealed(first: int, size: int | None = None) -> Iterator[Any]:
    """Yield the sealed entries from that number on and before `size`, also those whose row is gone."""
    query = _SEALED if size is None else _SEALED.where(S.seq < size)
    after = first - 1
    while portion := db.session.execute(query.where(S.seq > after)).all():
        db.session.rollback()
        yield from portion
        after = portion[-1].seq


def _whole() -> Iterator[Any]:
    """Yield the whole log as of the start: entries that are sealed meanwhile count as not sealed."""
    size = db.session.scalar(select(func.coalesce(func.max(S.seq) + 1, 0)))
    first = min(archived(), size)
    if first:  # instead of these entries, the hashes that the tree of the others begins with
        state = {"archived": first, "hashes": [node.hex() for node in tree(first).peaks()]}
        yield SimpleNamespace(**_NOTHING | {"seq": first - 1, "text": json.dumps(state)})
    yield from sealed(first, size)
    for ids in _walked(_UNSEALED_IDS, at="-infinity", size=size):
        for start in range(0, len(ids), CHUNK):
            few = [UUID(each) for each in ids[start : start + CHUNK]]
            portion = db.session.execute(_UNSEALED.where(A.id.in_(few))).all()
            db.session.rollback()
            yield from portion
    for ids in _walked(_GONE_IDS):
        yield from (SimpleNamespace(**_NOTHING | {"id": gone}) for gone in ids)


def _walked(query: TextClause, **values: Any) -> Iterator[list[str]]:
    """Yield the `ids` of each portion."""
    values |= {"id": str(UUID(int=0)), "most": WALKED}
    while last := db.session.execute(query, values).one_or_none():
        db.session.rollback()
        yield last.ids
        values |= {name: value for name, value in last._mapping.items() if name != "ids"}
