"""The statement that registers a version. Training jobs wait for it, and it holds its model's lock for one round trip.

It locks the model's row; takes the time after that, later than that of the model's newest version; counts and numbers the
version on its model; and inserts the version, the numbers in its metadata if there are any, and the audit entries. Separate
statements would need five more round trips under the lock.
"""

import json
from collections.abc import Iterable
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy.orm.attributes import set_committed_value

from catapult import audit
from catapult.errors import Invalid, Refusal
from catapult.queries import registered_models
from catapult.rules import metadata_limits
from catapult.rules.bounds import Bounds, like_patterns
from catapult.rules.numbers import SHARED_FROM
from catapult.tables import RegisteredModel, Version

_SET_BY_STATEMENT = ("created_at", "updated_at", "deleted_at", "model_id", "number")
_OF_RELEASES = ("released_at", "released_by", "decision_id", "override")
_KINDS = {
    column.name: audit.sql_type(column)
    for column in Version.__table__.columns
    if column.name not in _SET_BY_STATEMENT + _OF_RELEASES
}
"""The SQL type of each column that gets a value of the new version."""
_NOT_SENT: dict[str, Any] = dict.fromkeys(_KINDS)


CALLED = "id = (SELECT model_id FROM model_names WHERE name = lower(:model_name))"
WITHIN = "lower(name) LIKE ANY (CAST(:bounds AS text[]))"
UNNESTED = "unnest(CAST(:paths AS varchar[]), CAST(:numbers AS numeric[])) AS sent (path, number)"
NUMBERS = (
    f"path, CAST(sent.number AS double precision), CASE WHEN abs(sent.number) >= {SHARED_FROM} THEN sent.number END"
)
"""The columns `path`, `value` and `exact` of `metrics`, from the numbers in a version's metadata."""
INDEXED = f"""indexed AS (
    INSERT INTO metrics (version_id, model_id, path, value, exact) SELECT :id, model_id, {NUMBERS} FROM moment, {UNNESTED}
)"""  # noqa: S608 - built from the strings above
_KEY_OF_NUMBER = "lpad(CAST(length(called) AS text), 3, '0') || called || '00100010~'"
"""`rules.semver.semver_key` of a number."""


class Registered(NamedTuple):
    """The statement's columns: the version's model and its number there, and the time of registration."""

    model_id: UUID
    name: str
    repository: str | None
    storage_path: str
    number: int
    version: str
    now: datetime


class Registration:
    """An `audit.Statement` that registers a version of the model that `model_id` or `model_name` names, or both.

    `fields` are the values of its columns except for its metadata; if `version` is None, the name is the number. Once it has
    run, `registered` is what it returned, and `row`, if it is set before, has its model, number and times.
    """

    row: Version | None = None
    registered: Registered

    def __init__(
        self,
        fields: dict[str, Any],
        metadata: dict[str, Any],
        model_id: UUID | None,
        model_name: str | None,
        bounds: Bounds,
    ) -> None:
        assert fields.keys() <= _KINDS.keys(), fields.keys() - _KINDS.keys()
        numbers = dict(metadata_limits.numbers(metadata))
        self.bounds = bounds
        self.values: dict[str, Any] = {
            **_NOT_SENT,
            **fields,
            "metadata": json.dumps(metadata),
            "paths": list(numbers),
            "numbers": list(numbers.values()),
            "model_id": model_id,
            "model_name": model_name,
            "bounds": like_patterns(bounds.models or ()),
        }

    def sql(self, entries: str | None = None) -> str:
        """Return the statement, with the CTE that inserts the audit entries unless the caller writes them."""
        by_id, by_name = self.values["model_id"] is not None, self.values["model_name"] is not None
        is_bounded, is_named = self.bounds.models is not None, self.values["version"] is not None
        return _statement(by_id, by_name, is_bounded, is_named, bool(self.values["paths"]), entries)

    def finish(self, result: Iterable[Any]) -> None:
        """Take what was registered. Raises NotFound for an unknown model, Invalid if the id is another's.

        Raises Forbidden for a model that is beyond the bounds by its present name.
        """
        columns = next(iter(result), None)
        if columns is None:
            raise _unknown_model(self.values["model_id"], self.values["model_name"], self.bounds)
        self.registered = Registered(*columns)
        if self.row is not None:
            _complete(self.row, self.registered)


def _complete(version: Version, registered: Registered) -> None:
    version.model_id, version.number, version.version = registered.model_id, registered.number, registered.version
    version.created_at = version.updated_at = registered.now
    model = RegisteredModel(
        id=registered.model_id,
        name=registered.name,
        repository=registered.repository,
        storage_path=registered.storage_path,
    )
    set_committed_value(version, "model", model)  # neither is of the session


@cache
def _statement(
    by_id: bool, by_name: bool, is_bounded: bool, is_named: bool, has_numbers: bool, entries: str | None
) -> str:
    names = ", ".join(_KINDS)
    sent = {name: f"CAST(:{name} AS {kind})" for name, kind in _KINDS.items()}
    called = sent["version"]
    if not is_named:
        called, sent["semver_key"] = "CAST(number AS text)", _KEY_OF_NUMBER
    values = ", ".join((sent | {"version": "called"}).values())
    conditions = ["id = :model_id"] * by_id + [CALLED] * by_name + [WITHIN] * is_bounded
    return f"""
        WITH locked AS MATERIALIZED (
            SELECT id AS model_id, name, repository, storage_path, last_number + 1 AS number, newest_at FROM models
            WHERE {" AND ".join(conditions)} AND deleted_at IS NULL FOR NO KEY UPDATE
        ), moment AS MATERIALIZED (
            SELECT model_id, name, repository, storage_path, number, called, named AS details, named AS data,
                greatest(clock_timestamp(), newest_at + interval '1 microsecond') AS now
            FROM locked, LATERAL (SELECT {called} AS called) AS naming,
                LATERAL (SELECT jsonb_build_object('model', name, 'version', called) AS named) AS naming_both
        ), counted AS (
            UPDATE models SET version_count = version_count + 1, latest_version = moment.called,
                last_number = moment.number, newest_at = moment.now
            FROM moment WHERE models.id = moment.model_id
        ), registered AS (
            INSERT INTO versions ({names}, model_id, number, created_at, updated_at)
            SELECT {values}, model_id, number, now, now FROM moment
        ){f", {INDEXED}" if has_numbers else ""}{f", {entries}" if entries else ""}
        SELECT model_id, name, repository, storage_path, number, called, now FROM moment
        """  # noqa: S608 - built from the tables' own names


def _unknown_model(model_id: UUID | None, model_name: str | None, bounds: Bounds) -> Refusal:
    if bounds.models is not None:
        model = registered_models.get(model_id) if model_id else registered_models.called(model_name or "")
        bounds.check_model(model.name)
    if model_id is None or model_name is None:
        return registered_models.missing()
    name = registered_models.get(model_id).name
    return Invalid(
        "model_id and model_name name two different models.", errors={"model_name": [f"The id is {name}'s."]}
    )
