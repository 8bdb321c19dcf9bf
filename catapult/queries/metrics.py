"""Numbers of versions' metadata, from the table `metrics`: their paths, their history, and those of some versions."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ARRAY, Select, any_, case, func, lateral, select, true, union_all
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by

from catapult.extensions import db
from catapult.queries.lists.raw_columns import as_text
from catapult.rules.numbers import Number
from catapult.tables import Metric, RegisteredModel, Version

T: Any = Metric.__table__.c
V: Any = Version.__table__.c
M: Any = RegisteredModel.__table__.c

NEWEST = 200
"""The number of newest versions that a chart draws, and whose paths are offered."""

MOST_PATHS = 150
"""The most paths that are offered, and the most of the latest version's, beside those of `MAIN`."""

SPARK = 20
"""The number of points in a sparkline."""

RECENT, RECENT_PATHS = 30, 40
"""The newest versions of all models whose paths are offered, and the most of each."""

MAIN = (
    *("accuracy", "f1", "auc", "roc_auc", "map", "map50", "iou", "ndcg", "ndcg_at_10", "mrr", "recall", "recall_at_10"),
    *("precision", "mmlu", "bleu", "chrf", "rouge_l", "mos", "wer", "cer", "perplexity", "rmse", "mae", "mape"),
    *("eval.accuracy", "eval.f1", "eval.auc", "eval.mmlu", "val_accuracy", "test_accuracy", "val_loss", "loss"),
)
"""The main number of a model is the first of these that it has, else the first path by name."""

RANKS = {path: rank for rank, path in enumerate(MAIN)}


def paths(model_id: UUID, also: Sequence[str] = ()) -> list[str]:
    """Return the paths at which the newest versions have numbers, the main one first, and any of `also`.

    Each path is found from the one before by one descent of an index. Reading all numbers would take ten times as long.
    """
    newest = _newest(model_id, NEWEST).with_only_columns(V.id)
    latest, all_of_them = (
        newest.limit(1).scalar_subquery(),
        func.array(newest.scalar_subquery(), type_=ARRAY(V.id.type)),
    )
    held = _held(model_id, latest, [*MAIN, *also])
    there = func.coalesce(_at(held.c.path, T.version_id == latest), _at(held.c.path, T.version_id == any_(all_of_them)))
    return sorted(set(db.session.scalars(select(held.c.path).where(there.is_not(None)))), key=rank)


def recent_paths() -> list[str]:
    """Return the paths at which the newest versions of all models have numbers, the main ones first."""
    newest = (
        select(V.id).where(V.deleted_at.is_(None)).order_by(V.created_at.desc(), V.id.desc()).limit(RECENT).subquery()
    )
    first = lateral(select(T.path).where(T.version_id == newest.c.id).order_by(T.path).limit(RECENT_PATHS)).alias(
        "first"
    )
    return sorted(set(db.session.scalars(select(first.c.path).select_from(newest).join(first, true()))), key=rank)


def _held(model_id: UUID, latest: Any, names: list[str]) -> Any:
    """Return those of these names where the model has numbers, the latest version's paths, and the model's first."""
    own, name = T.model_id == model_id, func.unnest(names).table_valued("path").render_derived(name="named")
    named = select(_at(name.c.path, own).label("path")).select_from(name)
    last = select(T.path).where(T.version_id == latest).order_by(T.path).limit(MOST_PATHS)
    walk = select(_first(own).label("path")).cte("walk", recursive=True)
    walk = walk.union_all(select(_first(own, T.path > walk.c.path)).where(walk.c.path.is_not(None)))
    return union_all(named, last, select(walk.c.path).limit(MOST_PATHS)).subquery("held")


def _at(path: Any, *conditions: Any) -> Any:
    return _first(T.path == path, *conditions)


def _first(*conditions: Any) -> Any:
    """Return the first path of such numbers. The limit keeps PostgreSQL from reading them all."""
    return select(T.path).where(*conditions).order_by(T.path).limit(1).scalar_subquery()


class Reading(NamedTuple):
    """A version's number at one path, and who registered the version when."""

    version: str
    value: Number
    is_release: bool
    created_at: datetime
    created_by: str


