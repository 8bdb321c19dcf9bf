"""Write the newest checkpoint of the audit log to a file once a day, in a folder of somebody else."""

import os
from typing import Any

from catapult.extensions import current_settings
from catapult.jobs.queue import JobFailed
from catapult.queries import audit_seals

SOON = 60.0
"""Seconds until the next try while nothing is sealed or no folder is set, so that a new folder gets a file soon."""


def run(_: str, __: dict[str, Any]) -> float | None:
    """Write `checkpoint-SIZE.txt` atomically. An existing file stays."""
    folder = current_settings().checkpoint_folder
    newest = audit_seals.newest() if folder else None
    if folder is None or newest is None:
        return SOON
    file = folder / f"checkpoint-{newest.size:012}.txt"
    part = folder / f".{file.name}.{os.getpid()}"
    try:
        if not file.exists():
            with part.open("w", encoding="utf-8") as written:
                written.write(newest.note)
                written.flush()
                os.fsync(written.fileno())
            part.rename(file)
    except OSError as error:
        raise JobFailed(f"CHECKPOINT_FOLDER ({folder}): the checkpoint was not written: {error.strerror}.") from None
    return None
