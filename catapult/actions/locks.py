"""The rows a verb works on, locked in one order: environment, model, version, deployment; the gates before a model.

`FOR NO KEY UPDATE`, so that a foreign-key check of another transaction does not wait. A row is read again after the lock
was granted, since what came before it may have changed everything.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select

from catapult.errors import PreconditionFailed
from catapult.extensions import db
from catapult.queries import registered_models, versions
from catapult.tables import ApiKey, RegisteredModel, Role, Version

GATES = 0x63617461_67617465  # "catagate": any number that nothing else in this database locks
"""Held alone while gates change, and together while versions are held to them."""

_GATES_STAND = func.pg_advisory_xact_lock_shared(GATES)


def model(condition: ColumnElement[bool], *, gated: bool = False) -> RegisteredModel:
    """The model that meets the condition, locked, and with `gated` no gate changes either. Raises NotFound."""
    query: Select[Any] = select(RegisteredModel).where(condition)
    row: RegisteredModel | None = db.session.scalar(_locked(query.add_columns(_GATES_STAND) if gated else query))
    if row is None:
        raise registered_models.missing()
    return row


def version(version_id: UUID, *, gated: bool = False) -> tuple[Version, list[str], datetime]:
    """That version with its model locked, where it is live, and the time after the lock. Raises NotFound.

    The model's lock is enough: whatever changes a version takes it, and two versions of one model queue up.
    `gated`: no gate changes either before the transaction ends.
    """
    query = (
        select(RegisteredModel).join(Version, Version.model_id == RegisteredModel.id).where(Version.id == version_id)
    )
    owner = db.session.scalar(_locked(query.add_columns(_GATES_STAND) if gated else query))
    if owner is None:
        raise versions.missing()
    found = select(Version, versions.LIVE_IN, func.clock_timestamp()).where(Version.id == version_id, versions.KEPT)
    row = db.session.execute(found, execution_options={"populate_existing": True}).one_or_none()
    if row is None:
        raise versions.missing()
    row[0].model = owner
    return row[0], row[1], row[2]


def hold_gates() -> None:
    """No gate changes before the transaction ends, for whoever locks no model with it or has to hold them before."""
    db.session.execute(select(_GATES_STAND))


def admins() -> list[ApiKey]:
    """Every admin key that works now, locked, so that two admins cannot revoke each other at once."""
    query = select(ApiKey).where(ApiKey.role == Role.ADMIN, ApiKey.revoked_at.is_(None)).order_by(ApiKey.id)
    rows = list(db.session.scalars(query.with_for_update(key_share=True).execution_options(populate_existing=True)))
    at = now()
    return [row for row in rows if row.expires_at is None or row.expires_at > at]


def now() -> datetime:
    """The database's clock. Taken after a lock, it is later than every time written under that lock before."""
    time: datetime = db.session.scalar(select(func.clock_timestamp()))  # type: ignore[assignment]
    return time


def check_counter(row: Any, expected: set[int] | None) -> None:
    """Nothing, if the row is as the caller saw it; None for whatever it is. Raises PreconditionFailed."""
    if expected is not None and row.counter not in expected:
        raise PreconditionFailed(
            "It was changed after you read it. Read it again, then send your change with the new ETag."
        )


def _locked(query: Select[Any]) -> Select[Any]:
    kept = query.where(registered_models.KEPT)
    return kept.with_for_update(key_share=True, of=RegisteredModel).execution_options(populate_existing=True)
