"""`/environments/<name>/-/rollback`: what a rollback would change, and the form that does it."""

from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, g, request

from catapult.actions import deployments as actions
from catapult.contract.control import Rollback
from catapult.errors import Conflict
from catapult.pages.deployments import freeze
from catapult.pages.environments import done
from catapult.pages.parts import differences, forms, fragments, verdicts
from catapult.pages.parts.forms import Form
from catapult.pages.parts.page_request import page
from catapult.queries import environments, gates, history, rollbacks, versions
from catapult.queries import registered_models as models
from catapult.queries.history import Steps
from catapult.tables import Role

blp = Blueprint("rollbacks", __name__)
AT, FORM = "/environments/<environment:name>/-/rollback", "rollbacks/new.html"


@blp.route(AT, methods=forms.METHODS)
@page(Role.RELEASER)
def roll_back(name: str) -> Response:
    """The difference between the live version and the one to go back to, and the form that makes that one live again.

    The deployment that the form showed must still be live.
    """

    def act() -> Response:
        sent = forms.read(Rollback)
        environment, model = environments.named(name), models.called(sent["model_name"])
        if environment.protected:
            forms.check_typed(model.name)
        shown = forms.shown_id("from")
        created = actions.rollback(environment.place, actor=g.actor, shown=shown, **sent)
        return done(f"{created.model_name} is back on {created.version} in {created.environment}.")

    return forms.answer(act, partial(_form, name), Form(request.args.to_dict()))


def _form(name: str, form: Form, status: int) -> Response:
    environment, model = environments.named(name), models.called(form.values.get("model_name", ""))
    steps = history.steps_back(UUID(model.id), environment.place, forms.as_id(form.values.get("to", "")))
    if steps.target is None:
        steps = history.steps_back(UUID(model.id), environment.place, None)
    context = {"environment": environment, "model": model, "freeze": freeze(environment), "now": datetime.now(UTC)}
    try:
        actions.rollback_step(steps, model, environment, None)
    except Conflict as conflict:
        form = Form(form.values, {}, conflict)
    else:
        rows = versions.compared(model.name, [steps.live.version, steps.target.version])
        context |= {"steps": steps, "target": rows[-1], **differences.between(*rows), **_gates(environment, steps)}
        context["offered"] = rollbacks.choices(UUID(model.id), environment.place, steps.live.release_id)
    return fragments.form(FORM, form, status, **context)


def _gates(environment: Any, steps: Steps) -> dict[str, Any]:
    """Return the gates that would block an ordinary deployment of the target, and in which direction numbers are better."""
    judged = gates.verdicts([steps.target.release_id], environment.place, g.actor.voice)[steps.target.release_id]
    return {"passed": [it for it in judged if not it.passed], "directions": verdicts.directions(judged)}
