"""Register, change, promote, demote and delete versions."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete as delete_rows
from sqlalchemy import select, text, update
from sqlalchemy.orm import joinedload
from uuid_utils.compat import uuid7

from catapult import audit
from catapult.actions import gates, locks, progress, registration
from catapult.audit import Actor, Entry
from catapult.errors import Conflict, Invalid
from catapult.extensions import db, in_transaction
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

    `fields` are the version's own. Raises NotFound (model), Conflict (the model has this version), Forbidden, and Blocked where
    a gate lets it not be a release: then it is not registered either.
    """
    actor.needs(Role.RELEASER if is_release else Role.PUBLISHER)
    limits.check(metadata)
    if model_id is None and model_name is None:
        raise Invalid("Say which model it is of.", errors={"model_name": ["Needed where there is no model_id."]})
    version = Version(
        id=uuid7(),
        metadata_=metadata or {},
        semver_key=semver_key(fields["version"]),
        created_by=actor.name,
        created_by_key=actor.key_id,
        **{"platform": DEFAULT_PLATFORM, "status": VersionStatus.ACTIVE.value, "counter": 1, **fields},
    )
    version.live_in = []
    said = audit.entry("version.create", version, **{name: fields[name] for name in ("version", "tag", "digest")})
    if not is_release:
        return audit.commit_recorded(
            registration.register(version, actor, said, model_id=model_id, model_name=model_name)
        )
    in_transaction()
    locks.hold_gates()  # before the model, which registering locks
    registration.register(version, actor, said, model_id=model_id, model_name=model_name)
    registered = db.session.get_one(Version, version.id, options=[joinedload(Version.model)])
    registered.live_in = []
    return audit.commit(actor, registered, *_promote(registered, actor, registered.created_at))


def edit(
    version_id: UUID,
    fields: dict[str, Any],
    *,
    actor: Actor,
    is_release: bool | None = None,
    expected: set[int] | None = None,
) -> Version:
    """These fields have these values, and it is a release or not if `is_release` says so; all in one transaction.

    Raises NotFound, PreconditionFailed, Forbidden, Blocked, and Conflict for archiving what is live or promoting what is archived.
    """
    actor.needs(Role.PUBLISHER if is_release is None else Role.RELEASER)
    limits.check(fields.get("metadata_"))
    version, now = _locked(version_id, gated=bool(is_release))
    locks.check_counter(version, expected)
    entries = _change(version, fields)
    if is_release is not None:
        entries += _promote(version, actor, now) if is_release else _demote(version)
    return audit.commit(actor, version, *entries) if entries else version


def promote(version_id: UUID, *, actor: Actor, reason: str | None = None, force: bool = False) -> Version:
    """Make this version a release. Promoting a release changes nothing and writes no entry.

    `force`, with a reason and by an admin, passes the gates, and writes an entry of that too. Raises NotFound, Forbidden, Blocked,
    and Conflict where it is archived.
    """
    actor.needs(Role.RELEASER)
    gates.check_force(actor, force, reason)
    version, now = _locked(version_id, gated=True)
    entries = _promote(version, actor, now, reason, force)
    return audit.commit(actor, version, *entries) if entries else version


def demote(version_id: UUID, *, actor: Actor, reason: str | None = None) -> Version:
    """Make this release a plain version again. Demoting what is no release changes nothing and writes no entry.

    Raises NotFound, Forbidden.
    """
    actor.needs(Role.RELEASER)
    version, _ = _locked(version_id)
    entries = _demote(version, reason)
    return audit.commit(actor, version, *entries) if entries else version


