"""Numbers of versions' metadata, from the table `metrics`: their paths, their history, and those of some versions."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Select, case, func, lateral, select, text, true
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by

from catapult.extensions import KEEP_PLAN, db
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


_NEWEST = f"""
SELECT id, version, created_at, created_by, released_at IS NOT NULL AS is_release FROM versions
WHERE model_id = :model AND deleted_at IS NULL ORDER BY created_at DESC, id DESC LIMIT {NEWEST}
"""  # noqa: S608 - built from constants
# Those of these names where the model has numbers, the latest version's paths, and the model's first. Each limit of 1 keeps
# PostgreSQL from reading all numbers. Walks ix_metrics_model, and pk_metrics for each path.
_PATHS = text(
    f"""
WITH RECURSIVE newest AS (SELECT ARRAY(SELECT id FROM ({_NEWEST}) AS newest) AS ids),
walk (path) AS (
    SELECT (SELECT path FROM metrics WHERE model_id = :model ORDER BY path LIMIT 1)
    UNION ALL
    SELECT (SELECT path FROM metrics WHERE model_id = :model AND path > walk.path ORDER BY path LIMIT 1)
    FROM walk WHERE path IS NOT NULL
)
SELECT path FROM (
    SELECT (SELECT path FROM metrics WHERE model_id = :model AND path = named LIMIT 1)
    FROM unnest(CAST(:named AS text[])) AS named
    UNION ALL
    (SELECT path FROM metrics WHERE version_id = (SELECT ids[1] FROM newest) ORDER BY path LIMIT {MOST_PATHS})
    UNION ALL
    (SELECT path FROM walk LIMIT {MOST_PATHS})
) AS known
WHERE coalesce(
    (SELECT path FROM metrics WHERE path = known.path AND version_id = (SELECT ids[1] FROM newest) LIMIT 1),
    (SELECT path FROM metrics WHERE path = known.path AND version_id = ANY(CAST((SELECT ids FROM newest) AS uuid[])) LIMIT 1)
) IS NOT NULL
"""  # noqa: S608 - built from constants
).execution_options(**KEEP_PLAN)
_SERIES = text(
    f"""
SELECT newest.version, number.value, number.exact, newest.is_release, newest.created_at, newest.created_by
FROM ({_NEWEST}) AS newest
CROSS JOIN LATERAL (SELECT value, exact FROM metrics WHERE version_id = newest.id AND path = :path LIMIT 1) AS number
ORDER BY newest.created_at, newest.id
"""  # noqa: S608 - built from constants
).execution_options(**KEEP_PLAN)
_VALUES = text(
    """
SELECT CAST(version_id AS text), path, value, exact FROM metrics
WHERE version_id = ANY(CAST(CAST(:versions AS text[]) AS uuid[])) AND path = ANY(CAST(:paths AS text[]))
"""
).execution_options(**KEEP_PLAN)


def paths(model_id: UUID, also: Sequence[str] = ()) -> list[str]:
    """Return the paths at which the newest versions have numbers, the main one first, and any of `also`.

    Each path is one descent of an index from the path before it. Reading all numbers would take ten times as long.
    """
    return sorted(set(db.session.scalars(_PATHS, {"model": model_id, "named": [*MAIN, *also]})), key=rank)


def recent_paths() -> list[str]:
    """Return the paths at which the newest versions of all models have numbers, the main ones first."""
    newest = (
        select(V.id).where(V.deleted_at.is_(None)).order_by(V.created_at.desc(), V.id.desc()).limit(RECENT).subquery()
    )
    first = lateral(select(T.path).where(T.version_id == newest.c.id).order_by(T.path).limit(RECENT_PATHS)).alias(
        "first"
    )
    return sorted(set(db.session.scalars(select(first.c.path).select_from(newest).join(first, true()))), key=rank)


class Reading(NamedTuple):
    """A version's number at one path, and who registered the version when."""

    version: str
    value: Number
    is_release: bool
    created_at: datetime
    created_by: str


def series(model_id: UUID, path: str) -> list[Reading]:
    """Return the number at this path of those of the newest versions that have it, oldest first."""
    return [
        Reading(row.version, _number(row.value, row.exact), row.is_release, row.created_at, row.created_by)
        for row in db.session.execute(_SERIES, {"model": model_id, "path": path})
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
    values: dict[str, dict[str, Number]] = defaultdict(dict)
    wanted = {"versions": list(map(str, version_ids)), "paths": list(paths)}
    for version_id, path, value, exact in db.session.execute(_VALUES, wanted) if paths else ():
        values[version_id][path] = _number(value, exact)
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
    """Return `id created_at` of the newest versions of that model, mostly read from an index alone."""
    rows = select(V.id, V.created_at).where(V.model_id == model_id, V.deleted_at.is_(None))
    return rows.order_by(V.created_at.desc(), V.id.desc()).limit(limit)
