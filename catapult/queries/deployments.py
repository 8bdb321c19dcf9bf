"""Deployments: one by its id, and lists of them."""

from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Select, bindparam, func, literal, select, text, union_all
from sqlalchemy.dialects.postgresql import distinct_on

from catapult.errors import NotFound
from catapult.extensions import db
from catapult.queries import image_checks
from catapult.queries.decisions import OF_DEPLOYMENT
from catapult.queries.lists.paging import Listing, newest_first
from catapult.queries.lists.raw_columns import shown
from catapult.queries.registered_models import id_of
from catapult.tables import (
    OPEN,
    Deployment,
    DeploymentState,
    Environment,
    RegisteredModel,
    Version,
    is_live,
)

M: Any = RegisteredModel.__table__.c
V: Any = Version.__table__.c
D: Any = Deployment.__table__.c
S: Any = DeploymentState.__table__.c
E: Any = Environment.__table__.c


COLUMNS: tuple[Any, ...] = (
    *shown(D, "id release_id"),
    M.name.label("model_name"),
    V.version,
    *shown(D, "environment status endpoint_url log_url metadata deployed_by deployed_at updated_at live_from ended_at"),
    is_live().label("live"),
    *shown(D, "superseded_by rollback_of decision_id override counter"),
)
_DEPLOYMENTS = Listing(
    select(*COLUMNS)
    .join_from(Deployment.__table__, Version.__table__, V.id == D.release_id)
    .join(RegisteredModel.__table__, M.id == D.model_id)
    .where(D.deleted_at.is_(None)),
    newest_first(D.deployed_at, D.id),
)
EARLIEST = 200
"""The oldest deployments of a version that are searched for the first to each environment."""


class OfVersion(NamedTuple):
    """Deployments of a version: the newest and the live ones, newest first, and the first that was live in each environment."""

    newest: list[Any]
    live: list[Any]
    first: dict[str, Any]


def _first() -> Any:
    """Return the ids of the deployments of the version that were live first in their environments."""
    mine = (D.release_id == bindparam("version_id"), D.deleted_at.is_(None))
    oldest = select(D.id, D.place, D.live_from).where(*mine).order_by(D.deployed_at, D.id).limit(EARLIEST)
    it = oldest.subquery("oldest").c
    went_live = select(it.id).where(it.live_from.is_not(None)).ext(distinct_on(it.place))
    return went_live.order_by(it.place, it.live_from)


def _of_version() -> "Select[*tuple[Any, ...]]":
    mine, order = D.release_id == bindparam("version_id"), _DEPLOYMENTS.order()
    newest = select(D.id).where(mine, D.deleted_at.is_(None)).order_by(*order).limit(bindparam("newest"))
    live = select(D.id).where(mine, is_live()).order_by(*order).limit(bindparam("live"))
    parts = {"newest": newest, "live": live, "first": _first()}
    ids = union_all(*(select(ids.subquery(), literal(part).label("part")) for part, ids in parts.items())).subquery()
    rows = _DEPLOYMENTS.rows.add_columns(D.place, ids.c.part).join(ids, ids.c.id == D.id)
    return rows.order_by(*order)


_BY_ID = _DEPLOYMENTS.rows.add_columns(OF_DEPLOYMENT, image_checks.UNSOUND_OF_DEPLOYMENT).where(
    D.id == bindparam("deployment_id")
)


def get(deployment_id: UUID) -> Any:
    """Return the deployment as a plain row. Raises NotFound."""
    row = db.session.execute(_BY_ID, {"deployment_id": deployment_id}).one_or_none()
    if row is None:
        raise missing()
    return row


_OF_VERSION = _of_version()


def of_version(version_id: UUID, newest: int, live: int) -> OfVersion:
    """Return up to so many of the version's newest and live deployments, and its first in each environment. One statement."""
    parts = OfVersion([], [], {})
    for row in db.session.execute(_OF_VERSION, {"version_id": version_id, "newest": newest, "live": live}):
        if row.part == "first":
            parts.first[row.place] = row
        else:
            getattr(parts, row.part).append(row)
    return parts


def missing() -> NotFound:
    return NotFound("There is no such deployment. GET /api/v1/deployments lists all deployments.")


def states(deployment_id: UUID) -> list[Any]:
    """Return `status at` of every state that the deployment has been in, oldest first."""
    columns = select(S.status, S.at).where(S.deployment_id == deployment_id)
    return list(db.session.execute(columns.order_by(S.at, S.status)))


def unfinished(model_id: UUID, environment: str) -> int:
    """Return how many deployments of the model to the environment, named in lower case, are unfinished."""
    query = select(func.count()).where(D.model_id == model_id, D.place == environment, text(OPEN))
    return db.session.scalar(query) or 0


def listing(
    *,
    environment: str | None = None,
    release_id: UUID | None = None,
    model_name: str | None = None,
    status: str | None = None,
    live: bool | None = None,
) -> Listing:
    """Return deployments, newest first."""
    lowered = None if environment is None else environment.lower()
    equal = ((D.place, lowered), (D.release_id, release_id), (D.status, status))
    conditions: list[Any] = [column == value for column, value in equal if value is not None]
    if model_name is not None:
        conditions.append(D.model_id == id_of(model_name))
    if live is not None:
        conditions.append(is_live() if live else ~is_live())
    return _DEPLOYMENTS.where(*conditions)
