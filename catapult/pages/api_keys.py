"""`/keys`: the API keys, and the forms that create, change, rotate and revoke one."""

from collections.abc import Iterator
from datetime import UTC, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, g, request, url_for

from catapult.actions import api_keys as actions
from catapult.contract.service import KeyEdit, KeyIn, Rotation
from catapult.errors import Conflict, Invalid, NotFound
from catapult.extensions import current_settings
from catapult.pages.parts import csv_files, forms, fragments, lists
from catapult.pages.parts.forms import Form
from catapult.pages.parts.page_request import current_address, is_htmx, page, requested_block
from catapult.queries import api_keys, people
from catapult.queries.lists.paging import Page
from catapult.tables import ApiKey, Role

blp = Blueprint("api_keys", __name__)
LIST, NEW, REVOKE = "api_keys/index.html", "api_keys/new.html", "api_keys/revoke.html"
EDIT, ROTATE = "api_keys/edit.html", "api_keys/rotate.html"
OWN_LIST = "me/show.html"
EXPIRIES = {"in 7 days": 7, "in 30 days": 30, "in 90 days": 90, "in a year": 365}
"""The choices of an expiry, in days from now."""

NEVER, WITH_THIS_KEY = "never", "with this key"
OVERLAPS = [("0", "not at all"), ("3600", "for an hour"), ("86400", "for a day"), ("604800", "for 7 days")]
"""How long a key that is rotated still works, in seconds."""

BOUNDS = ("models", "environments")
CSV = (
    *("id", "name", "prefix", "role", "person_name", "is_active", "models", "environments", "created_at", "created_by"),
    *("last_used_at", "last_used_from", "expires_at", "revoked_at"),
)
OFFERED = 500
"""People that the form offers."""


@blp.get("/keys")
@page(Role.ADMIN)
def index() -> Response:
    """Every key, newest first, including revoked and expired ones."""
    return fragments.whole_or(requested_block("list", "more"), LIST, part=lists.part(api_keys.listing()))


@blp.get("/keys.csv")
@page(Role.ADMIN)
def export() -> Response:
    """Every key as a file, without the keys themselves. A bound is `all`, `none` or the patterns it holds."""

    def cells(rows: list[Any]) -> Iterator[Any]:
        for row in rows:
            bounds = {name: "all" if getattr(row, name) is None else getattr(row, name) or "none" for name in BOUNDS}
            yield [bounds.get(name, getattr(row, name)) for name in CSV]

    return csv_files.table("keys", CSV, api_keys.listing(), cells)


@blp.route("/new/key", methods=forms.METHODS)
@page(Role.ADMIN)
def create() -> Response:
    """The form to create a key. Only the response to its POST shows the key."""

    def act() -> Response:
        try:
            fields = with_bounds(with_expiry(forms.read(KeyIn), NEVER))
            return created(actions.create(actor=g.actor, salt=current_settings().api_key_salt, **fields))
        except NotFound as missing:
            raise Conflict(missing.detail, errors={"person_id": ["There is no such person."]}) from missing

    def show(form: Form, status: int) -> Response:
        context = {"people": list(_people()), "ends": ends(NEVER), "stored": {"role": Role.PUBLISHER}}
        return fragments.form(NEW, form, status, roles=list(Role), **context)

    return forms.answer(act, show, Form(request.args.to_dict()))


@blp.route("/keys/<uuid:key_id>/edit", methods=forms.METHODS)
@page(Role.ADMIN)
def edit(key_id: UUID) -> Response:
    """The form to change a key's name, role, bounds or end."""
    key = api_keys.get(key_id)
    stored = _stored(key)

    def act() -> Response:
        fields = with_bounds(forms.read(KeyEdit, shown=stored), key)
        actions.edit(key_id, fields, actor=g.actor)
        return _changed(key_id, f"{fields.get('name', key.name)} is changed.")

    return forms.answer(act, partial(fragments.form, EDIT, key=key, stored=stored, roles=list(Role)))


@blp.route("/keys/<uuid:key_id>/rotate", methods=forms.METHODS)
@page()
def rotate(key_id: UUID) -> Response:
    """The form to replace a key by a new one. Only the response to its POST shows the new key."""
    key = _managed(key_id)

    def act() -> Response:
        overlap = timedelta(seconds=forms.read(Rotation).get("overlap_seconds", 86_400))
        salt = current_settings().api_key_salt
        return created(actions.rotate(key_id, actor=g.actor, salt=salt, overlap=overlap), old=key)

    return forms.answer(act, lambda form, status: _rotation(key, form, status))


@blp.route("/keys/<uuid:key_id>/revoke", methods=forms.METHODS)
@page()
def revoke(key_id: UUID) -> Response:
    """What revoking the key does, and the field to type its name in."""
    key = _managed(key_id)

    def act() -> Response:
        forms.check_typed(key.name.strip())
        actions.revoke(key_id, actor=g.actor)
        return _changed(key_id, f"{key.name} is revoked.")

    return forms.answer(act, lambda form, status: _revocation(key, form, status))


