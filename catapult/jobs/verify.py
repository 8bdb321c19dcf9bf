"""Ask the image registry about one version: after it was registered, and every `DRIFT_EVERY` seconds while it is live."""

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
"""The events after which the version that they are about is asked about."""
NEW, AGAIN = timedelta(hours=1), 300.0
"""For how long a new version is asked about again where the registry was not reached, and after how many seconds each time."""
ANOTHER = 1.0


def run(key: str, _: dict[str, Any]) -> float | None:
    every = float(current_settings().drift_every)
    subject = queries.subject(UUID(key)) if every else None
    if subject is None or image_reference.image_fault(subject.repository, subject.storage_path, subject.digest):
        return None
    answer = images.look(subject)
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
