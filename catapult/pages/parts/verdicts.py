"""What gates say of a version, as a page shows it: beside the button that they hold back."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from flask import g
from markupsafe import escape

from catapult.audit import Actor
from catapult.errors import Blocked
from catapult.pages.parts import fragments, lists, values
from catapult.rules.gates import Verdict
from catapult.tables import Direction, GateKind, Operator, Role

ORDER = {kind.value: place for place, kind in enumerate(GateKind)}
TOWARDS = {
    Operator.AT_LEAST: 1,
    Operator.ABOVE: 1,
    Operator.AT_MOST: -1,
    Operator.BELOW: -1,
    Direction.HIGHER: 1,
    Direction.LOWER: -1,
}
ROOM = 24_000
"""Characters of HTML for all that is said of one target."""

SENTENCES = 600
AROUND, DETAIL, COMMENT, WORDS = 420, 300, 200, 8
"""Of a verdict: what stands around its texts, how much of one and of an approval's comment is shown, and how many approvals."""


@dataclass(frozen=True)
class Panel:
    """All verdicts on a version's way to a target, and what whoever looks at them may do there."""

    target: str
    verdicts: list[Verdict]
    actor: Actor

    @property
    def shown(self) -> list[Verdict]:
        """As many as there is room for, what stands in the way before the others if it is not for all."""
        first = sorted(self.verdicts, key=lambda verdict: verdict.passed)
        found = list(lists.within(first, ROOM, _letters)) or first[:1]
        return self.verdicts if len(found) == len(self.verdicts) else found

    @property
    def missing(self) -> list[Verdict]:
        """What does not let the version through."""
        return [verdict for verdict in self.verdicts if not verdict.passed]

    @property
    def state(self) -> str:
        """`2 of 3 gates pass`."""
        passing, count = len(self.verdicts) - len(self.missing), len(self.verdicts)
        if count == 1:
            return "The gate passes" if passing else "1 gate does not pass"
        return f"All {count} gates pass" if passing == count else f"{passing} of {count} gates pass"

    @property
    def wants(self) -> Verdict | None:
        """The first gate that an approval of whoever looks would be of use for."""
        if not self.actor.role.holds(Role.PUBLISHER):
            return None
        return next((one for one in self.verdicts if one.wants(self.actor.key_id, self.actor.role)), None)

    @property
    def waits_for_others(self) -> bool:
        """Whether only whoever looks is held back, since the approval is theirs."""
        return bool(self.missing) and all(verdict.passes_for_others for verdict in self.missing)

    @property
    def waits_for_approval(self) -> bool:
        """Whether nothing but approvals is missing."""
        return bool(self.missing) and all(verdict.gate.kind_ == GateKind.APPROVED for verdict in self.missing)


def panel(target: str, verdicts: Sequence[Verdict]) -> Panel:
    """The panel for whoever is signed in, in order of the gates' kinds: what takes people comes last."""
    return Panel(target, sorted(verdicts, key=lambda verdict: ORDER[verdict.gate.kind_]), g.actor)


def panels(said: dict[str, list[Verdict]]) -> list[Panel]:
    """Those of every target, in order of name."""
    return [panel(target, said[target]) for target in sorted(said)]


def directions(verdicts: Iterable[Verdict]) -> dict[str, int]:
    """`{path: 1 or -1}` of the numbers of which gates say whether higher or lower ones are better, if all of them agree."""
    said: dict[str, set[int]] = defaultdict(set)
    for verdict in verdicts:
        if towards := TOWARDS.get(verdict.gate.op or verdict.gate.direction):
            said[verdict.gate.path].add(towards)
    return {path: found.pop() for path, found in said.items() if len(found) == 1}


def toast(blocked: Blocked, override: str) -> str:
    """The toast that names what stands in the way; for an admin with the way to the dialog that passes it."""
    link = {"address": override, "label": "Override…"} if g.actor.role.holds(Role.ADMIN) else None
    return fragments.toast(values.short(blocked.detail, SENTENCES), bad=True, link=link)


def _letters(verdict: Verdict) -> int:
    words: Any = verdict.approvals[:WORDS]
    texts = (text for word in words for text in (word.approved_by, (word.comment or "")[:COMMENT], word.void or ""))
    return AROUND + 2 * len(escape(verdict.detail[:DETAIL])) + sum(160 + len(escape(text)) for text in texts)
