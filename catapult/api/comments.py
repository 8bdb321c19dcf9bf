"""`/api/v1/versions/{id}/comments`."""

from typing import Any
from uuid import UUID

from flask import g

from catapult.actions import comments as actions
from catapult.api.wire.blueprint import Blueprint
from catapult.api.wire.parameters import PageQuery
from catapult.contract.control import CommentIn, CommentOut
from catapult.errors import NotFound
from catapult.queries import comments, versions
from catapult.queries.lists.paging import Listing
from catapult.tables import Comment, Role

blp = Blueprint("comments", __name__, url_prefix="/api/v1/versions", description="What people say about versions")


@blp.get("/<uuid:version_id>/comments", Role.VIEWER)
@blp.arguments(PageQuery)
@blp.lists(CommentOut, refuses=(NotFound,))
def list_comments(_: dict[str, Any], version_id: UUID) -> Listing:
    """List the comments on a version, newest first"""
    return comments.of_version(version_id).with_check(lambda: versions.check(version_id))


@blp.post("/<uuid:version_id>/comments", Role.PUBLISHER)
@blp.arguments(CommentIn)
@blp.answers(201, CommentOut, refuses=(NotFound,))
def create_comment(body: dict[str, Any], version_id: UUID) -> Comment:
    """Comment on a version"""
    return actions.create(version_id, actor=g.actor, **body)


@blp.delete("/<uuid:version_id>/comments/<uuid:comment_id>", Role.PUBLISHER)
@blp.deletes(refuses=(NotFound,))
def delete_comment(version_id: UUID, comment_id: UUID) -> None:
    """Delete a comment"""
    actions.delete(version_id, comment_id, actor=g.actor)
