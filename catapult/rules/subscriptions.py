"""Which events are sent to a webhook."""

from collections.abc import Mapping
from typing import Any

from catapult.rules import targets
from catapult.rules.bounds import Bounds
from catapult.tables import EventType, Webhook

SUBSCRIBED = [kind for kind in EventType if kind != EventType.WEBHOOK_TEST]
"""The events that one can subscribe to. A test is sent to the one webhook that is tried."""


def wants(webhook: Webhook, kind: str, data: Mapping[str, Any]) -> bool:
    """Return whether this event is sent to the webhook.

    A filter by model does not exclude events without a model, such as `environment.frozen`. A filter by environment does not
    exclude events without an environment, such as promotions.
    """
    if kind not in SUBSCRIBED or (webhook.events is not None and kind not in webhook.events):
        return False
    environment = data.get("environment") or data.get("target")
    bounds = Bounds(
        None if webhook.models is None else tuple(webhook.models),
        None if webhook.environments is None else tuple(webhook.environments),
    )
    return ("model" not in data or bounds.has_model(data["model"])) and (
        environment is None or not targets.is_environment(environment) or bounds.has_environment(environment)
    )
