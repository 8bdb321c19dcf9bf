"""What is live where, and what waits: the overview's matrix, the board's columns, the candidates for a promotion."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import chain
from typing import Any, NamedTuple

from sqlalchemy import ARRAY, Select, Text, cast, func, lateral, literal_column, select, true
from sqlalchemy.dialects.postgresql import aggregate_order_by

from catapult.extensions import db
from catapult.queries.lists.paging import Listing
from catapult.queries.lists.raw_columns import as_json, as_text
from catapult.queries.registered_models import KEPT
from catapult.tables import Deployment, Environment, RegisteredModel, Version, VersionStatus, is_live

D: Any = Deployment.__table__.c
V: Any = Version.__table__.c
M: Any = RegisteredModel.__table__.c
E: Any = Environment.__table__.c

ENVIRONMENTS = 50

MODELS, ALL = 7, 200
"""Rows of the matrix, the models that were deployed last: a few, or as many as a page bears."""

CELLS = 600
"""Of the matrix: fewer models are in it where there are many environments."""

RECENT = 500
"""So many of the newest rows are looked at for what is recent, whatever the tables hold."""

BEHIND = 100
"""Newer versions are counted up to here."""


class Matrix(NamedTuple):
    """What is live: a row a model with its deployment in each environment, in the order of the environments, and the last of
    those on a version's way."""

    environments: list[str]
    end: str | None
    rows: list[dict[str, Any]]
    more: bool


def environments() -> list[str]:
    """Every environment where something is live, lower case, in the order in which they are ranked; fifty at most."""
    return [place.place for place in _places()]


def _places() -> list[Any]:
    live_there = select(literal_column("1")).where(D.place == E.place, is_live()).exists()
    query = select(E.place, E.protected).where(E.deleted_at.is_(None), live_there).order_by(E.rank, E.place)
    return list(db.session.execute(query.limit(ENVIRONMENTS)))


def way(places: Sequence[Any]) -> Sequence[Any]:
    """The environments that a version goes through one after the other: in their order to the last that is protected, if one is.

    A deployment to a new name makes an environment, ranked last: a slip of the hand is not where production goes next.
    """
    ends = [number for number, place in enumerate(places, 1) if place.protected]
    return places[: ends[-1]] if ends else places


def _newer(most: int | None = BEHIND) -> Any:
    """How many versions of the model were registered after this one, archived ones left out; counted up to `most`."""
    other = Version.__table__.alias("other")
    later = (
        select(literal_column("1"))
        .select_from(other)
        .where(
            other.c.model_id == V.model_id,
            other.c.created_at > V.created_at,
            other.c.deleted_at.is_(None),
            other.c.status == VersionStatus.ACTIVE.value,
        )
        .limit(most)
        .correlate(Version.__table__)
        .subquery()
    )
    return select(func.count()).select_from(later).scalar_subquery().label("behind")


_COLUMNS: tuple[Any, ...] = (
    as_text(D.id),
    as_text(D.model_id),
    M.name.label("model_name"),
    M.description.label("model_description"),
    as_text(D.release_id),
    V.version,
    V.released_at.is_not(None).label("is_release"),
    D.environment,
    D.endpoint_url,
    D.deployed_by,
    D.deployed_at,
    D.live_from,
    as_text(D.rollback_of),
    _newer(),
)
_LIVE = Listing(
    select(*_COLUMNS)
    .join_from(Deployment.__table__, Version.__table__, V.id == D.release_id)
    .join(RegisteredModel.__table__, M.id == D.model_id)
    .where(is_live()),
    D.deployed_at,
    D.id,
)


def listing(environment: str) -> Listing:
    """What is live in that environment, the newest first."""
    return _LIVE.where(D.place == environment.lower())


# One JSON object a model, in order of rank, as PostgreSQL writes it: 400 cells of a page are neither read nor written here.
_TIME = 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'
_CELL = {
    "deployment_id": D.id,
    "version_id": D.release_id,
    "version": V.version,
    "is_release": V.released_at.is_not(None),
    "live_from": func.to_char(func.timezone("UTC", D.live_from), _TIME),
    "deployed_by": D.deployed_by,
    "behind": _newer(None),
}
_CELLS = (
    select(
        func.json_object_agg(
            E.name,  # and not as each deployment wrote it: a column of the matrix has one name
            aggregate_order_by(func.json_build_object(*chain.from_iterable(_CELL.items())), E.rank, E.place),
        )
    )
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
        as_text(M.id),
        as_text(M.id).label("model_id"),
        M.name.label("model_name"),
        M.latest_version,
        as_json(_CELLS).label("environments"),
        M.created_at,
    ).where(KEPT, _SOMETHING_IS_LIVE),
    M.created_at,
    M.id,
)


