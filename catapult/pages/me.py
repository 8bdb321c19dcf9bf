"""`/me`: who is signed in, with which key, and the forms for their own name and their own keys."""

from functools import partial
from typing import Any

from flask import Blueprint, Response, g, request, url_for

from catapult.actions import api_keys as key_actions
from catapult.actions import people as actions
from catapult.contract.service import OwnKeyIn, PersonEdit
from catapult.errors import Forbidden
from catapult.extensions import current_settings
from catapult.pages import api_keys as keys
from catapult.pages.parts import forms, fragments, lists
from catapult.pages.parts.forms import Form
from catapult.pages.parts.page_request import page, requested_block
from catapult.queries import api_keys, people
from catapult.rules.subscriptions import SUBSCRIBED
from catapult.tables import Role

blp = Blueprint("me", __name__)
SHOW, EDIT = keys.OWN_LIST, "me/edit.html"


@blp.get("/me")
@page()
def show() -> Response:
    """The person, the key in use, and the person's keys; for a service's key only that key."""
    block = requested_block("list", "more")
    return fragments.whole_or(block, SHOW, part=_keys(), me=None if block else people.me(g.actor))


@blp.route("/me/edit", methods=forms.METHODS)
@page()
def edit() -> Response:
    """The form for your own name, email address, and the events that you get by mail."""
    _check_person()
    person = people.get(g.actor.person_id, g.actor)
    stored = {"name": person.name, "email": person.email or ""}

    def act() -> Response:
        fields = forms.read(PersonEdit, shown=stored) | {"notices": _ticked()}
        sent = {name: value for name, value in fields.items() if name in actions.OWN}
        actions.edit(g.actor.person_id, sent, actor=g.actor, expected=forms.counter())
        return fragments.go(url_for(".show"), "Saved.")

    def show_form(form: Form, status: int) -> Response:
        context = {
            "changed_by": forms.changed_by(person, status),
            "events": SUBSCRIBED,
            "ticked": _ticked() if form.refusal else person.notices,
            "mail_hint": "" if current_settings().smtp_url else "This server sends no mail: SMTP_URL is not set.",
        }
        return fragments.form(EDIT, form, status, person=person, stored=stored, **context)

    return forms.answer(act, show_form)


@blp.route("/new/own-key", methods=forms.METHODS)
@page()
def create_key() -> Response:
    """The form to create another key of your own, with no more rights than the key in use."""
    _check_person()
    first = keys.WITH_THIS_KEY if g.actor.expires_at else keys.NEVER

    def act() -> Response:
        fields = keys.with_bounds(keys.with_expiry(forms.read(OwnKeyIn), first))
        salt = current_settings().api_key_salt
        return keys.created(key_actions.create_own(actor=g.actor, salt=salt, **fields))

    context: dict[str, Any] = {"roles": [role for role in Role if g.actor.role.holds(role)], "own": True}
    return forms.answer(act, partial(fragments.form, keys.NEW, ends=keys.ends(first), stored=_own_rights(), **context))


def _ticked() -> list[str]:
    return [kind for kind in SUBSCRIBED if kind in request.form.getlist("events")]


def _keys() -> lists.Part:
    if g.actor.person_id is None:
        return lists.Part([api_keys.get(g.actor.key_id)], None)
    return lists.part(api_keys.of_actor(g.actor))


def _own_rights() -> dict[str, str]:
    """Return the first values of the form: what the key in use may do."""
    bounds = {name: "\n".join(bound or ()) for name, bound in g.actor.bounds._asdict().items()}
    nothing = {f"no_{name}": "true" for name, bound in g.actor.bounds._asdict().items() if bound == ()}
    return {"role": str(g.actor.role), **bounds, **nothing}


def _check_person() -> None:
    if g.actor.person_id is None:
        raise Forbidden("This key belongs to no person. Ask an admin for a person and a key of your own.")
