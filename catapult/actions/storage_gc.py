"""Remove blobs that no file names and abandoned uploads: the leftovers of removed files, refused requests and killed processes."""

import time
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, exists, select

from catapult import audit
from catapult.actions import locks
from catapult.extensions import db
from catapult.storage import BlobMissing, Storage
from catapult.tables import Artifact, Blob, Upload

GRACE = timedelta(days=1)
"""How long a blob without a file stays: an upload writes its bytes before its row."""


def unused(storage: Storage) -> Iterator[str]:
    """Yield the blobs that no file has named for a day."""
    for sha256, stored_at in storage.blobs():
        if _is_old(stored_at) and not _is_named(sha256):
            yield sha256


def remove(storage: Storage, sha256: str) -> bool:
    """Remove the blob unless a file names it by now, or its bytes were sent again. Return whether it was removed."""
    with audit.bookkeeping():
        locks.blob(sha256)
        try:
            is_unused = _is_old(storage.stored_at(sha256)) and not _is_named(sha256)
        except BlobMissing:
            return False
        if is_unused:
            db.session.execute(delete(Blob).where(Blob.sha256 == bytes.fromhex(sha256)))
            storage.remove(sha256)
    return is_unused


def abandoned(storage: Storage) -> Iterator[str]:
    """Yield the uploads that have no row and were not written to for a day."""
    for upload, written_at in storage.uploads():
        if _is_old(written_at) and not db.session.scalar(select(exists().where(Upload.id == UUID(hex=upload)))):
            yield upload


def _is_old(stored_at: float) -> bool:
    return stored_at < time.time() - GRACE.total_seconds()


def _is_named(sha256: str) -> bool:
    return bool(db.session.scalar(select(exists().where(Artifact.blob == bytes.fromhex(sha256)))))
