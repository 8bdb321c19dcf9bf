"""Add files to a version, and remove them. The bytes are in the storage before the row exists; nothing here touches them."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

from sqlalchemy import delete
from uuid_utils.compat import uuid7

from catapult import audit
from catapult.actions import aliases, approvals, locks
from catapult.actions.file_addition import SAVE_BLOB, Addition, NotAdded
from catapult.audit import REFUSALS, Actor, Script
from catapult.errors import Conflict, Invalid
from catapult.extensions import begin, db
from catapult.queries import artifacts, versions
from catapult.rules import artifact_paths
from catapult.tables import Approval, Artifact, ArtifactState, FileSignature, Role


def check_may_add(version_id: UUID, path: str, *, actor: Actor) -> Any:
    """Check that the file may be added, before its bytes are read, and return `artifacts.destination`.

    Raises NotFound (version), Forbidden, Invalid (path), and Conflict for a version that is released or live, or for a path that
    differs from that of another file in case alone. `add` checks it again.
    """
    actor.needs(Role.PUBLISHER)
    if fault := artifact_paths.fault(path):
        raise Invalid("The file was not added.", errors={"path": [fault]})
    return _check_destination(artifacts.destination(version_id, path), path, actor)


def _check_destination(destination: Any, path: str, actor: Actor) -> Any:
    if destination is None:
        raise versions.missing()
    actor.bounds.check_model(destination.model_name)
    if destination.file_id is None:
        check_files_may_change(destination, destination.live_in)
    elif destination.path != path:
        raise Conflict(f"This version has the file {destination.path} already, whose path differs in case alone.")
    return destination


def add(
    seen: Any,
    path: str,
    *,
    actor: Actor,
    is_new: bool,
    is_stored: Callable[[], bool],
    sha256: str,
    size_bytes: int,
    media_type: str,
    facts: dict[str, Any] | None = None,
    bundle: str | None = None,
    card: str | None = None,
) -> Artifact:
    """Add the file, whose bytes are in the storage. It voids the version's approvals.

    `seen` is what `check_may_add` returned. The bytes cannot have been removed if they are `is_new` in the storage; otherwise
    `is_stored` is asked. `facts`, `bundle` and `card` are the file's content (`rules.file_contents`). Raises what `check_may_add`
    raises, and Conflict if the path was taken, or the bytes were removed, meanwhile.
    """
    actor.needs(Role.PUBLISHER)
    artifact = Artifact(
        id=uuid7(),
        version_id=seen.id,
        path=path,
        media_type=media_type,
        size_bytes=size_bytes,
        sha256=bytes.fromhex(sha256),
        state=ArtifactState.READY,
        hashed_bytes=0,
        facts=facts or {},
        card=card,
        created_by=actor.shown,
    )
    if is_new:
        with suppress(NotAdded):
            addition = Addition(artifact, bundle, seen.model_name)
            return audit.commit(actor, artifact, entry("artifact.create", seen, artifact, None), statement=addition)
    return _add_under_locks(artifact, bundle, actor, is_stored)


def _add_under_locks(artifact: Artifact, bundle: str | None, actor: Actor, is_stored: Callable[[], bool]) -> Artifact:
    """Add the file, checking again what `check_may_add` checks. Raises as `add` does."""
    begin()
    path = artifact.path
    seen = locks.destination(artifact.version_id, path, artifact.sha256.hex() if artifact.sha256 else "")
    version = _check_destination(seen, path, actor)
    if version.file_id is not None:
        raise Conflict(REFUSALS["uq_artifacts_path"])
    if not is_stored():  # another file's bytes were reused, and were removed just now
        raise Conflict("The bytes of this file were removed at the same moment. Send it again.")
    artifact.created_at = artifact.checked_at = version.now
    script = Script()
    script.add(
        SAVE_BLOB.format(values="VALUES (:blob, :blob_bytes)"), blob=artifact.sha256, blob_bytes=artifact.size_bytes
    )
    script.insert(artifact)
    if bundle is not None:
        script.insert(FileSignature(artifact_id=artifact.id, bundle=bundle))
    voided = None
    if version.is_approved:
        why = f"the file {path} was added by {actor.shown}"
        voided = approvals.void(Approval.version_id == version.id, why, version.now)
    return audit.commit(actor, artifact, entry("artifact.create", version, artifact, voided), statement=script)


def remove(artifact_id: UUID, *, actor: Actor) -> None:
    """Remove the file from its version, whose approvals it voids. The bytes stay until no file has referred to them for a day.

    Raises NotFound, Forbidden, and Conflict for a version that is released or live.
    """
    actor.needs(Role.PUBLISHER)
    row = artifacts.get(artifact_id)
    version, now = locks.version(UUID(row.version_id))
    actor.bounds.check_model(version.model_name)
    check_files_may_change(version, version.live_in)
    artifact = db.session.get(Artifact, artifact_id, populate_existing=True)
    if artifact is None:
        raise artifacts.missing()
    voided = approvals.void(
        Approval.version_id == version.id, f"the file {artifact.path} was removed by {actor.shown}", now
    )
    db.session.execute(delete(FileSignature).where(FileSignature.artifact_id == artifact_id))
    db.session.delete(artifact)
    audit.commit(actor, artifact, entry("artifact.delete", version, artifact, voided))


def check_files_may_change(version: Any, live_in: Any) -> None:
    """Raise Conflict if the version is a release, live, or what a guarded alias points at: its files can no longer change."""
    live = [f"live in {', '.join(live_in)}"] if live_in else []
    state = "a release" if version.is_release else next(iter(live or aliases.evidence(version)), None)
    if state is not None:
        raise Conflict(f"{version.version} is {state}: no file is added to it or removed. Register a new version.")


def entry(action: str, version: Any, artifact: Artifact, voided: list[str] | None) -> audit.Entry:
    """Return the audit entry of a change of the file. `version` is its version, with the model's name."""
    return audit.entry(
        action,
        artifact,
        model=version.model_name,
        version=version.version,
        version_id=str(version.id),
        path=artifact.path,
        size_bytes=artifact.size_bytes,
        sha256=artifact.sha256.hex() if artifact.sha256 else None,
        mount_path=artifact.mount_path,
        voided_approvals=voided,
    )
