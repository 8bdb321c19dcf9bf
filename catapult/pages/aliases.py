"""Aliases on the pages: the form that points one at a version, and the form that removes one."""

from functools import partial
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, g, url_for
from marshmallow import fields

from catapult.actions import aliases as actions
from catapult.contract.versions import Promotion
from catapult.errors import Blocked
from catapult.pages import versions
from catapult.pages.parts import forms, fragments, verdicts
from catapult.pages.parts.forms import Form
from catapult.pages.parts.page_request import page
from catapult.queries import aliases
from catapult.queries import registered_models as models
from catapult.queries import versions as stored
from catapult.queries.lists.paging import Page
from catapult.rules import targets
from catapult.tables import Role

blp = Blueprint("aliases", __name__)
FORM, REMOVE = "aliases/form.html", "aliases/remove.html"
OFFERED = 50
"""Aliases that the form offers."""


class AliasForm(Promotion):
    """An alias that is pointed at the version of the page."""

    alias = fields.String(required=True, error_messages={"required": "Name the alias."})


class RemovalForm(Promotion):
    """The removal of an alias, from the version that the page showed."""

    shown = fields.UUID()


@blp.route(f"{versions.AT}/-/alias", methods=forms.METHODS)
@page(Role.PUBLISHER)
def point(name: str, version: str) -> Response:
    """The form that points an alias at the version. Where gates guard the alias, they and the action decide."""
    row = stored.named(name, version)

    def act() -> Response:
        sent = forms.read(AliasForm)
        sent["alias"] = sent["alias"].removeprefix("@")
        alias = actions.move(UUID(row.model_id), sent.pop("alias"), actor=g.actor, version_id=UUID(row.id), **sent)
        return fragments.go(versions.address(row), f"@{alias.name} points at {row.model_name} {row.version}.")

    return forms.answer(act, partial(_form, row))


@blp.route("/models/<model:name>/-/aliases/<alias>/remove", methods=forms.METHODS)
@page(Role.PUBLISHER)
def remove(name: str, alias: str) -> Response:
    """What the alias points at, and the form that removes it."""
    model = models.called(name)
    row = aliases.of_name(UUID(model.id), alias)

    def act() -> Response:
        actions.remove(UUID(model.id), alias, actor=g.actor, **forms.read(RemovalForm))
        address = url_for("pages.versions.show", name=model.name, version=row.version)
        return fragments.go(address, f"@{row.name} of {model.name} is removed.")

    return forms.answer(act, partial(_removal, row))


def _form(row: Any, form: Form, status: int) -> Response:
    known = list(aliases.of_model(UUID(row.model_id)).page(Page(OFFERED)))[:OFFERED]
    typed = form.values.get("alias", "").removeprefix("@")
    return fragments.form(FORM, form, status, version=row, known=known, blocked=_blocked(form, typed))


def _removal(row: Any, form: Form, status: int) -> Response:
    return fragments.form(REMOVE, form, status, alias=row, blocked=_blocked(form, row.name))


def _blocked(form: Form, alias: str) -> verdicts.Panel | None:
    """Return the verdicts of the gates that refused the form; None if it was not refused by gates."""
    if not isinstance(form.refusal, Blocked):
        return None
    return verdicts.panel(targets.of_alias(alias), form.refusal.gates)
