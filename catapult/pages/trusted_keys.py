"""`/trusted-keys`: the public keys that files may be signed for, and the forms that add and delete one."""

from datetime import UTC, datetime
from functools import partial
from uuid import UUID

from flask import Blueprint, Response, g, url_for

from catapult.actions import trusted_keys as actions
from catapult.contract.trusted_keys import TrustedKeyIn
from catapult.pages.parts import forms, fragments, lists
from catapult.pages.parts.page_request import page, requested_block
from catapult.queries import trusted_keys
from catapult.tables import Role

blp = Blueprint("trusted_keys", __name__)
LIST, FORM, DELETE = "trusted_keys/index.html", "trusted_keys/form.html", "trusted_keys/delete.html"


@blp.get("/trusted-keys")
@page()
def index() -> Response:
    """Every trusted key, newest first."""
    part = lists.part(trusted_keys.listing())
    return fragments.whole_or(requested_block("list", "more"), LIST, part=part, now=datetime.now(UTC))


@blp.route("/new/trusted-key", methods=forms.METHODS)
@page(Role.ADMIN)
def create() -> Response:
    """The form to trust a key."""
    actions.check_may_manage(g.actor)

    def act() -> Response:
        key = actions.create(actor=g.actor, **forms.read(TrustedKeyIn))
        return fragments.go(url_for(".index"), f"Signatures of {key.name} count from now on.")

    return forms.answer(act, partial(fragments.form, FORM))


@blp.route("/trusted-keys/<uuid:key_id>/delete", methods=forms.METHODS)
@page(Role.ADMIN)
def delete(key_id: UUID) -> Response:
    """What deleting the key does, and the button that deletes it."""
    actions.check_may_manage(g.actor)
    key = trusted_keys.get(key_id)

    def act() -> Response:
        actions.delete(key_id, actor=g.actor, expected=forms.counter())
        return fragments.go(url_for(".index"), f"{key.name} is deleted.")

    return forms.answer(act, partial(fragments.form, DELETE, key=key))
