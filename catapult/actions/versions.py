"""Register, edit, promote, demote and delete versions."""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import delete as delete_rows
from sqlalchemy import select, text, update
from sqlalchemy.orm import joinedload
from uuid_utils.compat import uuid7

from catapult import audit
from catapult.actions import aliases, approvals, contents, decisions, deployment_states, gates, image_checks, locks
from catapult.actions.images import Resolved
from catapult.actions.registration import NUMBERS, UNNESTED, Registered, Registration
from catapult.audit import Actor, Entry, Script
from catapult.errors import Conflict, Invalid
from catapult.extensions import begin, db
from catapult.queries import image_checks as image_check_queries
from catapult.queries.content import FIELDS as CONTENT
from catapult.queries.gate_facts import ALL
from catapult.rules import metadata_limits as limits
from catapult.rules import mlflow_tags, version_content
from catapult.rules.semver import semver_key
from catapult.tables import (
    DEFAULT_PLATFORM,
    NOW,
    RELEASE,
    Action,
    Approval,
    Decision,
    DecisionKind,
    Deployment,
    Kind,
    Metric,
    RegisteredModel,
    Role,
    Version,
    VersionStatus,
)

NEW = {"platform": DEFAULT_PLATFORM, "status": VersionStatus.ACTIVE.value, "counter": 1}
"""The values of a new version's columns that nothing else sets."""


def create(
    *,
    actor: Actor,
    model_id: UUID | None = None,
    model_name: str | None = None,
    is_release: bool = False,
    metadata: dict[str, Any] | None = None,
    tags: list[str] | None = None,
    resolved: Resolved | None = None,
    **fields: Any,
) -> Version:
    """Register a version of the model that `model_id` or `model_name` names, and promote it if `is_release`.

    `fields` are the version's own; one whose `version` is None is called by its number. `resolved` is its image, instead of a
    tag and a digest. Raises NotFound (model), Conflict (the model has this version), Forbidden, Invalid, and Blocked if a gate
    does not let it become a release; then it is not registered either.
    """
    actor.needs(Role.RELEASER if is_release else Role.PUBLISHER)
    if resolved is not None:
        fields = {**_of_image(resolved), **fields}
    elif missing := version_content.missing(*(fields.get(name) for name in ("tag", "digest", "source"))):
        raise Invalid("Send tag and digest, or source, or all three.", errors=missing)
    if model_id is None and model_name is None:
        raise Invalid("Send model_id or model_name.", errors={"model_name": ["Required without a model_id."]})
    metadata = metadata or {}
    columns = _new(actor, metadata, {"tags": tags or [], **fields})
    registration = Registration(columns, metadata, model_id, model_name, actor.bounds)
    if is_release or resolved is not None:
        return _register_in_steps(registration, actor, resolved, is_release)
    registration.row = row = Version(metadata_=metadata, override=False, **columns)
    row.live_in, row.aliases, row.image_check = [], [], None
    return audit.commit(actor, row, _created(columns), statement=registration)


def register(
    *, actor: Actor, model_name: str, version: str | None, source: str, metadata: dict[str, Any], notes: str | None
) -> Registered:
    """Register a version of that source, as `create` does, and return what its row got, without the row itself.

    Raises NotFound (model), Conflict (the model has this version), Forbidden, Invalid.
    """
    actor.needs(Role.PUBLISHER)
    columns = _new(actor, metadata, {"version": version, "source": source, "release_notes": notes, "tags": []})
    registration = Registration(columns, metadata, None, model_name, actor.bounds)
    return audit.commit(actor, registration, _created(columns), statement=registration).registered


def edit(
    version_id: UUID,
    fields: dict[str, Any],
    *,
    actor: Actor,
    is_release: bool | None = None,
    reason: str | None = None,
    expected: set[int] | None = None,
) -> Version:
    """Set these fields, and promote or demote the version if `is_release` is given, in one transaction.

    A change of content voids the approvals; on a release, a live version, or one that a guarded alias points at, it takes a
    releaser and a reason. Archiving a release takes a releaser. Raises NotFound, PreconditionFailed, Forbidden, Blocked, Invalid
    (reason), and Conflict for archiving a version that is live or has an alias, or promoting an archived one.
    """
    actor.needs(Role.PUBLISHER if is_release is None else Role.RELEASER)
    limits.check(fields.get("metadata_"))
    if is_release:
        locks.gates_shared()
    version, now = locks.version(version_id)
    actor.bounds.check_model(version.model_name)
    locks.check_counter(version, expected)
    entries = _change(version, fields, actor, now, reason)
    if is_release is not None:
        decided = _promote(version, actor, now, reason) if is_release else _demote(version, actor, now, reason)
        if decided is not None:
            _set(version, decided)
            db.session.add(decided.decision)
            entries += decided.entries
    return audit.commit(actor, version, *entries) if entries else version


