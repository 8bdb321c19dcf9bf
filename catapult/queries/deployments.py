"""Deployments: one by its id, and lists of them."""

from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, select, text

from catapult.errors import NotFound
from catapult.extensions import db
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
_BY_ID = _DEPLOYMENTS.rows.add_columns(OF_DEPLOYMENT).where(D.id == bindparam("deployment_id"))


def get(deployment_id: UUID) -> Any:
    """Return the deployment as a plain row. Raises NotFound."""
    row = db.session.execute(_BY_ID, {"deployment_id": deployment_id}).one_or_none()
    if row is None:
        raise missing()
    return row


def missing() -> NotFound:
    return NotFound("There is no such deployment. GET /api/v1/deployments lists all deployments.")


def states(deployment_id: UUID) -> list[Any]:
    """Return `status at` of every state that the deployment has been in, oldest first."""
    columns = select(S.status, S.at).where(S.deployment_id == deployment_id)
    return list(db.session.execute(columns.order_by(S.at, S.status)))


def unfinished(model_id: UUID, place: str) -> int:
    """Return how many deployments of the model to the environment, named in lower case, are unfinished."""
    query = select(func.count()).where(D.model_id == model_id, D.place == place, text(OPEN))
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
    place = None if environment is None else environment.lower()
    equal = ((D.place, place), (D.release_id, release_id), (D.status, status))
    conditions: list[Any] = [column == value for column, value in equal if value is not None]
    if model_name is not None:
        conditions.append(D.model_id == id_of(model_name))
    if live is not None:
        conditions.append(is_live() if live else ~is_live())
    return _DEPLOYMENTS.where(*conditions)
