"""`/environments/<name>/-/retire`: what retiring a model there ends, and the form that does it."""

from functools import partial
from uuid import UUID

from flask import Blueprint, Response, g, request

from catapult.actions import deployments as actions
from catapult.contract.control import Retirement
from catapult.errors import Conflict
from catapult.pages.deployments import freeze
from catapult.pages.environments import done
from catapult.pages.parts import forms, fragments
from catapult.pages.parts.forms import Form
from catapult.pages.parts.page_request import page
from catapult.queries import deployments, environments, history
from catapult.queries import registered_models as models
from catapult.tables import Role

blp = Blueprint("retirements", __name__)
AT, FORM = "/environments/<environment:name>/-/retire", "retirements/new.html"


@blp.route(AT, methods=forms.METHODS)
@page(Role.PUBLISHER)
def retire(name: str) -> Response:
    """What is live of the model and on its way there, and the form that ends it. The action checks the role there.

    The deployment that the form showed must still be live.
    """

    def act() -> Response:
        sent = forms.read(Retirement)
        environment, model = environments.named(name), models.called(sent["model_name"])
        if environment.protected:
            forms.check_typed(model.name)
        shown = forms.shown_id("from")
        retired = actions.retire(environment.place, actor=g.actor, shown=shown, **sent)
        return done(f"{retired.model_name} is retired from {retired.environment}.")

    return forms.answer(act, partial(_form, name), Form(request.args.to_dict()))


def _form(name: str, form: Form, status: int) -> Response:
    environment, model = environments.named(name), models.called(form.values.get("model_name", ""))
    live = history.steps_back(UUID(model.id), environment.place, None).live
    if live is None and form.refusal is None:
        nothing = f"Nothing of {model.name} is live in {environment.name}, so there is nothing to retire."
        form = Form(form.values, {}, Conflict(nothing))
    return fragments.form(
        FORM,
        form,
        status,
        environment=environment,
        model=model,
        live=live,
        unfinished=deployments.unfinished(UUID(model.id), environment.place),
        freeze=freeze(environment),
    )