def series(model_id: UUID, path: str) -> list[Reading]:
    """Return the number at this path of those of the newest versions that have it, oldest first."""
    newest = _newest(model_id, NEWEST).subquery()
    number = lateral(select(T.value, T.exact).where(T.version_id == newest.c.id, T.path == path).limit(1)).alias(
        "number"
    )
    query = (
        select(*newest.c, *number.c).select_from(newest).join(number, true()).order_by(newest.c.created_at, newest.c.id)
    )
    return [
        Reading(row.version, _number(row.value, row.exact), row.is_release, row.created_at, row.created_by)
        for row in db.session.execute(query)
    ]


def series_of(rows: Sequence[Any], numbers: dict[str, dict[str, Number]], path: str) -> list[Reading]:
    """Return `series` of these versions, newest first, whose `numbers` are from `of_versions`."""
    return [
        Reading(row.version, numbers[row.id][path], row.is_release, row.created_at, row.created_by)
        for row in reversed(rows)
        if path in numbers.get(row.id, {})
    ]


def of_versions(version_ids: Iterable[Any], paths: Sequence[str]) -> dict[str, dict[str, Number]]:
    """Return `{version id: {path: value}}` of these versions, for these paths."""
    return _values(version_ids, list(paths)) if paths else {}


def _values(version_ids: Iterable[Any], paths: Any) -> dict[str, dict[str, Number]]:
    values: dict[str, dict[str, Number]] = defaultdict(dict)
    columns = (T.version_id, T.path, T.value, T.exact)
    query = select(*columns).where(T.version_id.in_(list(version_ids)), T.path.in_(paths))
    for version_id, path, value, exact in db.session.execute(query):
        values[str(version_id)][path] = _number(value, exact)
    return values


def _number(value: float, exact: int | None) -> Number:
    """Return the number of a row with all its digits."""
    return exact if exact is not None else int(value) if value.is_integer() else value


def sparks(model_ids: Sequence[Any]) -> dict[str, tuple[str, list[Number]]]:
    """Return `{model id: (path, values oldest first)}`: the main number of each newest version, over the last ones."""
    newest = lateral(_newest(M.id, 1)).alias("newest")
    recent = lateral(_newest(M.id, SPARK)).alias("recent")
    main = lateral(_main(newest.c.id)).alias("main")
    # Aggregated by PostgreSQL: reading a row for each number would take ten times as long.
    number = func.coalesce(func.to_jsonb(T.exact), func.to_jsonb(T.value))
    values = func.jsonb_agg(aggregate_order_by(number, recent.c.created_at, recent.c.id), type_=JSONB)
    query = (
        select(as_text(M.id), main.c.path, values.label("numbers"))
        .select_from(RegisteredModel.__table__)
        .join(newest, true())
        .join(main, true())
        .join(recent, true())
        .join(Metric.__table__, (T.version_id == recent.c.id) & (T.path == main.c.path))
        .where(M.id.in_(list(model_ids)))
        .group_by(M.id, main.c.path)
    )
    return {row.id: (row.path, row.numbers) for row in db.session.execute(query)}


def rank(path: str) -> tuple[int, str]:
    """Return the sort key of a path: those of `MAIN` first, then by name, and last what is in lists."""
    return (RANKS.get(path, len(MAIN) + ("[" in path)), path)


def _main(version_id: Any) -> Select[Any]:
    """Return the main path of that version."""
    own = Metric.__table__.alias("own").c
    return select(own.path).where(own.version_id == version_id).order_by(_preference(own.path), own.path).limit(1)


def _preference(path: Any) -> Any:
    return case(RANKS, value=path, else_=case((path.contains("["), len(MAIN) + 1), else_=len(MAIN)))


def _newest(model_id: Any, limit: int) -> Select[Any]:
    """Return the newest versions of that model, mostly read from an index alone."""
    columns = (V.id, V.version, V.created_at, V.created_by, V.released_at.is_not(None).label("is_release"))
    rows = select(*columns).where(V.model_id == model_id, V.deleted_at.is_(None))
    return rows.order_by(V.created_at.desc(), V.id.desc()).limit(limit)
