"""Saved views: names that a person or a service gave to addresses of our pages."""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, literal, select

from catapult.errors import NotFound
from catapult.extensions import db
from catapult.queries.lists.paging import Listing, newest_first
from catapult.queries.lists.raw_columns import shown
from catapult.tables import SavedView

S: Any = SavedView.__table__.c
HOLDER: ColumnElement[Any] = func.coalesce(S.person_id, S.key_id)
"""The voice that holds the view; the unique index has the same expression."""
_VIEWS = Listing(select(*shown(S, "id name address created_at")), newest_first(S.created_at, S.id))


def of_voice(voice: UUID | None) -> Listing:
    """Return the views of that voice, newest first; a rotated key has those of the key before it."""
    return _VIEWS.where(literal(voice) == HOLDER)


def by_name(voice: UUID | None) -> list[Any]:
    """Return the views of that voice by name. They are few: `actions.saved_views.MOST`."""
    return list(db.session.execute(of_voice(voice).rows.order_by(func.lower(S.name))))


def get(view_id: UUID, voice: UUID | None) -> Any:
    """Return the view if that voice holds it. Raises NotFound."""
    row = db.session.execute(of_voice(voice).rows.where(S.id == view_id)).one_or_none()
    if row is None:
        raise missing()
    return row


def count(voice: UUID | None) -> int:
    """Return how many views that voice holds."""
    return db.session.scalar(select(func.count()).where(literal(voice) == HOLDER)) or 0


def missing() -> NotFound:
    return NotFound("You have no such view, or it was deleted. GET /api/v1/me/views lists yours.")
