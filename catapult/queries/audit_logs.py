"""The audit log, newest first."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Select, any_, cast, func, select, tuple_

from catapult.extensions import db
from catapult.queries.lists.paging import CHUNK, Listing
from catapult.queries.lists.raw_columns import as_text, raw
from catapult.tables import Action, AuditLog, Deployment, Version

A: Any = AuditLog.__table__.c

V: Any = Version.__table__.c
D: Any = Deployment.__table__.c

OF_A_MODEL = 200
QUIET = ("api_key.", "session.", "auth.", "demo.")
TOLD = tuple(action for action in Action if not action.startswith(QUIET))
"""The actions that the overview's activity shows: what people did, without keys, sessions and refusals."""

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
    asked = (
        (A.resource_id, resource_id),
        (A.api_key_name, api_key_name),
        (A.action, action),
        (A.resource_type, resource_type),
    )
    equal = [(column, value) for column, value in asked if value is not None]  # the one that chooses fewest first
    conditions: list[ColumnElement[bool]] = [column == value for column, value in equal[1:]]
    if since is not None:
        conditions.append(A.created_at >= since)
    if until is not None:
        conditions.append(A.created_at < until)
    return (_ENTRIES.led_by(*equal[0]) if equal else _ENTRIES).where(*conditions)


def about(model_id: Any) -> Listing:
    """Entries on that model, and on its newest versions and deployments, some hundred of each, deleted ones too."""
    ids = select(cast(model_id, A.resource_id.type)).union_all(
        *(
            select(_newest(table, by, model_id, gone).subquery().c.id)
            for table, by in ((V, V.created_at), (D, D.deployed_at))
            for gone in (False, True)
        )
    )
    return _ENTRIES.where(A.resource_id == any_(func.array(ids.scalar_subquery(), type_=ARRAY(A.resource_id.type))))


def _newest(table: Any, by: Any, model_id: Any, gone: bool) -> Select[Any]:
    """Those that are there and those that are not have an index each."""
    kept = table.deleted_at.is_not(None) if gone else table.deleted_at.is_(None)
    return (
        select(table.id).where(table.model_id == model_id, kept).order_by(by.desc(), table.id.desc()).limit(OF_A_MODEL)
    )


def last_actor(resource_id: UUID) -> str:
    """Who changed that thing last."""
    newest = select(A.api_key_name).where(A.resource_id == resource_id).order_by(A.created_at.desc(), A.id.desc())
    return db.session.scalar(newest.limit(1)) or "somebody"


def activity(limit: int) -> Sequence[Any]:
    """The newest entries on models, versions and deployments: what people did, without who came and went."""
    told = _ENTRIES.rows.where(A.action.in_(TOLD)).order_by(A.created_at.desc(), A.id.desc()).limit(limit)
    return db.session.execute(told).all()


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
