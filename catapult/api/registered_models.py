"""`/api/v1/models`, also served as `/api/v1/images` for older clients."""

from typing import Any
from uuid import UUID

from flask import Response, g

from catapult.actions import registered_models as actions
from catapult.api.wire import etags
from catapult.api.wire.blueprint import Blueprint
from catapult.api.wire.parameters import DeleteModelQuery, ModelQuery, VersionQuery
from catapult.contract.renaming import Rename, RenamedOut
from catapult.contract.schemas import ModelEdit, ModelIn, ModelOut
from catapult.contract.versions import VersionOut
from catapult.errors import Conflict, NotFound, PreconditionFailed
from catapult.queries import registered_models, versions
from catapult.queries.lists.paging import Listing
from catapult.tables import RegisteredModel, Role

blp = Blueprint("models", __name__, url_prefix="/api/v1/models", description="Registered ML models")

OLD_PREFIX = "/api/v1/images"
DEPRECATED_SINCE = "@1767225600"  # RFC 9745: seconds since 1970, here 2026-01-01


@blp.get("", Role.VIEWER)
@blp.arguments(ModelQuery)
@blp.lists(ModelOut)
def list_models(filters: dict[str, Any]) -> Listing:
    """List models, newest first"""
    return registered_models.listing(**filters)


@blp.post("", Role.PUBLISHER)
@blp.arguments(ModelIn)
@blp.answers(201, ModelOut, etag=True, location="/api/v1/models/{id}", refuses=(Conflict,))
def create_model(body: dict[str, Any]) -> RegisteredModel:
    """Register a model"""
    return actions.create(actor=g.actor, **body)


@blp.get("/<uuid:model_id>", Role.VIEWER)
@blp.answers(200, ModelOut, etag=True, refuses=(NotFound,))
def get_model(model_id: UUID) -> Any:
    """Get a model"""
    return registered_models.get(model_id)


@blp.put("/<uuid:model_id>", Role.PUBLISHER)
@blp.arguments(ModelEdit)
@blp.answers(200, ModelOut, etag=True, refuses=(NotFound, PreconditionFailed))
def edit_model(body: dict[str, Any], model_id: UUID) -> RegisteredModel:
    """Change a model's fields"""
    reason = body.pop("reason", None)
    return actions.edit(model_id, body, actor=g.actor, reason=reason, expected=etags.expected())


@blp.post("/<uuid:model_id>/rename", Role.ADMIN)
@blp.arguments(Rename)
@blp.answers(200, RenamedOut, etag=True, refuses=(NotFound, Conflict))
def rename_model(body: dict[str, Any], model_id: UUID) -> RegisteredModel:
    """Rename a model"""
    return actions.rename(model_id, body["name"], actor=g.actor)


@blp.delete("/<uuid:model_id>", Role.ADMIN)
@blp.arguments(DeleteModelQuery)
@blp.deletes(refuses=(NotFound, Conflict, PreconditionFailed))
def delete_model(query: dict[str, Any], model_id: UUID) -> None:
    """Delete a model with its versions"""
    actions.delete(model_id, actor=g.actor, expected=etags.expected(), **query)


@blp.get("/<uuid:model_id>/versions", Role.VIEWER)
@blp.arguments(VersionQuery)
@blp.lists(VersionOut, refuses=(NotFound,))
def list_versions_of_model(filters: dict[str, Any], model_id: UUID) -> Listing:
    """List a model's versions, newest first"""
    if filters.setdefault("model_id", model_id) != model_id:
        raise NotFound("The model in the address and model_id are not the same.")
    return versions.listing(**filters).with_check(lambda: registered_models.check(model_id))


def deprecated(response: Response) -> Response:
    """Mark the answer of an old address as deprecated."""
    response.headers["Deprecation"] = DEPRECATED_SINCE
    return response
