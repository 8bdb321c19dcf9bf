"""Register pushed images as their registry describes them; the notification is untrusted."""

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
"""Refusals that a retry would not change. All others, including subclasses of these, are tried again."""
log = structlog.get_logger("catapult")


def add(pushes: Sequence[Push], *, actor: Actor) -> int:
    """Add a job for each image that a model asks for and the actor may register. Return their number. Raises Forbidden."""
    payloads = image_pushes.payloads(pushes, actor=actor)
    with audit.bookkeeping():
        queue.add(KIND, payloads)
    return len(payloads)


def run(_: str, payload: dict[str, Any]) -> None:
    """Raise errors of the registry, so that the queue tries again."""
    try:
        image_pushes.register(UUID(payload["model_id"]), payload["image"], UUID(payload["key_id"]))
    except Refusal as refusal:
        if type(refusal) not in ENDS:
            raise
        log.warning("an image that was pushed is not registered", image=payload["image"], reason=refusal.detail)
