"""Stored blobs and files on the mount, and when each was last checked."""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import select

from catapult.extensions import db
from catapult.tables import Artifact, ArtifactState, Blob

A: Any = Artifact.__table__.c
B: Any = Blob.__table__.c


class Stored(NamedTuple):
    """A blob, or a file on the mount, which has an id, a `name` in its version and a `path` there.

    `sha256` is its hash when it was stored, None while it was never read.
    """

    sha256: str | None
    checked_at: datetime
    artifact_id: UUID | None = None
    name: str = ""
    path: str = ""
    size: int = 0
    changed: int = 0


def oldest(before: datetime) -> Stored | None:
    """Return the blob or file that was checked longest ago, before that time; None if there is none."""
    blob = db.session.execute(
        select(B.sha256, B.checked_at).where(B.checked_at < before).order_by(B.checked_at).limit(1)
    ).first()
    known = (A.mount_path.is_not(None), A.state != ArtifactState.PENDING, A.sha256.is_not(None), A.checked_at < before)
    file = db.session.execute(
        select(A.sha256, A.checked_at, A.id, A.path, A.mount_path, A.size_bytes, A.mount_changed)
        .where(*known)
        .order_by(A.checked_at)
        .limit(1)
    ).first()
    candidates = [Stored(row[0].hex(), *row[1:]) for row in (blob, file) if row]
    return min(candidates, key=lambda each: each.checked_at, default=None)


def pending(most: int) -> list[Stored]:
    """Return files on the mount that were never read, oldest registration first."""
    query = select(A.checked_at, A.id, A.path, A.mount_path, A.size_bytes, A.mount_changed).where(
        A.state == ArtifactState.PENDING
    )
    return [Stored(None, *row) for row in db.session.execute(query.order_by(A.id).limit(most))]


def with_blob(sha256: str) -> list[UUID]:
    """Return the ids of the files that refer to that blob."""
    return list(db.session.scalars(select(A.id).where(A.blob == bytes.fromhex(sha256))))
