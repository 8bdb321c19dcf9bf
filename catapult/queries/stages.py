"""The matrix of models and environments: live, unfinished and failed deployments, and what was live at a time."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, literal_column, select, text
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from catapult.extensions import db
from catapult.queries import environments, image_checks
from catapult.queries.lists.paging import Listing, newest_first
from catapult.queries.lists.raw_columns import as_text
from catapult.queries.live import BEHIND
from catapult.tables import LIVE, OPEN, Deployment, Environment, RegisteredModel, is_live

D: Any = Deployment.__table__.c
E: Any = Environment.__table__.c
M: Any = RegisteredModel.__table__.c

ENVIRONMENTS = 200
COUNTED, UNFINISHED = 100, 1_000
"""Live deployments of an environment are counted up to this number; so many unfinished ones are read in all."""

ATTEMPTS, FIRST = 20, 10
"""The newest deployments of a model that may be shown as failed, and the most models shown before anything is live."""

Cells = dict[str, dict[str, list[Any]]]
"""`{model's id: {environment in lower case: its rows}}`."""


def _counted() -> Any:
    """Return how many deployments are live in the environment, counted up to `COUNTED`."""
    some: Any = select(literal_column("1")).select_from(Deployment.__table__).where(D.place == E.place, is_live())
    live = some.limit(COUNTED).correlate(Environment.__table__).subquery()
    return select(func.count()).select_from(live).scalar_subquery().label("live")


_open = select(D.place).where(text(OPEN)).limit(UNFINISHED).subquery()
_unfinished = select(_open.c.place, func.count().label("count")).group_by(_open.c.place).cte("unfinished")
_ENVIRONMENTS = (
    environments.listing()
    .rows.add_columns(_counted(), func.coalesce(_unfinished.c.count, 0).label("unfinished"))
    .join(_unfinished, _unfinished.c.place == E.place, isouter=True)
    .order_by(E.rank, E.place)
    .limit(ENVIRONMENTS)
)


def all_environments() -> list[Any]:
    """Return the environments by rank, each with the number of its `live` and `unfinished` deployments."""
    return list(db.session.execute(_ENVIRONMENTS))


def _newest_of_model() -> Any:
    """Return the id of the model's live deployment that was deployed last; read with `ix_deployments_live_model`."""
    table = Deployment.__table__.alias("other")
    other: Any = table.c
    live = (other.model_id == D.model_id, other.live_from.is_not(None), other.ended_at.is_(None))
    newest = select(other.id).where(*live).order_by(other.deployed_at.desc(), other.id.desc()).limit(1)
    return newest.correlate(Deployment.__table__).scalar_subquery()


# Walks ix_deployments_live_newest, and shows each model where its newest deployment is.
_MODELS = Listing(
    select(
        as_text(D.id),
        as_text(D.model_id).label("model_id"),
        M.name.label("model_name"),
        M.latest_version,
        D.deployed_at,
    )
    .join_from(Deployment.__table__, RegisteredModel.__table__, M.id == D.model_id)
    .where(is_live(), D.id == _newest_of_model()),
    newest_first(D.deployed_at, D.id),
)


def models() -> Listing:
    """Return the models of which something is live, the one deployed last first."""
    return _MODELS


_FIRST = text(
    f"""
SELECT DISTINCT model.id::text AS model_id, model.name AS model_name
FROM (SELECT model_id FROM deployments WHERE {OPEN} LIMIT :unfinished) AS unfinished
JOIN models AS model ON model.id = unfinished.model_id AND model.deleted_at IS NULL
WHERE NOT EXISTS (SELECT 1 FROM deployments WHERE model_id = unfinished.model_id AND {LIVE})
ORDER BY model_name LIMIT :most
"""  # noqa: S608 - both are constants
)


def first_on_their_way() -> list[Any]:
    """Return models of which nothing is live yet, and something is on its way."""
    return list(db.session.execute(_FIRST, {"unfinished": UNFINISHED, "most": FIRST}))


_SHOWN = "id, model_id, release_id, place, environment, status, deployed_at, live_from, ended_at, rollback_of, override"

_ON_THEIR_WAY = text(
    f"""
SELECT recent.id::text, recent.status, recent.deployed_at, model.name AS model_name, version.version
FROM (
    SELECT * FROM (SELECT * FROM deployments WHERE {OPEN} LIMIT :unfinished) AS unfinished
    WHERE place = :place ORDER BY deployed_at DESC, id DESC LIMIT :most
) AS recent
CROSS JOIN LATERAL (SELECT name FROM models WHERE id = recent.model_id LIMIT 1) AS model
CROSS JOIN LATERAL (SELECT version FROM versions WHERE id = recent.release_id LIMIT 1) AS version
ORDER BY recent.deployed_at DESC, recent.id DESC
"""  # noqa: S608 - a constant
)


