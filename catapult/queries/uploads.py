"""Uploads in progress, and the bytes of all files."""

from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from catapult.errors import NotFound
from catapult.extensions import db
from catapult.tables import NOW, Blob, Upload


def get(upload_id: UUID, voice: UUID | None) -> Any:
    """Return the upload. Raises NotFound, also if another voice created it or it has expired."""
    mine = (Upload.id == upload_id, Upload.voice == voice, Upload.expires_at > NOW)
    row = db.session.execute(select(Upload.__table__).where(*mine)).one_or_none()
    if row is None:
        raise NotFound(
            "There is no upload of yours with this id: it is complete, was cancelled, or has expired. Start a new one."
        )
    return row


def expired(most: int) -> list[UUID]:
    """Return expired uploads that no request is writing to, oldest first."""
    idle = Upload.written_until.is_(None) | (Upload.written_until < NOW)
    query = select(Upload.id).where(Upload.expires_at <= NOW, idle).order_by(Upload.expires_at)
    return list(db.session.scalars(query.limit(most)))


def used_bytes() -> int:
    """Return the bytes of all blobs, and of the uploads in progress at their full length."""
    stored, coming = (select(func.coalesce(func.sum(table.size_bytes), 0)) for table in (Blob, Upload))
    return int(db.session.scalar(select(stored.scalar_subquery() + coming.scalar_subquery())) or 0)
