"""Write the deliveries of new events, and make a job for each receiver to whom something is due."""

from typing import Any

from catapult import audit
from catapult.actions import deliveries
from catapult.jobs import queue


def run(_: str, __: dict[str, Any]) -> float | None:
    with audit.bookkeeping():
        more = deliveries.dispatch()
        queue.add("deliver", deliveries.receivers())
    return 0 if more else None
