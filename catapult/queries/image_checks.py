"""The last answers of image registries about versions, and the data of the next request."""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, literal_column, text
from sqlalchemy.dialects.postgresql import JSONB

from catapult.extensions import db
from catapult.rules import image_reference
from catapult.tables import LIVE, UNSOUND_IMAGE

JSON = "(SELECT to_jsonb(checked) - 'version_id' FROM image_checks AS checked WHERE checked.version_id = {version}.id)"
"""The answer as one object with the columns of `image_checks`, of a row of versions with that name; NULL if there is none."""
OF_VERSION: ColumnElement[Any] = literal_column(JSON.format(version="versions"), JSONB).label("image_check")

UNSOUND = f"""
(SELECT jsonb_build_object('repository', checked.repository, 'digest_status', checked.digest_status,
    'tag_status', checked.tag_status, 'tag_digest', checked.tag_digest,
    'model_repository', model.repository, 'model_storage_path', model.storage_path)
 FROM image_checks AS checked JOIN models AS model ON model.id = {{deployment}}.model_id
 WHERE checked.version_id = {{deployment}}.release_id AND ({UNSOUND_IMAGE}))
"""  # noqa: S608 - built from constants
"""The answer about the version of a deployment, a row with that name, if its tag or digest leads to another image or to none.

NULL for all other versions. Read with ix_image_checks_unsound.
"""
_UNSOUND = UNSOUND.format(deployment="deployments")
UNSOUND_OF_DEPLOYMENT: ColumnElement[Any] = literal_column(_UNSOUND, JSONB).label("unsound_image")

_SUBJECT = text(
    f"""
    SELECT version.id, version.tag, version.digest, version.version, version.created_at, model.name AS model_name,
        model.repository, model.storage_path, statement_timestamp() AS now,
        EXISTS (SELECT FROM deployments WHERE release_id = version.id AND {LIVE}) AS is_live,
        (SELECT coalesce(json_agg(json_build_object('id', id, 'name', name, 'public_key', public_key)), '[]')
            FROM trusted_keys WHERE deleted_at IS NULL) AS keys
    FROM versions AS version JOIN models AS model ON model.id = version.model_id
    WHERE version.id = :version AND version.deleted_at IS NULL
    """  # noqa: S608 - built from constants
)


class Subject(NamedTuple):
    """A version to ask its image registry about, and all keys to check its signatures with.

    `now` is the time before the registry is asked.
    """

    id: UUID
    tag: str | None
    digest: str | None
    version: str
    created_at: datetime
    model_name: str
    repository: str | None
    storage_path: str
    now: datetime
    is_live: bool
    keys: list[dict[str, Any]]

    @property
    def pull_from(self) -> str | None:
        """The repository with its host; None if the model has none that can be pulled from."""
        return image_reference.pull_from(self.repository, self.storage_path)


def subject(version_id: UUID) -> Subject | None:
    """Return the version with all that the request to its registry needs; None if there is no such version."""
    row = db.session.execute(_SUBJECT, {"version": version_id}).one_or_none()
    return Subject(*row) if row else None


def of(version_id: UUID) -> Any:
    """Return the answer about the version's image as one object; None if there is none."""
    query = text(f"SELECT {JSON.format(version='version')} FROM versions AS version WHERE id = :version")  # noqa: S608
    return db.session.scalar(query, {"version": version_id})
