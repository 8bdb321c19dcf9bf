"""The one statement that registers a version: what training jobs wait for, and what holds its model's lock the shortest.

It counts the version on its model, which locks the model's row; takes the time after that; inserts the version, the
numbers in its metadata and its audit entries. In statements of their own these took four trips more, all of them while
others waited.
"""

import json
import re
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, TextClause, text
from sqlalchemy.dialects.postgresql.base import PGDialect

from catapult import audit
from catapult.audit import Actor, Entry
from catapult.errors import Invalid, Refusal
from catapult.queries import registered_models
from catapult.rules import metadata_limits
from catapult.tables import RegisteredModel, Version

_BY_MOMENT = ("created_at", "updated_at", "released_at", "released_by", "deleted_at", "model_id")
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
            SELECT model_id, name, repository, storage_path, clock_timestamp() AS now,
                jsonb_build_object('model', name) AS told
            FROM counted
        ), made AS (
            INSERT INTO versions ({names}, model_id, created_at, updated_at)
            SELECT {values}, model_id, now, now FROM moment
        ), kept AS (
            INSERT INTO metrics (version_id, model_id, path, value)
            SELECT :id, model_id, path, value
            FROM moment, unnest(CAST(:paths AS varchar[]), CAST(:numbers AS double precision[])) AS found (path, value)
        ), {audit.RECORDED}
        SELECT model_id, name, repository, storage_path, now FROM moment
        """  # noqa: S608 - of the tables' own names
    )


_BY_ID = _statement("id = :model_id")
_BY_NAME = _statement("lower(name) = lower(:model_name)")
_BY_BOTH = _statement("id = :model_id AND lower(name) = lower(:model_name)")


def register(version: Version, actor: Actor, said: Entry, *, model_id: UUID | None, model_name: str | None) -> Version:
    """The version is in the database with its entry, to which the model's name is added; it has its model and its times.

    `audit.commit_recorded` saves it. Raises NotFound (model), Invalid (the id is not that model's), Conflict (the model has
    this version).
    """
    numbers = dict(metadata_limits.numbers(version.metadata_))
    values = {column.name: getattr(version, attribute) for attribute, column in _GIVEN.items()}
    values |= {"metadata": json.dumps(version.metadata_), "paths": list(numbers), "numbers": list(numbers.values())}
    values |= {"model_id": model_id, "model_name": model_name}
    statement = _BY_NAME if model_id is None else _BY_ID if model_name is None else _BY_BOTH
    row = audit.execute_recorded(statement, values, actor, said).one_or_none()
    if row is None:
        raise _unknown(model_id, model_name)
    return _with_model(version, Registered(*row))


def _with_model(version: Version, found: Registered) -> Version:
    version.model_id, version.created_at, version.updated_at = found.model_id, found.now, found.now
    version.model = RegisteredModel(
        id=found.model_id, name=found.name, repository=found.repository, storage_path=found.storage_path
    )
    return version


def _unknown(model_id: UUID | None, model_name: str | None) -> Refusal:
    """No model has this name, or this id, or the id is another one's."""
    if model_id is None or model_name is None:
        return registered_models.missing()
    name = registered_models.get(model_id).name
    return Invalid("model_id and model_name name two models.", errors={"model_name": [f"The id is {name}'s."]})
