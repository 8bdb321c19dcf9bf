"""`/api/v1/models/{id}/aliases`."""

from typing import Any
from uuid import UUID

from flask import g

from catapult.actions import aliases as actions
from catapult.api.wire.blueprint import Blueprint
from catapult.api.wire.parameters import AliasQuery
from catapult.contract.aliases import AliasOut, AliasPut, AliasRemoval
from catapult.errors import Conflict, NotFound
from catapult.queries import aliases, registered_models
from catapult.queries.lists.paging import Listing
from catapult.tables import Alias, Role

blp = Blueprint("aliases", __name__, url_prefix="/api/v1/models", description="Names that point at versions")


@blp.get("/<uuid:model_id>/aliases", Role.VIEWER)
@blp.arguments(AliasQuery)
@blp.lists(AliasOut, refuses=(NotFound,))
def list_aliases(filters: dict[str, Any], model_id: UUID) -> Listing:
    """List a model's aliases by name, as they are or were at a time"""
    return aliases.of_model(model_id, filters.get("at")).with_check(lambda: registered_models.check(model_id))


@blp.put("/<uuid:model_id>/aliases/<alias>", Role.PUBLISHER)
@blp.arguments(AliasPut)
@blp.answers(200, AliasOut, refuses=(NotFound, Conflict))
def put_alias(body: dict[str, Any], model_id: UUID, alias: str) -> Alias:
    """Point an alias at a version"""
    return actions.move(model_id, alias, actor=g.actor, **body)


@blp.delete("/<uuid:model_id>/aliases/<alias>", Role.PUBLISHER)
@blp.arguments(AliasRemoval)
@blp.deletes(refuses=(NotFound, Conflict))
def delete_alias(query: dict[str, Any], model_id: UUID, alias: str) -> None:
    """Remove an alias"""
    actions.remove(model_id, alias, actor=g.actor, **query)
