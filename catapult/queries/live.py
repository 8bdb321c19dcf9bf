"""Live versions: the overview's matrix, those of one environment, and the candidates for a promotion.

`stages.py` has the matrix of all models.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Select, func, literal_column, or_, select, text
from sqlalchemy.dialects.postgresql import aggregate_order_by

from catapult.extensions import db
from catapult.queries import image_checks
from catapult.queries.environments import FROZEN
from catapult.queries.lists.paging import Listing, newest_first
from catapult.queries.lists.raw_columns import as_json, as_text, shown
from catapult.queries.registered_models import NOT_DELETED
from catapult.tables import Deployment, Environment, RegisteredModel, Version, VersionStatus, is_live

D: Any = Deployment.__table__.c
V: Any = Version.__table__.c
M: Any = RegisteredModel.__table__.c
E: Any = Environment.__table__.c

ENVIRONMENTS = 50

MODELS, ALL = 7, 200
"""The default and the maximum number of rows in the matrix. A row is a model; the last deployed models are shown."""

CELLS = 600
"""The most cells of the matrix: with many environments it has fewer models."""

RECENT = 500
"""Queries for recent items read only this many of the newest rows."""

BEHIND = 100
"""Newer versions are counted up to this number."""


class Matrix(NamedTuple):
    """What is live: a row for each model, with its deployment by environment.

    `stages` are the first environments, those of `promotion_path`. `frozen` has when each freeze ends, None for never.
    """

    environments: list[str]
    stages: int
    protected: set[str]
    frozen: dict[str, datetime | None]
    rows: list[dict[str, Any]]
    more: bool


def environments() -> list[str]:
    """Return the environments where something is live, in lower case, by rank, `ENVIRONMENTS` at most."""
    return [row.place for row in _environments()]


def _environments() -> list[Any]:
    live = select(literal_column("1")).where(D.place == E.place, is_live()).exists()
    query = (
        select(E.place, E.protected, FROZEN.label("frozen"), E.frozen_until)
        .where(E.deleted_at.is_(None), live)
        .order_by(E.rank, E.place)
    )
    return list(db.session.execute(query.limit(ENVIRONMENTS)))


def promotion_path(environments: Sequence[Any]) -> Sequence[Any]:
    """Return the environments that a version goes through, in order: up to the last that is protected, if one is.

    Deploying to a new name creates an environment with the last rank, so a mistyped name must not come after
    production.
    """
    ends = [number for number, environment in enumerate(environments, 1) if environment.protected]
    return environments[: ends[-1]] if ends else environments


def _newer(most: int | None = BEHIND) -> Any:
    """Return how many versions of the model are newer than this one, without archived ones, counted up to `most`."""
    other: Any = Version.__table__.alias("other").c
    active = (other.deleted_at.is_(None), other.status == VersionStatus.ACTIVE.value)
    newer = select(other.id).where(other.model_id == V.model_id, other.created_at > V.created_at, *active).limit(most)
    counted = select(func.count()).select_from(newer.correlate(Version.__table__).subquery())
    return counted.scalar_subquery().label("behind")


_COLUMNS: tuple[Any, ...] = (
    *shown(D, "id model_id release_id environment endpoint_url deployed_by deployed_at live_from rollback_of"),
    *(M.name.label("model_name"), M.description.label("model_description"), V.version),
    V.released_at.is_not(None).label("is_release"),
    or_(D.override, V.override).label("override"),
    _newer(),
    image_checks.UNSOUND_OF_DEPLOYMENT,
)
_LIVE = Listing(
    select(*_COLUMNS)
    .join_from(Deployment.__table__, Version.__table__, V.id == D.release_id)
    .join(RegisteredModel.__table__, M.id == D.model_id)
    .where(is_live()),
    newest_first(D.deployed_at, D.id),
)

_LEFT: Any = Deployment.__table__.alias("left")
_LEFT_VERSION: Any = Version.__table__.alias("left_version")
_ROLLED_BACK_FROM = (
    select(_LEFT_VERSION.c.version)
    .join_from(_LEFT, _LEFT_VERSION, _LEFT_VERSION.c.id == _LEFT.c.release_id)
    .where(_LEFT.c.id == D.rollback_of)
    .scalar_subquery()
    .label("rolled_back_from")
)


def listing(environment: str) -> Listing:
    """Return what is live in that environment, newest first."""
    return _LIVE.where(D.place == environment.lower())


# A JSON object for each model, by rank, which is passed on as PostgreSQL writes it: a page may have 400 cells.
_TIME = 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'
_CELL = func.json_build_object(
    *("deployment_id", D.id, "version_id", D.release_id, "version", V.version),
    *("is_release", V.released_at.is_not(None), "live_from", func.to_char(func.timezone("UTC", D.live_from), _TIME)),
    *("deployed_by", D.deployed_by, "behind", _newer(None)),
)
# By the environment's name and not the deployment's spelling of it: a column of the matrix has one name.
_CELLS = (
    select(func.json_object_agg(E.name, aggregate_order_by(_CELL, E.rank, E.place)))
    .select_from(Deployment.__table__)
    .join(Version.__table__, V.id == D.release_id)
    .join(Environment.__table__, E.place == D.place)
    .where(D.model_id == M.id, is_live())
    .correlate(RegisteredModel.__table__)
    .scalar_subquery()
)
_SOMETHING_IS_LIVE = select(literal_column("1")).where(D.model_id == M.id, is_live()).exists()
_BY_MODEL = Listing(
    select(
        *shown(M, "id latest_version created_at"),
        *(as_text(M.id).label("model_id"), M.name.label("model_name"), as_json(_CELLS).label("environments")),
    ).where(NOT_DELETED, _SOMETHING_IS_LIVE),
    newest_first(M.created_at, M.id),
)


def by_model() -> Listing:
    """Return what is live of each model, by environment, newest models first. Models with nothing live are left out."""
    return _BY_MODEL


def matrix(models: int = MODELS) -> Matrix:
    """Return the models that were deployed last, and where their versions are live."""
    ranked = _environments()
    names, protected = [row.place for row in ranked], {row.place for row in ranked if row.protected}
    frozen = {row.place: row.frozen_until for row in ranked if row.frozen}
    models = max(1, min(models, CELLS // max(len(names), 1)))
    # A model is live once in an environment, so these rows are of `models + 1` models, if there are so many.
    enough = (models + 1) * len(names)
    recent = select(D.model_id, D.deployed_at).where(is_live()).order_by(*_LIVE.order()).limit(enough).subquery().c
    chosen = select(recent.model_id).group_by(recent.model_id).order_by(func.max(recent.deployed_at).desc())
    listed = _LIVE.rows.add_columns(_ROLLED_BACK_FROM).where(D.model_id.in_(chosen.limit(models + 1)))
    query = listed.order_by(*_LIVE.order())
    rows: dict[str, dict[str, Any]] = defaultdict(dict)
    for row in db.session.execute(query):
        rows[row.model_name][row.environment.lower()] = row
    shown, stages = list(rows.values())[:models], len(promotion_path(ranked))
    return Matrix(names, stages, protected, frozen, shown, len(rows) > models)


_COUNTED: Select[Any] = select(func.count()).select_from(
    select(literal_column("1")).select_from(Deployment).where(is_live()).limit(10_000).subquery()
)


def count() -> int:
    """Return the number of live deployments, counted up to 10,000."""
    return db.session.scalar(_COUNTED) or 0


# Walks ix_versions_newest. Each version's model, release and deployment is looked up in order, until there are
# enough: a join might read every model.
_CANDIDATES = text(
    """
