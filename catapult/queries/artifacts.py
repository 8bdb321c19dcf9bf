"""The files of versions, by their paths."""

from collections.abc import Collection
from datetime import datetime
from types import SimpleNamespace
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Text, bindparam, column, func, literal_column, select, text

from catapult.errors import NotFound
from catapult.extensions import KEEP_PLAN, db
from catapult.queries.lists import prepared
from catapult.queries.lists.paging import Listing, in_order
from catapult.queries.lists.raw_columns import shown
from catapult.rules import model_cards
from catapult.rules.comparison import parsed
from catapult.tables import LIVE, Artifact, Version

A: Any = Artifact.__table__.c
V: Any = Version.__table__.c

_SHA256: Any = func.encode(A.sha256, "hex", type_=Text()).label("sha256")
_COLUMNS = (
    "id version_id path media_type size_bytes state mount_path mount_changed hashed_bytes facts created_by created_at"
)
_ARTIFACTS = Listing(
    select(
        *shown(A, _COLUMNS),
        _SHA256,
    ).where(select(V.id).where(V.id == A.version_id, V.deleted_at.is_(None)).exists()),
    in_order(A.path, A.id),
)

_BY_ID = _ARTIFACTS.rows.where(A.id == bindparam("artifact_id"))

DESTINATION = f"""
SELECT version.id, version.version, model.name AS model_name, version.released_at IS NOT NULL AS is_release,
    ARRAY(SELECT environment FROM deployments WHERE release_id = version.id AND {LIVE} ORDER BY environment) AS live_in,
    ARRAY(SELECT name FROM aliases WHERE version_id = version.id AND until IS NULL ORDER BY lower(name)) AS aliases,
    EXISTS (
        SELECT FROM approvals WHERE version_id = version.id AND withdrawn_at IS NULL AND voided_at IS NULL
    ) AS is_approved,
    file.id AS file_id, file.path, encode(file.sha256, 'hex') AS sha256, file.mount_path, file.state, file.created_at,
    clock_timestamp() AS now
FROM versions AS version JOIN models AS model ON model.id = version.model_id
LEFT JOIN artifacts AS file ON file.version_id = version.id AND lower(file.path) = lower(:path)
WHERE version.id = CAST(:version AS uuid) AND version.deleted_at IS NULL AND model.deleted_at IS NULL
"""  # noqa: S608 - built from constants
"""The version that a file is added to, and, from `file_id` on, its file with that path, ignoring case; null if there is none."""
DESTINATION_COLUMNS: tuple[Any, ...] = (
    *(column(name) for name in ("id", "version", "model_name", "is_release", "live_in", "aliases", "is_approved")),
    *(column(name) for name in ("file_id", "path", "sha256", "mount_path", "state", "created_at", "now")),
)
_DESTINATION: Any = text(DESTINATION).columns(*DESTINATION_COLUMNS).execution_options(**KEEP_PLAN)


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

# Walks ix_artifacts_version and uq_artifacts_path for the ids.
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
    row = prepared.one_or_none(_BY_ID, {"artifact_id": artifact_id})
    if row is None:
        raise missing()
    return row


def as_shown(artifact: Artifact) -> Any:
    """Return a file that was just added as `get` returns it."""
    values = {name: getattr(artifact, name) for name in _COLUMNS.split()}
    return SimpleNamespace(**values, sha256=artifact.sha256.hex() if artifact.sha256 else None)


def read(files: Any) -> list[File]:
    """Return the files of a row's column `OF_PAGE`, by their paths."""
    rows: Any = parsed(files) if files else []
    return [File(**{**file, "created_at": datetime.fromisoformat(file["created_at"])}) for file in rows]


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


def destination(version_id: UUID, path: str) -> Any | None:
    """Return the row of `DESTINATION`; None if there is no such version."""
    return prepared.one_or_none(_DESTINATION, {"version": version_id, "path": path})
