"""Register, edit, promote, demote and delete versions."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete as delete_rows
from sqlalchemy import select, text, update
from sqlalchemy.orm import joinedload
from uuid_utils.compat import uuid7

from catapult import audit
from catapult.actions import deployment_states, gates, locks
from catapult.actions.registration import Registration
from catapult.audit import Actor, Entry
from catapult.errors import Conflict, Invalid
from catapult.extensions import begin, db
from catapult.rules import metadata_limits as limits
from catapult.rules.semver import semver_key
from catapult.tables import (
    DEFAULT_PLATFORM,
    NOW,
    RELEASE,
    Deployment,
    Metric,
    RegisteredModel,
    Role,
    Version,
    VersionStatus,
)


def create(
    *,
    actor: Actor,
    model_id: UUID | None = None,
    model_name: str | None = None,
    is_release: bool = False,
    metadata: dict[str, Any] | None = None,
    **fields: Any,
) -> Version:
    """Register a version of the model that `model_id` or `model_name` names, and promote it if `is_release`.

    `fields` are the version's own. Raises NotFound (model), Conflict (the model has this version), Forbidden, and Blocked if a
    gate does not let it become a release; then it is not registered either.
    """
    actor.needs(Role.RELEASER if is_release else Role.PUBLISHER)
    limits.check(metadata)
    if model_id is None and model_name is None:
        raise Invalid("Send model_id or model_name.", errors={"model_name": ["Required without a model_id."]})
    version = Version(
        id=uuid7(),
        metadata_=metadata or {},
        semver_key=semver_key(fields["version"]),
        created_by=actor.name,
        created_by_key=actor.key_id,
        **{"platform": DEFAULT_PLATFORM, "status": VersionStatus.ACTIVE.value, "counter": 1, **fields},
    )
    version.live_in = []
    registration = Registration(version, model_id, model_name)
    if is_release:
        return _register_release(version, registration, actor)
    return audit.commit(actor, version, _created(version), statement=registration)


def edit(
    version_id: UUID,
    fields: dict[str, Any],
    *,
    actor: Actor,
    is_release: bool | None = None,
    expected: set[int] | None = None,
) -> Version:
    """Set these fields, and promote or demote the version if `is_release` is given, in one transaction.

    Raises NotFound, PreconditionFailed, Forbidden, Blocked, and Conflict for archiving a live version or promoting an archived one.
    """
    actor.needs(Role.PUBLISHER if is_release is None else Role.RELEASER)
    limits.check(fields.get("metadata_"))
    if is_release:
        locks.gates_shared()
    version, now = locks.version(version_id)
    locks.check_counter(version, expected)
    entries = _change(version, fields)
    if is_release is not None:
        entries += _promote(version, actor, now) if is_release else _demote(version)
    return audit.commit(actor, version, *entries) if entries else version


def promote(version_id: UUID, *, actor: Actor, reason: str | None = None, force: bool = False) -> Version:
    """Make this version a release. Promoting a release changes nothing and writes no entry.

    `force`, with a reason and by an admin, overrides the gates and writes an entry about that too. Raises NotFound, Forbidden,
    Blocked, and Conflict if it is archived.
    """
    actor.needs(Role.RELEASER)
    gates.check_force(actor, force, reason)
    locks.gates_shared()
    version, now = locks.version(version_id)
    entries = _promote(version, actor, now, reason, force)
    return audit.commit(actor, version, *entries) if entries else version


def demote(version_id: UUID, *, actor: Actor, reason: str | None = None) -> Version:
    """Make this release an ordinary version again. Demoting a version that is not a release changes nothing.

    Raises NotFound, Forbidden.
    """
    actor.needs(Role.RELEASER)
    version, _ = locks.version(version_id)
    entries = _demote(version, reason)
    return audit.commit(actor, version, *entries) if entries else version


def delete(version_id: UUID, *, actor: Actor, expected: set[int] | None = None) -> None:
    """Remove the version and its deployments from every list. Its version string is free again.

    Raises NotFound, PreconditionFailed, and Conflict while it is live somewhere.
    """
    actor.needs(Role.ADMIN)
    version, _ = locks.version(version_id)
    locks.check_counter(version, expected)
    _check_not_live(version, "deleted")
    cancelled = [str(deployment_id) for deployment_id in deployment_states.cancel(Deployment.release_id == version.id)]
    version.deleted_at = NOW
    rows = update(Deployment).where(Deployment.release_id == version.id, Deployment.deleted_at.is_(None))
    removed: Any = db.session.execute(
        rows.values(deleted_at=NOW, updated_at=Deployment.updated_at), execution_options={"synchronize_session": False}
    )
    audit.flush()
    _update_count(version, by=-1)
    audit.commit(
        actor,
        version,
        _entry("version.delete", version, None, deployments=removed.rowcount, cancelled_deployments=cancelled or None),
    )


_MODELS: Any = RegisteredModel.__table__
_INSERT_METRICS = text(
    "INSERT INTO metrics (version_id, model_id, path, value)"
    " SELECT :version, :model, path, value"
    " FROM unnest(CAST(:paths AS varchar[]), CAST(:numbers AS double precision[])) AS found (path, value)"
)


def _created(version: Version, **details: Any) -> Entry:
    return audit.entry(
        "version.create", version, version=version.version, tag=version.tag, digest=version.digest, **details
    )


def _register_release(version: Version, registration: Registration, actor: Actor) -> Version:
    begin()
    locks.gates_shared()  # before the model's lock, which the registration takes
    registration.finish(audit.execute(registration.sql(), registration.values))
    release = db.session.get_one(Version, version.id, options=[joinedload(Version.model)])
    release.live_in = []
    created = _created(release, model=release.model_name)
    return audit.commit(actor, release, created, *_promote(release, actor, release.created_at))


def _promote(
    version: Version, actor: Actor, now: datetime, reason: str | None = None, force: bool = False
) -> list[Entry]:
    if version.is_release:
        return []
    if version.status == VersionStatus.ARCHIVED:
        raise Conflict(f"{version.version} is archived. Set its status to active first, then promote it.")
    failed = gates.check(version.id, RELEASE, actor=actor, force=force)
    version.released_at, version.released_by = now, actor.name
    details = {"model": version.model_name, "version": version.version}
    return [_entry("version.promote", version, reason), *gates.override(version, failed, RELEASE, reason, **details)]


def _demote(version: Version, reason: str | None = None) -> list[Entry]:
    if not version.is_release:
        return []
    since = version.released_at.isoformat() if version.released_at else None
    entry = _entry("version.demote", version, reason, released_by=version.released_by, released_at=since)
    version.released_at = version.released_by = None
    return [entry]


def _entry(action: str, version: Version, reason: str | None, **details: Any) -> Entry:
    return audit.entry(action, version, model=version.model_name, version=version.version, reason=reason, **details)


def _change(version: Version, fields: dict[str, Any]) -> list[Entry]:
    """Set the fields and update what is derived from them. Return the audit entry, if anything changed."""
    changed = audit.changes(version, fields)
    if not changed:
        return []
    if "status" in changed:
        if version.status == VersionStatus.ARCHIVED:
            _check_not_live(version, "archived")
        audit.flush()
        _update_count(version, by=0)
    if "metadata" in changed:
        db.session.execute(delete_rows(Metric).where(Metric.version_id == version.id))
        _insert_metrics(version)
    return [_entry("version.update", version, None, changes=changed)]


def _check_not_live(version: Version, verb: str) -> None:
    if version.live_in:
        raise Conflict(
            f"{version.version} is live in {', '.join(version.live_in)} and can't be {verb}. Deploy another version there first."
        )


def _insert_metrics(version: Version) -> None:
    """Insert the numbers in its metadata into `metrics`, in one statement."""
    numbers = dict(limits.numbers(version.metadata_))
    if numbers:
        columns = {"paths": list(numbers), "numbers": list(numbers.values())}
        db.session.execute(_INSERT_METRICS, {"version": version.id, "model": version.model_id, **columns})


def _update_count(version: Version, by: int) -> None:
    """Change the model's version count by that number and update its latest version.

    On the table and not the object: the model's counter and `updated_at` do not change with its versions.
    """
    latest = (
        select(Version.version)
        .where(
            Version.model_id == version.model_id, Version.deleted_at.is_(None), Version.status == VersionStatus.ACTIVE
        )
        .order_by(Version.created_at.desc(), Version.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    columns = _MODELS.c
    db.session.execute(
        update(_MODELS)
        .where(columns.id == version.model_id)
        .values(version_count=columns.version_count + by, latest_version=latest, updated_at=columns.updated_at)
    )
