"""`/api/v1/deployments`."""

from typing import Any
from uuid import UUID

from flask import g

from catapult.actions import deployments as actions
from catapult.api.wire import etags
from catapult.api.wire.blueprint import Blueprint
from catapult.api.wire.parameters import DeploymentQuery
from catapult.contract.control import DecidedDeploymentOut
from catapult.contract.schemas import DeploymentEdit, DeploymentIn, DeploymentOut
from catapult.errors import Conflict, NotFound, PreconditionFailed
from catapult.queries import deployments
from catapult.queries.lists.paging import Listing
from catapult.tables import Deployment, Role

blp = Blueprint("deployments", __name__, url_prefix="/api/v1/deployments", description="Versions in environments")


@blp.get("", Role.VIEWER)
@blp.arguments(DeploymentQuery)
@blp.lists(DeploymentOut)
def list_deployments(filters: dict[str, Any]) -> Listing:
    """List deployments, newest first"""
    return deployments.listing(**filters)


@blp.post("", Role.PUBLISHER, one_statement=True)
@blp.arguments(DeploymentIn)
@blp.answers(201, DecidedDeploymentOut, etag=True, location="/api/v1/deployments/{id}", refuses=(NotFound, Conflict))
def create_deployment(body: dict[str, Any]) -> Deployment:
    """Record a deployment"""
    return actions.create(actor=g.actor, **body)


@blp.put("/<uuid:deployment_id>", Role.PUBLISHER)
@blp.arguments(DeploymentEdit)
@blp.answers(200, DecidedDeploymentOut, etag=True, refuses=(NotFound, Conflict, PreconditionFailed))
def edit_deployment(body: dict[str, Any], deployment_id: UUID) -> Deployment:
    """Change a deployment's fields or status"""
    force, reason = body.pop("force", False), body.pop("reason", None)
    return actions.edit(deployment_id, body, actor=g.actor, expected=etags.expected(), force=force, reason=reason)


@blp.get("/<uuid:deployment_id>", Role.VIEWER)
@blp.answers(200, DecidedDeploymentOut, etag=True, refuses=(NotFound,))
def get_deployment(deployment_id: UUID) -> Any:
    """Get a deployment"""
    return deployments.get(deployment_id)
