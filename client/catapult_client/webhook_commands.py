"""`catapult webhook …`: the commands for webhooks and their deliveries."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from .output import Output, columns
from .registry import Registry
from .webhook_records import Delivery, Webhook

Options = argparse.Namespace


def listing(registry: Registry[Any], options: Options, out: Output) -> bool:
    """List webhooks."""
    rows = list(registry.list_webhooks())
    out.result(rows, *columns([(row.id, row.state, row.format, _events(row), _shown(row)) for row in rows]))
    if not rows:
        out.tell("There are no webhooks.")
    return True


def create(registry: Registry[Any], options: Options, out: Output) -> bool:
    """Create a webhook. Its address is a secret, so it may come from standard input."""
    url = sys.stdin.readline().strip() if options.address == "-" else options.address
    chosen = {"events": options.events, "models": options.models, "environments": options.environments}
    return _with_secret(registry.create_webhook(url, format=options.format, **chosen), out)


def rotate(registry: Registry[Any], options: Options, out: Output) -> bool:
    """Give the webhook a new secret."""
    return _with_secret(registry.rotate_webhook(options.id), out)


def test(registry: Registry[Any], options: Options, out: Output) -> bool:
    """Send a test."""
    delivery = registry.test_webhook(options.id)
    out.result(delivery, f"A test is on its way: {delivery.id}")
    return True


def delete(registry: Registry[Any], options: Options, out: Output) -> bool:
    """Delete the webhook."""
    registry.delete_webhook(options.id)
    out.result({"id": options.id, "deleted": True}, f"{options.id} is deleted")
    return True


def deliveries(registry: Registry[Any], options: Options, out: Output) -> bool:
    """List the webhook's deliveries."""
    rows = list(registry.list_deliveries(options.id))
    out.result(rows, *columns([(row.id, row.state, row.type, _last(row)) for row in rows]))
    return True


def replay(registry: Registry[Any], options: Options, out: Output) -> bool:
    """Send the delivery again."""
    delivery = registry.replay_delivery(options.id)
    out.result(delivery, f"{delivery.type} is sent again")
    return True


def _with_secret(webhook: Webhook, out: Output) -> bool:
    if webhook.secret is None:  # an earlier try created it, and the registry does not show the secret again
        out.tell(f"The answer with the secret was lost. Run: catapult webhook rotate {webhook.id}")
    out.result(webhook, f"Webhook: {webhook.id}", *([f"Secret: {webhook.secret}"] if webhook.secret else []))
    return webhook.secret is not None


def _shown(webhook: Webhook) -> str:
    return f"{webhook.host}…{webhook.url_end}"


def _events(webhook: Webhook) -> str:
    return "every event" if webhook.events is None else ",".join(webhook.events)


def _last(delivery: Delivery) -> str:
    last = delivery.log[0] if delivery.log else {}
    return str(last.get("status") or last.get("error") or "not tried yet")
