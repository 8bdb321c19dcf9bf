"""Create, revoke and rotate API keys."""

import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from uuid_utils.compat import uuid7

from catapult import audit
from catapult.actions import locks
from catapult.audit import Actor, Entry
from catapult.errors import Conflict, Invalid, NotFound
from catapult.extensions import db
from catapult.rules import key_format
from catapult.tables import NAME_LENGTH, ApiKey, Role

FIRST_KEY_LOCK = 0x63617461_6B657900  # "catakey": any number that nothing else in this database locks


def create(
    *, actor: Actor, salt: str, name: str, role: str = Role.PUBLISHER, expires_at: datetime | None = None
) -> ApiKey:
    """Create a key. The returned row's `key` is the key itself, which is not stored. Raises Invalid, Forbidden."""
    actor.needs(Role.ADMIN)
    if len(name) > NAME_LENGTH or not re.fullmatch(key_format.NAME, name):
        rule = f"Must be visible text on one line, at most {NAME_LENGTH} characters."
        raise Invalid(f"A key's name is for people. {rule}", errors={"name": [rule]})
    if expires_at is not None and expires_at <= locks.now():
        raise Invalid("A key must expire in the future.", errors={"expires_at": ["Is in the past."]})
    row = _new(actor, salt, name, role, expires_at)
    return audit.commit(actor, row, _entry("api_key.create", row))


def create_first_admin(*, actor: Actor, salt: str) -> str | None:
    """Create and return the first admin key, or return None if an admin key works. Of several servers at once one creates it."""
    db.session.execute(select(func.pg_advisory_xact_lock(FIRST_KEY_LOCK)))
    if locks.admin_keys():
        return None
    return create(actor=actor, salt=salt, name="first-admin", role=Role.ADMIN).key


def revoke(key_id: UUID, *, actor: Actor) -> None:
    """Revoke the key: it is refused from the next request on. Revoking it again changes nothing and writes no entry.

    Raises NotFound, and Conflict for the key in use and for the last admin key.
    """
    actor.needs(Role.ADMIN)
    admins = locks.admin_keys()
    key = _locked(key_id)
    if key.revoked_at is not None:
        return
    if key.id == actor.key_id:
        raise Conflict("This is the key you are using. Revoke it with another admin key.")
    _check_not_last(key, admins)
    key.revoked_at = locks.now()
    audit.commit(actor, key, _entry("api_key.revoke", key))


def rotate(key_id: UUID, *, actor: Actor, salt: str, overlap: timedelta) -> ApiKey:
    """Create a key with the same name, role and expiry, as `create` does. The old key works for `overlap` more.

    Raises NotFound, and Conflict if the old key is revoked or expired.
    """
    actor.needs(Role.ADMIN)
    old = _locked(key_id)
    now = locks.now()
    if old.revoked_at is not None or (old.expires_at is not None and old.expires_at <= now):
        raise Conflict(f"The key {old.prefix} no longer works. Create a new one instead.")
    new = _new(actor, salt, old.name, old.role, old.expires_at)
    ends = now + overlap
    old.expires_at = min(old.expires_at, ends) if old.expires_at else ends
    details = {"replaces": str(old.id), "old_prefix": old.prefix, "old_expires_at": old.expires_at.isoformat()}
    return audit.commit(actor, new, _entry("api_key.rotate", new, **details))


def _new(actor: Actor, salt: str, name: str, role: str, expires_at: datetime | None) -> ApiKey:
    new = key_format.make()
    row = ApiKey(
        id=uuid7(),
        name=name,
        role=role,
        prefix=new.prefix,
        key_hash=key_format.hashed(new.key, salt),
        salt_mark=key_format.salt_mark(salt),
        created_by=actor.name,
        expires_at=expires_at,
    )
    row.key, row.is_active = new.key, True
    db.session.add(row)
    return row


def _locked(key_id: UUID) -> ApiKey:
    query = select(ApiKey).where(ApiKey.id == key_id).with_for_update(key_share=True)
    key = db.session.scalar(query.execution_options(populate_existing=True))
    if key is None:
        raise NotFound("There is no such key. `flask keys list` shows those there are.")
    return key


def _check_not_last(key: ApiKey, admins: list[ApiKey]) -> None:
    """Raise Conflict if no other admin key lasts as long as this one."""
    others = [other for other in admins if other is not key and _lasts(other) >= _lasts(key)]
    if key in admins and not others:
        raise Conflict(
            "This is the last admin key: no other lasts as long. Create another first, then revoke this one."
        )


def _lasts(key: ApiKey) -> datetime:
    return key.expires_at or datetime.max.replace(tzinfo=UTC)


def _entry(action: str, key: ApiKey, **details: str) -> Entry:
    ends = key.expires_at.isoformat() if key.expires_at else None
    return audit.entry(action, key, name=key.name, role=str(key.role), prefix=key.prefix, expires_at=ends, **details)
