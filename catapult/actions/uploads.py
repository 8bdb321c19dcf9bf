"""Resumable uploads: created, written to by one request at a time, completed or cancelled. The storage has their bytes.

They have no audit entries; the file that an upload becomes has one.
"""

import sys
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import delete, or_, update
from uuid_utils.compat import uuid7

from catapult import audit
from catapult.actions import artifacts, locks
from catapult.audit import Actor
from catapult.errors import InsufficientStorage
from catapult.extensions import db
from catapult.queries import uploads
from catapult.tables import NOW, Upload

QUOTA = "The files of this registry have as many bytes as they may (STORAGE_QUOTA). Ask who runs it to raise that, or remove files."
LIFETIME = timedelta(hours=24)
"""How long an upload is kept after its last byte arrived."""
LEASE = timedelta(seconds=30)
"""How long an upload stays locked after the process that wrote to it was killed."""


def quota_left(quota: int | None) -> tuple[int, InsufficientStorage]:
    """Return how many bytes may still be added, and the error for more."""
    remaining = sys.maxsize if quota is None else max(0, quota - uploads.used_bytes())
    return remaining, InsufficientStorage(QUOTA)


def create(
    version_id: UUID,
    path: str,
    *,
    actor: Actor,
    size_bytes: int,
    sha256: bytes | None,
    media_type: str,
    quota: int | None,
) -> Any:
    """Create an upload. Raises what `artifacts.check_may_add` raises, and InsufficientStorage."""
    artifacts.check_may_add(version_id, path, actor=actor)
    remaining, error = quota_left(quota)
    if size_bytes > remaining:
        raise error
    upload = Upload(
        id=uuid7(),
        version_id=version_id,
        path=path,
        media_type=media_type,
        size_bytes=size_bytes,
        sha256=sha256,
        voice=actor.voice,
        expires_at=locks.now() + LIFETIME,
    )
    with audit.bookkeeping():
        db.session.add(upload)
        db.session.flush()
    return upload


def lock(upload_id: UUID) -> UUID | None:
    """Lock the upload for one writer, and return the writer's id; None while another request is writing."""
    writer = uuid4()
    free = or_(Upload.writer.is_(None), Upload.written_until < NOW)
    statement = update(Upload).where(Upload.id == upload_id, free).values(writer=writer, written_until=NOW + LEASE)
    return writer if audit.note(statement) else None


def renew(writer: UUID) -> None:
    """Renew the lock, and keep the upload for another 24 hours."""
    audit.note(
        update(Upload).where(Upload.writer == writer).values(written_until=NOW + LEASE, expires_at=NOW + LIFETIME)
    )


def unlock(writer: UUID) -> None:
    """Unlock the upload."""
    audit.note(update(Upload).where(Upload.writer == writer).values(writer=None, written_until=None))


def delete_row(upload_id: UUID) -> None:
    """Delete the row of an upload that is complete or cancelled."""
    audit.note(delete(Upload).where(Upload.id == upload_id))
