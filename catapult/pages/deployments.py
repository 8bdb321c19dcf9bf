"""`/deployments`: what went where, and the form that records a deployment."""

from typing import Any
from uuid import UUID

from flask import Blueprint, Response, g, request, url_for
from marshmallow import fields

from catapult.actions import deployments as actions
from catapult.contract.fields import Id
from catapult.contract.filters import DeploymentFilters
from catapult.contract.schemas import DeploymentIn
from catapult.errors import Blocked, Invalid, NotFound
from catapult.pages.parts import formats, forms, fragments, lists, values, verdicts
from catapult.pages.parts.forms import Form
from catapult.pages.parts.page_request import asked, page
from catapult.queries import deployments, environments, live, versions
from catapult.queries.lists.paging import Page
from catapult.tables import DeploymentStatus, Role

blp = Blueprint("deployments", __name__)
LIST, NEW = "deployments/index.html", "deployments/new.html"
STATUSES = [str(status) for status in DeploymentStatus]
RECORDED = [status for status in STATUSES if status != DeploymentStatus.CANCELLED]
"""What a deployment may begin as."""

PUBLIC = ("prod", "production", "live")
KNOWN = 200
"""So many environments are offered."""
REASON = 160


class DeploymentForm(DeploymentIn):
    """A deployment as people name it: by model and version."""

    release_id = Id(dump_only=True)  # found by the names
    model = fields.String(required=True)
    version = fields.String(required=True)


@blp.get("/deployments")
@page()
def index() -> Response:
    """The deployments that the address asks for, newest first."""
    form, found = lists.filters(DeploymentFilters)
    part = lists.Part([], None) if form.errors else lists.part(deployments.listing(**found))
    places = [] if asked("list", "more") else live.environments()
    return lists.filtered(LIST, form, part=part, statuses=STATUSES, environments=places)


@blp.get("/new/deployment")
@page(Role.PUBLISHER)
def new() -> Response:
    """The form to record a deployment, of the version that the address names."""
    return _new(Form(request.args.to_dict()))


@blp.post("/new/deployment")
@page(Role.PUBLISHER)
def create() -> Response:
    """A deployment is recorded; on to its version's page."""

    def act() -> Response:
        sent = forms.read(DeploymentForm)
        version = _version(sent.pop("model"), sent.pop("version"))
        if guarded(sent["environment"], environments.find(sent["environment"])):
            forms.check_typed(version.model_name)
        made = actions.create(actor=g.actor, release_id=UUID(version.id), **sent)
        address = url_for("pages.versions.show", name=version.model_name, version=version.version)
        return fragments.go(address, _what_happened(made))

    return forms.submit(act, _new)


def guarded(name: str, place: Any = None) -> bool:
    """Whether what goes to that environment meets the public, so that nobody should send it there by a slip."""
    return name.lower() in PUBLIC or (place is not None and place.protected)


def about(place: Any) -> str:
    """`protected · frozen until 2026-11-30 08:00:00 UTC: Sale`: what whoever deploys there should know."""
    until = f" until {formats.exact(place.frozen_until)}" if place.frozen and place.frozen_until else ""
    frozen = f"frozen{until}: {values.short(place.frozen_reason, REASON)}" if place.frozen else ""
    return " · ".join(filter(None, ["protected" if place.protected else "", frozen]))


def _version(model: str, version: str) -> Any:
    """Raises Invalid."""
    try:
        return versions.named(model, version)
    except NotFound as missing:
        raise Invalid(missing.detail, errors={"version": [missing.detail]}) from missing


def _what_happened(deployment: Any) -> str:
    what, where = f"{deployment.model_name} {deployment.version}", deployment.environment
    return f"{what} is live in {where}." if deployment.live else f"{what} to {where}: {deployment.status}."


def _new(form: Form, status: int = 200) -> Response:
    name = form.values.get("environment", "").strip()
    places = list(environments.listing().page(Page(KNOWN)))
    place = next((one for one in places if one.place == name.lower()), None)
    said = {
        "known": [(one.name, about(one)) for one in places],
        "about": about(place) if place else "",
        "statuses": RECORDED,
        "guarded": guarded(name, place),
        "blocked": verdicts.panel(name, list(form.refusal.gates)) if isinstance(form.refusal, Blocked) else None,
    }
    return fragments.whole_or(asked("dialog-body", "form") and "form", NEW, status, form=form, **said)
