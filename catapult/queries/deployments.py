"""Deployments: one by id, and lists of them."""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, bindparam, func, select

from catapult.errors import NotFound
from catapult.extensions import db
from catapult.queries.paging import Listing
from catapult.queries.registered_models import id_of
from catapult.tables import Deployment, RegisteredModel, Version, is_live

_COLUMNS: tuple[Any, ...] = (
    Deployment.id,
    Deployment.release_id,
    RegisteredModel.name.label("model_name"),
    Version.version,
    Deployment.environment,
    Deployment.status,
    is_live().label("live"),
    Deployment.endpoint_url,
    Deployment.metadata_,
    Deployment.deployed_by,
    Deployment.deployed_at,
    Deployment.updated_at,
    Deployment.counter,
)
_DEPLOYMENTS = Listing(
    select(*_COLUMNS)
    .join(Version, Version.id == Deployment.release_id)
    .join(RegisteredModel, RegisteredModel.id == Deployment.model_id)
    .where(Deployment.deleted_at.is_(None)),
    Deployment.deployed_at,
    Deployment.id,
)
_BY_ID = _DEPLOYMENTS.rows.where(Deployment.id == bindparam("deployment_id"))


def get(deployment_id: UUID) -> Any:
    """That deployment, as a plain row. Raises NotFound."""
    row = db.session.execute(_BY_ID, {"deployment_id": deployment_id}).one_or_none()
    if row is None:
        raise NotFound("There is no such deployment. GET /api/v1/deployments lists those there are.")
    return row


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
        conditions.append(func.lower(Deployment.environment) == environment.lower())
    if release_id is not None:
        conditions.append(Deployment.release_id == release_id)
    if model_name is not None:
        conditions.append(Deployment.model_id == id_of(model_name))
    if status is not None:
        conditions.append(Deployment.status == status)
    if live is not None:
        conditions.append(is_live() if live else ~is_live())
    return _DEPLOYMENTS.where(*conditions)
