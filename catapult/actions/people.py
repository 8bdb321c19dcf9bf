"""Add, change and deactivate people, and give the first administrator's key its person."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select
from uuid_utils.compat import uuid7

from catapult import audit
from catapult.actions import api_keys, locks
from catapult.audit import Actor
from catapult.errors import Conflict
from catapult.extensions import db
from catapult.queries import people
from catapult.rules import key_format
from catapult.tables import ApiKey, Person, Role, Session

OWN = {"name", "email", "notices"}
"""The fields that people change of themselves."""


def create(*, actor: Actor, name: str, email: str | None = None, role: str = Role.VIEWER) -> Person:
    """Add a person, who holds no key yet. Raises Invalid, Forbidden, and Conflict if the email address is taken."""
    actor.needs(Role.ADMIN)
    actor.bounds.check_everything("people")
    person = _new(actor, name, role, email)
    return audit.commit(actor, person, _created(person))


def edit(person_id: UUID, fields: dict[str, Any], *, actor: Actor, expected: set[int] | None = None) -> Person:
    """Set these fields. People may change their own name, email address and notices; admins may change everything.

    A lower role lowers the role of the person's keys at once; a higher one leaves them. `active=False` revokes all keys and
    ends all sessions of the person, for good. Raises NotFound, Forbidden, Invalid, PreconditionFailed, and Conflict for oneself
    or where no working admin key without bounds would be left.
    """
    if person_id != actor.person_id or fields.keys() - OWN:
        actor.needs(Role.ADMIN)
        actor.bounds.check_everything("people")
    if "name" in fields:
        key_format.check_name(fields["name"])
    admins = locks.admin_keys()
    person = _locked(person_id)
    locks.check_counter(person, expected)
    if fields.get("active") is False and person.active and person_id == actor.person_id:
        raise Conflict("You can't deactivate yourself. Ask another admin.")
    changed = audit.changes(person, fields)
    if not changed:
        return person
    if "email" in changed:  # everybody reads the audit log, but not addresses
        changed["email"] = dict.fromkeys(("old", "new"), "not shown")
    details: dict[str, Any] = {}
    if "role" in changed or "active" in changed:
        details = _restrict_keys(person, admins)
    return audit.commit(
        actor, person, audit.entry("person.update", person, name=person.name, changes=changed, **details)
    )


def introduce(*, actor: Actor, name: str) -> Person:
    """Create the person who signs in first with the key of `flask up`, and give them the key.

    Happens once, and always creates a new person. Raises Invalid, and Conflict if the key does not ask for a name.
    """
    key_format.check_name(name)
    key = db.session.scalar(
        select(ApiKey).where(ApiKey.id == actor.key_id).with_for_update().execution_options(populate_existing=True)
    )
    if key is None or not key.asks_name:
        raise Conflict("This key does not ask for a name: somebody has given it, or an admin created the key.")
    person = _new(actor, name, key.role)
    audit.flush()
    key.person_id, key.asks_name = person.id, False
    return audit.commit(actor, person, _created(person, key=key.prefix))


def _new(actor: Actor, name: str, role: str, email: str | None = None) -> Person:
    key_format.check_name(name)
    person = Person(id=uuid7(), name=name, email=email, role=role, active=True, created_by=actor.shown)
    db.session.add(person)
    return person


def _restrict_keys(person: Person, admins: list[ApiKey]) -> dict[str, Any]:
    """Revoke the person's keys and end their sessions if the person is inactive; lower keys above the person's role."""
    query = select(ApiKey).where(ApiKey.person_id == person.id, ApiKey.revoked_at.is_(None)).order_by(ApiKey.id)
    keys = list(db.session.scalars(query.with_for_update(key_share=True).execution_options(populate_existing=True)))
    role = Role(person.role)
    if not person.active:
        api_keys.check_admin_left(keys, admins)
        now = locks.now()
        for key in keys:
            key.revoked_at = now
        db.session.execute(delete(Session).where(Session.api_key_id.in_([key.id for key in keys])))
        return {"revoked_keys": _prefixes(keys)}
    above = [key for key in keys if not role.holds(Role(key.role))]
    api_keys.check_admin_left(above, admins)
    for key in above:
        key.role = role
    return {"lowered_keys": _prefixes(above)}


def _prefixes(keys: Iterable[ApiKey]) -> list[str] | None:
    return [key.prefix for key in keys] or None


def _locked(person_id: UUID) -> Person:
    person = db.session.scalar(
        select(Person)
        .where(Person.id == person_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    if person is None:
        raise people.missing()
    return person


def _created(person: Person, **details: str) -> audit.Entry:
    return audit.entry("person.create", person, name=person.name, role=str(person.role), **details)
