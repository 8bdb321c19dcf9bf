"""Comments on a version's page: the form, and the dialog that deletes one. Asks for changes are also made in the inbox."""

from functools import partial
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, g

from catapult.actions import comments as actions
from catapult.contract.control import CommentIn
from catapult.pages import versions
from catapult.pages.parts import forms, fragments
from catapult.pages.parts.forms import Form
from catapult.pages.parts.page_request import is_htmx, page
from catapult.queries import comments
from catapult.queries import versions as stored
from catapult.tables import Role

blp = Blueprint("comments", __name__)
DELETE = "comments/delete.html"


@blp.route(f"{versions.AT}/-/comment", methods=forms.METHODS)
@page(Role.PUBLISHER)
def create(name: str, version: str) -> Response:
    """The version's page; a comment that is sent here appears on it."""
    row = stored.named(name, version)

    def act() -> Response:
        comment = actions.create(UUID(row.id), actor=g.actor, **forms.read(CommentIn))
        if not is_htmx():
            return fragments.go(f"{versions.address(row)}#comments")
        did = "asked for changes to" if comment.asks_for_changes else "commented on"
        return _card(row, fragments.toast(f"You {did} {row.model_name} {row.version}."))

    def show(form: Form, status: int) -> Response:
        return _card(row, status=status, form=form) if is_htmx() else versions.whole(row, status, form=form)

    return forms.answer(act, show)


@blp.route(f"{versions.AT}/-/comments/<uuid:comment_id>/delete", methods=forms.METHODS)
@page(Role.PUBLISHER)
def delete(name: str, version: str, comment_id: UUID) -> Response:
    """The comment, and the button that deletes it."""
    row = stored.named(name, version)
    comment = comments.get(UUID(row.id), comment_id)

    def act() -> Response:
        actions.delete(UUID(row.id), comment_id, actor=g.actor)
        if not is_htmx():
            return fragments.go(f"{versions.address(row)}#comments")
        card = _card(row, fragments.toast("The comment is deleted."))
        return fragments.closing_dialog(card, "#comments", "outerHTML")

    return forms.answer(act, partial(fragments.form, DELETE, version=row, comment=comment))


def _card(row: Any, *more: str, status: int = 200, form: Form | None = None) -> Response:
    """Return the card with the newest comments and the form."""
    return fragments.part(versions.VERSION, "comments", *more, status=status, **versions.talk(row, form))
