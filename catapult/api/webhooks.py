"""`/api/v1/webhooks` and `/api/v1/deliveries`, for admins without bounds."""

from typing import Any
from uuid import UUID

from flask import g

from catapult.actions import webhooks as actions
from catapult.api.wire import etags
from catapult.api.wire.blueprint import Blueprint
from catapult.api.wire.parameters import PageQuery
from catapult.contract.webhooks import DeliveryOut, NewWebhookOut, NoFields, WebhookEdit, WebhookIn, WebhookOut
from catapult.errors import Conflict, NotFound, PreconditionFailed
from catapult.queries import webhooks
from catapult.queries.lists.paging import Listing
from catapult.tables import Delivery, Role, Webhook

blp = Blueprint("webhooks", __name__, url_prefix="/api/v1", description="Where events are sent")


@blp.get("/webhooks", Role.ADMIN)
@blp.arguments(PageQuery)
@blp.lists(WebhookOut)
def list_webhooks(_: dict[str, Any]) -> Listing:
    """List webhooks, newest first"""
    actions.check_may_manage(g.actor)
    return webhooks.listing()


@blp.post("/webhooks", Role.ADMIN)
@blp.arguments(WebhookIn)
@blp.answers(
    201,
    NewWebhookOut,
    etag=True,
    location="/api/v1/webhooks/{id}",
    secret="secret",  # noqa: S106 - a field's name
    refuses=(Conflict,),
)
def create_webhook(body: dict[str, Any]) -> Webhook:
    """Create a webhook"""
    return actions.create(actor=g.actor, **body)


@blp.get("/webhooks/<uuid:webhook_id>", Role.ADMIN)
@blp.answers(200, WebhookOut, etag=True, refuses=(NotFound,))
def get_webhook(webhook_id: UUID) -> Any:
    """Get a webhook"""
    actions.check_may_manage(g.actor)
    return webhooks.get(webhook_id)


@blp.put("/webhooks/<uuid:webhook_id>", Role.ADMIN)
@blp.arguments(WebhookEdit)
@blp.answers(200, WebhookOut, etag=True, refuses=(NotFound, PreconditionFailed))
def edit_webhook(body: dict[str, Any], webhook_id: UUID) -> Any:
    """Change a webhook"""
    actions.edit(webhook_id, body, actor=g.actor, expected=etags.expected())
    return webhooks.get(webhook_id)


@blp.delete("/webhooks/<uuid:webhook_id>", Role.ADMIN)
@blp.deletes(refuses=(NotFound, PreconditionFailed))
def delete_webhook(webhook_id: UUID) -> None:
    """Delete a webhook"""
    actions.delete(webhook_id, actor=g.actor, expected=etags.expected())


@blp.post("/webhooks/<uuid:webhook_id>/rotate", Role.ADMIN)
@blp.arguments(NoFields)
@blp.answers(201, NewWebhookOut, secret="secret", refuses=(NotFound,))  # noqa: S106 - a field's name
def rotate_webhook(_: dict[str, Any], webhook_id: UUID) -> Webhook:
    """Rotate a webhook's secret"""
    return actions.rotate(webhook_id, actor=g.actor)


@blp.post("/webhooks/<uuid:webhook_id>/test", Role.ADMIN)
@blp.arguments(NoFields)
@blp.answers(201, DeliveryOut, refuses=(NotFound, Conflict))
def try_webhook(_: dict[str, Any], webhook_id: UUID) -> Delivery:
    """Send a test event to a webhook"""
    return actions.send_test(webhook_id, actor=g.actor)


@blp.get("/webhooks/<uuid:webhook_id>/deliveries", Role.ADMIN)
@blp.arguments(PageQuery)
@blp.lists(DeliveryOut, refuses=(NotFound,))
def list_deliveries(_: dict[str, Any], webhook_id: UUID) -> Listing:
    """List a webhook's deliveries, newest first"""
    actions.check_may_manage(g.actor)
    return webhooks.deliveries(webhook_id).with_check(lambda: webhooks.get(webhook_id))


@blp.post("/deliveries/<uuid:delivery_id>/replay", Role.ADMIN)
@blp.arguments(NoFields)
@blp.answers(201, DeliveryOut, refuses=(NotFound, Conflict))
def replay_delivery(_: dict[str, Any], delivery_id: UUID) -> Delivery:
    """Send a delivery again, with the same webhook-id"""
    return actions.replay(delivery_id, actor=g.actor)
