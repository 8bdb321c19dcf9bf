"""Models and versions as MLflow's clients see them: a version by its number, the latest of each stage, and searches."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import chain
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Text,
    and_,
    any_,
    bindparam,
    case,
    cast,
    exists,
    func,
    literal,
    literal_column,
    select,
    true,
    union_all,
)
from sqlalchemy.dialects.postgresql import JSONB

from catapult.errors import Invalid, NotFound
from catapult.extensions import db
from catapult.filters import mlflow as filters
from catapult.filters.fields import SortKey
from catapult.queries.aliases import OF_VERSION
from catapult.queries.lists import prepared
from catapult.queries.lists.paging import Listing, in_order, newest_first
from catapult.queries.registered_models import CALLED
from catapult.rules.mlflow_stages import ALL, ARCHIVED, ENVIRONMENTS, NONE
from catapult.rules.mlflow_tags import KEY, ORIGIN
from catapult.tables import Alias, Deployment, RegisteredModel, Version, VersionStatus, is_live

M: Any = RegisteredModel.__table__.c
V: Any = Version.__table__.c
D: Any = Deployment.__table__.c
A: Any = Alias.__table__.c

PROMPT = "mlflow.prompt.is_prompt"
"""The tag that marks a model as a prompt of MLflow. Searches leave prompts out unless the filter names the tag."""


def _below(json: Any, key: str) -> Any:
    """Return the JSON below a key. Not by a subscript, which no index matches."""
    return json.op("->", return_type=JSONB())(cast(key, Text))


def _text(json: Any, key: str) -> Any:
    return json.op("->>", return_type=Text())(cast(key, Text))


def _tags(metadata: Any) -> Any:
    return _below(metadata, KEY)


def _run_id(version: Any) -> Any:
    return _text(_below(version.metadata, "mlflow"), "run_id")


_LONGEST = 2_000
_ORIGIN: Any = func.jsonb_strip_nulls(
    func.jsonb_build_object(
        *chain.from_iterable(
            (literal_column(f"'{name}'"), func.left(_text(_below(V.metadata, "mlflow"), name), _LONGEST))
            for name in ORIGIN
        )
    ),
    type_=JSONB(),
)


def _is_live_in(environment: str) -> ColumnElement[bool]:
    return exists().where(D.release_id == V.id, D.place == environment, is_live()).correlate(Version.__table__)


_STAGE = case(
    *((_is_live_in(environment), stage) for stage, environment in ENVIRONMENTS.items()),
    (V.status == VersionStatus.ARCHIVED.value, ARCHIVED),
    else_=NONE,
)
_MODELS = select(
    M.id,
    M.name,
    func.lower(M.name).label("sort_name"),
    M.description,
    _tags(M.metadata).label("tags"),
    M.created_at,
    M.updated_at,
).where(M.deleted_at.is_(None))
_COLUMNS = (
    *(V.id, V.model_id, V.number, V.version, V.source, V.release_notes, V.created_by, V.created_at, V.updated_at),
    *(_tags(V.metadata).label("tags"), _ORIGIN.label("origin"), OF_VERSION),
)
_VERSIONS = (
    select(M.name, *_COLUMNS, _STAGE.label("stage"))
    .join_from(Version.__table__, RegisteredModel.__table__, M.id == V.model_id)
    .where(V.deleted_at.is_(None))
)


_MODEL = _MODELS.where(M.id == CALLED)
_VERSION = _VERSIONS.where(V.model_id == CALLED, V.number == bindparam("number"))
_POINTED_AT = select(A.version_id).where(
    A.model_id == CALLED, func.lower(A.name) == bindparam("alias", type_=Text), A.until.is_(None)
)
_BY_ALIAS = _VERSIONS.where(V.id == _POINTED_AT.scalar_subquery())


def model(name: str) -> Any:
    """Return the model that has or had that name as a plain row. Raises NotFound, in MLflow's words."""
    row = prepared.one_or_none(_MODEL, {"name": name.lower()})
    if row is None:
        raise NotFound(f"Registered Model with name={name} not found")
    return row


