"""Record refused sign-ins and roles in the audit log, sampled so that nobody can fill it, and count refusals by gates."""

import time
from collections import Counter
from threading import Lock
from typing import Any

from flask import g, request

from catapult import audit
from catapult.actions import gates
from catapult.audit import Actor
from catapult.errors import Blocked, Forbidden, Refusal, Unauthenticated


class Sample:
    """Limit what this process records in a minute: `each` for one subject, `total` for all."""

    def __init__(self, each: int, total: int) -> None:
        self.each, self.total = each, total
        self.minute, self.seen, self.skipped = 0, Counter[Any](), 0
        self._lock = Lock()

    def take(self, subject: Any) -> int | None:
        """Return how many were skipped since the last recorded one, or None to skip this one too."""
        with self._lock:
            minute = int(time.monotonic() // 60)
            if minute != self.minute:
                self.minute, self.seen = minute, Counter()
            if self.seen[subject] >= self.each or self.seen.total() >= self.total:
                self.skipped += 1
                return None
            self.seen[subject] += 1
            skipped, self.skipped = self.skipped, 0
            return skipped


SAMPLE = Sample(each=5, total=60)


def record(refusal: Refusal) -> None:
    """Record a refused sign-in or a 403 in the audit log, as often as `SAMPLE` allows, and count what gates refuse."""
    if isinstance(refusal, Unauthenticated) and "refused" in g:
        _record("auth.refused", *g.refused)
    elif isinstance(refusal, Forbidden) and "actor" in g:
        _record("auth.forbidden", g.actor, {"method": request.method, "path": request.path})
    elif isinstance(refusal, Blocked):
        gates.count_refusals(refusal.gates)


def _record(action: str, actor: Actor, details: dict[str, Any]) -> None:
    skipped = SAMPLE.take((action, actor.key_id, actor.ip_address))
    if skipped is not None:
        more = {"not_recorded": skipped} if skipped else {}
        audit.note(audit.refused(actor, action, {**details, **more}))
