"""`/api/v1/me`: the key that sends the request, its person, and that person's keys."""

from typing import Any

from flask import g

from catapult.actions import api_keys as actions
from catapult.api.wire.blueprint import Blueprint
from catapult.api.wire.parameters import PageQuery
from catapult.contract.service import KeyOut, MeOut, NewKeyOut, OwnKeyIn
from catapult.errors import Conflict, Forbidden
from catapult.extensions import current_settings
from catapult.queries import api_keys, people
from catapult.queries.lists.paging import Listing
from catapult.tables import ApiKey, Role

blp = Blueprint("me", __name__, url_prefix="/api/v1/me", description="Who sends the request")


@blp.get("", Role.VIEWER)
@blp.answers(200, MeOut)
def get_me() -> Any:
    """Get the key that asks and its person"""
    return people.me(g.actor)


@blp.get("/keys", Role.VIEWER)
@blp.arguments(PageQuery)
@blp.lists(KeyOut, refuses=(Forbidden,))
def list_my_keys(_: dict[str, Any]) -> Listing:
    """List your own API keys, newest first"""
    return api_keys.of_actor(g.actor)


@blp.post("/keys", Role.VIEWER)
@blp.arguments(OwnKeyIn)
@blp.answers(201, NewKeyOut, secret="key", refuses=(Conflict, Forbidden))  # noqa: S106 - a field's name
def create_my_key(body: dict[str, Any]) -> ApiKey:
    """Create an API key of your own"""
    return actions.create_own(actor=g.actor, salt=current_settings().api_key_salt, **body)
