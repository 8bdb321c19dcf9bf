"""Save a view of a list, and delete one's own."""

from uuid import UUID

from sqlalchemy import literal, select
from uuid_utils.compat import uuid7

from catapult import audit
from catapult.audit import Actor
from catapult.errors import Conflict, Forbidden
from catapult.extensions import db
from catapult.queries import saved_views
from catapult.rules import key_format
from catapult.tables import ApiKey, Person, SavedView

MOST = 50
"""The most views of a person, or of a service's key with those it was rotated to."""


def create(*, actor: Actor, name: str, address: str) -> SavedView:
    """Give the address of a list a name that only this person, or service, sees: the audit log has neither.

    Raises Invalid (name), Forbidden, and Conflict for a name that is taken and for more views than `MOST`.
    """
    key_format.check_name(name)
    if actor.voice is None:
        raise Forbidden("A view needs an API key: it belongs to the person or service that holds the key.")
    _lock_holder(actor)
    if saved_views.count(actor.voice) >= MOST:
        raise Conflict(f"You have {MOST} views, which is the most. Delete one first.")
    key_id = None if actor.person_id else actor.voice
    view = SavedView(id=uuid7(), person_id=actor.person_id, key_id=key_id, name=name, address=address)
    db.session.add(view)
    return audit.commit(actor, view, audit.entry("saved_view.create", view))


def delete(view_id: UUID, *, actor: Actor) -> None:
    """Delete the view. Raises NotFound, also for somebody else's."""
    query = select(SavedView).where(SavedView.id == view_id, literal(actor.voice) == saved_views.HOLDER)
    view = db.session.scalar(query.with_for_update().execution_options(populate_existing=True))
    if view is None:
        raise saved_views.missing()
    db.session.delete(view)
    audit.commit(actor, view, audit.entry("saved_view.delete", view))


def _lock_holder(actor: Actor) -> None:
    """Lock the person, or the first key of the service's line, so that two views at once are counted one after the other."""
    person, key = (
        select(Person.id).where(Person.id == actor.person_id),
        select(ApiKey.id).where(ApiKey.id == actor.voice),
    )
    db.session.execute((person if actor.person_id else key).with_for_update(key_share=True))
