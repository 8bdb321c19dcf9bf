"""People: one by their id, and the list of all."""

from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import case, func, join, or_, select

from catapult.audit import Actor
from catapult.errors import NotFound
from catapult.extensions import db
from catapult.filters.operators import normalized
from catapult.queries.lists.paging import Listing, newest_first
from catapult.queries.lists.raw_columns import shown
from catapult.queries.sessions import IDLE, LONGEST
from catapult.rules.normal_text import normal
from catapult.tables import ApiKey, Person, Role, Session

P: Any = Person.__table__.c
K: Any = ApiKey.__table__.c
S: Any = Session.__table__.c

_REST = "role active notices created_by created_at updated_at counter"
_PEOPLE = Listing(
    select(*shown(P, f"id name email {_REST}")),
    newest_first(P.created_at, P.id),
)


class Me(NamedTuple):
    """The key of the request, and its person."""

    name: str
    role: Role
    person: dict[str, str] | None
    email: str | None
    key_id: UUID | None
    key_name: str
    expires_at: datetime | None
    bounds: dict[str, list[str] | None]


def get(person_id: UUID, actor: Actor) -> Any:
    """Return the person as a plain row, as this actor may see it. Raises NotFound."""
    row = db.session.execute(listing(actor).rows.where(P.id == person_id)).one_or_none()
    if row is None:
        raise missing()
    return row


def named(name: str) -> Any:
    """Return the person with that id, email address or, if only one has it, that name. Raises NotFound."""
    sought = normal(name).lower()
    by_name = or_(*(func.lower(normalized(column)) == sought for column in (P.name, P.email)))
    with suppress(ValueError):
        by_name = by_name | (P.id == UUID(name))
    rows = db.session.execute(_PEOPLE.rows.where(by_name).limit(2)).all()
    if len(rows) != 1:
        raise NotFound(
            f"{'Several people have' if rows else 'Nobody has'} the name {name!r}. Use an id or email address."
        )
    return rows[0]


def missing() -> NotFound:
    return NotFound("There is no such person. GET /api/v1/people lists everybody.")


def listing(actor: Actor) -> Listing:
    """Return everybody, newest first, inactive people too. Email addresses are null unless the actor may see them."""
    if actor.role.holds(Role.ADMIN):
        return _PEOPLE
    email = case((P.id == actor.person_id, P.email)).label("email")
    return replace(_PEOPLE, rows=select(*shown(P, "id name"), email, *shown(P, _REST)))


def holdings(person_id: UUID) -> Any:
    """Return how many `keys` of the person work, and how many `sessions` are open with them."""
    working = (K.person_id == person_id, K.revoked_at.is_(None), func.coalesce(K.expires_at, "infinity") > func.now())
    keys = select(func.count()).select_from(ApiKey.__table__).where(*working)
    sessions = select(func.count()).select_from(join(Session.__table__, ApiKey.__table__, K.id == S.api_key_id))
    open_ = sessions.where(*working, S.created_at > func.now() - LONGEST, S.used_at > func.now() - IDLE)
    return db.session.execute(
        select(keys.scalar_subquery().label("keys"), open_.scalar_subquery().label("sessions"))
    ).one()


def me(actor: Actor) -> Me:
    """Return who the actor is, for `GET /me`."""
    person = db.session.get(Person, actor.person_id) if actor.person_id else None
    bounds = {name: bound if bound is None else list(bound) for name, bound in actor.bounds._asdict().items()}
    return Me(
        name=actor.shown,
        role=actor.role,
        person={"id": str(person.id), "name": person.name} if person else None,
        email=person.email if person else None,
        key_id=actor.key_id,
        key_name=actor.name,
        expires_at=actor.expires_at,
        bounds=bounds,
    )


def address_of(person_id: UUID) -> str | None:
    """Return the email address of the person, if they are active and have one; None otherwise."""
    address: str | None = db.session.scalar(select(P.email).where(P.id == person_id, P.active))
    return address
