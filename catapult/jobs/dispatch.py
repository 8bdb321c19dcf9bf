"""Write the deliveries of new events, and add a job for each receiver with due deliveries and for each image to verify."""

from typing import Any

from catapult import audit
from catapult.actions import deliveries
from catapult.extensions import current_settings
from catapult.jobs import queue, verify


def run(_: str, __: dict[str, Any]) -> float | None:
    with audit.bookkeeping():
        events = deliveries.dispatch()
        queue.add("deliver", deliveries.receivers())
        if current_settings().drift_every:
            about = [event.data.get("version_id") for event in events if event.type in verify.EVENTS]
            queue.add("verify", [version_id for version_id in about if version_id])
    return 0 if len(events) == deliveries.BATCH else None
