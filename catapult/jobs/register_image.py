"""Register what was pushed to an image registry, as that registry answers; the notification is not believed."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import structlog

from catapult import audit
from catapult.actions import image_pushes
from catapult.audit import Actor
from catapult.errors import Forbidden, Invalid, NotFound, Refusal
from catapult.jobs import queue
from catapult.rules.registry_events import Push

KIND = "register_image"
ENDS = (Forbidden, Invalid, NotFound)
"""What asking again would not change. Their subclasses are something else, and tried again as all that is not here."""
log = structlog.get_logger("catapult")


def add(pushes: Sequence[Push], *, actor: Actor) -> int:
    """Make a job of each image that a model asks for and the actor may register, and return how many. Raises Forbidden."""
    payloads = image_pushes.payloads(pushes, actor=actor)
    with audit.bookkeeping():
        queue.add(KIND, payloads)
    return len(payloads)


def run(_: str, payload: dict[str, Any]) -> None:
    """Raise what the registry could not be asked for, so that the queue tries again."""
    try:
        image_pushes.register(UUID(payload["model_id"]), payload["image"], UUID(payload["key_id"]))
    except Refusal as refusal:
        if type(refusal) not in ENDS:
            raise
        log.warning("an image that was pushed is not registered", image=payload["image"], reason=refusal.detail)
