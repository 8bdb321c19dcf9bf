"""Comments on versions, newest first, and the latest that ask for changes."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on

from catapult.errors import NotFound
from catapult.extensions import db
from catapult.queries.api_keys import VOICE
from catapult.queries.lists.paging import Listing, newest_first
from catapult.queries.lists.raw_columns import shown
from catapult.tables import ApiKey, Comment, Version

C: Any = Comment.__table__.c
V: Any = Version.__table__.c

_COMMENTS = Listing(
    select(*shown(C, "id version_id text asks_for_changes created_by created_at")).where(C.deleted_at.is_(None)),
    newest_first(C.created_at, C.id),
)


def of_version(version_id: UUID) -> Listing:
    """Return the comments on the version; none if it was deleted."""
    active = select(V.id).where(V.id == version_id, V.deleted_at.is_(None))
    return _COMMENTS.where(C.version_id == version_id, active.exists())


def get(version_id: UUID, comment_id: UUID) -> Any:
    """Return the comment on that version. Raises NotFound."""
    row = db.session.execute(of_version(version_id).rows.where(C.id == comment_id)).one_or_none()
    if row is None:
        raise missing()
    return row


def missing() -> NotFound:
    return NotFound("There is no such comment on this version, or it was deleted.")


def with_voices(version_id: UUID, most: int) -> list[Any]:
    """Return the newest comments on the version, each with the `voice` that may delete it."""
    comments = of_version(version_id)
    voiced = comments.rows.add_columns(VOICE.label("voice")).join(ApiKey, ApiKey.id == C.api_key_id)
    return list(db.session.execute(voiced.order_by(*comments.order()).limit(most)))


def latest_asks(version_ids: Iterable[Any]) -> dict[UUID, Any]:
    """Return `{version's id: its newest comment that asks for changes}`. Sends no statement without ids."""
    ids = [UUID(str(version_id)) for version_id in version_ids]
    if not ids:
        return {}
    asks = _COMMENTS.rows.where(C.version_id.in_(ids), C.asks_for_changes).ext(distinct_on(C.version_id))
    newest = asks.order_by(C.version_id, C.created_at.desc(), C.id.desc())
    return {UUID(row.version_id): row for row in db.session.execute(newest)}
