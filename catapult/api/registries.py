"""`/api/v1/registries`, for admins without bounds, and `/api/v1/registry-events`, for their notifications."""

from types import SimpleNamespace
from typing import Any
from uuid import UUID

from flask import g

from catapult.actions import registries as actions
from catapult.api.wire import etags
from catapult.api.wire.blueprint import Blueprint
from catapult.api.wire.parameters import PageQuery
from catapult.contract.registries import AcceptedOut, RegistryEdit, RegistryIn, RegistryNotification, RegistryOut
from catapult.errors import Conflict, NotFound, PreconditionFailed
from catapult.jobs import register_image
from catapult.queries import registries
from catapult.queries.lists.paging import Listing
from catapult.rules import registry_events
from catapult.tables import ImageRegistry, Role

blp = Blueprint("registries", __name__, url_prefix="/api/v1", description="Image registries, and their notifications")


@blp.get("/registries", Role.ADMIN)
@blp.arguments(PageQuery)
@blp.lists(RegistryOut)
def list_registries(_: dict[str, Any]) -> Listing:
    """List image registries, newest first"""
    actions.check_may_manage(g.actor)
    return registries.listing()


@blp.post("/registries", Role.ADMIN)
@blp.arguments(RegistryIn)
@blp.answers(201, RegistryOut, etag=True, location="/api/v1/registries/{id}", refuses=(Conflict,))
def create_registry(body: dict[str, Any]) -> ImageRegistry:
    """Add an image registry

    For admins without bounds. It is used for its `repositories` alone.
    """
    return actions.create(actor=g.actor, **body)


@blp.get("/registries/<uuid:registry_id>", Role.ADMIN)
@blp.answers(200, RegistryOut, etag=True, refuses=(NotFound,))
def get_registry(registry_id: UUID) -> Any:
    """Get an image registry"""
    actions.check_may_manage(g.actor)
    return registries.get(registry_id)


@blp.put("/registries/<uuid:registry_id>", Role.ADMIN)
@blp.arguments(RegistryEdit)
@blp.answers(200, RegistryOut, etag=True, refuses=(NotFound, PreconditionFailed))
def edit_registry(body: dict[str, Any], registry_id: UUID) -> ImageRegistry:
    """Change an image registry"""
    return actions.edit(registry_id, body, actor=g.actor, expected=etags.expected())


@blp.delete("/registries/<uuid:registry_id>", Role.ADMIN)
@blp.deletes(refuses=(NotFound, PreconditionFailed))
def delete_registry(registry_id: UUID) -> None:
    """Delete an image registry"""
    actions.delete(registry_id, actor=g.actor, expected=etags.expected())


@blp.post("/registry-events", Role.PUBLISHER)
@blp.arguments(RegistryNotification)
@blp.answers(202, AcceptedOut)
def receive_registry_events(body: dict[str, Any]) -> Any:
    """Receive what an image registry tells

    A notification of docker-registry or Harbor. What was pushed is looked up there, and registered for the models whose
    `register_tags` match, within the bounds of the key.
    """
    return SimpleNamespace(accepted=register_image.add(registry_events.pushes(body), actor=g.actor))
