"""API keys: the one that a request sends, and the list of all."""

from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, select

from catapult.errors import NotFound
from catapult.extensions import db
from catapult.queries.lists import prepared
from catapult.queries.lists.paging import Listing, newest_first
from catapult.queries.lists.raw_columns import shown
from catapult.tables import ApiKey

K: Any = ApiKey.__table__.c

_BY_PREFIX = select(
    *(K.id, K.name, K.role, K.key_hash, K.revoked_at, K.expires_at, K.last_used_at), func.now().label("now")
).where(K.prefix == bindparam("prefix"))

_KEYS = Listing(
    select(
        *shown(K, "id name role prefix created_at created_by last_used_at expires_at revoked_at"),
        (K.revoked_at.is_(None) & (func.coalesce(K.expires_at, "infinity") > func.now())).label("is_active"),
    ),
    newest_first(K.created_at, K.id),
)


def find(prefix: str) -> Any | None:
    """Return the key with that prefix as a plain row with the database's `now`; None if there is none."""
    return prepared.one_or_none(_BY_PREFIX, {"prefix": prefix})


def get(key_id: UUID) -> Any:
    """Return the key as a plain row. Raises NotFound."""
    row = db.session.execute(_KEYS.rows.where(K.id == key_id)).one_or_none()
    if row is None:
        raise NotFound("There is no such key. The list of API keys shows all keys.")
    return row


def listing() -> Listing:
    """Return every key, newest first, revoked and expired ones too."""
    return _KEYS


def salt_marks() -> dict[str, int]:
    """Return the number of keys that are not revoked by the salt that they were made with."""
    query = select(K.salt_mark, func.count()).where(K.revoked_at.is_(None)).group_by(K.salt_mark)
    return {row.salt_mark: row[1] for row in db.session.execute(query)}
