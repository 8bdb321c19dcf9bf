"""Create, change, revoke and rotate API keys."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from uuid_utils.compat import uuid7

from catapult import audit
from catapult.actions import locks
from catapult.audit import Actor, Entry
from catapult.errors import Conflict, Forbidden, Invalid, NotFound
from catapult.extensions import current_settings, db
from catapult.rules import key_format
from catapult.rules.bounds import Bounds
from catapult.tables import RELEASE, ApiKey, Person, Role

FIRST_KEY_LOCK = 0x63617461_6B657900  # "catakey": any number that nothing else in this database locks
MAX_OVERLAP = timedelta(days=7)


def create(
    *,
    actor: Actor,
    salt: str,
    name: str,
    role: str = Role.PUBLISHER,
    expires_at: datetime | None = None,
    person_id: UUID | None = None,
    models: Sequence[str] | None = None,
    environments: Sequence[str] | None = None,
    asks_name: bool = False,
) -> ApiKey:
    """Create a key of a person, or of a service. The returned row's `key` is the key itself, which is not stored.

    Raises Forbidden, also for bounds wider than the actor's; NotFound (person); Invalid for a role above the person's, an end
    in the past, or none or a late one where KEY_MAX_AGE is set; and Conflict for an inactive person.
    """
    actor.needs(Role.ADMIN)
    key_format.check_name(name)
    person = _person(person_id) if person_id is not None else None
    bounds = _bounds(models, environments)
    actor.bounds.check_wider(bounds)
    _check_end(expires_at)
    _check_role(role, person)
    row = _new(actor, salt, name=name, role=role, expires_at=expires_at, person=person, bounds=bounds)
    row.asks_name = asks_name
    return audit.commit(actor, row, _entry("api_key.create", row))


def create_own(
    *,
    actor: Actor,
    salt: str,
    name: str,
    role: str | None = None,
    expires_at: datetime | None = None,
    models: Sequence[str] | None = None,
    environments: Sequence[str] | None = None,
) -> ApiKey:
    """Create another key of the actor's person: never above the role, the bounds or the end of the actor's key.

    What is left out is taken from that key. Raises Forbidden, Invalid, and otherwise as `create`.
    """
    if actor.person_id is None:
        raise Forbidden("This key belongs to no person, so there is nobody to make a key for. Ask an admin for a key.")
    key_format.check_name(name)
    person = _person(actor.person_id)
    role = role or actor.role
    actor.needs(Role(role))
    bounds = Bounds(
        actor.bounds.models if models is None else tuple(models),
        actor.bounds.environments if environments is None else _bounds(None, environments).environments,
    )
    actor.bounds.check_wider(bounds)
    expires_at = expires_at or actor.expires_at
    if actor.expires_at is not None and expires_at is not None and expires_at > actor.expires_at:
        ends = actor.expires_at.astimezone(UTC)
        limit = f"Must be at most {ends:%Y-%m-%d %H:%M:%S} UTC, when your own key expires."
        raise Invalid("The new key would outlast yours.", errors={"expires_at": [limit]})
    _check_end(expires_at)
    _check_role(role, person)
    row = _new(actor, salt, name=name, role=role, expires_at=expires_at, person=person, bounds=bounds)
    return audit.commit(actor, row, _entry("api_key.create", row))


def create_first_admin(*, actor: Actor, salt: str) -> str | None:
    """Create and return the first admin key, or return None if an admin key works.

    Of several servers that start at once, one creates it. The first person who signs in with it is asked for their name.
    """
    db.session.execute(select(func.pg_advisory_xact_lock(FIRST_KEY_LOCK)))
    if locks.admin_keys():
        return None
    max_age = current_settings().key_max_age
    expires_at = locks.now() + max_age if max_age else None
    return create(
        actor=actor, salt=salt, name="first-admin", role=Role.ADMIN, expires_at=expires_at, asks_name=True
    ).key


def edit(key_id: UUID, fields: dict[str, Any], *, actor: Actor) -> ApiKey:
    """Set the name, role, bounds or end of a key that works. Fields that are not sent stay.

    Raises NotFound, Forbidden, also for bounds wider than the actor's; Invalid as `create`; and Conflict for a key that no longer
    works or where no working admin key without bounds would be left.
    """
    actor.needs(Role.ADMIN)
    if "name" in fields:
        key_format.check_name(fields["name"])
    admins = locks.admin_keys()
    key = _locked(key_id)
    _check_works(key)
    actor.bounds.check_wider(_bounds_of(key))
    values = dict(fields)
    if "environments" in values:
        values["environments"] = _as_list(_bounds(None, values["environments"]).environments)
    before = _is_unbounded_admin(key), _end(key)
    if "expires_at" in values and values["expires_at"] != key.expires_at:
        _check_end(values["expires_at"])
    if "role" in values:
        _check_role(values["role"], _person(key.person_id) if key.person_id else None)
    changed = audit.changes(key, values)
    actor.bounds.check_wider(_bounds_of(key))
    if not changed:
        return key
    if before[0] and (not _is_unbounded_admin(key) or _end(key) < before[1]):
        check_admin_left([key], admins, before[1])
    return audit.commit(actor, key, _entry("api_key.update", key, changes=_as_json(changed)))


def revoke(key_id: UUID, *, actor: Actor) -> None:
    """Revoke the key: it is refused from the next request on. Revoking it again changes nothing and writes no entry.

    People may revoke their own keys. Raises NotFound, Forbidden, and Conflict for the key in use and where no working admin key
    without bounds would be left.
    """
    admins = locks.admin_keys()
    key = _locked(key_id)
    _check_may_manage(key, actor)
    if key.revoked_at is not None:
        return
    if key.id == actor.key_id:
        raise Conflict("This is the key you are using. Revoke it with another admin key.")
    check_admin_left([key], admins)
    key.revoked_at = locks.now()
    successor = db.session.scalar(select(ApiKey.prefix).where(ApiKey.replaces_id == key.id))
    audit.commit(actor, key, _entry("api_key.revoke", key, successor=successor))


def rotate(key_id: UUID, *, actor: Actor, salt: str, overlap: timedelta) -> ApiKey:
    """Replace the key by a new one of the same name, person, role and bounds. The old key works for `overlap` more.

    A key may rotate itself, people their own keys, admins all. The new key gets the old key's original lifetime. Raises
    NotFound, Forbidden, Invalid (overlap), and Conflict if the old key no longer works or was rotated before.
    """
    if not timedelta() <= overlap <= MAX_OVERLAP:
        raise Invalid(
            "The old key may work for 7 days more at most.", errors={"overlap_seconds": ["Must be 0 to 604800."]}
        )
    old = _locked(key_id)
    if old.id != actor.key_id:
        _check_may_manage(old, actor)
    _check_works(old)
    successor = db.session.scalar(select(ApiKey.prefix).where(ApiKey.replaces_id == old.id))
    if successor is not None:
        raise Conflict(f"The key {old.prefix} was rotated to {successor}. Rotate that one instead.")
    now, max_age = locks.now(), current_settings().key_max_age
    expires_at = now + (old.expires_at - old.created_at) if old.expires_at else None
    if max_age is not None:
        expires_at = min(expires_at or now + max_age, now + max_age)
    person = _person(old.person_id) if old.person_id else None
    new = _new(actor, salt, name=old.name, role=old.role, expires_at=expires_at, person=person, bounds=_bounds_of(old))
    new.replaces_id, new.line_id = old.id, old.line_id or old.id
    ends = now + overlap
    old.expires_at = min(old.expires_at, ends) if old.expires_at else ends
    new.old_expires_at = old.expires_at
    details = {"replaces": str(old.id), "old_prefix": old.prefix, "old_expires_at": old.expires_at.isoformat()}
    return audit.commit(actor, new, _entry("api_key.rotate", new, **details))


def check_admin_left(taken: Collection[ApiKey], admins: Collection[ApiKey], until: datetime | None = None) -> None:
    """Raise Conflict unless another admin key without bounds lasts as long as these keys.

    `admins` are those of `locks.admin_keys`, and `until` is when the keys taken away expired before this change.
    """
    lost = [key for key in taken if key in admins]
    others = [key for key in admins if key not in taken]
    if lost and not any(_end(key) >= (until or max(map(_end, lost))) for key in others):
        raise Conflict(
            "This is the last admin key: no other one without bounds lasts as long. Create another first, then do this."
        )


def _check_may_manage(key: ApiKey, actor: Actor) -> None:
    """Raise Forbidden unless the key is the actor's person's own, or the actor is an admin whose bounds include the key's.

    A person's own key may not have more rights than the actor's key: rotating it would give the actor those rights.
    """
    if key.person_id is None or key.person_id != actor.person_id:
        actor.needs(Role.ADMIN)
    actor.needs(Role(key.role))
    actor.bounds.check_wider(_bounds_of(key))


def _check_works(key: ApiKey) -> None:
    if key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= locks.now()):
        raise Conflict(f"The key {key.prefix} no longer works. Create a new one instead.")


def _check_end(expires_at: datetime | None) -> None:
    now, max_age = locks.now(), current_settings().key_max_age
    if expires_at is not None and expires_at <= now:
        raise Invalid("A key must expire in the future.", errors={"expires_at": ["Is in the past."]})
    if max_age is not None and (expires_at is None or expires_at > now + max_age):
        latest = f"{now + max_age:%Y-%m-%d %H:%M:%S} UTC"
        raise Invalid(
            f"Keys may last {max_age.days} days at most here (KEY_MAX_AGE).",
            errors={"expires_at": [f"Is required, and at most {latest}."]},
        )


def _check_role(role: str, person: Person | None) -> None:
    if person is not None and not Role(person.role).holds(Role(role)):
        message = f"Must be at most {person.role}, the role of {person.name}."
        raise Invalid("A key may not do more than its person.", errors={"role": [message]})


def _person(person_id: UUID) -> Person:
    """Lock the person against changes of role and return them. Raises NotFound, and Conflict if they are inactive."""
    query = select(Person).where(Person.id == person_id).with_for_update(read=True)
    person = db.session.scalar(query.execution_options(populate_existing=True))
    if person is None:
        raise NotFound("There is no such person. GET /api/v1/people lists everybody.")
    if not person.active:
        raise Conflict(f"{person.name} is not active. Set active to true first.")
    return person


def _new(
    actor: Actor,
    salt: str,
    *,
    name: str,
    role: str,
    expires_at: datetime | None,
    person: Person | None,
    bounds: Bounds,
) -> ApiKey:
    new = key_format.make()
    row = ApiKey(
        id=uuid7(),
        name=name,
        role=role,
        person_id=person.id if person else None,
        models=_as_list(bounds.models),
        environments=_as_list(bounds.environments),
        prefix=new.prefix,
        key_hash=key_format.hashed(new.key, salt),
        salt_mark=key_format.salt_mark(salt),
        created_by=actor.shown,
        created_by_key=actor.key_id,
        expires_at=expires_at,
        asks_name=False,
    )
    row.key, row.is_active, row.person_name = new.key, True, person.name if person else None
    db.session.add(row)
    return row


def _locked(key_id: UUID) -> ApiKey:
    query = select(ApiKey).where(ApiKey.id == key_id).with_for_update(key_share=True)
    key = db.session.scalar(query.execution_options(populate_existing=True))
    if key is None:
        raise NotFound("There is no such key. GET /api/v1/api-keys and `flask keys list` list all keys.")
    return key


def _bounds(models: Sequence[str] | None, environments: Sequence[str] | None) -> Bounds:
    names = None if environments is None else tuple(sorted({name.lower() for name in environments}))
    if names is not None and RELEASE in names:
        message = "Must not be release: promotions are bound by `models` and by the role."
        raise Invalid("release is not an environment.", errors={"environments": [message]})
    return Bounds(None if models is None else tuple(models), names)


def _bounds_of(key: ApiKey) -> Bounds:
    return _bounds(key.models, key.environments)


def _as_list(bound: tuple[str, ...] | None) -> list[str] | None:
    return None if bound is None else list(bound)


def _is_unbounded_admin(key: ApiKey) -> bool:
    return key.role == Role.ADMIN and key.models is None and key.environments is None


def _end(key: ApiKey) -> datetime:
    return key.expires_at or datetime.max.replace(tzinfo=UTC)


def _as_json(changed: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the changes with times as text."""
    return {
        name: {when: value.isoformat() if isinstance(value, datetime) else value for when, value in pair.items()}
        for name, pair in changed.items()
    }


def _entry(action: str, key: ApiKey, **details: Any) -> Entry:
    ends = key.expires_at.isoformat() if key.expires_at else None
    bounds = {"models": key.models, "environments": key.environments}
    person = str(key.person_id) if key.person_id else None
    return audit.entry(
        action,
        key,
        name=key.name,
        role=str(key.role),
        prefix=key.prefix,
        expires_at=ends,
        person_id=person,
        **bounds,
        **details,
    )
