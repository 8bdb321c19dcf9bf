"""Add, edit and delete the keys that files may be signed for.

Only admins without bounds may do so. Every change takes the exclusive lock on gates, so that no version is being checked with a key
while the key changes.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from uuid_utils.compat import uuid7

from catapult import audit
from catapult.actions import locks
from catapult.audit import Actor
from catapult.errors import Conflict, Invalid
from catapult.extensions import db
from catapult.queries import trusted_keys as queries
from catapult.rules import public_keys
from catapult.rules.json_text import rfc3339
from catapult.tables import NOW, Role, TrustedKey

MOST = 50
"""Trusted keys at a time: each signature is tried with all of them."""
FIELDS = ("name", "model", "not_after")
"""What may be changed. Another public key is another trusted key."""


def check_may_manage(actor: Actor) -> None:
    """Raise Forbidden unless the actor may add, edit and delete trusted keys."""
    actor.needs(Role.ADMIN)
    actor.bounds.check_everything("trusted keys")


def create(*, actor: Actor, name: str, public_key: str, **fields: Any) -> TrustedKey:
    """Trust the key from now on. Raises Forbidden, Invalid, and Conflict if the name is taken or if there are `MOST`."""
    check_may_manage(actor)
    try:
        key = public_keys.parsed(public_key)
    except ValueError as error:
        raise Invalid("No signature can be verified with this.", errors={"public_key": [str(error)]}) from error
    locks.gates_exclusive()
    if (db.session.scalar(select(func.count()).where(TrustedKey.deleted_at.is_(None))) or 0) >= MOST:
        raise Conflict(
            f"There are {MOST} trusted keys, the most that there may be. Delete one that is not used any more."
        )
    row = TrustedKey(
        id=uuid7(),
        name=name,
        public_key=public_keys.as_pem(key),
        fingerprint=public_keys.fingerprint(key),
        created_by=actor.shown,
        **fields,
    )
    db.session.add(row)
    return audit.commit(actor, row, _entry("trusted_key.create", row, **_shown(row)))


def edit(key_id: UUID, fields: dict[str, Any], *, actor: Actor, expected: set[int] | None = None) -> TrustedKey:
    """Set these `FIELDS`. Raises NotFound, Forbidden, PreconditionFailed, and Conflict if the name is taken."""
    check_may_manage(actor)
    locks.gates_exclusive()
    row = _locked(key_id)
    locks.check_counter(row, expected)
    before = _shown(row)
    if not audit.changes(row, fields):
        return row
    after = _shown(row)
    changed = {name: {"old": before[name], "new": after[name]} for name in FIELDS if before[name] != after[name]}
    return audit.commit(actor, row, _entry("trusted_key.update", row, changes=changed))


def delete(key_id: UUID, *, actor: Actor, expected: set[int] | None = None) -> None:
    """Delete the key: no signature of it counts any more. Raises NotFound, Forbidden, PreconditionFailed."""
    check_may_manage(actor)
    locks.gates_exclusive()
    row = _locked(key_id)
    locks.check_counter(row, expected)
    row.deleted_at = NOW
    audit.commit(actor, row, _entry("trusted_key.delete", row, **_shown(row)))


def _shown(row: TrustedKey) -> dict[str, Any]:
    """Return `FIELDS` as the audit log has them."""
    return {"name": row.name, "model": row.model, "not_after": row.not_after and rfc3339(row.not_after)}


def _entry(action: str, row: TrustedKey, **details: Any) -> audit.Entry:
    return audit.entry(action, row, **{"name": row.name, "fingerprint": row.fingerprint, **details})


def _locked(key_id: UUID) -> TrustedKey:
    query = select(TrustedKey).where(TrustedKey.id == key_id, TrustedKey.deleted_at.is_(None))
    row = db.session.scalar(query.with_for_update(key_share=True).execution_options(populate_existing=True))
    if row is None:
        raise queries.missing()
    return row
