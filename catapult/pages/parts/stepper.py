"""The way of a version as steps: registered, the first environments, soak, approvals, release, production.

A step that is done keeps who did it and when, from what is recorded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from catapult.pages.parts.evidence import Evidence
from catapult.pages.parts.formats import clock, span
from catapult.pages.parts.verdicts import Panel
from catapult.queries.live import promotion_path
from catapult.rules.gates import OWN_REQUEST, Verdict
from catapult.tables import RELEASE, DeploymentStatus, GateKind

State = Literal["done", "running", "overridden", "frozen", "failed", "ahead"]
WORDS: dict[State, str] = {
    "done": "done",
    "running": "in progress",
    "overridden": "overridden",
    "frozen": "frozen",
    "failed": "did not succeed",
    "ahead": "to come",
}
"""The states, as screen readers hear them."""

FIRST = 2
"""The most environments that are shown before the last."""

PENDING, RUNNING = 15, 50
"""How far, in per cent, the ring of a deployment on its way is filled."""


@dataclass(frozen=True)
class Step:
    """A step: what it is, its state, who did it and when, and a note. `share` fills the ring of a step in progress, in per cent."""

    what: str
    state: State
    by: str = ""
    at: datetime | None = None
    note: str = ""
    share: int = 0
    deployment_id: str | None = None

    @property
    def label(self) -> str:
        """The state in words."""
        return WORDS[self.state]


@dataclass(frozen=True)
class Way:
    """What is known of a version on its way.

    `panels` are the current verdicts, `evidence` is what let it through, by target; `first` and `unfinished` are its
    deployments by environment. `stages` are all environments by rank, and `base` is the current release.
    """

    version: Any
    panels: Sequence[Panel]
    evidence: Mapping[str, Evidence | None]
    first: Mapping[str, Any]
    unfinished: Mapping[str, Any]
    stages: Sequence[Any]
    base: Any = None
    path: Sequence[Any] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", promotion_path(self.stages))

    def steps(self) -> list[Step]:
        """Return the steps in order. Those that no gate asks for are left out."""
        last = self.path[-1:]
        return [
            Step("Registered", "done", self.version.created_by, self.version.created_at),
            *(self._environment(stage) for stage in self._first_stages()),
            *self._gates(RELEASE),
            self._release(),
            *(step for stage in last for step in (*self._gates(stage.place), self._environment(stage))),
        ]

    def _gates(self, target: str) -> list[Step]:
        """Return the steps that gates of the target ask for."""
        return [step for step in (self._soak(target), self._approval(target)) if step is not None]

    def _first_stages(self) -> list[Any]:
        """Return the environments before the last that a gate names, or else those that it was deployed to."""
        before = self.path[:-1]
        gates = [verdict.gate for panel in self.panels for verdict in panel.verdicts]
        named = {gate.environment for gate in gates} | {gate.target for gate in gates}
        stages = [stage for stage in before if stage.place in named]
        return (stages or [stage for stage in before if stage.place in {*self.first, *self.unfinished}])[:FIRST]

    def _environment(self, stage: Any) -> Step:
        """Return the step of an environment: the first time that the version was live there."""
        row = self.first.get(stage.place)
        if row is not None:
            return Step(stage.name, *_done(row), deployment_id=row.id)
        row = self.unfinished.get(stage.place)
        if row is not None:
            share = RUNNING if row.status == DeploymentStatus.RUNNING else PENDING
            return Step(stage.name, "running", row.deployed_by, row.deployed_at, row.status, share, row.id)
        if stage.frozen:
            until = f" until {clock(stage.frozen_until)}" if stage.frozen_until else ""
            return Step(stage.name, "frozen", note=f"frozen{until}")
        return Step(stage.name, "ahead")

    def _release(self) -> Step:
        row = self.version
        if row.is_release:
            return Step("Release", "done", row.released_by, row.released_at)
        return Step("Release", "ahead", note=f"now {self.base.version}" if self.base else "")

    def _soak(self, target: str) -> Step | None:
        if self._is_through(target):
            return _from_evidence(self.evidence.get(target), GateKind.SOAKED, "Soak")
        verdicts = self._verdicts(target, GateKind.SOAKED)
        return _soaking(max(verdicts, key=_seconds_left)) if verdicts else None

    def _approval(self, target: str) -> Step | None:
        if self._is_through(target):
            return _from_evidence(self.evidence.get(target), GateKind.APPROVED, "Approved")
        verdicts = self._verdicts(target, GateKind.APPROVED)
        return _approving(min(verdicts, key=lambda verdict: verdict.passes_for_others)) if verdicts else None

    def _is_through(self, target: str) -> bool:
        return bool(self.version.is_release) if target == RELEASE else target in self.first

    def _verdicts(self, target: str, kind: GateKind) -> list[Verdict]:
        panels = (panel for panel in self.panels if panel.target == target)
        return [verdict for panel in panels for verdict in panel.verdicts if verdict.gate.kind_ == kind]


def _done(row: Any) -> tuple[State, str, datetime]:
    return ("overridden" if row.override else "done"), row.deployed_by, row.live_from


def _from_evidence(evidence: Evidence | None, kind: GateKind, what: str) -> Step | None:
    """Return the step as the evidence has it; None if there was no such gate then."""
    verdicts = [verdict for verdict in evidence.verdicts if verdict["kind"] == kind] if evidence else []
    if evidence is None or not verdicts:
        return None
    failed = next((verdict for verdict in verdicts if not verdict["passed"]), None)
    if failed:
        what = "Approval" if kind == GateKind.APPROVED else what
        return Step(f"{what} overridden", "overridden", evidence.by, evidence.at, _beginning(failed["detail"]))
    if kind == GateKind.APPROVED:
        names = dict.fromkeys(approval["by"] for approval in evidence.approvals)
        last = evidence.approvals[-1]["at"] if evidence.approvals else None
        return Step(f"{what} by {len(names)}", "done", ", ".join(names), last)
    return Step(what, "done", note=_beginning(verdicts[0]["detail"]))


def _beginning(detail: str) -> str:
    """Return the beginning of a verdict's sentence: `live in staging for 18 hours`."""
    return detail.partition(";")[0].removeprefix("it has been ").removeprefix("it has ")


def _seconds_live(verdict: Verdict) -> int:
    since = verdict.gate.since
    return 0 if since is None else max(0, int((verdict.gate.now - since).total_seconds()))


def _seconds_left(verdict: Verdict) -> int:
    return int(verdict.gate.seconds) - _seconds_live(verdict)


def _soaking(verdict: Verdict) -> Step:
    gate, left, passed = verdict.gate, _seconds_left(verdict), _seconds_live(verdict)
    if verdict.passed:
        return Step("Soak", "done", note=f"{span(passed)} in {gate.environment}")
    if gate.since is None:
        return Step("Soak", "ahead", note=f"{span(gate.seconds)} in {gate.environment}")
    note = f"{span(passed)} of {span(gate.seconds)}, ready {clock(gate.since + timedelta(seconds=gate.seconds))}"
    return Step(f"Soak, {span(left)} left", "running", note=note, share=100 * passed // gate.seconds)


def _approving(verdict: Verdict) -> Step:
    counted = [given for given in verdict.approvals if given.void in (None, OWN_REQUEST)]
    have, need = len(verdict.counted_voices), verdict.gate.count_
    state: State = "done" if have >= need else "running" if have else "ahead"
    names = ", ".join(dict.fromkeys(given.approved_by for given in counted))
    at = max((given.created_at for given in counted), default=None)
    return Step(f"Approved {have} of {need}", state, names, at, share=100 * have // need)
