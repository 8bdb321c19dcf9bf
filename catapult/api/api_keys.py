"""`/api/v1/api-keys`."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from flask import g

from catapult.actions import api_keys as actions
from catapult.api.wire.blueprint import Blueprint
from catapult.api.wire.parameters import PageQuery
from catapult.contract.service import KeyEdit, KeyIn, KeyOut, NewKeyOut, RotatedKeyOut, Rotation
from catapult.errors import Conflict, Forbidden, NotFound
from catapult.extensions import current_settings
from catapult.queries import api_keys
from catapult.queries.lists.paging import Listing
from catapult.tables import ApiKey, Role

blp = Blueprint("api-keys", __name__, url_prefix="/api/v1/api-keys", description="Keys and their roles")


@blp.get("", Role.ADMIN)
@blp.arguments(PageQuery)
@blp.lists(KeyOut)
def list_keys(_: dict[str, Any]) -> Listing:
    """List API keys, newest first"""
    return api_keys.listing()


@blp.post("", Role.ADMIN)
@blp.arguments(KeyIn)
@blp.answers(201, NewKeyOut, secret="key", refuses=(NotFound, Conflict))  # noqa: S106 - a field's name
def create_key(body: dict[str, Any]) -> ApiKey:
    """Create an API key"""
    return actions.create(actor=g.actor, salt=current_settings().api_key_salt, **body)


@blp.put("/<uuid:key_id>", Role.ADMIN)
@blp.arguments(KeyEdit)
@blp.answers(200, KeyOut, refuses=(NotFound, Conflict))
def edit_key(body: dict[str, Any], key_id: UUID) -> Any:
    """Change an API key's name, role, bounds or end"""
    actions.edit(key_id, body, actor=g.actor)
    return api_keys.get(key_id)


@blp.post("/<uuid:key_id>/rotate", Role.VIEWER)
@blp.arguments(Rotation)
@blp.answers(201, RotatedKeyOut, secret="key", refuses=(NotFound, Conflict, Forbidden))  # noqa: S106 - a field's name
def rotate_key(body: dict[str, Any], key_id: UUID) -> ApiKey:
    """Replace an API key by a new one"""
    overlap = timedelta(seconds=body.get("overlap_seconds", 86_400))
    return actions.rotate(key_id, actor=g.actor, salt=current_settings().api_key_salt, overlap=overlap)


@blp.delete("/<uuid:key_id>", Role.VIEWER)
@blp.deletes(refuses=(NotFound, Conflict, Forbidden))
def revoke_key(key_id: UUID) -> None:
    """Revoke an API key"""
    actions.revoke(key_id, actor=g.actor)
