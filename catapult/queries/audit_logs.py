"""The audit log, newest first."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, select

from catapult.extensions import db
from catapult.queries.paging import CHUNK, Listing
from catapult.tables import AuditLog

_COLUMNS: tuple[Any, ...] = (
    AuditLog.id,
    AuditLog.action,
    AuditLog.resource_type,
    AuditLog.resource_id,
    AuditLog.api_key_id,
    AuditLog.api_key_name,
    AuditLog.details,
    AuditLog.ip_address,
    AuditLog.request_id,
    AuditLog.created_at,
)
_ENTRIES = Listing(
    select(*_COLUMNS),
    AuditLog.created_at,
    AuditLog.id,
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
        AuditLog.action: action,
        AuditLog.resource_type: resource_type,
        AuditLog.resource_id: resource_id,
        AuditLog.api_key_name: api_key_name,
    }
    conditions: list[ColumnElement[bool]] = [column == value for column, value in equal.items() if value is not None]
    if since is not None:
        conditions.append(AuditLog.created_at >= since)
    if until is not None:
        conditions.append(AuditLog.created_at < until)
    return _ENTRIES.where(*conditions)


def export(listing: Listing) -> Iterator[Any]:
    """Every entry of that list, oldest first, in one transaction and fetched in portions."""
    query = listing.rows.order_by(listing.time, listing.id).execution_options(yield_per=CHUNK)
    yield from db.session.execute(query)
