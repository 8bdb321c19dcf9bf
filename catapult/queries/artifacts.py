"""The files of versions, by their paths."""

from typing import Any
from uuid import UUID

from sqlalchemy import Text, func, select

from catapult.errors import NotFound
from catapult.extensions import db
from catapult.queries.lists.paging import Listing, in_order
from catapult.queries.lists.raw_columns import shown
from catapult.tables import Artifact, Version

A: Any = Artifact.__table__.c
V: Any = Version.__table__.c

_SHA256: Any = func.encode(A.sha256, "hex", type_=Text()).label("sha256")
_COLUMNS = (
    "id version_id path media_type size_bytes state mount_path mount_changed hashed_bytes facts created_by created_at"
)
_ARTIFACTS = Listing(
    select(
        *shown(
            A,
            "id version_id path media_type size_bytes state mount_path mount_changed hashed_bytes facts created_by created_at",
        ),
        _SHA256,
    ).where(select(V.id).where(V.id == A.version_id, V.deleted_at.is_(None)).exists()),
    in_order(A.path, A.id),
)


def of_version(version_id: UUID) -> Listing:
    """Return the files of the version, by their paths; none if it was deleted."""
    return _ARTIFACTS.where(A.version_id == version_id)


def get(artifact_id: UUID) -> Any:
    """Return the file. Raises NotFound."""
    row = db.session.execute(_ARTIFACTS.rows.where(A.id == artifact_id)).one_or_none()
    if row is None:
        raise missing()
    return row


def missing() -> NotFound:
    return NotFound("There is no file with this id, or it was deleted.")


def unsound(version_id: UUID) -> Any:
    """Return how many files the version has, and those that are not ready, by their paths."""
    files = select(A.path, A.state, func.count().over().label("count")).where(A.version_id == version_id)
    return db.session.execute(files.order_by(A.path)).all()


def at_path(version_id: UUID, path: str) -> Any:
    """Return the version's file whose path is that one, or differs from it in case alone; None if there is none."""
    same = (A.version_id == version_id, func.lower(A.path) == func.lower(path))
    return db.session.execute(_ARTIFACTS.rows.where(*same)).one_or_none()