def version(name: str, number: int) -> Any:
    """Return the version of that number as a plain row. Raises NotFound, in MLflow's words."""
    row = prepared.one_or_none(_VERSION, {"name": name.lower(), "number": number})
    if row is None:
        model(name)
        raise NotFound(f"Model Version (name={name}, version={number}) not found")
    return row


def live(version_id: UUID) -> list[Any]:
    """Return `id environment place model_name` of each live deployment of the version, by environment."""
    columns = select(D.id, D.environment, D.place, M.name.label("model_name"))
    of_version = columns.join_from(Deployment.__table__, RegisteredModel.__table__, M.id == D.model_id)
    return list(db.session.execute(of_version.where(D.release_id == version_id, is_live()).order_by(D.place)))


def latest(model_ids: Sequence[UUID], stages: Sequence[str] = ALL) -> dict[UUID, list[Any]]:
    """Return `{model's id: its version with the highest number in each of these stages}`."""
    rows: dict[UUID, list[Any]] = defaultdict(list)
    for each in db.session.execute(_latest(tuple(stages)), {"ids": list(model_ids)}) if model_ids else ():
        rows[each.model_id].append(each)
    return rows


@cache
def _latest(stages: tuple[str, ...]) -> Any:
    """Return the query for `ids`. In each part, for each model, an index on the order of registration is walked to the first."""
    asked = select(M.id, M.name).where(M.id.in_(bindparam("ids", expanding=True))).subquery()
    parts = []
    for stage in stages:
        newest = select(*_COLUMNS).where(V.model_id == asked.c.id, V.deleted_at.is_(None), _in(stage, asked))
        row = newest.order_by(V.created_at.desc(), V.id.desc()).limit(1).lateral()
        columns = [row.c[str(column.key)] for column in newest.selected_columns]
        parts.append(select(asked.c.name, *columns, literal(stage, Text).label("stage")).join_from(asked, row, true()))
    return union_all(*parts)


def aliases(model_ids: Iterable[UUID]) -> dict[UUID, list[tuple[str, int]]]:
    """Return `{model's id: its aliases, each with the number of the version that it points at}`."""
    query = select(A.model_id, A.name, V.number).join_from(Alias.__table__, Version.__table__, V.id == A.version_id)
    current = query.where(A.model_id.in_(list(model_ids)), A.until.is_(None)).order_by(func.lower(A.name))
    rows: dict[UUID, list[tuple[str, int]]] = defaultdict(list)
    for row in db.session.execute(current):
        rows[row.model_id].append((row.name, row.number))
    return rows


def version_of_alias(name: str, alias: str) -> Any:
    """Return the version that the alias points at as a plain row. Raises NotFound, or Invalid as MLflow's own server does."""
    row = prepared.one_or_none(_BY_ALIAS, {"name": name.lower(), "alias": alias.lower()})
    if row is None:
        model(name)
        raise Invalid(f"Registered model alias {alias} not found.")
    return row


def _in(stage: str, asked: Any) -> ColumnElement[bool]:
    """Return whether a version of the `asked` model is in the stage. One that is live in both environments is in both stages."""
    if stage in ENVIRONMENTS:
        there = select(D.release_id).where(D.model_id == asked.c.id, D.place == ENVIRONMENTS[stage], is_live())
        in_environment: ColumnElement[bool] = V.id.in_(there.correlate(asked))
        return in_environment
    if stage == ARCHIVED:
        archived: ColumnElement[bool] = V.status == VersionStatus.ARCHIVED.value
        return archived
    return and_(
        V.status == VersionStatus.ACTIVE.value, *(~_is_live_in(environment) for environment in ENVIRONMENTS.values())
    )


def search_models(filter: str, order_by: list[str]) -> Listing:
    """Return the models that pass the filter, by name if no order is given. Raises Invalid."""
    fields = {"name": M.name, "tags": _tags(M.metadata)}
    columns = {
        "name": func.lower(M.name).label("sort_name"),
        "timestamp": M.created_at,
        "creation_timestamp": M.created_at,
        "last_updated_timestamp": M.updated_at,
    }
    keys = _keys(filters.orders(order_by, columns), columns, M.id) or in_order(columns["name"], M.id)
    return Listing(_MODELS.where(*_conditions(filter, fields, _of_name)), keys, asked="filter" if filter else None)


