"""`/api/v1/environments` and `/api/v1/live`: environments, what is or was live in them, and rollbacks."""

from datetime import datetime
from typing import Any

from flask import g
from sqlalchemy.orm.attributes import set_committed_value

from catapult.actions import deployments
from catapult.actions import environments as actions
from catapult.api.wire import etags
from catapult.api.wire.blueprint import Blueprint
from catapult.api.wire.parameters import DeleteModelQuery, LiveQuery, PageQuery
from catapult.contract.control import (
    DecidedDeploymentOut,
    EnvironmentOut,
    EnvironmentPut,
    LiveOut,
    Retirement,
    Rollback,
)
from catapult.errors import Conflict, NotFound, PreconditionFailed
from catapult.queries import environments, history, live
from catapult.queries.lists.paging import Listing
from catapult.tables import Deployment, Environment, Role

blp = Blueprint("environments", __name__, url_prefix="/api/v1", description="Environments and what is live in them")


@blp.get("/environments", Role.VIEWER)
@blp.arguments(PageQuery)
@blp.lists(EnvironmentOut)
def list_environments(_: dict[str, Any]) -> Listing:
    """List environments, by rank"""
    return environments.listing()


@blp.get("/environments/<environment:name>", Role.VIEWER)
@blp.answers(200, EnvironmentOut, etag=True, refuses=(NotFound,))
def get_environment(name: str) -> Any:
    """Get an environment"""
    return environments.named(name)


@blp.put("/environments/<environment:name>", Role.ADMIN)
@blp.arguments(EnvironmentPut)
@blp.answers(200, EnvironmentOut, etag=True, refuses=(NotFound, PreconditionFailed))
def put_environment(body: dict[str, Any], name: str) -> Environment:
    """Create or change an environment"""
    environment, _ = actions.put(name, body, actor=g.actor, expected=etags.expected())
    # Set here, not read again: the environment may be deleted by now. A freeze may have ended by itself.
    set_committed_value(environment, "frozen", actions.freeze_reason(environment) is not None)
    return environment


@blp.delete("/environments/<environment:name>", Role.ADMIN)
@blp.arguments(DeleteModelQuery)
@blp.deletes(refuses=(NotFound, Conflict, PreconditionFailed))
def delete_environment(query: dict[str, Any], name: str) -> None:
    """Delete an environment"""
    actions.delete(name, actor=g.actor, expected=etags.expected(), **query)


@blp.get("/environments/<environment:name>/live", Role.VIEWER)
@blp.arguments(LiveQuery)
@blp.lists(DecidedDeploymentOut, refuses=(NotFound,))
def list_live_in_environment(filters: dict[str, Any], name: str) -> Listing:
    """List what is or was live in an environment, one deployment per model"""
    at: datetime | None = filters.get("at")
    return history.live(name, at).with_check(lambda: environments.check_existed(name))


@blp.post("/environments/<environment:name>/rollback", Role.RELEASER)
@blp.arguments(Rollback)
@blp.answers(201, DecidedDeploymentOut, etag=True, location="/api/v1/deployments/{id}", refuses=(NotFound, Conflict))
def roll_back(body: dict[str, Any], name: str) -> Deployment:
    """Roll a model back in an environment"""
    return deployments.rollback(name, actor=g.actor, **body)


@blp.post("/environments/<environment:name>/retire", Role.PUBLISHER)
@blp.arguments(Retirement)
@blp.answers(200, DecidedDeploymentOut, etag=True, refuses=(NotFound, Conflict))
def retire(body: dict[str, Any], name: str) -> Deployment:
    """Take a model out of service in an environment"""
    return deployments.retire(name, actor=g.actor, **body)


@blp.get("/live", Role.VIEWER)
@blp.arguments(PageQuery)
@blp.lists(LiveOut)
def list_live(_: dict[str, Any]) -> Listing:
    """List what is live, by model and environment"""
    return live.by_model()
