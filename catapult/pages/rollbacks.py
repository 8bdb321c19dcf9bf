"""`/environments/<name>/-/rollback`: what going back would change, and the form that does it."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, g, request

from catapult.actions import deployments as actions
from catapult.contract.control import Rollback
from catapult.errors import Conflict
from catapult.pages.deployments import about, guarded
from catapult.pages.environments import done
from catapult.pages.parts import formats, forms, fragments, lists, values
from catapult.pages.parts.forms import Form
from catapult.pages.parts.page_request import asked, page
from catapult.pages.parts.values import Line
from catapult.queries import environments, gates, history, metrics, rollbacks, versions
from catapult.queries import registered_models as models
from catapult.queries.history import Steps
from catapult.rules.comparison import Row, compare, parsed
from catapult.tables import Role

blp = Blueprint("rollbacks", __name__)
AT, FORM = "/environments/<name>/-/rollback", "environments/rollback.html"
KEYS, ROOM = 12, 60_000
"""Keys that differ that are shown, and about so many characters of HTML for them."""

ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


@blp.get(AT)
@page(Role.RELEASER)
def confirm(name: str) -> Response:
    """What differs between what is live there and what would be, and the form that asks for the reason."""
    return _show(name, Form(request.args.to_dict()))


@blp.post(AT)
@page(Role.RELEASER)
def roll_back(name: str) -> Response:
    """What was shown as live has ended, and what was shown beside it is live again."""

    def act() -> Response:
        sent = forms.read(Rollback)
        place, model = environments.named(name), models.called(sent["model_name"])
        if guarded(place.name, place):
            forms.check_typed(model.name)
        shown = request.form.get("from", "")
        seen = UUID(shown) if ID.fullmatch(shown) else None
        made = actions.rollback(place.name, actor=g.actor, shown=seen, **sent)
        return done(f"{made.model_name} is back on {made.version} in {made.environment}.")

    return forms.submit(act, lambda form, status: _show(name, form, status))


def _show(name: str, form: Form, status: int = 200) -> Response:
    place, model = environments.named(name), models.called(form.values.get("model_name", ""))
    asked_for = form.values.get("to", "")
    steps = history.steps_back(UUID(model.id), place.place, UUID(asked_for) if ID.fullmatch(asked_for) else None)
    if steps.target is None:
        steps = history.steps_back(UUID(model.id), place.place, None)
    said = {
        "place": place,
        "model": model,
        "steps": steps,
        "about": about(place),
        "guarded": guarded(place.name, place),
        "now": datetime.now(UTC),
    }
    try:
        actions.way_back(steps, model, place, None)
    except Conflict as nothing:
        form = Form(form.values, {}, nothing)
        said["steps"] = None
    else:
        said |= _difference(model, steps) | _passed(place, steps)
        said["offered"] = rollbacks.offered(UUID(model.id), place.place, steps.live.release_id)
    return fragments.whole_or(asked("dialog-body", "form") and "form", FORM, status, form=form, **said)


def _difference(model: Any, steps: Steps) -> dict[str, Any]:
    """The keys of both versions' metadata that differ, the first of them: what is live now, and what would be."""
    found = versions.compared(model.name, [steps.live.version, steps.target.version])
    columns = [parsed(row.metadata_) for row in found]
    rows = compare(columns, first=metrics.MAIN).different
    lines = _lines(rows, [formats.commit_address(column) for column in columns])
    return {"target": found[-1], "lines": lines, "more_keys": len(rows) - len(lines)}


def _lines(rows: Sequence[Row], commits: list[str | None]) -> list[Line]:
    lines = (values.line(row, commits) for row in rows[:KEYS])
    return list(lists.within(lines, ROOM, lambda line: line.letters))


def _passed(place: Any, steps: Steps) -> dict[str, Any]:
    """The gates that the version would be held back by if it were deployed."""
    verdicts = gates.verdicts([steps.target.release_id], place.place, g.actor.key_id)[steps.target.release_id]
    return {"passed": [verdict for verdict in verdicts if not verdict.passed]}
