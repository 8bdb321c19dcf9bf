"""Let the process for files read each file again once a week, and record missing and changed ones."""

from typing import Any

from catapult.actions import storage_scrub
from catapult.audit import WORKER
from catapult.extensions import current_files
from catapult.queries.stored_files import Stored
from catapult.storage import StorageError
from catapult.storage.file_client import Files
from catapult.tables import ArtifactState

RATE = 50 * 1024 * 1024
"""Bytes a second, so that uploads and downloads stay fast."""
SOON = 0.5


def run(_: str, __: dict[str, Any]) -> float | None:
    files, stored = current_files(), storage_scrub.next_due()
    if files is None or stored is None:
        return None
    try:
        answer = _ask(files, stored)
    except StorageError:
        return None
    if "read" in answer:
        return SOON
    same = answer.get("sha256") == stored.sha256
    state = ArtifactState(answer.get("state") or (ArtifactState.READY if same else ArtifactState.CHANGED))
    storage_scrub.record(stored, state, actor=WORKER)
    return 0


def _ask(files: Files, stored: Stored) -> Any:
    if stored.artifact_id:
        parameters = {"path": stored.path, "size": stored.size, "changed": stored.changed, "name": stored.name}
        return files.ask("hash-file", **parameters, rate=RATE)
    return files.ask("hash-blob", sha256=stored.sha256, rate=RATE)
