"""*Needs you* on the overview: what waits for the person who looks, the most urgent first."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from catapult.pages.parts.verdicts import Panel
from catapult.tables import RELEASE, GateKind

KINDS = ("failed", "overdue", "approve", "promote", "frozen")
"""What may wait, the most urgent first."""

MOST, OF_A_KIND = 7, 3
"""The most rows, and how many of a kind come before the first of a less urgent kind is left out."""


@dataclass(frozen=True)
class Need:
    """Something that waits: its kind, one of `KINDS`; its row; and its `panel` of gates if it is a promotion or an approval."""

    kind: str
    row: Any
    panel: Panel | None = None

    @property
    def target(self) -> str:
        """Where an approval would let the version go: `release`, `production`."""
        return "release" if self.row.target == RELEASE else str(self.row.target)

    @property
    def progress(self) -> str:
        """How many of the approvals there are: `1 of 2`."""
        panel = self.panel
        missing = [it for it in panel.missing if it.gate.kind_ == GateKind.APPROVED] if panel else []
        return ", ".join(f"{len(it.counted_voices)} of {it.gate.count_}" for it in missing[:1])


def most_urgent(needs: Iterable[Need]) -> list[Need]:
    """Return `MOST` needs, the most urgent first, so that many of one kind leave room for the others."""
    by_kind: dict[str, list[Need]] = {kind: [] for kind in KINDS}
    for need in needs:
        by_kind[need.kind].append(need)
    first = [need for kind in KINDS for need in by_kind[kind][:OF_A_KIND]]
    rest = [need for kind in KINDS for need in by_kind[kind][OF_A_KIND:]]
    return sorted([*first, *rest][:MOST], key=lambda need: KINDS.index(need.kind))
