"""`/api/v1/trusted-keys`: the public keys that files may be signed for."""

from typing import Any
from uuid import UUID

from flask import g

from catapult.actions import trusted_keys as actions
from catapult.api.wire import etags
from catapult.api.wire.blueprint import Blueprint
from catapult.api.wire.parameters import PageQuery
from catapult.contract.trusted_keys import TrustedKeyEdit, TrustedKeyIn, TrustedKeyOut
from catapult.errors import Conflict, NotFound, PreconditionFailed
from catapult.queries import trusted_keys
from catapult.queries.lists.paging import Listing
from catapult.tables import Role, TrustedKey

blp = Blueprint("trusted_keys", __name__, url_prefix="/api/v1", description="Keys that files may be signed for")


@blp.get("/trusted-keys", Role.VIEWER)
@blp.arguments(PageQuery)
@blp.lists(TrustedKeyOut)
def list_trusted_keys(_: dict[str, Any]) -> Listing:
    """List trusted keys, newest first"""
    return trusted_keys.listing()


@blp.post("/trusted-keys", Role.ADMIN)
@blp.arguments(TrustedKeyIn)
@blp.answers(201, TrustedKeyOut, etag=True, location="/api/v1/trusted-keys/{id}", refuses=(Conflict,))
def create_trusted_key(body: dict[str, Any]) -> TrustedKey:
    """Trust a key

    For admins without bounds.
    """
    return actions.create(actor=g.actor, **body)


@blp.get("/trusted-keys/<uuid:trusted_key_id>", Role.VIEWER)
@blp.answers(200, TrustedKeyOut, etag=True, refuses=(NotFound,))
def get_trusted_key(trusted_key_id: UUID) -> Any:
    """Get a trusted key"""
    return trusted_keys.get(trusted_key_id)


@blp.put("/trusted-keys/<uuid:trusted_key_id>", Role.ADMIN)
@blp.arguments(TrustedKeyEdit)
@blp.answers(200, TrustedKeyOut, etag=True, refuses=(NotFound, Conflict, PreconditionFailed))
def edit_trusted_key(body: dict[str, Any], trusted_key_id: UUID) -> TrustedKey:
    """Change a trusted key

    For admins without bounds. With `not_after` a key expires, and with it every signature that it made.
    """
    return actions.edit(trusted_key_id, body, actor=g.actor, expected=etags.expected())


@blp.delete("/trusted-keys/<uuid:trusted_key_id>", Role.ADMIN)
@blp.deletes(refuses=(NotFound, PreconditionFailed))
def delete_trusted_key(trusted_key_id: UUID) -> None:
    """Delete a trusted key

    For admins without bounds. No signature of it counts from then on; decisions keep its name and fingerprint.
    """
    actions.delete(trusted_key_id, actor=g.actor, expected=etags.expected())
