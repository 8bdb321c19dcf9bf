"""`/api/v1/me`: the key that sends the request, its person, and that person's keys and saved views."""

from typing import Any
from uuid import UUID

from flask import g

from catapult.actions import api_keys as actions
from catapult.actions import saved_views as view_actions
from catapult.api.wire.blueprint import Blueprint
from catapult.api.wire.parameters import PageQuery
from catapult.contract.service import KeyOut, MeOut, NewKeyOut, OwnKeyIn, ViewIn, ViewOut
from catapult.errors import Conflict, Forbidden, NotFound
from catapult.extensions import current_settings
from catapult.queries import api_keys, people, saved_views
from catapult.queries.lists.paging import Listing
from catapult.tables import ApiKey, Role, SavedView

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


@blp.get("/views", Role.VIEWER)
@blp.arguments(PageQuery)
@blp.lists(ViewOut)
def list_my_views(_: dict[str, Any]) -> Listing:
    """List your saved views, newest first"""
    return saved_views.of_voice(g.actor.voice)


@blp.post("/views", Role.VIEWER)
@blp.arguments(ViewIn)
@blp.answers(201, ViewOut, refuses=(Conflict,))
def create_my_view(body: dict[str, Any]) -> SavedView:
    """Save a view of a list of the pages"""
    return view_actions.create(actor=g.actor, **body)


@blp.delete("/views/<uuid:view_id>", Role.VIEWER)
@blp.deletes(refuses=(NotFound,))
def delete_my_view(view_id: UUID) -> None:
    """Delete one of your saved views"""
    view_actions.delete(view_id, actor=g.actor)
