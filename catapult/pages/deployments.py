"""`/deployments`: the list, the form to deploy a version, and a deployment's page with its next steps."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from flask import Blueprint, Response, g, request, url_for
from marshmallow import fields

from catapult.actions import deployments as actions
from catapult.actions.deployment_states import NEXT
from catapult.contract.fields import Id
from catapult.contract.filters import DeploymentFilters
from catapult.contract.schemas import DeploymentIn
from catapult.errors import Blocked, Invalid, NotFound
from catapult.pages.parts import (
    csv_files,
    differences,
    evidence,
    formats,
    forms,
    fragments,
    lists,
    matrix,
    run_steps,
    values,
    verdicts,
)
from catapult.pages.parts.forms import Form
from catapult.pages.parts.page_request import current_address, is_htmx, page, requested_block
from catapult.queries import audit_logs, deployments, environments, gates, live, rollbacks, runs, stages, versions
from catapult.queries.lists.paging import Page
from catapult.rules.comparison import compare, parsed
from catapult.tables import DeploymentStatus, Role

blp = Blueprint("deployments", __name__)
LIST, NEW = "deployments/index.html", "deployments/new.html"
SHOW, MOVE = "deployments/show.html", "deployments/move.html"
STATUSES = [str(status) for status in DeploymentStatus]
RECORDED = [status for status in STATUSES if status != DeploymentStatus.CANCELLED]
"""The statuses that a deployment may begin with."""

AT = "/deployments/<uuid:deployment_id>"
STEP = f"{AT}/-/<any({','.join(status for status in STATUSES if status != DeploymentStatus.PENDING)}):status>"
OFFERED, REASON, FROZEN = 200, 160, 5
"""Environments that the form offers, shown characters of a freeze's reason, and shown freezes of other environments."""

KEYS, ENTRIES = 100, 10
"""Shown keys of metadata, and shown entries of the audit log."""


CSV = (
    *("id", "model_name", "version", "environment", "status", "live", "endpoint_url", "deployed_by", "deployed_at"),
    *("live_from", "ended_at", "override", "decision_id"),
)


class DeploymentForm(DeploymentIn):
    """A deployment that names its model and version."""

    release_id = Id(dump_only=True)  # looked up by the names
    model = fields.String(required=True)
    version = fields.String(required=True)


@blp.get("/deployments")
@page()
def index() -> Response:
    """The deployments that match the filters in the address, newest first."""
    form, part = lists.filtered_part(DeploymentFilters, deployments.listing)
    names = [] if requested_block("list", "more") else live.environments()
    file = lists.with_parameters(url_for(".export"))
    return lists.filtered(LIST, form, part=part, statuses=STATUSES, environments=names, file=file)


@blp.get("/deployments.csv")
@page()
def export() -> Response:
    """The same deployments as a file."""
    form, filters = lists.filters(DeploymentFilters)
    if form.refusal:
        raise form.refusal
    return csv_files.columns("deployments", CSV, deployments.listing(**filters))


@blp.route("/new/deployment", methods=forms.METHODS)
@page(Role.PUBLISHER)
def create() -> Response:
    """The form to deploy the version in the address; then the page that it was opened on, with a link to the deployment."""

    def act() -> Response:
        sent = forms.read(DeploymentForm)
        version = _version(sent.pop("model"), sent.pop("version"))
        environment = environments.find(sent["environment"])
        if environment is not None and environment.protected:
            forms.check_typed(version.model_name)
        created = actions.create(actor=g.actor, release_id=UUID(version.id), **sent)
        link = {"address": url_for(".show", deployment_id=created.id), "label": "Open the deployment"}
        return fragments.go(_back_to(version), _message(created, is_live=created.live), link)

    return forms.answer(act, _new, Form(request.args.to_dict()))


@blp.get(AT)
@page()
def show(deployment_id: UUID) -> Response:
    """The deployment: its version, its states with their times, and the possible next steps."""
    return fragments.whole(SHOW, **_details(deployment_id))


@blp.route(STEP, methods=forms.METHODS)
@page(Role.PUBLISHER)
def move(deployment_id: UUID, status: str) -> Response:
    """What this status means for the deployment, and the form that sets it."""
    row = deployments.get(deployment_id)
    in_place = request.method == "POST" and requested_block("main")

    def act() -> Response:
        if _needs_name(environments.get_including_deleted(row.environment), status):
            forms.check_typed(row.model_name)
        moved = actions.edit(deployment_id, {"status": status}, actor=g.actor, expected=forms.counter())
        message = _message(moved)
        if in_place:
            return fragments.part(SHOW, "main", fragments.toast(message), **_details(deployment_id))
        return fragments.go(url_for(".show", deployment_id=deployment_id), message)

    def show_step(form: Form, code: int) -> Response:
        if in_place:
            return fragments.part(SHOW, "main", status=code, **_details(deployment_id, form))
        return _step(deployment_id, status, form, code)

    return forms.answer(act, show_step)


def about(environment: Any) -> str:
    """Return what to know before deploying there: `protected · frozen until 2026-11-30 08:00:00 UTC: Sale`."""
    return " · ".join(filter(None, ["protected" if environment.protected else "", freeze(environment)]))


def freeze(environment: Any) -> str:
    """Return `frozen until 2026-11-30 08:00:00 UTC: Sale`; an empty text if it is not frozen."""
    until = f" until {formats.exact(environment.frozen_until)}" if environment.frozen_until else ""
    return f"frozen{until}: {values.short(environment.frozen_reason, REASON)}" if environment.frozen else ""


