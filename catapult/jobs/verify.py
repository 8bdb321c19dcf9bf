"""Ask the image registry about one version: after it was registered, and every `DRIFT_EVERY` seconds while it is live."""

import time
from datetime import timedelta
from typing import Any
from uuid import UUID

from catapult.actions import image_checks, images
from catapult.audit import WORKER
from catapult.errors import Conflict, NotFound
from catapult.extensions import current_settings
from catapult.queries import image_checks as queries
from catapult.rules import image_reference

EVENTS = ("version.created", "deployment.success", "deployment.rolled_back")
"""The events after which their version is verified."""
NEW, AGAIN = timedelta(hours=1), 300.0
"""For how long a new version is tried again if the registry was unreachable, and the seconds between two tries."""
ANOTHER = 1.0
DOWN, MOST_DOWN = 60.0, 1_000
"""Seconds for which an unreachable host is not asked again, and the most such hosts that are remembered.

Otherwise a hanging registry would take ten seconds for each of its versions, and other registries would wait.
"""
_down: dict[str, float] = {}


def run(key: str, _: dict[str, Any]) -> float | None:
    every = float(current_settings().drift_every)
    subject = queries.subject(UUID(key)) if every else None
    if subject is None or image_reference.image_fault(subject.repository, subject.storage_path, subject.digest):
        return None
    host = str(subject.pull_from).partition("/")[0]
    if (wait := _down.get(host, 0) - time.monotonic()) > 0:
        return wait + ANOTHER
    answer = images.look_up(subject)
    if answer.status is None:
        if len(_down) >= MOST_DOWN:
            _down.clear()
        _down[host] = time.monotonic() + max(DOWN, answer.retry_after)
    try:
        image_checks.record(subject, answer, actor=WORKER)
    except NotFound:
        return None
    except Conflict:
        return ANOTHER
    if subject.is_live:
        return max(every, answer.retry_after)
    is_new = subject.now - subject.created_at < NEW
    return max(AGAIN, answer.retry_after) if answer.status is None and is_new else None
