"""Files on the mount, registered where they are. The process for files reads each once to compute its hash."""

from collections.abc import Sequence
from mimetypes import guess_type
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import update
from uuid_utils.compat import uuid7

from catapult import audit
from catapult.actions import approvals, artifacts, locks
from catapult.audit import Actor
from catapult.errors import Invalid
from catapult.extensions import db
from catapult.queries import versions
from catapult.rules import artifact_paths
from catapult.tables import Approval, Artifact, ArtifactState, FileSignature, Role

MOST = 1_000
"""Files that are registered together."""


ACTIONS = {
    ArtifactState.READY: "artifact.ready",
    ArtifactState.MISSING: "artifact.missing",
    ArtifactState.CHANGED: "artifact.changed",
}


class MountedFile(NamedTuple):
    """A file on the mount: its path there, its size, and its time in nanoseconds since 1970."""

    path: str
    size: int
    changed: int


def check_may_register(version_id: UUID, *, actor: Actor) -> None:
    """Check that files may be added, before the mount is asked. Raises NotFound, Forbidden, Conflict."""
    actor.needs(Role.PUBLISHER)
    version = versions.get(version_id)
    actor.bounds.check_model(version.model_name)
    artifacts.check_files_may_change(version, version.live_in)


def register(version_id: UUID, folder: str, to: str, files: Sequence[MountedFile], *, actor: Actor) -> list[Artifact]:
    """Add these files, pending until they are read, and return them. It voids the version's approvals.

    The path in the version is `to` and the file's path below `folder`. For a single file, `folder` is its own path. Raises what
    `check_may_register` raises, Invalid for a path, and Conflict for one that is taken.
    """
    if len(files) > MOST:
        raise Invalid(
            "Nothing was added.", errors={"mount_path": [f"Has {len(files)} files; {MOST} at most are added at once."]}
        )
    paths = [_path_of(file, folder, to) for file in files]
    if fault := next(filter(None, map(artifact_paths.fault, paths)), ""):
        raise Invalid("Nothing was added.", errors={"path": [f"A file would have a path that is not allowed. {fault}"]})
    check_may_register(version_id, actor=actor)
    version, now = locks.version(version_id)
    artifacts.check_files_may_change(version, version.live_in)
    added = []
    for file, path in zip(files, paths, strict=True):
        added.append(
            Artifact(
                id=uuid7(),
                version_id=version_id,
                path=path,
                media_type=guess_type(path)[0] or "application/octet-stream",
                size_bytes=file.size,
                mount_path=file.path,
                mount_changed=file.changed,
                state=ArtifactState.PENDING,
                facts={},
                created_by=actor.shown,
                created_at=now,
                checked_at=now,
            )
        )
    db.session.add_all(added)
    audit.flush()
    voided = approvals.void(Approval.version_id == version_id, f"files were added by {actor.shown}", now)
    entries = [artifacts.entry("artifact.create", version, each, voided) for each in added]
    return audit.commit(actor, added, *entries)


def _path_of(file: MountedFile, folder: str, to: str) -> str:
    below = file.path.removeprefix(folder).strip("/")
    return "/".join(filter(None, [to, below])) or file.path.rpartition("/")[2]


def save_progress(artifact_id: UUID, count: int) -> None:
    """Save how many bytes of a pending file were read."""
    pending = (Artifact.id == artifact_id, Artifact.state == ArtifactState.PENDING)
    audit.note(update(Artifact).where(*pending).values(hashed_bytes=count))


def save_contents(artifact_id: UUID, sha256: str, contents: dict[str, Any], *, actor: Actor) -> None:
    """Save the hash and the contents (`rules.file_contents`) of a pending file, which is then ready."""
    artifact = _locked(artifact_id)
    if artifact is None or artifact.state != ArtifactState.PENDING:
        return  # it was removed meanwhile
    artifact.sha256, artifact.facts, artifact.card = bytes.fromhex(sha256), contents["facts"], contents["card"]
    if contents["bundle"] is not None:
        db.session.add(FileSignature(artifact_id=artifact.id, bundle=contents["bundle"]))
    _save(artifact, ArtifactState.READY, actor)


def save_state(artifact_id: UUID, state: ArtifactState, *, actor: Actor) -> None:
    """Save that a file is missing, changed, or ready again. An entry is written if the state is new."""
    artifact = _locked(artifact_id)
    if artifact is not None and artifact.state != state and (artifact.sha256 or state != ArtifactState.READY):
        _save(artifact, state, actor)


def _save(artifact: Artifact, state: ArtifactState, actor: Actor) -> None:
    version = versions.get(artifact.version_id)
    artifact.state, artifact.hashed_bytes, artifact.checked_at = state, 0, locks.now()
    audit.commit(actor, artifact, artifacts.entry(ACTIONS[state], version, artifact, None))


def _locked(artifact_id: UUID) -> Artifact | None:
    return db.session.get(Artifact, artifact_id, populate_existing=True, with_for_update=True)
