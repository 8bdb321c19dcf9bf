"""Trusted keys: one by its id, and the list."""

from typing import Any
from uuid import UUID

from sqlalchemy import select

from catapult.errors import NotFound
from catapult.extensions import db
from catapult.queries.lists.paging import Listing, newest_first
from catapult.queries.lists.raw_columns import shown
from catapult.tables import TrustedKey

K: Any = TrustedKey.__table__.c

_KEYS = Listing(
    select(
        *shown(K, "id name public_key fingerprint model not_after created_by created_at updated_at counter"),
    ).where(K.deleted_at.is_(None)),
    newest_first(K.created_at, K.id),
)


def listing() -> Listing:
    """Return the list of trusted keys, newest first, those too whose `not_after` is past."""
    return _KEYS


def get(key_id: UUID) -> Any:
    """Return the trusted key as a plain row. Raises NotFound."""
    row = db.session.execute(_KEYS.rows.where(K.id == key_id)).one_or_none()
    if row is None:
        raise missing()
    return row


def missing() -> NotFound:
    return NotFound("There is no such trusted key, or it was deleted. GET /api/v1/trusted-keys lists all.")
