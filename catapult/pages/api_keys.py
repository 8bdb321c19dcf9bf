"""`/keys`: the API keys, and the forms that create and revoke one."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, g, request, url_for

from catapult.actions import api_keys as actions
from catapult.contract.service import KeyIn
from catapult.errors import Invalid
from catapult.extensions import current_settings
from catapult.pages.parts import forms, fragments, lists
from catapult.pages.parts.forms import Form
from catapult.pages.parts.page_request import current_address, is_htmx, page, requested_block
from catapult.queries import api_keys
from catapult.tables import ApiKey, Role

blp = Blueprint("api_keys", __name__)
LIST, NEW, REVOKE = "api_keys/index.html", "api_keys/new.html", "api_keys/revoke.html"
EXPIRIES = {"in 7 days": 7, "in 30 days": 30, "in 90 days": 90, "in a year": 365}
"""The choices of an expiry, in days from now."""


@blp.get("/keys")
@page(Role.ADMIN)
def index() -> Response:
    """Every key, newest first, including revoked and expired ones."""
    return fragments.whole_or(requested_block("list", "more"), LIST, part=lists.part(api_keys.listing()))


@blp.route("/new/key", methods=forms.METHODS)
@page(Role.ADMIN)
def create() -> Response:
    """The form to create a key. Only the response to its POST shows the key."""

    def act() -> Response:
        fields = _with_expiry(forms.read(KeyIn))
        return _created(actions.create(actor=g.actor, salt=current_settings().api_key_salt, **fields))

    return forms.answer(act, _new)


@blp.route("/keys/<uuid:key_id>/revoke", methods=forms.METHODS)
@page(Role.ADMIN)
def revoke(key_id: UUID) -> Response:
    """What revoking the key does, and the field to type its name in."""
    key = api_keys.get(key_id)

    def act() -> Response:
        forms.check_typed(key.name.strip())
        actions.revoke(key_id, actor=g.actor)
        return _revoked(api_keys.get(key_id))

    return forms.answer(act, partial(fragments.form, REVOKE, key=key))


def _with_expiry(fields: dict[str, Any]) -> dict[str, Any]:
    """Add the chosen expiry, unless a time was typed. Raises Invalid."""
    choice = request.form.get("ends", "never")
    if choice not in ("never", *EXPIRIES):
        raise Invalid("Choose an expiry from the list.", errors={"ends": ["Is not in the list."]})
    days = EXPIRIES.get(choice)
    return {"expires_at": datetime.now(UTC) + timedelta(days=days), **fields} if days else fields


def _new(form: Form, status: int) -> Response:
    return fragments.form(NEW, form, status, roles=list(Role), ends=["never", *EXPIRIES])


def _created(key: ApiKey) -> Response:
    """Show the key, and for HTMX add its row to the list behind the dialog."""
    if not is_htmx():
        response = fragments.whole(NEW, created=key, no_counts=True)  # no more queries: nothing may fail now
    else:
        behind = [fragments.out_of_band(LIST, "new_row", key=key)] if _over_the_list() else []
        response = fragments.part(NEW, "form", *behind, created=key)
    response.cache_control.no_transform = True  # a compressed length would reveal something of the key
    return response


def _over_the_list() -> bool:
    """Return whether the form is in a dialog over the list of keys."""
    return current_address() == url_for(".index")


def _revoked(key: Any) -> Response:
    """Replace the key's row and close the dialog; from the form's own page, go to the list."""
    message = f"{key.name} is revoked."
    if not is_htmx() or not _over_the_list():
        return fragments.go(url_for(".index"), message)
    row = fragments.part(LIST, "row", fragments.toast(message), key=key)
    return fragments.closing_dialog(row, f"#key-{key.id}", "outerHTML")
