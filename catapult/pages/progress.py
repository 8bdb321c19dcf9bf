"""`/deployments/<id>`: one deployment, how far it came, and what moves it on."""

from typing import Any
from uuid import UUID

from flask import Blueprint, Response, g, url_for

from catapult.actions import deployments as actions
from catapult.actions.deployment_states import NEXT
from catapult.pages.deployments import guarded
from catapult.pages.parts import forms, fragments, lists, values
from catapult.pages.parts.forms import Form
from catapult.pages.parts.page_request import asked, page
from catapult.pages.parts.values import Line
from catapult.queries import audit_logs, deployments, environments, rollbacks
from catapult.queries.lists.paging import Page
from catapult.rules.comparison import compare, parsed
from catapult.tables import DeploymentStatus, Role

blp = Blueprint("progress", __name__)
AT = "/deployments/<uuid:deployment_id>"
MOVE = f"{AT}/-/<any({','.join(status for status in DeploymentStatus if status != DeploymentStatus.PENDING)}):status>"
SHOW, FORM = "deployments/show.html", "deployments/move.html"
KEYS, ROOM, ENTRIES = 100, 80_000, 10
"""Keys of metadata that are shown, about so many characters of HTML for them, and entries of the audit log."""


@blp.get(AT)
@page()
def show(deployment_id: UUID) -> Response:
    """The deployment: what went where, its states with their times, and what may follow."""
    return fragments.whole(SHOW, **_shown(deployment_id))


@blp.get(MOVE)
@page(Role.PUBLISHER)
def confirm(deployment_id: UUID, status: str) -> Response:
    """What the step would do, and the name to type where it needs one."""
    return _form(deployment_id, status, Form(), 200)


@blp.post(MOVE)
@page(Role.PUBLISHER)
def move(deployment_id: UUID, status: str) -> Response:
    """The deployment has come to that state."""
    found = deployments.get(deployment_id)

    def act() -> Response:
        if _asks(found, environments.ever(found.environment), status):
            forms.check_typed(found.model_name)
        made = actions.edit(deployment_id, {"status": status}, actor=g.actor, expected=forms.counter())
        said = f"{made.model_name} {made.version} to {made.environment}: {made.status}."
        if not asked("main"):
            return fragments.go(url_for(".show", deployment_id=deployment_id), said)
        return fragments.part(SHOW, "main", fragments.toast(said), **_shown(deployment_id))

    def refused(form: Form, code: int) -> Response:
        if asked("main"):
            return fragments.part(SHOW, "main", status=code, **_shown(deployment_id, form))
        return _form(deployment_id, status, form, code)

    return forms.submit(act, refused)


def _asks(deployment: Any, place: Any, status: str) -> bool:
    """Whether the model's name has to be typed for that step: it would be live where a slip meets the public."""
    return status == DeploymentStatus.SUCCESS and guarded(deployment.environment, place)


def _form(deployment_id: UUID, status: str, form: Form, code: int) -> Response:
    found = deployments.get(deployment_id)
    asks = _asks(found, environments.ever(found.environment), status)
    changed_by = audit_logs.last_actor(deployment_id) if code == 412 else ""
    said = {"deployment": found, "to": status, "asks": asks, "changed_by": changed_by}
    return fragments.whole_or(asked("dialog-body", "form") and "form", FORM, code, form=form, **said)


def _shown(deployment_id: UUID, form: Form | None = None) -> dict[str, Any]:
    """Everything that the deployment's page shows."""
    row = deployments.get(deployment_id)
    place = environments.ever(row.environment)
    lines = _lines(parsed(row.metadata_))
    return {
        "deployment": row,
        "place": place,
        "states": deployments.states(deployment_id),
        "versions": rollbacks.named([row.superseded_by, row.rollback_of]),
        "told": rollbacks.told([row]).get(row.id),
        "lines": lines,
        "steps": [(status, _asks(row, place, status)) for status in NEXT.get(row.status, ())],
        "may_move": g.actor.role.holds(Role.RELEASER if place.protected else Role.PUBLISHER),
        "entries": list(audit_logs.listing(resource_id=deployment_id).page(Page(ENTRIES)))[:ENTRIES],
        "form": form or Form(),
    }


def _lines(metadata: dict[str, Any]) -> list[Line]:
    rows = compare([metadata]).rows[:KEYS]
    return list(lists.within((values.line(row, [None]) for row in rows), ROOM, lambda line: line.letters))
