"""The audit log, newest first."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, select, tuple_

from catapult.extensions import db
from catapult.queries.paging import CHUNK, Listing
from catapult.queries.raw import as_text, raw
from catapult.tables import AuditLog

A: Any = AuditLog.__table__.c

_COLUMNS: tuple[Any, ...] = (
    as_text(A.id),
    A.action,
    A.resource_type,
    as_text(A.resource_id),
    as_text(A.api_key_id),
    A.api_key_name,
    raw(A.details),
    A.ip_address,
    A.request_id,
    A.created_at,
)
_ENTRIES = Listing(
    select(*_COLUMNS),
    A.created_at,
    A.id,
)


def listing(
    *,
    action: str | None = None,
    resource_type: str | None = None,
    resource_id: UUID | None = None,
    api_key_name: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Listing:
    """Entries newest first, from `since` on and before `until`."""
    equal: dict[Any, Any] = {
        A.action: action,
        A.resource_type: resource_type,
        A.resource_id: resource_id,
        A.api_key_name: api_key_name,
    }
    conditions: list[ColumnElement[bool]] = [column == value for column, value in equal.items() if value is not None]
    if since is not None:
        conditions.append(A.created_at >= since)
    if until is not None:
        conditions.append(A.created_at < until)
    return _ENTRIES.where(*conditions)


def export(listing: Listing) -> Iterator[Any]:
    """Every entry of that list, oldest first. Each portion is a transaction of its own: a reader may take its time."""
    query = listing.rows.order_by(listing.by, listing.id).limit(CHUNK)
    rows = db.session.execute(query).all()
    while rows:
        db.session.rollback()
        yield from rows
        rows = db.session.execute(
            query.where(tuple_(listing.by, listing.id) > tuple_(rows[-1].created_at, rows[-1].id))
        ).all()
