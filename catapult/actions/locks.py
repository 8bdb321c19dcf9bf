"""Row and gate locks, taken in one order: gates, environment, model, version, deployment.

Rows are locked `FOR NO KEY UPDATE`, so that the foreign-key checks of other transactions do not wait. A row is read again
once its lock is granted, since the transaction that held it may have changed it.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from types import SimpleNamespace
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Select, TextualSelect, column, func, select, text
from sqlalchemy.orm import make_transient_to_detached
from sqlalchemy.orm.attributes import set_committed_value

from catapult.errors import PreconditionFailed
from catapult.extensions import KEEP_PLAN, SEPARATOR, Row, db
from catapult.queries import aliases, artifacts, image_checks, registered_models, versions
from catapult.queries.lists import prepared
from catapult.tables import LIVE, OPEN, ApiKey, Environment, RegisteredModel, Role, Version

GATES = 0x63617461_67617465  # "catagate": any number that nothing else in this database locks
WEBHOOKS = 0x63617461_686F6F6B  # "catahook"
REGISTRIES = 0x63617461_72656773  # "cataregs"
SEALING = 0x63617461_7365616C
BLOBS = 0x63617461_626C6F62


_SHARE_GATES = f"SELECT pg_advisory_xact_lock_shared({GATES})"


def gates_shared() -> None:
    """Take the shared lock on all gates until the transaction ends: no gate can change. Take it before any other lock."""
    db.session.execute(text(_SHARE_GATES))


def gates_exclusive() -> None:
    """Take the exclusive lock on all gates until the transaction ends. Required to create, change or delete a gate."""
    db.session.execute(select(func.pg_advisory_xact_lock(GATES)))


def webhooks() -> None:
    """Take the exclusive lock on creating webhooks, so that two at once cannot exceed their number."""
    db.session.execute(select(func.pg_advisory_xact_lock(WEBHOOKS)))


def registries() -> None:
    """Take the exclusive lock on creating image registries, so that two at once cannot exceed their number."""
    db.session.execute(select(func.pg_advisory_xact_lock(REGISTRIES)))


_LOCK_BLOB = f"SELECT pg_advisory_xact_lock(hashtextextended(:sha256, {BLOBS}))"


def blob(sha256: str) -> None:
    """Take the lock on a blob until the transaction ends: it is neither removed nor named by a file meanwhile."""
    db.session.execute(text(_LOCK_BLOB), {"sha256": sha256})


def try_sealing() -> bool:
    """Take the lock on sealing the audit log until the transaction ends. Return False if another process holds it."""
    return bool(db.session.scalar(select(func.pg_try_advisory_xact_lock(SEALING))))


def model(condition: ColumnElement[bool]) -> RegisteredModel:
    """Lock and return the model that meets the condition. Raises NotFound."""
    row: RegisteredModel | None = db.session.scalar(_locked(select(RegisteredModel).where(condition)))
    if row is None:
        raise registered_models.missing()
    return row


def models(model_ids: Sequence[UUID]) -> None:
    """Lock these models, in the order of their ids. Those that were deleted meanwhile are left out."""
    db.session.execute(
        _locked(select(RegisteredModel.id).where(RegisteredModel.id.in_(model_ids)).order_by(RegisteredModel.id))
    )


def version(version_id: UUID) -> tuple[Version, datetime]:
    """Lock the version's model. Return the version, with its model, aliases and image check, and the time after the lock.

    The model's lock is enough: every change of a version takes it. Raises NotFound.
    """
    query = select(RegisteredModel).join(Version, Version.model_id == RegisteredModel.id)
    owner = db.session.scalar(_locked(query.where(Version.id == version_id)))
    if owner is None:
        raise versions.missing()
    columns = select(
        Version, versions.LIVE_IN, aliases.OF_VERSION, image_checks.OF_VERSION, func.clock_timestamp().label("now")
    )
    active = columns.where(Version.id == version_id, versions.NOT_DELETED)
    result = db.session.execute(active, execution_options={"populate_existing": True}).one_or_none()
    if result is None:
        raise versions.missing()
    row: Version = result[0]
    row.model, row.live_in, row.aliases, row.image_check = owner, result.live_in, result.aliases, result.image_check
    return row, result.now


class LockedVersion(NamedTuple):
    """A version whose model is locked, the time after the lock, and what a decision about it depends on.

    `look` returns one that is not locked.
    """

    version: Version
    now: datetime
    kinds: frozenset[str]
    """The kinds of the target's gates, of all models."""
    last: Any
    """`id live_from ended_at` of the model's deployment that went live in the target last, or None."""
    unfinished: list[UUID]
    """The model's unfinished deployments to the target."""
    environment: Any = None
    """The environment as a plain row, if it was locked, or looked at, too."""
    evidence: str = ""
    """The value of `EVIDENCE`, where it was looked at."""