def promote(
    version_id: UUID, *, actor: Actor, reason: str | None = None, force: bool = False, expected: set[int] | None = None
) -> Version:
    """Make this version a release. Promoting a release changes nothing and writes no entry.

    `force`, with a reason and by an admin, overrides the gates and writes an entry about that too. Raises NotFound, Forbidden,
    Blocked, PreconditionFailed, and Conflict if it is archived.
    """
    actor.needs(Role.RELEASER)
    gates.check_force(actor, force, reason)
    locked = locks.version_for(version_id, RELEASE)
    actor.bounds.check_model(locked.version.model_name)
    locks.check_counter(locked.version, expected)
    decided = _promote(locked.version, actor, locked.now, reason, force, locked.kinds)
    return _save(locked, decided, actor)


def demote(version_id: UUID, *, actor: Actor, reason: str | None = None, expected: set[int] | None = None) -> Version:
    """Make this release an ordinary version again. Demoting a version that is not a release changes nothing.

    Raises NotFound, Forbidden, PreconditionFailed.
    """
    actor.needs(Role.RELEASER)
    locked = locks.version_for(version_id, RELEASE)
    actor.bounds.check_model(locked.version.model_name)
    locks.check_counter(locked.version, expected)
    return _save(locked, _demote(locked.version, actor, locked.now, reason), actor)


def delete(version_id: UUID, *, actor: Actor, with_aliases: bool = False, expected: set[int] | None = None) -> None:
    """Remove the version and its deployments from every list. Its version string is free again.

    Raises NotFound, PreconditionFailed, and Conflict while it is live somewhere or an alias points at it. `with_aliases` removes
    its aliases too, except one that a gate guards.
    """
    actor.needs(Role.ADMIN)
    locks.gates_shared()  # they may guard its aliases
    version, now = locks.version(version_id)
    actor.bounds.check_model(version.model_name)
    locks.check_counter(version, expected)
    _check_not_live(version, "deleted")
    removed_aliases = aliases.end_of_version(version, now) if with_aliases else aliases.check_none(version)
    deployment_states.check_bounds(actor, Deployment.release_id == version.id)
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
        *removed_aliases,
        _entry("version.delete", version, None, deployments=removed.rowcount, cancelled_deployments=cancelled or None),
    )


_MODELS: Any = RegisteredModel.__table__
_INSERT_METRICS = text(
    f"INSERT INTO metrics (version_id, model_id, path, value, exact) SELECT :version, :model, {NUMBERS} FROM {UNNESTED}"  # noqa: S608
)


