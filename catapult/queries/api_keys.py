"""API keys: the key of a request, and the list of all."""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, bindparam, func, join, select

from catapult.audit import Actor
from catapult.errors import Forbidden, NotFound
from catapult.extensions import db
from catapult.queries.lists import prepared
from catapult.queries.lists.paging import Listing, newest_first
from catapult.queries.lists.raw_columns import shown
from catapult.rules.bounds import Bounds
from catapult.tables import ApiKey, Person, Role

K: Any = ApiKey.__table__.c
P: Any = Person.__table__.c

VOICE: ColumnElement[Any] = func.coalesce(K.person_id, K.line_id, K.id)
"""The voice of a key: its person, or, for a service, the first key of its rotations."""

HOLDER: tuple[Any, ...] = (
    *(K.id, K.name, K.role, K.revoked_at, K.expires_at, K.last_used_at, K.models, K.environments),
    *(K.person_id, P.name.label("person_name"), VOICE.label("voice"), K.asks_name, func.now().label("now")),
)
"""The columns of a key, its person and the time, from which `actor_of` and `ended` read."""

_WITH_PERSON = join(ApiKey, Person, P.id == K.person_id, isouter=True)
_BY_PREFIX = select(*HOLDER, K.key_hash).select_from(_WITH_PERSON).where(K.prefix == bindparam("prefix"))

_KEYS = Listing(
    select(
        *shown(K, "id name role prefix created_at created_by last_used_at last_used_from expires_at revoked_at"),
        *shown(K, "person_id models environments replaces_id"),
        P.name.label("person_name"),
        (K.revoked_at.is_(None) & (func.coalesce(K.expires_at, "infinity") > func.now())).label("is_active"),
    ).select_from(_WITH_PERSON),
    newest_first(K.created_at, K.id),
)


def find(prefix: str) -> Any | None:
    """Return the key with that prefix as a plain row with the database's `now`; None if there is none."""
    return prepared.one_or_none(_BY_PREFIX, {"prefix": prefix})


def holder(key_id: UUID) -> Any:
    """Return `HOLDER` of the key with that id. Keys are never deleted."""
    return db.session.execute(select(*HOLDER).select_from(_WITH_PERSON).where(K.id == key_id)).one()


def actor_of(row: Any, *, ip_address: str | None = None, request_id: str | None = None) -> Actor:
    """Return the actor with that key, a row of `HOLDER`."""
    return Actor(
        name=row.name,
        role=Role(row.role),
        key_id=row.id,
        ip_address=ip_address,
        request_id=request_id,
        person_id=row.person_id,
        person_name=row.person_name,
        voice=row.voice,
        bounds=Bounds(_bound(row.models), _bound(row.environments)),
        expires_at=row.expires_at,
    )


def _bound(values: list[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(values)


def ended(row: Any) -> str | None:
    """Return why that key, a row of `HOLDER`, no longer works: `revoked` or `expired`; None if it works."""
    if row.revoked_at is not None:
        return "revoked"
    return "expired" if row.expires_at is not None and row.expires_at <= row.now else None


def get(key_id: UUID) -> Any:
    """Return the key as a plain row. Raises NotFound."""
    row = db.session.execute(_KEYS.rows.where(K.id == key_id)).one_or_none()
    if row is None:
        raise NotFound("There is no such key. The list of API keys shows all keys.")
    return row


def listing() -> Listing:
    """Return every key, newest first, revoked and expired ones too."""
    return _KEYS


def voice_of(key_id: UUID) -> UUID:
    """Return the voice of the key with that id: see `VOICE`."""
    voice: UUID = db.session.scalars(select(VOICE).where(K.id == key_id)).one()
    return voice


def of_actor(actor: Actor) -> Listing:
    """Return the keys of the actor's person, newest first, revoked and expired ones too. Raises Forbidden for a service's key."""
    if actor.person_id is None:
        raise Forbidden("This key belongs to no person, so it has no other keys.")
    return _KEYS.where(K.person_id == actor.person_id)


def successor(key_id: UUID) -> Any | None:
    """Return `prefix is_active` of the key that this one was rotated to; None if it was not rotated."""
    return db.session.execute(_KEYS.rows.where(K.replaces_id == key_id)).one_or_none()


def salt_marks() -> dict[str, int]:
    """Return `{salt's mark: number of keys hashed with it}`, without revoked keys."""
    query = select(K.salt_mark, func.count()).where(K.revoked_at.is_(None)).group_by(K.salt_mark)
    return {row.salt_mark: row[1] for row in db.session.execute(query)}
