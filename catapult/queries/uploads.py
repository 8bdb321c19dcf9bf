"""Files that are on their way in several requests, and how much room there is."""

from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from catapult.errors import NotFound
from catapult.extensions import db
from catapult.tables import NOW, Blob, Upload


def get(upload_id: UUID, voice: UUID | None) -> Any:
    """Return the upload. Raises NotFound, also if another voice began it or its time is over."""
    mine = (Upload.id == upload_id, Upload.voice == voice, Upload.expires_at > NOW)
    row = db.session.execute(select(Upload.__table__).where(*mine)).one_or_none()
    if row is None:
        raise NotFound(
            "There is no such upload of yours: it has ended, was given up, or its 24 hours are over. Begin again."
        )
    return row


def over(most: int) -> list[UUID]:
    """Return uploads whose time is over and that nobody writes to."""
    idle = Upload.written_until.is_(None) | (Upload.written_until < NOW)
    query = select(Upload.id).where(Upload.expires_at <= NOW, idle).order_by(Upload.expires_at)
    return list(db.session.scalars(query.limit(most)))


def used_bytes() -> int:
    """Return how many bytes all blobs have, and those that are on their way."""
    stored, coming = (select(func.coalesce(func.sum(table.size_bytes), 0)) for table in (Blob, Upload))
    return int(db.session.scalar(select(stored.scalar_subquery() + coming.scalar_subquery())) or 0)
