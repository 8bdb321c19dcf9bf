"""Read the bytes of a version's file from the storage or the mount. Only the process for files does so."""

from collections.abc import Callable, Iterator
from typing import Any

from catapult.actions import mounted_files
from catapult.audit import WORKER
from catapult.errors import Conflict, Unavailable
from catapult.extensions import current_mount, current_storage
from catapult.storage import BlobMissing
from catapult.storage.file_client import Refused
from catapult.storage.mount import Changed
from catapult.tables import ArtifactState

Read = Callable[[int, int | None], Iterator[bytes]]
"""Takes the first byte and the one to stop before, and yields pieces."""


def reader(artifact: Any) -> Read:
    """Return a function that reads the file. Raises Conflict if its bytes are gone, have changed, or were never read."""
    return _of_mount(artifact) if artifact.mount_path else _of_storage(artifact)


def _of_storage(artifact: Any) -> Read:
    storage = current_storage()
    try:
        storage.size(artifact.sha256)
    except BlobMissing:
        raise Conflict("The bytes of this file are not in the storage any more. Upload it again.") from None
    return lambda start, stop: storage.read(artifact.sha256, start, stop)


def _of_mount(artifact: Any) -> Read:
    """Return a function that reads the file on the mount. It compares size and time before the first byte and after the last."""
    mount = current_mount()
    if mount is None:
        raise Unavailable("This file lies on a mount that the server does not have (CEPH_MOUNT_PATH).", retry_after=60)
    if artifact.state == ArtifactState.PENDING:
        raise Conflict("This file is being read for the first time. Try again when it is ready.")

    def read(start: int, stop: int | None) -> Iterator[bytes]:
        return mount.read(artifact.mount_path, artifact.size_bytes, artifact.mount_changed, start, stop)

    try:
        read(0, 0)
    except (Changed, Refused) as fault:
        state = ArtifactState.CHANGED if isinstance(fault, Changed) else ArtifactState.MISSING
        mounted_files.save_state(artifact.id, state, actor=WORKER)
        raise Conflict(f"{fault} It is not sent. Register it again, as another version's.") from None
    return read
