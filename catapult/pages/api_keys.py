"""`/keys`: the API keys, a new one that is shown once, and how one is revoked."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, g, redirect, request, url_for

from catapult.actions import api_keys as actions
from catapult.contract.service import KeyIn
from catapult.errors import Invalid
from catapult.extensions import current_settings
from catapult.pages.parts import forms, fragments, lists
from catapult.pages.parts.forms import Form
from catapult.pages.parts.page_request import asked, by_htmx, current_address, page
from catapult.queries import api_keys
from catapult.tables import ApiKey, Role

blp = Blueprint("api_keys", __name__)
LIST, NEW, REVOKE = "api_keys/index.html", "api_keys/new.html", "api_keys/revoke.html"
ENDS = {"in 7 days": 7, "in 30 days": 30, "in 90 days": 90, "in a year": 365}
"""When a key may end at one choice, in days from now."""


@blp.get("/keys")
@page(Role.ADMIN)
def index() -> Response:
    """Every key, newest first, those revoked and expired as well."""
    return fragments.whole_or(asked("list", "more"), LIST, part=lists.part(api_keys.listing()))


@blp.get("/new/key")
@page(Role.ADMIN)
def new() -> Response:
    """The form to make a key."""
    return _new(Form())


@blp.post("/new/key")
@page(Role.ADMIN)
def create() -> Response:
    """A key is made, and shown in this answer alone."""

    def act() -> Response:
        made = actions.create(actor=g.actor, salt=current_settings().api_key_salt, **_expiring(forms.read(KeyIn)))
        return _made(made)

    return forms.submit(act, _new)


@blp.get("/keys/<uuid:key_id>/revoke")
@page(Role.ADMIN)
def confirm_revocation(key_id: UUID) -> Response:
    """What revoking would do, and the name to type."""
    return _revocation(api_keys.get(key_id), Form())


@blp.post("/keys/<uuid:key_id>/revoke")
@page(Role.ADMIN)
def revoke(key_id: UUID) -> Response:
    """The key is refused from now on, if its name was typed."""
    key = api_keys.get(key_id)

    def act() -> Response:
        forms.check_typed(key.name.strip())
        actions.revoke(key_id, actor=g.actor)
        return _revoked(api_keys.get(key_id)) if by_htmx() else redirect(url_for(".index"), 303)  # type: ignore[return-value]

    return forms.submit(act, lambda form, status: _revocation(key, form, status))


def _expiring(fields: dict[str, Any]) -> dict[str, Any]:
    """With the end that was chosen, unless a time was typed."""
    chosen = request.form.get("ends", "never")
    if chosen not in ("never", *ENDS):
        raise Invalid("Choose an end from the list.", errors={"ends": ["Is not in the list."]})
    days = ENDS.get(chosen)
    return {"expires_at": datetime.now(UTC) + timedelta(days=days), **fields} if days else fields


def _new(form: Form, status: int = 200) -> Response:
    block = asked("dialog-body", "form") and "form"
    return fragments.whole_or(block, NEW, status, form=form, roles=list(Role), ends=["never", *ENDS])


def _made(key: ApiKey) -> Response:
    """The key itself; and where HTMX runs, its row for the list behind the dialog."""
    if not by_htmx():
        response = fragments.whole(
            NEW, made=key, no_counts=True
        )  # nothing may go wrong now: the key is shown this once
    else:
        behind = [fragments.out_of_band(LIST, "new_row", key=key)] if over_the_list() else []
        response = fragments.part(NEW, "form", *behind, made=key)
    response.cache_control.no_transform = True  # compressed, its length would say something of the key
    return response


def over_the_list() -> bool:
    """Whether the form stands in a dialog over the list of keys."""
    return current_address() == url_for(".index")


def _revocation(key: Any, form: Form, status: int = 200) -> Response:
    return fragments.whole_or(asked("dialog-body", "form") and "form", REVOKE, status, form=form, key=key)


def _revoked(key: Any) -> Response:
    """Its row, and the dialog closes; from the form's own page, on to the list."""
    if not over_the_list():
        return fragments.go(url_for(".index"), f"{key.name} is revoked.")
    response = fragments.part(LIST, "row", fragments.toast(f"{key.name} is revoked."), key=key)
    response.headers["HX-Retarget"], response.headers["HX-Reswap"] = f"#key-{key.id}", "outerHTML"
    response.headers["HX-Trigger"] = "close-dialog"
    return response