SELECT recent.id::text, recent.model_id::text, model.name AS model_name, recent.version, recent.created_at,
    release.id::text AS release_id, release.version AS release, live.environment, live.live_from
FROM (
    SELECT id, model_id, version, created_at, released_at FROM versions
    WHERE deleted_at IS NULL AND status = 'active' ORDER BY created_at DESC, id DESC LIMIT :recent
) AS recent
CROSS JOIN LATERAL (
    SELECT name FROM models
    WHERE id = recent.model_id AND deleted_at IS NULL AND latest_version = recent.version
        AND recent.released_at IS NULL LIMIT 1
) AS model
LEFT JOIN LATERAL (
    SELECT id, version FROM versions
    WHERE model_id = recent.model_id AND released_at IS NOT NULL AND deleted_at IS NULL AND status = 'active'
    ORDER BY created_at DESC, id DESC LIMIT 1
) AS release ON true
LEFT JOIN LATERAL (
    SELECT environment, live_from FROM deployments
    WHERE release_id = recent.id AND live_from IS NOT NULL AND ended_at IS NULL ORDER BY live_from DESC LIMIT 1
) AS live ON true
ORDER BY recent.created_at DESC, recent.id DESC LIMIT :most
"""
)


def candidates(most: int) -> list[Any]:
    """Return the newest versions that are their model's latest and newer than its release: candidates for a promotion.

    `id model_id model_name version created_at release_id release` (None without a release), and where it is live
    since when.
    """
    return list(db.session.execute(_CANDIDATES, {"recent": RECENT, "most": most}))
