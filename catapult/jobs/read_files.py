"""Let the process for files read newly registered files and remove abandoned uploads. The worker itself opens no file."""

from typing import Any

from catapult.actions import mounted_files, uploads
from catapult.audit import WORKER
from catapult.extensions import current_files
from catapult.queries import stored_files
from catapult.queries import uploads as uploads_queries
from catapult.storage import StorageError
from catapult.tables import ArtifactState

SOON = 0.5
"""Seconds between two checks of a file's progress."""


def run(_: str, __: dict[str, Any]) -> float | None:
    files = current_files()
    if files is None:
        return None
    try:
        for upload_id in uploads_queries.expired(20):
            files.ask("discard", upload=upload_id.hex)
            uploads.delete_row(upload_id)
        waiting = stored_files.pending(4)
        for file in waiting:
            parameters = {"path": file.path, "size": file.size, "changed": file.changed, "name": file.name}
            answer = files.ask("hash-file", **parameters, rate=None)
            _save(file.artifact_id, answer)
    except StorageError:
        return None  # /readyz?verbose reports it; the next run tries again
    return SOON if waiting else None


def _save(artifact_id: Any, answer: dict[str, Any]) -> None:
    if "sha256" in answer:
        mounted_files.save_contents(artifact_id, answer["sha256"], answer["contents"], actor=WORKER)
    elif "state" in answer:
        mounted_files.save_state(artifact_id, ArtifactState(answer["state"]), actor=WORKER)
    else:
        mounted_files.save_progress(artifact_id, answer["read"])
