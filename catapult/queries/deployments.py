"""Deployments: one by id, and lists of them."""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, bindparam, func, select

from catapult.errors import NotFound
from catapult.extensions import db
from catapult.queries.lists.paging import Listing
from catapult.queries.lists.raw_columns import as_text, raw
from catapult.queries.registered_models import id_of
from catapult.tables import Deployment, DeploymentState, RegisteredModel, Version, is_live

M: Any = RegisteredModel.__table__.c
V: Any = Version.__table__.c
D: Any = Deployment.__table__.c
S: Any = DeploymentState.__table__.c

_COLUMNS: tuple[Any, ...] = (
    as_text(D.id),
    as_text(D.release_id),
    M.name.label("model_name"),
    V.version,
    D.environment,
    D.status,
    is_live().label("live"),
    D.endpoint_url,
    D.log_url,
    raw(D.metadata),
    D.deployed_by,
    D.deployed_at,
    D.updated_at,
    D.live_from,
    D.ended_at,
    as_text(D.superseded_by),
    as_text(D.rollback_of),
    D.counter,
)
_DEPLOYMENTS = Listing(
    select(*_COLUMNS)
    .join_from(Deployment.__table__, Version.__table__, V.id == D.release_id)
    .join(RegisteredModel.__table__, M.id == D.model_id)
    .where(D.deleted_at.is_(None)),
    D.deployed_at,
    D.id,
)
_BY_ID = _DEPLOYMENTS.rows.where(D.id == bindparam("deployment_id"))


def get(deployment_id: UUID) -> Any:
    """That deployment, as a plain row. Raises NotFound."""
    row = db.session.execute(_BY_ID, {"deployment_id": deployment_id}).one_or_none()
    if row is None:
        raise missing()
    return row


def missing() -> NotFound:
    return NotFound("There is no such deployment. GET /api/v1/deployments lists those there are.")


def states(deployment_id: UUID) -> list[Any]:
    """`status at` of every state that the deployment came to, oldest first."""
    columns = select(S.status, S.at).where(S.deployment_id == deployment_id)
    return list(db.session.execute(columns.order_by(S.at, S.status)))


def count_of(model_id: Any) -> int:
    """How many deployments the model has, counted up to 10,000."""
    some = select(D.id).where(D.model_id == model_id, D.deleted_at.is_(None)).limit(10_000).subquery()
    return db.session.scalar(select(func.count()).select_from(some)) or 0


def listing(
    *,
    environment: str | None = None,
    release_id: UUID | None = None,
    model_name: str | None = None,
    status: str | None = None,
    live: bool | None = None,
) -> Listing:
    """Deployments newest first."""
    conditions: list[ColumnElement[bool]] = []
    if environment is not None:
        conditions.append(D.place == environment.lower())
    if release_id is not None:
        conditions.append(D.release_id == release_id)
    if model_name is not None:
        conditions.append(D.model_id == id_of(model_name))
    if status is not None:
        conditions.append(D.status == status)
    if live is not None:
        conditions.append(is_live() if live else ~is_live())
    return _DEPLOYMENTS.where(*conditions)
