"""`/api/v1/deployments`."""

from typing import Any
from uuid import UUID

from flask import g

from catapult.actions import deployments as actions
from catapult.api.wire import etags
from catapult.api.wire.blueprint import Blueprint
from catapult.api.wire.parameters import DeploymentQuery, NoQuery
from catapult.contract.control import DeploymentEdit
from catapult.contract.schemas import DeploymentIn, DeploymentOut
from catapult.errors import Conflict, NotFound, PreconditionFailed
from catapult.queries import deployments
from catapult.queries.lists.paging import Listing
from catapult.tables import Deployment, Role

blp = Blueprint(
    "deployments", __name__, url_prefix="/api/v1/deployments", description="What went where, and what is live"
)


@blp.route("", methods=["GET"])
@blp.needs(Role.VIEWER)
@blp.arguments(DeploymentQuery, location="query")
@blp.lists(DeploymentOut)
def list_deployments(filters: dict[str, Any]) -> Listing:
    """List deployments, newest first"""
    return deployments.listing(**filters)


@blp.route("", methods=["POST"])
@blp.needs(Role.PUBLISHER)
@blp.arguments(DeploymentIn)
@blp.answers(201, DeploymentOut, etag=True, location="/api/v1/deployments/{id}", refuses=(NotFound, Conflict))
def create_deployment(body: dict[str, Any]) -> Deployment:
    """Record a deployment"""
    return actions.create(actor=g.actor, **body)


@blp.route("/<uuid:deployment_id>", methods=["PUT"])
@blp.needs(Role.PUBLISHER)
@blp.arguments(DeploymentEdit)
@blp.answers(200, DeploymentOut, etag=True, refuses=(NotFound, Conflict, PreconditionFailed))
def edit_deployment(body: dict[str, Any], deployment_id: UUID) -> Deployment:
    """Say how far a deployment came"""
    return actions.edit(deployment_id, body, actor=g.actor, expected=etags.expected())


@blp.route("/<uuid:deployment_id>", methods=["GET"])
@blp.needs(Role.VIEWER)
@blp.arguments(NoQuery, location="query")
@blp.answers(200, DeploymentOut, etag=True, refuses=(NotFound,))
def get_deployment(_: dict[str, Any], deployment_id: UUID) -> Any:
    """Get a deployment"""
    return deployments.get(deployment_id)