LOCK_MODEL = """
SELECT model.id FROM models AS model JOIN versions AS version ON version.model_id = model.id
WHERE version.id = CAST(:version AS uuid) AND model.deleted_at IS NULL FOR NO KEY UPDATE OF model
"""


_LOCK_DESTINATION = (
    text(SEPARATOR.join([LOCK_MODEL, _LOCK_BLOB, artifacts.DESTINATION]))
    .columns(*artifacts.DESTINATION_COLUMNS)
    .execution_options(**KEEP_PLAN)
)


def destination(version_id: UUID, path: str, sha256: str) -> Any | None:
    """Lock the version's model and the blob, and return what `artifacts.destination` returns, in one round trip."""
    values = {"version": version_id, "path": path, "sha256": sha256}
    return db.session.execute(_LOCK_DESTINATION, values).one_or_none()


LOCKS = (_SHARE_GATES, LOCK_MODEL)
"""What a decision about `:version` locks: all gates, shared, and the model."""
_LIVE_IN = f"SELECT environment FROM deployments WHERE release_id = version.id AND {LIVE} ORDER BY environment"  # noqa: S608
_ALIASES = "SELECT name FROM aliases WHERE version_id = version.id AND until IS NULL ORDER BY lower(name)"
_UNFINISHED = f"SELECT id FROM deployments WHERE model_id = version.model_id AND place = :target AND {OPEN}"  # noqa: S608
VERSION_FOR = """
versions AS version JOIN models AS model ON model.id = version.model_id
LEFT JOIN LATERAL (
    SELECT id, live_from, ended_at FROM deployments
    WHERE model_id = version.model_id AND place = :target AND live_from IS NOT NULL ORDER BY live_from DESC LIMIT 1
) AS last ON true
WHERE version.id = CAST(:version AS uuid) AND version.deleted_at IS NULL AND model.deleted_at IS NULL
"""
_TARGET = "WITH target AS MATERIALIZED (SELECT * FROM environments WHERE place = :target AND deleted_at IS NULL"
LOCKED_TARGET = f"{_TARGET} FOR SHARE SKIP LOCKED)"
"""A row that another transaction is changing is skipped: waiting for it here would be against the order of the locks."""


def _columns(table: type[Any], name: str) -> dict[str, str]:
    return {f"{name}_{each.name}": f"{name}.{each.name}" for each in table.__table__.columns}


def _selecting(columns: dict[str, str], source: str, before: str = "", locks: tuple[str, ...] = LOCKS) -> TextualSelect:
    """Return one round trip that takes the locks and then selects these columns, SQL by name.

    Each statement is planned once a connection. SQLAlchemy is told the names of the columns: it would otherwise work out how
    to read a row for each result.
    """
    selected = f"{before} SELECT {', '.join(f'{sql} AS {name}' for name, sql in columns.items())} {source}"
    sql = text(SEPARATOR.join([*locks, selected]))
    return sql.columns(*map(column, columns)).execution_options(**KEEP_PLAN)


