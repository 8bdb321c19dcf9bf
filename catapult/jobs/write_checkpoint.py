"""Write the newest checkpoint of the audit log to a file once a day, in a folder that others keep."""

import os
from typing import Any

from catapult.extensions import current_settings
from catapult.jobs.queue import JobFailed
from catapult.queries import audit_seals

SOON = 60.0
"""Seconds until the next look while nothing is sealed, or no folder is set: whoever sets one need not wait for a day."""


def run(_: str, __: dict[str, Any]) -> float | None:
    """Write `checkpoint-SIZE.txt`, whole or not at all. One that is there already is kept."""
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
