"""Comment on a version, and delete a comment."""

from typing import Any
from uuid import UUID

from sqlalchemy import select
from uuid_utils.compat import uuid7

from catapult import audit
from catapult.actions import locks
from catapult.audit import Actor
from catapult.errors import Forbidden
from catapult.extensions import db
from catapult.queries import api_keys, comments, versions
from catapult.rules import reasons
from catapult.tables import Comment, Role


def create(version_id: UUID, *, actor: Actor, text: str, asks_for_changes: bool = False) -> Comment:
    """Comment on the version. Everybody sees it. It blocks nothing, even if it asks for changes.

    Raises NotFound (version), Forbidden, Invalid for a text that shows nothing.
    """
    actor.needs(Role.PUBLISHER)
    reasons.check(text, "A comment needs a text that can be read.", "text")
    if actor.key_id is None:
        raise Forbidden("A comment needs an API key: only the person or service that holds it may delete it.")
    version = versions.get(version_id)
    actor.bounds.check_model(version.model_name)
    comment = Comment(
        id=uuid7(),
        version_id=version_id,
        text=text,
        asks_for_changes=asks_for_changes,
        api_key_id=actor.key_id,
        created_by=actor.shown,
    )
    db.session.add(comment)
    details = _details(version, comment)
    return audit.commit(actor, comment, audit.entry("comment.create", comment, **details, text=text))


def delete(version_id: UUID, comment_id: UUID, *, actor: Actor) -> None:
    """Remove the comment from every list; the audit log keeps its text. Raises NotFound, Forbidden.

    Its author may do so, with any key, and so may an admin: a wrong or insulting comment must not stay because its author
    has left.
    """
    actor.needs(Role.PUBLISHER)
    version = versions.get(version_id)
    actor.bounds.check_model(version.model_name)
    query = select(Comment).where(
        Comment.id == comment_id, Comment.version_id == version_id, Comment.deleted_at.is_(None)
    )
    comment = db.session.scalar(query.with_for_update().execution_options(populate_existing=True))
    if comment is None:
        raise comments.missing()
    if not actor.role.holds(Role.ADMIN) and api_keys.voice_of(comment.api_key_id) != actor.voice:
        raise Forbidden(f"Only {comment.created_by}, who wrote this comment, or an admin may delete it.")
    comment.deleted_at = locks.now()
    details = _details(version, comment)
    audit.commit(actor, comment, audit.entry("comment.delete", comment, **details, created_by=comment.created_by))


def _details(version: Any, comment: Comment) -> dict[str, Any]:
    return {
        "model": version.model_name,
        "version": version.version,
        "version_id": str(comment.version_id),
        "asks_for_changes": comment.asks_for_changes,
    }
