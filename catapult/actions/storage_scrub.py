"""Record the result of reading stored files again: unchanged, changed, or missing."""

from datetime import timedelta

from sqlalchemy import update

from catapult import audit
from catapult.actions import locks, mounted_files
from catapult.audit import Actor
from catapult.queries import stored_files
from catapult.queries.stored_files import Stored
from catapult.tables import NOW, Artifact, ArtifactState, Blob

EVERY = timedelta(days=7)
"""How often the worker has each file read again."""


def next_due() -> Stored | None:
    """Return the blob or file that was checked longest ago, at least `EVERY` ago; None if there is none."""
    return stored_files.oldest(locks.now() - EVERY)


def record(stored: Stored, state: ArtifactState, *, actor: Actor) -> int:
    """Save the state and the time of the check for all files with these bytes. Return how many are damaged."""
    if stored.artifact_id:
        ids = [stored.artifact_id]
        checked = update(Artifact).where(Artifact.id == stored.artifact_id).values(checked_at=NOW)
    else:
        ids = stored_files.with_blob(stored.sha256 or "")
        checked = update(Blob).where(Blob.sha256 == bytes.fromhex(stored.sha256 or "")).values(checked_at=NOW)
    for artifact_id in ids:
        mounted_files.save_state(artifact_id, state, actor=actor)
    audit.note(checked)
    return len(ids) if state != ArtifactState.READY else 0
