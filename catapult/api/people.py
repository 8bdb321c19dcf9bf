"""`/api/v1/people`."""

from typing import Any
from uuid import UUID

from flask import g

from catapult.actions import people as actions
from catapult.api.wire import etags
from catapult.api.wire.blueprint import Blueprint
from catapult.api.wire.parameters import PageQuery
from catapult.contract.service import PersonEdit, PersonIn, PersonOut
from catapult.errors import Conflict, Forbidden, NotFound, PreconditionFailed
from catapult.queries import people
from catapult.queries.lists.paging import Listing
from catapult.tables import Person, Role

blp = Blueprint("people", __name__, url_prefix="/api/v1/people", description="People who sign in and hold keys")


@blp.get("", Role.VIEWER)
@blp.arguments(PageQuery)
@blp.lists(PersonOut)
def list_people(_: dict[str, Any]) -> Listing:
    """List people, newest first"""
    return people.listing(g.actor)


@blp.post("", Role.ADMIN)
@blp.arguments(PersonIn)
@blp.answers(201, PersonOut, etag=True, location="/api/v1/people/{id}")
def create_person(body: dict[str, Any]) -> Person:
    """Add a person"""
    return actions.create(actor=g.actor, **body)


@blp.get("/<uuid:person_id>", Role.VIEWER)
@blp.answers(200, PersonOut, etag=True, refuses=(NotFound,))
def get_person(person_id: UUID) -> Any:
    """Get a person"""
    return people.get(person_id, g.actor)


@blp.put("/<uuid:person_id>", Role.VIEWER)
@blp.arguments(PersonEdit)
@blp.answers(200, PersonOut, etag=True, refuses=(NotFound, Conflict, Forbidden, PreconditionFailed))
def edit_person(body: dict[str, Any], person_id: UUID) -> Any:
    """Change a person's fields"""
    return actions.edit(person_id, body, actor=g.actor, expected=etags.expected())
