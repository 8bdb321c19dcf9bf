"""`/people`: everybody who may sign in, and the forms that add and change somebody."""

from functools import partial
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, g, url_for

from catapult.actions import people as actions
from catapult.contract.service import PersonEdit, PersonIn
from catapult.pages.parts import csv_files, forms, fragments, lists
from catapult.pages.parts.forms import Form
from catapult.pages.parts.page_request import page, requested_block
from catapult.queries import people
from catapult.tables import Role

blp = Blueprint("people", __name__)
LIST, NEW, EDIT = "people/index.html", "people/new.html", "people/edit.html"
ROLES = list(Role)
CSV = ("id", "name", "email", "role", "active", "created_at", "created_by")


@blp.get("/people")
@page()
def index() -> Response:
    """Everybody, newest first, inactive people too."""
    return fragments.whole_or(requested_block("list", "more"), LIST, part=lists.part(people.listing(g.actor)))


@blp.get("/people.csv")
@page()
def export() -> Response:
    """Everybody as a file; admins see email addresses."""
    return csv_files.columns("people", CSV, people.listing(g.actor))


@blp.route("/new/person", methods=forms.METHODS)
@page(Role.ADMIN)
def create() -> Response:
    """The form to add a person, who holds no key yet."""

    def act() -> Response:
        person = actions.create(actor=g.actor, **forms.read(PersonIn))
        return fragments.go(url_for(".index"), f"{person.name} is added.")

    return forms.answer(act, partial(fragments.form, NEW, roles=ROLES))


@blp.route("/people/<uuid:person_id>/edit", methods=forms.METHODS)
@page(Role.ADMIN)
def edit(person_id: UUID) -> Response:
    """The form to change a person, and what deactivating them ends."""
    person = people.get(person_id, g.actor)

    def act() -> Response:
        fields = forms.read(PersonEdit, shown=_stored(person))
        if person.active and fields.get("active") is False:
            forms.check_typed(person.name.strip())
        actions.edit(person_id, fields, actor=g.actor, expected=forms.counter())
        return fragments.go(url_for(".index"), f"{fields.get('name', person.name)} is changed.")

    return forms.answer(act, partial(_edit, person))


def _edit(person: Any, form: Form, status: int) -> Response:
    return fragments.form(
        EDIT,
        form,
        status,
        person=person,
        stored=_stored(person),
        roles=ROLES,
        holds=people.holdings(UUID(person.id)),
        changed_by=forms.changed_by(person, status),
    )


def _stored(person: Any) -> dict[str, str]:
    """Return the person's values as their form shows them."""
    return {
        "name": person.name,
        "email": person.email or "",
        "role": person.role,
        "active": "true" if person.active else "false",
    }