def on_their_way(environment: str) -> list[Any]:
    """Return the newest unfinished deployments to that environment: `id status deployed_at model_name version`."""
    sent = {"unfinished": UNFINISHED, "place": environment, "most": FIRST}
    return list(db.session.execute(_ON_THEIR_WAY, sent))


# Of each model what is live, by ix_deployments_live_model, what is unfinished, by ix_deployments_open, and its newest
# deployments, by ix_deployments_model: of those the newest in an environment is shown, if it did not succeed. Versions
# are looked up for the cells alone: a join might read them all.
_CELLS = text(
    f"""
WITH model AS (SELECT unnest(:models) AS id), cell AS (
    SELECT live.* FROM model CROSS JOIN LATERAL (
        SELECT {_SHOWN} FROM deployments WHERE model_id = model.id AND {LIVE} AND place = ANY(:places)
    ) AS live
    UNION ALL
    SELECT * FROM (
        SELECT DISTINCT ON (model_id, place) attempt.* FROM model CROSS JOIN LATERAL (
            (SELECT {_SHOWN} FROM deployments WHERE model_id = model.id AND {OPEN} LIMIT :attempts)
            UNION ALL
            (SELECT {_SHOWN} FROM deployments WHERE model_id = model.id AND deleted_at IS NULL
             ORDER BY deployed_at DESC, id DESC LIMIT :attempts)
        ) AS attempt
        ORDER BY model_id, place, status IN ('pending', 'running') DESC, deployed_at DESC, id DESC
    ) AS newest
    WHERE status IN ('pending', 'running', 'failed') AND place = ANY(:places)
)
SELECT cell.id::text, cell.model_id::text, cell.release_id::text, cell.place, cell.environment, cell.status,
    cell.deployed_at, cell.live_from, cell.live_from IS NOT NULL AS live, version.version,
    version.released_at IS NOT NULL AS is_release, cell.override OR version.override AS override,
    cell.rollback_of IS NOT NULL AS is_rollback, origin.version AS from_version,
    {image_checks.UNSOUND.format(deployment="cell")} AS unsound_image,
    CASE WHEN cell.live_from IS NOT NULL THEN (
        SELECT count(*) FROM (
            SELECT 1 FROM versions WHERE model_id = cell.model_id AND created_at > version.created_at
                AND deleted_at IS NULL AND status = 'active' LIMIT :behind
        ) AS newer
    ) END AS behind
FROM cell
CROSS JOIN LATERAL (
    SELECT version, released_at, override, created_at FROM versions WHERE id = cell.release_id LIMIT 1
) AS version
LEFT JOIN LATERAL (SELECT release_id FROM deployments WHERE id = cell.rollback_of LIMIT 1) AS before ON true
LEFT JOIN LATERAL (SELECT version FROM versions WHERE id = before.release_id LIMIT 1) AS origin ON true
"""  # noqa: S608 - all are constants
).bindparams(bindparam("models", type_=ARRAY(UUID())))


def cells(model_ids: Sequence[str], environments: Sequence[str]) -> Cells:
    """Return what is live of the models, and the newest deployment after it where that is unfinished or failed."""
    sent = {"models": list(model_ids), "places": list(environments), "attempts": ATTEMPTS, "behind": BEHIND}
    return _by_cell(db.session.execute(_CELLS, sent) if model_ids else ())


# The newest deployment that began before, by ix_deployments_history, if it had not ended.
_THEN = text(
    """
SELECT bar.id::text, bar.model_id::text, bar.release_id::text, bar.place, bar.environment, bar.live_from, true AS live,
    version.version, version.released_at <= :at AS is_release
FROM unnest(:models) AS model (id) CROSS JOIN unnest(:places) AS stage (place) CROSS JOIN LATERAL (
    SELECT * FROM deployments
    WHERE model_id = model.id AND place = stage.place AND live_from IS NOT NULL AND live_from <= :at
    ORDER BY live_from DESC LIMIT 1
) AS bar
CROSS JOIN LATERAL (SELECT version, released_at FROM versions WHERE id = bar.release_id LIMIT 1) AS version
WHERE bar.ended_at IS NULL OR bar.ended_at > :at
"""
).bindparams(bindparam("models", type_=ARRAY(UUID())))


def cells_then(model_ids: Sequence[str], environments: Sequence[str], at: datetime) -> Cells:
    """Return what was live of the models in these environments at that time."""
    sent = {"models": list(model_ids), "places": list(environments), "at": at}
    return _by_cell(db.session.execute(_THEN, sent) if model_ids else ())


def _by_cell(rows: Any) -> Cells:
    cells: Cells = defaultdict(lambda: defaultdict(list))
    for row in rows:
        cells[row.model_id][row.place].append(row)
    return cells
