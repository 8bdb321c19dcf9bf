"""`/api/v1/environments` and `/api/v1/live`: where versions go, what is live there, now and then, and the way back."""

from datetime import datetime
from typing import Any

from flask import g

from catapult.actions import deployments
from catapult.actions import environments as actions
from catapult.api.wire import etags
from catapult.api.wire.blueprint import Blueprint
from catapult.api.wire.parameters import DeleteModelQuery, LiveQuery, NoQuery, PageQuery
from catapult.contract.control import EnvironmentOut, EnvironmentPut, LiveOut, Rollback
from catapult.contract.schemas import DeploymentOut
from catapult.errors import Conflict, NotFound, PreconditionFailed
from catapult.queries import environments, history, live
from catapult.queries.lists.paging import Listing
from catapult.tables import Deployment, Role

blp = Blueprint("environments", __name__, url_prefix="/api/v1", description="Where versions go, and what is live there")


@blp.route("/environments", methods=["GET"])
@blp.needs(Role.VIEWER)
@blp.arguments(PageQuery, location="query")
@blp.lists(EnvironmentOut)
def list_environments(_: dict[str, Any]) -> Listing:
    """List environments, by rank"""
    return environments.listing()


@blp.route("/environments/<name>", methods=["GET"])
@blp.needs(Role.VIEWER)
@blp.arguments(NoQuery, location="query")
@blp.answers(200, EnvironmentOut, etag=True, refuses=(NotFound,))
def get_environment(_: dict[str, Any], name: str) -> Any:
    """Get an environment"""
    return environments.named(name)


@blp.route("/environments/<name>", methods=["PUT"])
@blp.needs(Role.ADMIN)
@blp.arguments(EnvironmentPut)
@blp.answers(200, EnvironmentOut, etag=True, refuses=(NotFound, PreconditionFailed))
def put_environment(body: dict[str, Any], name: str) -> Any:
    """Make or change an environment"""
    actions.put(name, body, actor=g.actor, expected=etags.expected())
    return environments.named(name)


@blp.route("/environments/<name>", methods=["DELETE"])
@blp.needs(Role.ADMIN)
@blp.arguments(DeleteModelQuery, location="query")
@blp.deletes(refuses=(NotFound, Conflict, PreconditionFailed))
def delete_environment(query: dict[str, Any], name: str) -> None:
    """Delete an environment"""
    actions.delete(name, actor=g.actor, expected=etags.expected(), **query)


@blp.route("/environments/<name>/live", methods=["GET"])
@blp.needs(Role.VIEWER)
@blp.arguments(LiveQuery, location="query")
@blp.lists(DeploymentOut, refuses=(NotFound,))
def list_live_in_environment(filters: dict[str, Any], name: str) -> Listing:
    """List what is or was live in an environment, one deployment a model"""
    at: datetime | None = filters.get("at")
    return history.live(name, at).of(lambda: environments.check_ever(name))


@blp.route("/environments/<name>/rollback", methods=["POST"])
@blp.needs(Role.RELEASER)
@blp.arguments(Rollback)
@blp.answers(201, DeploymentOut, etag=True, location="/api/v1/deployments/{id}", refuses=(NotFound, Conflict))
def roll_back(body: dict[str, Any], name: str) -> Deployment:
    """Roll a model back in an environment"""
    return deployments.rollback(name, actor=g.actor, **body)


@blp.route("/live", methods=["GET"])
@blp.needs(Role.VIEWER)
@blp.arguments(PageQuery, location="query")
@blp.lists(LiveOut)
def list_live(_: dict[str, Any]) -> Listing:
    """List what is live of each model, by environment"""
    return live.by_model()
