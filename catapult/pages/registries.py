"""`/registries`: how image registries are asked, and the forms that add, change and delete one. For admins without bounds."""

from functools import partial
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, g, url_for

from catapult.actions import registries as actions
from catapult.contract.registries import RegistryEdit, RegistryIn
from catapult.pages.parts import forms, fragments, lists
from catapult.pages.parts.forms import Form
from catapult.pages.parts.page_request import page, requested_block
from catapult.queries import registries
from catapult.tables import Role

blp = Blueprint("registries", __name__)
LIST, FORM, DELETE = "registries/index.html", "registries/form.html", "registries/delete.html"
AT = "/registries/<uuid:registry_id>"
NEW = {"repositories": "*"}


@blp.get("/registries")
@page(Role.ADMIN)
def index() -> Response:
    """Every image registry, newest first."""
    actions.check_may_manage(g.actor)
    part = lists.part(registries.listing())
    return fragments.whole_or(requested_block("list", "more"), LIST, part=part)


@blp.route("/new/registry", methods=forms.METHODS)
@page(Role.ADMIN)
def create() -> Response:
    """The form to add an image registry."""
    actions.check_may_manage(g.actor)

    def act() -> Response:
        row = actions.create(actor=g.actor, **forms.read(RegistryIn))
        return fragments.go(url_for(".index"), f"{row.host} is added.")

    return forms.answer(act, partial(_form, None))


@blp.route(f"{AT}/edit", methods=forms.METHODS)
@page(Role.ADMIN)
def edit(registry_id: UUID) -> Response:
    """The form to change an image registry."""
    actions.check_may_manage(g.actor)
    row = registries.get(registry_id)

    def act() -> Response:
        fields = forms.read(RegistryEdit, shown=_stored(row))
        actions.edit(registry_id, fields, actor=g.actor, expected=forms.counter())
        return fragments.go(url_for(".index"), f"{row.host} is changed.")

    return forms.answer(act, partial(_form, row))


@blp.route(f"{AT}/delete", methods=forms.METHODS)
@page(Role.ADMIN)
def delete(registry_id: UUID) -> Response:
    """What deleting the registry does, and the button that deletes it."""
    actions.check_may_manage(g.actor)
    row = registries.get(registry_id)

    def act() -> Response:
        actions.delete(registry_id, actor=g.actor, expected=forms.counter())
        return fragments.go(url_for(".index"), f"{row.host} is deleted.")

    return forms.answer(act, partial(fragments.form, DELETE, registry=row))


def _form(row: Any, form: Form, status: int) -> Response:
    changed_by = forms.changed_by(row, status)
    return fragments.form(FORM, form, status, registry=row, stored=_stored(row) if row else NEW, changed_by=changed_by)


def _stored(row: Any) -> dict[str, str]:
    """Return the registry's values as its form shows them."""
    texts = {name: getattr(row, name) or "" for name in ("host", "ca", "username", "secret")}
    return {**texts, "repositories": "\n".join(row.repositories), "allow_http": "true" if row.allow_http else "false"}
