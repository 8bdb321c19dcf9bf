"""`/environments`: the matrix of models and environments, an environment's page with its history, and its forms."""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

from flask import Blueprint, Response, g, request, url_for

from catapult.actions import environments as actions
from catapult.contract.control import EnvironmentPut
from catapult.contract.schemas import environment_name
from catapult.errors import Conflict
from catapult.pages.parts import csv_files, evidence, forms, fragments, lists, places
from catapult.pages.parts.forms import Form
from catapult.pages.parts.page_request import current_address, is_htmx, page, requested_block
from catapult.queries import deployments, environments, gates, history, live, rollbacks, stages
from catapult.tables import Role
from catapult.web import addresses

blp = Blueprint("environments", __name__)
AT = "/environments/<environment:name>"
BOARD, SHOW = "environments/index.html", "environments/show.html"
FORM, FREEZE, DELETE = "environments/form.html", "environments/freeze.html", "environments/delete.html"
REASON = 200
"""Shown characters of a reason."""

DEFAULTS = {"rank": "", "protected": "false", "description": "", "deploy_within": ""}
"""The values in the form for a new environment."""


class EnvironmentForm(EnvironmentPut):
    """A new environment."""

    name = environment_name(required=True)


@blp.get("/environments")
@page()
def index() -> Response:
    """The matrix of models and environments, now or at the time in the address, and their timeline above it."""
    form, filters = lists.filters(places.At)
    at = filters.get("at")
    shown = places.board() if at is None or form.errors else places.board_then(at)
    shown |= places.line(shown)
    return fragments.whole_or(requested_block("places"), BOARD, 422 if form.errors else 200, form=form, **shown)


@blp.get("/environments.csv")
@page()
def export() -> Response:
    """What is live now of each model, in every environment, as a file."""
    columns, now = [row.place for row in stages.all_environments()], datetime.now(UTC)

    def cells(rows: list[Any]) -> Iterator[Any]:
        live_now = stages.cells_then([row.model_id for row in rows], columns, now)
        for row in rows:
            yield row.model_name, *([it.version for it in live_now[row.model_id][place]] for place in columns)

    return csv_files.table("environments", ["model", *columns], stages.models(), cells)


@blp.get(AT)
@page()
def show(name: str) -> Response:
    """Everything that is live in one environment, or was at the time in the address."""
    environment = environments.get_including_deleted(name)
    form, filters = lists.filters(places.At)
    at = filters.get("at")
    if form.errors:
        return _tab(environment, "live", 422, form=form, part=lists.Part([], None), at=None)
    if at is None:
        part, going = lists.part(live.listing(name)), stages.on_their_way(environment.place)
        return _tab(environment, "live", form=form, part=part, at=None, going=going)
    part = lists.part(history.live(name, at))
    gone = rollbacks.with_deleted_version(part.rows)
    decisions = {row.id: evidence.of(row.decision) for row in part.rows}
    return _tab(environment, "live", form=form, part=part, at=at, gone=gone, decisions=decisions)


@blp.get(f"{AT}/-/history")
@page()
def show_history(name: str) -> Response:
    """Every deployment to one environment, newest first."""
    environment = environments.get_including_deleted(name)
    return _tab(environment, "history", part=lists.part(deployments.listing(environment=name)))


@blp.route("/new/environment", methods=forms.METHODS)
@page(Role.ADMIN)
def create() -> Response:
    """The form to create an environment."""

    def act() -> Response:
        sent = forms.read(EnvironmentForm)
        name = sent.pop("name")
        actions.put(name, sent, actor=g.actor, new=True)
        return done(f"{name} is created.")

    return forms.answer(act, partial(_form, FORM))


@blp.route(f"{AT}/-/freeze", methods=forms.METHODS)
@page(Role.ADMIN)
def freeze(name: str) -> Response:
    """The form to freeze an environment, with a reason and an end. A frozen environment accepts no deployments."""
    environment = environments.named(name)

    def act() -> Response:
        sent = {"frozen_reason": None, "frozen_until": None, **forms.read(EnvironmentPut), "frozen": True}
        actions.put(environment.name, sent, actor=g.actor, expected=forms.counter())
        return done(f"{environment.name} is frozen.")

    return forms.answer(act, partial(_form, FREEZE, environment=environment))


