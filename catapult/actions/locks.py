"""Row and gate locks, taken in one order: gates, environment, model, version, deployment.

Rows are locked `FOR NO KEY UPDATE`, so that the foreign-key checks of other transactions do not wait. A row is read again
once its lock is granted, since the transaction that held it may have changed it.
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


def gates_shared() -> None:
    """Take the shared lock on all gates until the transaction ends: no gate can change. Take it before any other lock."""
    db.session.execute(select(func.pg_advisory_xact_lock_shared(GATES)))


def gates_exclusive() -> None:
    """Take the exclusive lock on all gates until the transaction ends. Required to create, change or delete a gate."""
    db.session.execute(select(func.pg_advisory_xact_lock(GATES)))


def model(condition: ColumnElement[bool]) -> RegisteredModel:
    """Lock and return the model that meets the condition. Raises NotFound."""
    row: RegisteredModel | None = db.session.scalar(_locked(select(RegisteredModel).where(condition)))
    if row is None:
        raise registered_models.missing()
    return row


def version(version_id: UUID) -> tuple[Version, datetime]:
    """Lock the version's model and return the version, with `model` and `live_in` set, and the time after the lock.

    The model's lock is enough: every change of a version takes it. Raises NotFound.
    """
    query = select(RegisteredModel).join(Version, Version.model_id == RegisteredModel.id)
    owner = db.session.scalar(_locked(query.where(Version.id == version_id)))
    if owner is None:
        raise versions.missing()
    columns = select(Version, versions.LIVE_IN, func.clock_timestamp())
    active = columns.where(Version.id == version_id, versions.NOT_DELETED)
    result = db.session.execute(active, execution_options={"populate_existing": True}).one_or_none()
    if result is None:
        raise versions.missing()
    row: Version = result[0]
    row.model, row.live_in = owner, result[1]
    return row, result[2]


def admin_keys() -> list[ApiKey]:
    """Lock all unrevoked admin keys and return the unexpired ones, so that two admins cannot revoke each other concurrently."""
    query = select(ApiKey).where(ApiKey.role == Role.ADMIN, ApiKey.revoked_at.is_(None)).order_by(ApiKey.id)
    rows = list(db.session.scalars(query.with_for_update(key_share=True).execution_options(populate_existing=True)))
    time = now()
    return [row for row in rows if row.expires_at is None or row.expires_at > time]


def now() -> datetime:
    """Return the database's clock. Asked after a lock, it is later than every time that was written under that lock before."""
    time: datetime = db.session.scalar(select(func.clock_timestamp()))  # type: ignore[assignment]
    return time


def check_counter(row: Any, expected: set[int] | None) -> None:
    """Raise PreconditionFailed if the row's counter is not in `expected`. With None, accept any counter."""
    if expected is not None and row.counter not in expected:
        raise PreconditionFailed(
            "It has changed since you read it. Read it again, then send your change with the new ETag."
        )


def _locked(query: Select[Any]) -> Select[Any]:
    active = query.where(registered_models.NOT_DELETED)
    return active.with_for_update(key_share=True, of=RegisteredModel).execution_options(populate_existing=True)