def search_versions(filter: str, order_by: list[str]) -> Listing:
    """Return the versions that pass the filter, those changed last first if no order is given. Raises Invalid."""
    fields = {
        "name": M.name,
        "run_id": _run_id(V),
        "source_path": V.source,
        "version_number": V.number,
        "tags": _tags(V.metadata),
    }
    columns = {
        "name": M.name,
        "version_number": V.number,
        "creation_timestamp": V.created_at,
        "last_updated_timestamp": V.updated_at,
    }
    keys = _keys(filters.orders(order_by, columns), columns, V.id) or newest_first(V.updated_at, V.id)
    return Listing(_VERSIONS.where(*_conditions(filter, fields, _of_model)), keys, asked="filter" if filter else None)


def _keys(orders: list[tuple[str, bool]], columns: dict[str, Any], row_id: Any) -> tuple[SortKey, ...]:
    keys = [SortKey(columns[name], descending) for name, descending in orders]
    return (*keys, SortKey(row_id, orders[-1][1])) if keys else ()


def _conditions(filter: str, fields: dict[str, Any], by_name: Any) -> list[ColumnElement[bool]]:
    comparisons = filters.parse(filter)
    conditions = []
    if all(comparison.tag != PROMPT for comparison in comparisons):
        conditions.append(func.coalesce(_text(fields["tags"], PROMPT), "false") != "true")
    for comparison in comparisons:
        if comparison.field not in fields or (comparison.field == "tags") != bool(comparison.tag):
            known = ", ".join(fields).replace("tags", "tags.<key>")
            raise Invalid(f"Invalid filter: there is no {comparison.field!r} to filter by. There are {known}.")
        if comparison.field == "name":
            conditions.append(by_name(comparison))
        elif comparison.field == "run_id" and comparison.operator in ("=", "IN"):
            conditions.append(_of_run(comparison))
        elif comparison.tag == PROMPT:
            conditions.append(comparison.on(func.coalesce(_text(fields["tags"], PROMPT), "false")))
        elif comparison.tag is not None:
            conditions.append(comparison.on(_text(fields["tags"], comparison.tag)))
        else:
            conditions.append(comparison.on(fields[comparison.field], comparison.field == "version_number"))
    return conditions


def _of_name(comparison: filters.Comparison) -> ColumnElement[bool]:
    """Return the condition on a model's name, with one on the name in lower case, which has indexes."""
    condition = comparison.on(M.name)
    if comparison.operator == "!=":
        return condition
    lowered = [str(value).lower() for value in comparison.values]
    if comparison.operator.endswith("LIKE"):
        folded = func.lower(M.name).like(lowered[0])
        return folded if comparison.operator == "ILIKE" else and_(folded, condition)
    return and_(func.lower(M.name).in_(lowered), condition)


def _of_model(comparison: filters.Comparison) -> ColumnElement[bool]:
    """Return the condition that a version's model has such a name. One model is looked up first, by its name."""
    models = select(M.id).where(M.deleted_at.is_(None), _of_name(comparison))
    if comparison.operator == "=":
        equal: ColumnElement[bool] = V.model_id == models.scalar_subquery()
        return equal
    named: ColumnElement[bool] = V.model_id.in_(models)
    return named


def _of_run(comparison: filters.Comparison) -> ColumnElement[bool]:
    """Return the condition that a version is of such a run, by an array of ids that `ix_versions_run` finds first.

    PostgreSQL expects many versions of a run, and would look for them among all versions, the last changed first.
    """
    table: Any = Version.__table__.alias("of_run")
    ids = select(table.c.id).where(table.c.deleted_at.is_(None), comparison.on(_run_id(table.c)))
    condition: ColumnElement[bool] = V.id == any_(func.array(ids.scalar_subquery(), type_=ARRAY(V.id.type)))
    return condition
