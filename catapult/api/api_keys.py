"""`/api/v1/api-keys`."""

from typing import Any
from uuid import UUID

from flask import g

from catapult.actions import api_keys as actions
from catapult.api.wire.blueprint import Blueprint
from catapult.api.wire.parameters import PageQuery
from catapult.contract.service import KeyIn, KeyOut, NewKeyOut
from catapult.errors import Conflict, NotFound
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
@blp.answers(201, NewKeyOut, secret="key")  # noqa: S106 - a field's name
def create_key(body: dict[str, Any]) -> ApiKey:
    """Create an API key"""
    return actions.create(actor=g.actor, salt=current_settings().api_key_salt, **body)


@blp.delete("/<uuid:key_id>", Role.ADMIN)
@blp.deletes(refuses=(NotFound, Conflict))
def revoke_key(key_id: UUID) -> None:
    """Revoke an API key"""
    actions.revoke(key_id, actor=g.actor)
