"""The one statement that registers a version: what training jobs wait for, and what holds its model's lock the shortest.

It counts the version on its model, which locks the model's row; takes the time after that; inserts the version, and the
numbers in its metadata. In statements of their own these took three trips more, all of them while others waited.
"""

import json
import re
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, TextClause, text
from sqlalchemy.dialects.postgresql.base import PGDialect

from catapult import audit, metadata
from catapult.queries import registered_models
from catapult.tables import RegisteredModel, Version

_BY_MOMENT = ("created_at", "updated_at", "released_at", "deleted_at", "model_id")
_GIVEN = {
    attribute.key: attribute.columns[0]
    for attribute in Version.__mapper__.column_attrs
    if attribute.columns[0].name not in _BY_MOMENT
}


class Registered(NamedTuple):
    """What the statement gives back: the model, and when it was."""

    model_id: UUID
    name: str
    repository: str | None
    storage_path: str
    now: datetime


def _bare_type(column: ColumnElement[Any]) -> str:
    """Without its length, since a cast to `varchar(128)` would cut a longer text where an insert refuses it."""
    return re.split(r"[( ]", str(column.type.compile(dialect=PGDialect())))[0]  # type: ignore[no-untyped-call]


def _statement(condition: str) -> TextClause:
    names = ", ".join(column.name for column in _GIVEN.values())
    values = ", ".join(f"CAST(:{column.name} AS {_bare_type(column)})" for column in _GIVEN.values())
    return text(
        f"""
        WITH counted AS (
            UPDATE models SET version_count = version_count + 1, latest_version = :version
            WHERE {condition} AND deleted_at IS NULL
            RETURNING id AS model_id, name, repository, storage_path
        ), moment AS MATERIALIZED (
            SELECT model_id, name, repository, storage_path, clock_timestamp() AS now FROM counted
        ), made AS (
            INSERT INTO versions ({names}, model_id, created_at, updated_at, released_at)
            SELECT {values}, model_id, now, now, CASE WHEN :is_release THEN now END FROM moment
        ), kept AS (
            INSERT INTO metrics (version_id, model_id, path, value)
            SELECT :id, model_id, path, value
            FROM moment, unnest(CAST(:paths AS varchar[]), CAST(:numbers AS double precision[])) AS found (path, value)
        )
        SELECT model_id, name, repository, storage_path, now FROM moment
        """  # noqa: S608 - of the tables' own names
    )


_BY_ID = _statement("id = :model")
_BY_NAME = _statement("lower(name) = lower(:model)")


def register(version: Version, model: UUID | str) -> None:
    """The version is in the database, and the object has its model and its times.

    Raises NotFound (model), Conflict (the model has this version).
    """
    numbers = dict(metadata.numbers(version.metadata_))
    values = {column.name: getattr(version, attribute) for attribute, column in _GIVEN.items()}
    values |= {"metadata": json.dumps(version.metadata_), "is_release": version.released_by is not None}
    values |= {"model": model, "paths": list(numbers), "numbers": list(numbers.values())}
    row = audit.execute(_BY_ID if isinstance(model, UUID) else _BY_NAME, values).one_or_none()
    if row is None:
        raise registered_models.missing()
    found = Registered(*row)
    version.model_id, version.created_at, version.updated_at = found.model_id, found.now, found.now
    version.released_at = found.now if version.released_by is not None else None
    version.model = RegisteredModel(
        id=found.model_id, name=found.name, repository=found.repository, storage_path=found.storage_path
    )