def ends(first: str) -> list[str]:
    """Return the choices of an expiry: `first`, which sets none, and what KEY_MAX_AGE allows, which always sets one."""
    longest = current_settings().key_max_age
    if longest is None:
        return [first, *EXPIRIES]
    fitting = [text for text, days in EXPIRIES.items() if timedelta(days=days) < longest]
    return [*([first] if first != NEVER else []), *fitting, _longest(longest)]


def with_expiry(fields: dict[str, Any], first: str) -> dict[str, Any]:
    """Add the chosen expiry, unless a time was typed. Raises Invalid."""
    choices = ends(first)
    choice = request.form.get("ends", choices[0])
    if choice not in choices:
        raise Invalid("Choose an expiry from the list.", errors={"ends": ["Is not in the list."]})
    longest = current_settings().key_max_age
    days = EXPIRIES.get(choice) or (longest.days if longest is not None and choice == _longest(longest) else None)
    # From the database's clock, which the action compares it with.
    return {"expires_at": g.used_at + timedelta(days=days), **fields} if days else fields


def with_bounds(fields: dict[str, Any], key: Any = None) -> dict[str, Any]:
    """Add the bounds that are ticked instead of typed: no model, or no environment, at all."""
    for name in BOUNDS:
        if f"no_{name}" in request.form:
            fields[name] = []
        elif key is not None and getattr(key, name) == [] and name not in fields:
            fields[name] = None
    return fields


def created(key: ApiKey, old: Any = None) -> Response:
    """Show the key, and for HTMX add its row to the list behind the dialog. `old` is the key that it replaces."""
    context = {"created": key, "old": old, "no_counts": True}  # no more queries: nothing may fail now
    if is_htmx():
        behind = list(_rows_behind(key, old))
        response = fragments.part(NEW, "form", *behind, **context)
    else:
        response = fragments.whole(NEW, **context)
    response.cache_control.no_transform = True  # a compressed length would reveal something of the key
    return response


def _rows_behind(key: ApiKey, old: Any) -> Iterator[str]:
    """Yield the rows that change in the list behind the dialog, if there is one."""
    behind = _list_behind()
    if behind is None:
        return
    yield fragments.out_of_band(behind, "new_row", key=key)
    if old is not None:
        end = {"expires_at": key.old_expires_at, "is_active": key.old_expires_at > g.used_at}
        yield fragments.out_of_band(behind, "row", key=SimpleNamespace(**{**old._mapping, **end}), oob=True)


def _list_behind() -> str | None:
    """Return the template of the list of keys that the dialog is over; None for another page."""
    lists_of_keys = {url_for("pages.api_keys.index"): LIST, url_for("pages.me.show"): OWN_LIST}
    return lists_of_keys.get(current_address())


def _changed(key_id: UUID, message: str) -> Response:
    """Replace the key's row and close the dialog; from the form's own page, go to the list."""
    behind = _list_behind()
    if not is_htmx() or behind is None:
        return fragments.go(_home(), message)
    key = api_keys.get(key_id)
    row = fragments.part(behind, "row", fragments.toast(message), key=key)
    return fragments.closing_dialog(row, f"#key-{key.id}", "outerHTML")


def _home() -> str:
    """Return the address of the list of keys that this person may see."""
    return url_for("pages.api_keys.index") if g.actor.role.holds(Role.ADMIN) else url_for("pages.me.show")


def _managed(key_id: UUID) -> Any:
    """Return the key, if it is the one in use or belongs to the same person; admins manage all. Raises Forbidden."""
    key = api_keys.get(key_id)
    is_own = key.person_id is not None and key.person_id == str(g.actor.person_id)
    if not is_own and key.id != str(g.actor.key_id):
        g.actor.needs(Role.ADMIN)
    return key


def _rotation(key: Any, form: Form, status: int) -> Response:
    context = {"overlaps": OVERLAPS, "in_use": key.id == str(g.actor.key_id), "home": _home()}
    return fragments.form(ROTATE, form, status, key=key, successor=api_keys.successor(UUID(key.id)), **context)


def _revocation(key: Any, form: Form, status: int) -> Response:
    return fragments.form(REVOKE, form, status, key=key, successor=api_keys.successor(UUID(key.id)), home=_home())


def _longest(longest: timedelta) -> str:
    return f"in {longest.days} days, the longest here"


def _people() -> Iterator[tuple[str, str]]:
    """Yield `(id, name and role)` of the people who may get a key, newest first."""
    rows = [row for row in people.listing(g.actor).page(Page(OFFERED)) if row.active]
    for row in rows:
        yield row.id, f"{row.name} · {row.role}"


def _stored(key: Any) -> dict[str, str]:
    """Return the key's values as its form shows them."""
    ends_at = key.expires_at.astimezone(UTC) if key.expires_at else None
    return {
        "name": key.name,
        "role": key.role,
        "expires_at": f"{ends_at:%Y-%m-%dT%H:%M}" if ends_at else "",
        **{name: "\n".join(getattr(key, name) or ()) for name in BOUNDS},
        **{f"no_{name}": "true" for name in BOUNDS if getattr(key, name) == []},
    }
