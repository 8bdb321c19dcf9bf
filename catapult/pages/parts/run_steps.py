"""The steps of a deployment: asked for, let through by its gates, pending, running, and how it ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from catapult.actions.deployment_states import NEXT
from catapult.pages.parts.evidence import Evidence
from catapult.pages.parts.formats import clock, span
from catapult.pages.parts.stepper import State, Step
from catapult.tables import DeploymentStatus

ENDED: dict[str, tuple[str, State]] = {
    DeploymentStatus.SUCCESS: ("Live", "done"),
    DeploymentStatus.FAILED: ("Failed", "failed"),
    DeploymentStatus.CANCELLED: ("Cancelled", "failed"),
}


@dataclass(frozen=True)
class Progress:
    """How long a deployment has taken, and how long it usually takes, in seconds; `usual` is None if nothing is known."""

    seconds: float
    usual: float | None
    is_over: bool

    @property
    def share(self) -> int:
        """The part of the usual time that has passed, in per cent, at most 100."""
        return min(100, int(100 * self.seconds / self.usual)) if self.usual else 0


def progress(row: Any, states: Sequence[Any], usual: float | None, now: datetime) -> Progress:
    """Return how far the deployment is. `states` are those it has been in."""
    is_over = row.status not in NEXT
    end = states[-1].at if is_over and states else now
    return Progress(max(0.0, (end - row.deployed_at).total_seconds()), usual, is_over)


def steps(row: Any, states: Sequence[Any], decision: Evidence | None, so_far: Progress, now: datetime) -> list[Step]:
    """Return the steps in order; those that it skipped are left out."""
    return [
        Step("Asked for", "done", row.deployed_by, row.deployed_at),
        *_gates(decision),
        *(_passed(state, following.at) for state, following in pairwise(states)),
        *_end(row, states, so_far, now),
    ]


def _gates(decision: Evidence | None) -> list[Step]:
    if decision is None or not decision.verdicts:
        return []
    passed = sum(bool(verdict["passed"]) for verdict in decision.verdicts)
    what = f"Gates, {passed} of {len(decision.verdicts)}"
    if decision.override:
        return [Step(f"{what}, overridden", "overridden", decision.by, decision.at)]
    return [Step(what, "done", at=decision.at)]


def _passed(state: Any, until: datetime) -> Step:
    return Step(state.status.capitalize(), "done", at=state.at, note=f"for {span((until - state.at).total_seconds())}")


def _end(row: Any, states: Sequence[Any], so_far: Progress, now: datetime) -> list[Step]:
    """Return the state that the deployment is in, and what comes after it."""
    if row.status in ENDED:
        what, state = ENDED[row.status]
        return [Step(what, state, at=row.live_from or (states[-1].at if states else row.updated_at))]
    since = states[-1].at if states else row.deployed_at
    lasted = span((now - since).total_seconds())
    what, note = f"{row.status.capitalize()}, {lasted}", f"since {clock(since)} UTC"
    current = Step(what, "running", note=note, share=max(so_far.share, 5))
    return [current, Step("Live", "ahead", note=_expected(row, so_far))]


def _expected(row: Any, so_far: Progress) -> str:
    """Return when it should be live: `about 14:14`; an empty text if nothing is known or that time is over."""
    if not so_far.usual or so_far.seconds >= so_far.usual:
        return ""
    return f"about {clock(row.deployed_at + timedelta(seconds=so_far.usual))} UTC"
