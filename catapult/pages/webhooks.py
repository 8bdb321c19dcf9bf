"""`/webhooks`: where events are sent, what arrived, and the forms that create, change, rotate and delete one."""

from functools import partial
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, g, request, url_for

from catapult.actions import webhooks as actions
from catapult.contract.webhooks import WebhookEdit, WebhookIn
from catapult.extensions import current_settings
from catapult.pages.parts import forms, fragments, lists
from catapult.pages.parts.forms import Form
from catapult.pages.parts.page_request import page, requested_block
from catapult.queries import webhooks
from catapult.rules.subscriptions import SUBSCRIBED
from catapult.tables import Role, Webhook, WebhookFormat

blp = Blueprint("webhooks", __name__)
LIST, SHOW, FORM = "webhooks/index.html", "webhooks/show.html", "webhooks/form.html"
ROTATE, DELETE = "webhooks/rotate.html", "webhooks/delete.html"
AT = "/webhooks/<uuid:webhook_id>"
FORMATS = {
    WebhookFormat.STANDARD: "Standard Webhooks: signed JSON, for a program",
    WebhookFormat.CDEVENTS: "CDEvents: for pipelines",
    WebhookFormat.SLACK: "Slack, Mattermost, Rocket.Chat, Discord",
    WebhookFormat.TEAMS: "Microsoft Teams, by a workflow",
    WebhookFormat.EMAIL: "Mail to an address",
}
NEW = {"format": WebhookFormat.STANDARD, "models": "", "environments": ""}


@blp.get("/webhooks")
@page(Role.ADMIN)
def index() -> Response:
    """Every webhook, newest first."""
    actions.check_may_manage(g.actor)
    part = lists.part(webhooks.listing())
    context = {"formats": FORMATS, "links": bool(current_settings().public_url)}
    return fragments.whole_or(requested_block("list", "more"), LIST, part=part, **context)


@blp.get(AT)
@page(Role.ADMIN)
def show(webhook_id: UUID) -> Response:
    """A webhook with its deliveries of the last 30 days, newest first."""
    actions.check_may_manage(g.actor)
    webhook = webhooks.get(webhook_id)
    part = lists.part(webhooks.deliveries(webhook_id))
    return fragments.whole_or(requested_block("list", "more"), SHOW, part=part, webhook=webhook, formats=FORMATS)


@blp.route("/new/webhook", methods=forms.METHODS)
@page(Role.ADMIN)
def create() -> Response:
    """The form to create a webhook. Only the response to its POST shows the secret."""
    actions.check_may_manage(g.actor)
    return forms.answer(lambda: _with_secret(actions.create(actor=g.actor, **_read(WebhookIn))), partial(_form, None))


@blp.route(f"{AT}/-/edit", methods=forms.METHODS)
@page(Role.ADMIN)
def edit(webhook_id: UUID) -> Response:
    """The form to change a webhook. Its address is typed again, or stays."""
    actions.check_may_manage(g.actor)
    webhook = webhooks.get(webhook_id)

    def act() -> Response:
        fields = {"events": None, "models": None, "environments": None} | _read(WebhookEdit)
        actions.edit(webhook_id, fields, actor=g.actor, expected=forms.counter())
        return fragments.go(url_for(".show", webhook_id=webhook_id), "The webhook is changed.")

    return forms.answer(act, partial(_form, webhook), Form(_stored(webhook)))


@blp.route(f"{AT}/-/rotate", methods=forms.METHODS)
@page(Role.ADMIN)
def rotate(webhook_id: UUID) -> Response:
    """The form that makes a new secret. Only the response to its POST shows it."""
    actions.check_may_manage(g.actor)
    webhook = webhooks.get(webhook_id)
    return forms.answer(
        lambda: _with_secret(actions.rotate(webhook_id, actor=g.actor)),
        partial(fragments.form, ROTATE, webhook=webhook),
    )


@blp.route(f"{AT}/-/delete", methods=forms.METHODS)
@page(Role.ADMIN)
def delete(webhook_id: UUID) -> Response:
    """What deleting the webhook does, and the button that deletes it."""
    actions.check_may_manage(g.actor)
    webhook = webhooks.get(webhook_id)

    def act() -> Response:
        actions.delete(webhook_id, actor=g.actor, expected=forms.counter())
        return fragments.go(url_for(".index"), "The webhook is deleted.")

    return forms.answer(act, partial(fragments.form, DELETE, webhook=webhook))


@blp.post(f"{AT}/-/test")
@page(Role.ADMIN)
def send_test(webhook_id: UUID) -> Response:
    """Send a test, and show the deliveries."""
    actions.send_test(webhook_id, actor=g.actor)
    return fragments.go(url_for(".show", webhook_id=webhook_id), "A test is on its way.")


@blp.post("/deliveries/<uuid:delivery_id>/-/replay")
@page(Role.ADMIN)
def replay(delivery_id: UUID) -> Response:
    """Send a delivery again, and show the deliveries of its webhook."""
    delivery = actions.replay(delivery_id, actor=g.actor)
    return fragments.go(url_for(".show", webhook_id=delivery.webhook_id), "It is sent again.")


def _read(schema: type[WebhookIn] | type[WebhookEdit]) -> dict[str, Any]:
    """Return the form's fields. The events are ticked; none, or all, is every event. Raises Invalid."""
    fields = forms.read(schema)
    ticked = [kind for kind in SUBSCRIBED if kind in request.form.getlist("events")]
    return fields | {"events": ticked if 0 < len(ticked) < len(SUBSCRIBED) else None}


def _form(webhook: Any, form: Form, status: int) -> Response:
    ticked = request.form.getlist("events") if form.refusal else ((webhook and webhook.events) or [])
    return fragments.form(
        FORM,
        form,
        status,
        webhook=webhook,
        formats=list(FORMATS.items()),
        events=SUBSCRIBED,
        ticked=ticked,
        stored=_stored(webhook) if webhook else NEW,
        changed_by=forms.changed_by(webhook, status),
    )


def _stored(webhook: Any) -> dict[str, str]:
    """Return the webhook's values as its form shows them."""
    lists_of = {name: "\n".join(getattr(webhook, name) or ()) for name in ("models", "environments")}
    return {"format": webhook.format, "active": "false" if webhook.ended_at else "true", **lists_of}


def _with_secret(webhook: Webhook) -> Response:
    """Show the secret, once."""
    response = fragments.form(FORM, Form(), created=webhook, no_counts=True)
    response.cache_control.no_transform = True  # a compressed length would reveal something of it
    return response
