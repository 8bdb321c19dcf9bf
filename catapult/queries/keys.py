"""API keys: the one a request bears, and the list of them."""

from typing import Any

from sqlalchemy import bindparam, func, select

from catapult.extensions import db
from catapult.queries.paging import Listing
from catapult.tables import ApiKey

_BY_PREFIX = select(
    ApiKey.id,
    ApiKey.name,
    ApiKey.role,
    ApiKey.key_hash,
    ApiKey.revoked_at,
    ApiKey.expires_at,
    ApiKey.last_used_at,
    func.now().label("now"),
).where(ApiKey.prefix == bindparam("prefix"))

_COLUMNS: tuple[Any, ...] = (
    ApiKey.id,
    ApiKey.name,
    ApiKey.role,
    ApiKey.prefix,
    (ApiKey.revoked_at.is_(None) & (func.coalesce(ApiKey.expires_at, "infinity") > func.now())).label("is_active"),
    ApiKey.created_at,
    ApiKey.created_by,
    ApiKey.last_used_at,
    ApiKey.expires_at,
    ApiKey.revoked_at,
)
_KEYS = Listing(
    select(*_COLUMNS),
    ApiKey.created_at,
    ApiKey.id,
)


def find(prefix: str) -> Any | None:
    """The key with that prefix, as a plain row with the database's `now`; None if there is none."""
    return db.session.execute(_BY_PREFIX, {"prefix": prefix}).one_or_none()


def listing() -> Listing:
    """Every key, newest first, those revoked and expired as well."""
    return _KEYS


def salt_marks() -> dict[str, int]:
    """How many keys that are not revoked were made with each salt."""
    query = select(ApiKey.salt_mark, func.count()).where(ApiKey.revoked_at.is_(None)).group_by(ApiKey.salt_mark)
    return dict(db.session.execute(query).tuples().all())
