"""The files of versions, by their paths."""

from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Text, func, literal_column, select

from catapult.errors import NotFound
from catapult.extensions import db
from catapult.queries.lists.paging import Listing, in_order
from catapult.queries.lists.raw_columns import shown
from catapult.rules import model_cards
from catapult.rules.comparison import parsed
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


class File(NamedTuple):
    """A file as the page of its version shows it. `card` is the beginning of its text if it is a model card."""

    id: str
    path: str
    media_type: str
    size_bytes: int
    sha256: str | None
    state: str
    hashed_bytes: int
    facts: dict[str, Any]
    created_by: str
    created_at: datetime
    card: str | None


MOST_OF_PAGE, BEGINNING = 500, 96 * 1024
"""The most files of a version that are read with it, besides its cards, and the characters of a card."""

# The ids are found by ix_artifacts_version and uq_artifacts_path.
OF_PAGE: Any = literal_column(
    f"""(SELECT jsonb_agg(to_jsonb(file))::text FROM (
        SELECT id, path, media_type, size_bytes, encode(sha256, 'hex') AS sha256, state, hashed_bytes, facts, created_by,
            created_at, CASE WHEN lower(path) IN ({model_cards.PATHS}) THEN left(card, {BEGINNING}) END AS card
        FROM artifacts WHERE id = ANY (
            ARRAY(SELECT id FROM artifacts AS named WHERE version_id = versions.id AND lower(path) IN ({model_cards.PATHS}))
            || ARRAY(SELECT id FROM artifacts AS first WHERE version_id = versions.id ORDER BY path, id LIMIT {MOST_OF_PAGE})
        ) ORDER BY path, id
    ) AS file)""",  # noqa: S608 - built from constants
    Text(),
).label("files")
"""A column of a version: its first files, and its cards, as JSON for `read`."""


def of_version(version_id: UUID) -> Listing:
    """Return the files of the version, by their paths; none if it was deleted."""
    return _ARTIFACTS.where(A.version_id == version_id)


def get(artifact_id: UUID) -> Any:
    """Return the file. Raises NotFound."""
    row = db.session.execute(_ARTIFACTS.rows.where(A.id == artifact_id)).one_or_none()
    if row is None:
        raise missing()
    return row


def read(files: Any) -> list[File]:
    """Return the files of a row's column `OF_PAGE`, by their paths."""
    found: Any = parsed(files) if files else []
    return [File(**{**file, "created_at": datetime.fromisoformat(file["created_at"])}) for file in found]


def at_paths(version_id: Any, paths: Collection[str]) -> dict[str, Any]:
    """Return the version's files with these paths, by their paths, as rows with `id` and `media_type`."""
    if not paths:
        return {}
    query = select(A.path, A.id, A.media_type, A.size_bytes).where(A.version_id == version_id, A.path.in_(paths))
    return {row.path: row for row in db.session.execute(query)}


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