def _new(actor: Actor, metadata: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a new version's columns, except for its metadata. Raises Invalid for metadata beyond the limits."""
    limits.check(metadata)
    return {
        "id": uuid7(),
        "semver_key": semver_key(fields["version"]) if fields["version"] is not None else None,
        "created_by": actor.shown,
        "created_by_key": actor.key_id,
        **NEW,
        **fields,
    }


def _created(columns: dict[str, Any], **more: str | None) -> Entry:
    details = {name: columns.get(name) for name in ("version", "tag", "digest", "source")} | more
    present = {name: value for name, value in details.items() if value is not None}
    return Entry(Action.VERSION_CREATE, Kind.VERSION, columns["id"], present)


def _of_image(resolved: Resolved) -> dict[str, Any]:
    """Return the fields of a version that are read from its image."""
    fields: dict[str, Any] = {"tag": resolved.name.tag, "digest": resolved.digest}
    if resolved.image is None:
        return fields
    platform = {"platform": resolved.image.platforms[0]} if resolved.image.platforms else {}
    return {**fields, "size_bytes": resolved.image.size_bytes, **platform}


def _register_in_steps(
    registration: Registration, actor: Actor, resolved: Resolved | None, is_release: bool
) -> Version:
    """Register the version in one transaction with the check of its image, and with its promotion if `is_release`."""
    begin()
    if is_release:
        locks.gates_shared()  # before the model's lock, which the registration takes
    registration.finish(audit.execute(registration.sql(), registration.values))
    row = db.session.get_one(Version, registration.values["id"], options=[joinedload(Version.model)])
    row.live_in, row.aliases, row.image_check = [], [], None
    if resolved is not None:
        db.session.add(image_checks.of_new(row, resolved, row.created_at, actor=actor))
        audit.flush()
        row.image_check = image_check_queries.of(row.id)
    columns = registration.values | {"version": row.version}
    entries = [_created(columns, model=row.model_name, image=str(resolved.name) if resolved else None)]
    if is_release:
        decided = _promote(row, actor, row.created_at)
        assert decided is not None, "a new version is not a release"
        _set(row, decided)
        db.session.add(decided.decision)
        entries += decided.entries
    return audit.commit(actor, row, *entries)


class Decided(NamedTuple):
    """A promotion or demotion: the decision, the columns of the version that it sets, and the audit entries."""

    decision: Decision
    columns: dict[str, Any]
    entries: list[Entry]


def _set(version: Version, decided: Decided) -> None:
    for name, value in decided.columns.items():
        setattr(version, name, value)


SET_RELEASE = """
UPDATE versions SET released_at = CAST(:released_at AS timestamptz), released_by = :released_by,
    decision_id = CAST(:decision_id AS uuid), override = :override, counter = counter + 1, updated_at = :updated_at
WHERE id = :version_id
"""


def _save(locked: locks.LockedVersion, decided: Decided | None, actor: Actor) -> Version:
    """Save the promotion or demotion in one round trip, and return the version; None changes nothing."""
    version = locked.version
    if decided is None:
        return version
    _set(version, decided)
    version.updated_at, version.counter = locked.now, version.counter + 1
    script = Script()
    script.add(SET_RELEASE, version_id=version.id, updated_at=locked.now, **decided.columns)
    script.insert(decided.decision)
    return audit.commit(actor, version, *decided.entries, statement=script)


def _promote(
    version: Version,
    actor: Actor,
    now: datetime,
    reason: str | None = None,
    force: bool = False,
    kinds: frozenset[str] = ALL,
) -> Decided | None:
    """Return the promotion of the version, or None if it is a release already. `kinds` are those of the gates, if known.

    Raises Conflict, Blocked.
    """
    if version.is_release:
        return None
    if version.status == VersionStatus.ARCHIVED:
        raise Conflict(f"{version.version} is archived. Set its status to active first, then promote it.")
    verdicts = gates.check(version.id, RELEASE, actor=actor, force=force, kinds=kinds)
    decision = decisions.record(
        DecisionKind.PROMOTE, version, RELEASE, actor=actor, now=now, verdicts=verdicts, reason=reason
    )
    override = decision.row.override
    columns = {
        "released_at": now,
        "released_by": actor.shown,
        "decision_id": decision.row.id,
        "override": override,
    }
    details = {"model": version.model_name, "version": version.version, **decision.details}
    entries = [
        _entry("version.promote", version, reason, override=override or None, **decision.details),
        *gates.override(version, verdicts, RELEASE, reason, **details),
    ]
    return Decided(decision.row, columns, entries)


def _demote(version: Version, actor: Actor, now: datetime, reason: str | None = None) -> Decided | None:
    """Return the demotion of the release, or None if it is an ordinary version already."""
    if not version.is_release:
        return None
    since = version.released_at.isoformat() if version.released_at else None
    decision = decisions.record(DecisionKind.DEMOTE, version, RELEASE, actor=actor, now=now, reason=reason)
    details = {"released_by": version.released_by, "released_at": since, **decision.details}
    columns = {"released_at": None, "released_by": None, "decision_id": None, "override": False}
    return Decided(decision.row, columns, [_entry("version.demote", version, reason, **details)])


def _entry(action: str, version: Version, reason: str | None, **details: Any) -> Entry:
    return audit.entry(action, version, model=version.model_name, version=version.version, reason=reason, **details)


def _change(version: Version, fields: dict[str, Any], actor: Actor, now: datetime, reason: str | None) -> list[Entry]:
    """Set the fields and update what is derived from them. Return the audit entry, if anything changed."""
    changed = mlflow_tags.split(audit.changes(version, fields))
    if not changed:
        return []
    if "status" in changed:
        if version.status == VersionStatus.ARCHIVED:
            _check_not_live(version, "archived")
            aliases.check_none(version)
            actor.needs(Role.RELEASER if version.is_release else Role.PUBLISHER)
        audit.flush()
        _update_count(version, by=0)
    voided = None
    if content := {name: changed[name] for name in CONTENT if name in changed}:
        for environment in version.live_in:
            actor.bounds.check_environment(environment)
        if state := _state(version):
            contents.check_may_change(actor, reason, f"{version.version} is {state}")
        voided = approvals.void(Approval.version_id == version.id, contents.why_void(content, actor), now)
    if "metadata" in changed:
        db.session.execute(delete_rows(Metric).where(Metric.version_id == version.id))
        _insert_metrics(version)
    return [_entry("version.update", version, reason, changes=changed, voided_approvals=voided)]


def _state(version: Version) -> str:
    """Return what makes the version's content evidence: `a release and live in production`. An empty text if nothing does."""
    live = [f"live in {', '.join(version.live_in)}"] if version.live_in else []
    return " and ".join([*(["a release"] if version.is_release else []), *live, *aliases.evidence(version)])


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