def _message(row: Any, *, is_live: bool = False) -> str:
    what, where = f"{row.model_name} {row.version}", row.environment
    return f"{what} is live in {where}." if is_live else f"{what} to {where}: {row.status}."


def _back_to(version: Any) -> str:
    """Return the address of the page that the dialog was opened on; the version's if the form was a page of its own."""
    current = current_address(query=True)
    if is_htmx() and current != url_for("pages.overview.show") and urlsplit(current).path != url_for(".create"):
        return current
    return url_for("pages.versions.show", name=version.model_name, version=version.version)


def _version(model: str, version: str) -> Any:
    """Return that version. Raises Invalid."""
    try:
        return versions.named(model, version)
    except NotFound as missing:
        raise Invalid(missing.detail, errors={"version": [missing.detail]}) from missing


def _new(form: Form, status: int) -> Response:
    name = form.values.get("environment", "").strip()
    offered = list(environments.listing().page(Page(OFFERED)))
    environment = next((row for row in offered if row.place == name.lower()), None)
    blocked = verdicts.panel(name, list(form.refusal.gates)) if isinstance(form.refusal, Blocked) else None
    context = {
        "known": [(row.name, about(row)) for row in offered],
        "statuses": RECORDED,
        "protected": environment is not None and environment.protected,
        "blocked": blocked,
        "environment": environment,
        "frozen": [row for row in offered if row.frozen][:FROZEN],
        "now": datetime.now(UTC),
        **({} if environment is None or blocked else _before(form, environment)),
    }
    if requested_block("chosen"):
        return fragments.part(NEW, "chosen", form=form, **context)
    return fragments.form(NEW, form, status, **context)


def _before(form: Form, environment: Any) -> dict[str, Any]:
    """Return what to know before the version is deployed there: what is live or on its way, its gates, what differs."""
    try:
        version = _version(form.values.get("model", "").strip(), form.values.get("version", "").strip())
    except Invalid:
        return {}
    rows = stages.cells([version.model_id], [environment.place])[version.model_id][environment.place]
    judged = gates.verdicts([version.id], environment.place, g.actor.voice)[UUID(version.id)]
    there = matrix.cell(environment, rows)
    return {
        "going": version,
        "there": there,
        "panel": verdicts.panel(environment.place, judged),
        "directions": verdicts.directions(judged),
        **_replaced(version, there.live),
    }


def _replaced(version: Any, live: Any) -> dict[str, Any]:
    """Return the version that is live there and what differs from it; empty if nothing or this very version is live."""
    rows = versions.compared(version.model_name, [live.version]) if live and live.release_id != version.id else []
    return {"replaced": rows[0], **differences.between(rows[0], version)} if rows else {}


def _needs_name(environment: Any, status: str) -> bool:
    """Return whether the model's name has to be typed for this step: it goes live in a protected environment."""
    return bool(status == DeploymentStatus.SUCCESS and environment.protected)


def _step(deployment_id: UUID, status: str, form: Form, code: int) -> Response:
    row = deployments.get(deployment_id)
    context = {"to": status, "needs_name": _needs_name(environments.get_including_deleted(row.environment), status)}
    return fragments.form(MOVE, form, code, deployment=row, changed_by=forms.changed_by(row, code), **context)


def _details(deployment_id: UUID, form: Form | None = None) -> dict[str, Any]:
    """Return everything that the deployment's page shows."""
    row = deployments.get(deployment_id)
    environment = environments.get_including_deleted(row.environment)
    metadata = parsed(row.metadata_)
    return {
        "deployment": row,
        "environment": environment,
        **_course(row),
        **_changes(row),
        "rollback": rollbacks.details([row]).get(row.id),
        "own": values.lines(compare([metadata]).rows[:KEYS], [{}]),
        "moves": [(status, _needs_name(environment, status)) for status in _next(row)],
        "may_move": g.actor.role.holds(Role.RELEASER if environment.protected else Role.PUBLISHER),
        "entries": list(audit_logs.listing(resource_id=deployment_id).page(Page(ENTRIES)))[:ENTRIES],
        "form": form or Form(),
    }


def _next(row: Any) -> list[str]:
    """Return the statuses that may follow; `running` is last, so that no other button moves once it is gone."""
    return sorted(NEXT.get(row.status, ()), key=lambda status: status == DeploymentStatus.RUNNING)


def _course(row: Any) -> dict[str, Any]:
    """Return the deployment's steps with what let it through, and how long it and the ones before it took."""
    now, states, decision = datetime.now(UTC), deployments.states(UUID(row.id)), evidence.of(row.decision)
    earlier, usual = runs.of(row.id)
    so_far = run_steps.progress(row, states, usual, now)
    longest = max([float(run.seconds or 0) for run in earlier], default=0)
    return {
        "decision": decision,
        "steps": run_steps.steps(row, states, decision, so_far, now),
        "progress": so_far,
        "earlier": earlier,
        "longest": longest,
    }


def _changes(row: Any) -> dict[str, Any]:
    """Return what was live there before, what differs from it, and the versions that superseded it or were rolled back from."""
    around = runs.around(row.id)
    before, after = around.get("before"), around["after"]
    return {
        "around": around,
        "before": before,
        "directions": verdicts.directions_of(gates.directed(row.model_name)) if before else {},
        **(differences.between(before, after) if before else {}),
    }