def delete(version_id: UUID, *, actor: Actor, expected: set[int] | None = None) -> None:
    """The version and its deployments leave every list; its version string is free again.

    Raises NotFound, PreconditionFailed, and Conflict while it is live somewhere.
    """
    actor.needs(Role.ADMIN)
    version, _ = _locked(version_id)
    locks.check_counter(version, expected)
    _check_not_live(version, "deleted")
    cancelled = [str(one) for one in progress.cancel(Deployment.release_id == version.id)]
    version.deleted_at = NOW
    of_it = update(Deployment).where(Deployment.release_id == version.id, Deployment.deleted_at.is_(None))
    left: Any = db.session.execute(
        of_it.values(deleted_at=NOW, updated_at=Deployment.updated_at), execution_options={"synchronize_session": False}
    )
    audit.flush()
    _count_again(version, by=-1)
    audit.commit(
        actor,
        version,
        _said("version.delete", version, None, deployments=left.rowcount, cancelled_deployments=cancelled or None),
    )


_MODELS: Any = RegisteredModel.__table__
_INSERT_METRICS = text(
    "INSERT INTO metrics (version_id, model_id, path, value)"
    " SELECT :version, :model, path, value"
    " FROM unnest(CAST(:paths AS varchar[]), CAST(:numbers AS double precision[])) AS found (path, value)"
)


def _locked(version_id: UUID, *, gated: bool = False) -> tuple[Version, datetime]:
    version, live_in, now = locks.version(version_id, gated=gated)
    version.live_in = live_in
    return version, now


def _promote(
    version: Version, actor: Actor, now: datetime, reason: str | None = None, force: bool = False
) -> list[Entry]:
    if version.is_release:
        return []
    if version.status == VersionStatus.ARCHIVED:
        raise Conflict(f"{version.version} is archived. Set its status to active first, then promote it.")
    broken = gates.passed(version.id, RELEASE, actor=actor, force=force)
    version.released_at, version.released_by = now, actor.name
    told = {"model": version.model_name, "version": version.version}
    return [_said("version.promote", version, reason), *gates.override(version, broken, RELEASE, reason, **told)]


def _demote(version: Version, reason: str | None = None) -> list[Entry]:
    if not version.is_release:
        return []
    since = version.released_at.isoformat() if version.released_at else None
    entry = _said("version.demote", version, reason, released_by=version.released_by, released_at=since)
    version.released_at = version.released_by = None
    return [entry]


def _said(action: str, version: Version, reason: str | None, **details: Any) -> Entry:
    return audit.entry(action, version, model=version.model_name, version=version.version, reason=reason, **details)


def _change(version: Version, fields: dict[str, Any]) -> list[Entry]:
    """The fields are set, and what is kept of them elsewhere follows."""
    changed = audit.changes(version, fields)
    if not changed:
        return []
    if "status" in changed:
        if version.status == VersionStatus.ARCHIVED:
            _check_not_live(version, "archived")
        audit.flush()
        _count_again(version, by=0)
    if "metadata" in changed:
        db.session.execute(delete_rows(Metric).where(Metric.version_id == version.id))
        _keep_metrics(version)
    return [_said("version.update", version, None, changes=changed)]


def _check_not_live(version: Version, verb: str) -> None:
    if version.live_in:
        raise Conflict(
            f"{version.version} is live in {', '.join(version.live_in)} and can't be {verb}. Deploy another version there first."
        )


def _keep_metrics(version: Version) -> None:
    """The numbers in its metadata, in one statement however many there are."""
    found = dict(limits.numbers(version.metadata_))
    if found:
        columns = {"paths": list(found), "numbers": list(found.values())}
        db.session.execute(_INSERT_METRICS, {"version": version.id, "model": version.model_id, **columns})


def _count_again(version: Version, by: int) -> None:
    newest = (
        select(Version.version)
        .where(
            Version.model_id == version.model_id, Version.deleted_at.is_(None), Version.status == VersionStatus.ACTIVE
        )
        .order_by(Version.created_at.desc(), Version.id.desc())
        .limit(1)
    )
    _keep_count(version, by, newest.scalar_subquery())


def _keep_count(version: Version, by: int, latest: Any) -> None:
    """On the table and not the object: neither the model's counter nor its `updated_at` moves with its versions."""
    columns = _MODELS.c
    db.session.execute(
        update(_MODELS)
        .where(columns.id == version.model_id)
        .values(version_count=columns.version_count + by, latest_version=latest, updated_at=columns.updated_at)
    )
