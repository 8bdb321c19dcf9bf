"""Requests of pages and API to the mount, through the process for files, without holding a database connection."""

from typing import Any
from uuid import UUID

from catapult.actions import mounted_files
from catapult.audit import Actor
from catapult.errors import Invalid, NotFound, Unavailable
from catapult.extensions import current_files, current_settings, db
from catapult.storage.file_client import Files, Refused


def is_likely() -> bool:
    """Return whether there may be a mount. A `flask files` on another server may or may not have one."""
    settings = current_settings()
    return bool(settings.mount or settings.files_url)


def entries(path: str, after: str, most: int) -> list[Any]:
    """Return the first `most` entries of the folder after that name, by their names. Raises NotFound, Unavailable, StorageDown."""
    files = _files()
    db.session.rollback()
    try:
        listed: list[Any] = files.ask("folder", path=path.strip("/"), after=after, most=most)["entries"]
    except Refused as refusal:
        raise NotFound(str(refusal)) from None
    return listed


def register(version_id: UUID, mount_path: str, path: str, *, actor: Actor) -> list[Any]:
    """Register the file, or all files of the folder, and return them.

    Raises what `mounted_files.register` raises, Invalid for what the mount refuses, Unavailable and StorageDown.
    """
    folder, files = mount_path.strip("/"), _files()
    mounted_files.check_may_register(version_id, actor=actor)
    db.session.rollback()
    try:
        listed = files.ask("files", path=folder)["files"]
    except Refused as refusal:
        raise Invalid("Nothing was added.", errors={"mount_path": [str(refusal)]}) from None
    mounted = [mounted_files.MountedFile(path, size, changed) for path, _, size, changed in listed]
    return mounted_files.register(version_id, folder, path.strip("/"), mounted, actor=actor)


def _files() -> Files:
    files = current_files()
    if files is None:
        raise Unavailable("This server knows of no process for files (FILES_URL).", retry_after=60)
    return files