def by_model() -> Listing:
    """What is live of each model, by environment; the newest models first, those of which nothing is left out."""
    return _BY_MODEL


def board(places: Sequence[str], cards: int) -> dict[str, list[Any]]:
    """What is live in each of these environments, named in lower case: the newest `cards` and one more if there are more."""
    place = func.unnest(cast(list(places), ARRAY(Text))).table_valued("name", name="place")
    newest = _LIVE.rows.where(D.place == place.c.name).order_by(D.deployed_at.desc(), D.id.desc())
    row = lateral(newest.limit(cards + 1)).alias("row")
    query = select(place.c.name.label("place"), row).select_from(place).join(row, true())
    found: dict[str, list[Any]] = {name: [] for name in places}
    for one in db.session.execute(query.order_by(row.c.deployed_at.desc(), row.c.id.desc())):
        found[one.place].append(one)
    return found


def places_of(release_ids: Sequence[str]) -> set[tuple[str, str]]:
    """`(environment in lower case, version's id)` of where these versions are live."""
    query = select(D.place, as_text(D.release_id)).where(is_live(), D.release_id.in_(list(release_ids)))
    return {(place, release_id) for place, release_id in db.session.execute(query)}


def matrix(models: int = MODELS) -> Matrix:
    """The models that were deployed last, and what of them is live where."""
    found = _places()
    places, end = [place.place for place in found], [place.place for place in way(found)][-1:]
    models = max(1, min(models, CELLS // max(len(places), 1)))
    # A model is live once in an environment, so that these are of one model more at least, if there is one.
    enough = (models + 1) * len(places)
    recent = (
        select(D.model_id, D.deployed_at).where(is_live()).order_by(D.deployed_at.desc(), D.id.desc()).limit(enough)
    )
    newest = recent.subquery()
    chosen = (
        select(newest.c.model_id)
        .group_by(newest.c.model_id)
        .order_by(func.max(newest.c.deployed_at).desc())
        .limit(models + 1)
    )
    query = _LIVE.rows.where(D.model_id.in_(chosen)).order_by(D.deployed_at.desc(), D.id.desc())
    rows: dict[str, dict[str, Any]] = defaultdict(dict)
    for row in db.session.execute(query):
        rows[row.model_name][row.environment.lower()] = row
    return Matrix(places, end[0] if end else None, list(rows.values())[:models], len(rows) > models)


_COUNTED: Select[Any] = select(func.count()).select_from(
    select(literal_column("1")).select_from(Deployment).where(is_live()).limit(10_000).subquery()
)


def count() -> int:
    """How many deployments are live, counted up to 10,000."""
    return db.session.scalar(_COUNTED) or 0


def candidates(most: int) -> list[Any]:
    """The `most` newest versions that are their model's latest and newer than its release: its gates allowing, ready to promote.

    `id model_id model_name version created_at release` (the release's version or None), where it is live and since when.
    """
    kept = (V.deleted_at.is_(None), V.status == VersionStatus.ACTIVE.value)
    newest = select(V.id, V.model_id, V.version, V.created_at, V.released_at).where(*kept)
    recent = newest.order_by(V.created_at.desc(), V.id.desc()).limit(RECENT).subquery()
    # A look-up each, in order, until there are enough: a join may read every model.
    model = lateral(
        select(M.name)
        .where(M.id == recent.c.model_id, KEPT, M.latest_version == recent.c.version, recent.c.released_at.is_(None))
        .limit(1)
    ).alias("model")
    earlier = Version.__table__.alias("earlier")
    release = lateral(
        select(earlier.c.id, earlier.c.version)
        .where(
            earlier.c.model_id == recent.c.model_id,
            earlier.c.released_at.is_not(None),
            earlier.c.deleted_at.is_(None),
            earlier.c.status == VersionStatus.ACTIVE.value,
        )
        .order_by(earlier.c.created_at.desc(), earlier.c.id.desc())
        .limit(1)
    ).alias("release")
    live = lateral(
        select(D.environment, D.live_from)
        .where(D.release_id == recent.c.id, is_live())
        .order_by(D.live_from.desc())
        .limit(1)
    ).alias("live")
    query = (
        select(
            as_text(recent.c.id),
            as_text(recent.c.model_id),
            model.c.name.label("model_name"),
            recent.c.version,
            recent.c.created_at,
            as_text(release.c.id).label("release_id"),
            release.c.version.label("release"),
            live.c.environment,
            live.c.live_from,
        )
        .select_from(recent)
        .join(model, true())
        .outerjoin(release, true())
        .outerjoin(live, true())
        .order_by(recent.c.created_at.desc(), recent.c.id.desc())
        .limit(most)
    )
    return list(db.session.execute(query))