@blp.post(f"{AT}/-/thaw")
@page(Role.ADMIN)
def thaw(name: str) -> Response:
    """End the freeze."""
    environment, _ = actions.put(environments.named(name).name, {"frozen": False}, actor=g.actor)
    return done(f"{environment.name} accepts deployments again.")


@blp.route(f"{AT}/-/settings", methods=forms.METHODS)
@page(Role.ADMIN)
def settings(name: str) -> Response:
    """The form that changes the rank, the protection or the description."""
    environment = environments.named(name)

    def act() -> Response:
        sent = forms.read(EnvironmentPut, shown=_stored(environment))
        actions.put(environment.name, sent, actor=g.actor, expected=forms.counter())
        return done(f"{environment.name} is changed.")

    return forms.answer(act, partial(_form, FORM, environment=environment))


@blp.route(f"{AT}/-/delete", methods=forms.METHODS)
@page(Role.ADMIN)
def delete(name: str) -> Response:
    """What deleting the environment ends, and the field to type its name in; the gates that name it prevent it."""
    environment = environments.named(name)

    def act() -> Response:
        forms.check_typed(environment.name)
        actions.delete(environment.name, actor=g.actor, force="force" in request.form, expected=forms.counter())
        return done(f"{environment.name} is deleted.", gone=True)

    return forms.answer(act, lambda form, status: _deletion(environment, form, status))


def done(message: str, *, gone: bool = False) -> Response:
    """Show the message on the page behind the dialog, or on the board. Set `gone` if that page no longer exists."""
    home, here = url_for("pages.environments.index"), current_address(query=True)
    if is_htmx() and here == home:
        shown = places.board()
        shown |= places.line(shown)
        response = fragments.part(BOARD, "places", fragments.toast(message), fragments.state(), form=Form(), **shown)
        return fragments.closing_dialog(response, "#places", "morph:outerHTML")
    is_own_page = current_address() == addresses.mounted(request.path)
    in_dialog = is_htmx() and not gone and not is_own_page
    return fragments.go(here if in_dialog else home, message)


def _tab(environment: Any, tab: str, status: int = 200, **context: Any) -> Response:
    block = requested_block("tab", "more") if tab == "history" else requested_block("tab")
    context |= {"rollbacks": rollbacks.details(context["part"].rows), "now": datetime.now(UTC)}
    return fragments.whole_or(block, SHOW, status, environment=environment, tab=tab, **context)


def _form(template: str, form: Form, status: int, environment: Any = None, **context: Any) -> Response:
    context |= {"stored": _stored(environment) if environment else DEFAULTS, "environment": environment}
    return fragments.form(template, form, status, changed_by=forms.changed_by(environment, status), **context)


def _deletion(environment: Any, form: Form, status: int) -> Response:
    blocked = False
    if status == 200:
        try:
            gates.check_unnamed(environment.place)
        except Conflict as conflict:
            form, blocked = Form(refusal=conflict), True
    bound = environments.live_and_unfinished_counts(environment.place)
    return _form(DELETE, form, status, environment, bound=bound, blocked=blocked)


def _stored(environment: Any) -> dict[str, str]:
    """Return the environment's values as its forms show them."""
    until = environment.frozen_until.astimezone(UTC) if environment.frozen and environment.frozen_until else None
    return {
        "rank": str(environment.rank),
        "protected": "true" if environment.protected else "false",
        "description": environment.description or "",
        "deploy_within": "" if environment.deploy_within is None else str(environment.deploy_within),
        "frozen_reason": environment.frozen_reason or "" if environment.frozen else "",
        "frozen_until": f"{until:%Y-%m-%dT%H:%M}" if until else "",
    }
