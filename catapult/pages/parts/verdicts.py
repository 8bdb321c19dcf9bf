"""The verdicts of gates, as pages show them beside the button that the gates block."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from flask import g

from catapult.audit import Actor
from catapult.errors import Blocked
from catapult.pages.parts import fragments, values
from catapult.rules.gates import Verdict
from catapult.tables import Direction, GateKind, Operator, Role

ORDER = {kind.value: position for position, kind in enumerate(GateKind)}
TOWARDS: dict[str, int] = {Operator.AT_LEAST: 1, Operator.ABOVE: 1, Operator.AT_MOST: -1, Operator.BELOW: -1}
TOWARDS |= {Direction.HIGHER: 1, Direction.LOWER: -1}
SHOWN, SENTENCES = 20, 600
"""Shown verdicts of one target, and characters of a toast that names them."""


@dataclass(frozen=True)
class Panel:
    """All verdicts on a version for one target, and what the person who looks at them may do."""

    target: str
    verdicts: list[Verdict]
    actor: Actor

    @property
    def shown(self) -> list[Verdict]:
        """The first `SHOWN` verdicts; if there are more, those that do not pass come first."""
        if len(self.verdicts) <= SHOWN:
            return self.verdicts
        return sorted(self.verdicts, key=lambda verdict: verdict.passed)[:SHOWN]

    @property
    def missing(self) -> list[Verdict]:
        """The verdicts that do not pass."""
        return [verdict for verdict in self.verdicts if not verdict.passed]

    @property
    def state(self) -> str:
        """The summary: `2 of 3 gates pass`."""
        passing, count = len(self.verdicts) - len(self.missing), len(self.verdicts)
        if count == 1:
            return "The gate passes" if passing else "1 gate does not pass"
        return f"All {count} gates pass" if passing == count else f"{passing} of {count} gates pass"

    @property
    def ratio(self) -> str:
        """How many gates pass: `2 of 4 gates`. Shown instead of the button that they block."""
        count = len(self.verdicts)
        return f"{count - len(self.missing)} of {count} gate{'s' if count > 1 else ''}"

    @property
    def share(self) -> int:
        """The gates that pass, per cent."""
        return 100 - 100 * len(self.missing) // len(self.verdicts)

    @property
    def first_approvable(self) -> Verdict | None:
        """The first gate that an approval by this person would count for."""
        if not self.actor.role.holds(Role.PUBLISHER):
            return None
        return next((it for it in self.verdicts if it.can_be_approved_by(self.actor.voice, self.actor.role)), None)

    @property
    def waits_for_others(self) -> bool:
        """Whether only this person is blocked, because the approval is their own."""
        return bool(self.missing) and all(verdict.passes_for_others for verdict in self.missing)

    @property
    def waits_for_approval(self) -> bool:
        """Whether nothing but approvals is missing."""
        return bool(self.missing) and all(verdict.gate.kind_ == GateKind.APPROVED for verdict in self.missing)


def panel(target: str, verdicts: Sequence[Verdict]) -> Panel:
    """Return the panel for the person who is signed in, ordered by kind of gate: approvals come last."""
    return Panel(target, sorted(verdicts, key=lambda verdict: ORDER[verdict.gate.kind_]), g.actor)


def panels(verdicts: dict[str, list[Verdict]]) -> list[Panel]:
    """Return the panel of every target, ordered by name."""
    return [panel(target, verdicts[target]) for target in sorted(verdicts)]


def directions(verdicts: Iterable[Verdict]) -> dict[str, int]:
    """Return `directions_of` the gates of these verdicts."""
    return directions_of(verdict.gate for verdict in verdicts)


def directions_of(gates: Iterable[Any]) -> dict[str, int]:
    """Return `{path: 1 or -1}`: whether higher or lower numbers are better, where all gates on the path agree."""
    by_path: dict[str, set[int]] = defaultdict(set)
    for gate in gates:
        if towards := TOWARDS.get(gate.op or gate.direction):
            by_path[gate.path].add(towards)
    return {path: signs.pop() for path, signs in by_path.items() if len(signs) == 1}


def toast(blocked: Blocked, override: str) -> str:
    """Return a toast that names the gates that do not pass; for an admin with a link to override them."""
    link = {"address": override, "label": "Override…"} if g.actor.role.holds(Role.ADMIN) else None
    return fragments.toast(values.short(blocked.detail, SENTENCES), bad=True, link=link)