_OF_VERSION = {
    **_columns(Version, "version"),
    **{f"model_{name}": f"model.{name}" for name in ("id", "name", "repository", "storage_path")},
    "now": "clock_timestamp()",
    "live_in": f"ARRAY({_LIVE_IN})",
    "aliases": f"ARRAY({_ALIASES})",
    "image_check": image_checks.JSON.format(version="version"),
    "kinds": "ARRAY(SELECT DISTINCT kind FROM gates WHERE target = :target AND deleted_at IS NULL)",
    "unfinished": f"ARRAY({_UNFINISHED})",
    **{f"last_{name}": f"last.{name}" for name in ("id", "live_from", "ended_at")},
}
_FOR_TARGET = _selecting(_OF_VERSION, f"FROM {VERSION_FOR}")
_OF_BOTH = _OF_VERSION | _columns(Environment, "target")
_FOR_ENVIRONMENT = _selecting(_OF_BOTH, f"FROM target CROSS JOIN {VERSION_FOR}", LOCKED_TARGET)
_EVIDENCE = f"ROW(version.*, model.name, model.repository, model.storage_path, {_OF_VERSION['image_check']}, target.*)"
EVIDENCE = f"encode(sha256(convert_to(CAST({_EVIDENCE} AS text), 'UTF8')), 'hex')"
"""A hash of all that a deployment without gates depends on, besides the deployments before it."""
_LOOK = _selecting(_OF_BOTH | {"evidence": EVIDENCE}, f"FROM target CROSS JOIN {VERSION_FOR}", f"{_TARGET})", locks=())


def version_for(version_id: UUID, target: str) -> LockedVersion:
    """Lock all gates, shared, and the version's model, and return all that a decision about the target depends on.

    It is one round trip. The version and its model are detached: the caller writes what changes of them. Raises NotFound.
    """
    row = db.session.execute(_FOR_TARGET, {"version": version_id, "target": target}).one_or_none()
    if row is None:
        raise versions.missing()
    return _locked_version(row)


def version_for_environment(version_id: UUID, place: str) -> LockedVersion | None:
    """Lock as `version_for` does, and the environment, shared.

    Return None if there is no such environment or version, or if another transaction is changing the environment.
    """
    row = db.session.execute(_FOR_ENVIRONMENT, {"version": version_id, "target": place}).one_or_none()
    return None if row is None else _with_environment(row)


def look(version_id: UUID, place: str) -> LockedVersion | None:
    """Return what `version_for_environment` does and `EVIDENCE`, without a lock."""
    row = prepared.one_or_none(_LOOK, {"version": version_id, "target": place})
    return None if row is None else _with_environment(row)._replace(evidence=row.evidence)


def _with_environment(row: Any) -> LockedVersion:
    names = (each.name for each in Environment.__table__.columns)
    environment = SimpleNamespace(**{name: getattr(row, f"target_{name}") for name in names})
    return _locked_version(row)._replace(environment=environment)


def _locked_version(row: Any) -> LockedVersion:
    version: Version = _loaded(Version, row, "version")
    set_committed_value(version, "model", _loaded(RegisteredModel, row, "model"))
    version.live_in, version.aliases, version.image_check = row.live_in, row.aliases, row.image_check
    last = None
    if row.last_id is not None:
        last = SimpleNamespace(id=row.last_id, live_from=row.last_live_from, ended_at=row.last_ended_at)
    return LockedVersion(version, row.now, frozenset(row.kinds), last, row.unfinished)


@cache
def _attributes(table: type[Row], prefix: str) -> list[tuple[str, str]]:
    """Return the attributes of the table, and the columns of `_OF_VERSION` that have their values."""
    attributes = ((each.key, f"{prefix}_{each.columns[0].name}") for each in table.__mapper__.column_attrs)
    return [(attribute, name) for attribute, name in attributes if name in _OF_VERSION]


def _loaded(table: type[Row], row: Any, prefix: str) -> Any:
    """Return the row's columns with that prefix as a row of the table, detached: the session does not write what is set on it."""
    loaded = table()
    for attribute, name in _attributes(table, prefix):  # a third of the time that setting them would take
        set_committed_value(loaded, attribute, getattr(row, name))
    make_transient_to_detached(loaded)
    return loaded


def admin_keys() -> list[ApiKey]:
    """Lock all admin keys without bounds and return those that work, so that two admins cannot revoke each other concurrently."""
    unbounded = (ApiKey.models.is_(None), ApiKey.environments.is_(None))
    query = select(ApiKey).where(ApiKey.role == Role.ADMIN, ApiKey.revoked_at.is_(None), *unbounded).order_by(ApiKey.id)
    rows = list(db.session.scalars(query.with_for_update(key_share=True).execution_options(populate_existing=True)))
    time = now()
    return [row for row in rows if row.expires_at is None or row.expires_at > time]


def now() -> datetime:
    """Return the time by the database's clock. After a lock, it is later than every time written earlier under that lock."""
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
