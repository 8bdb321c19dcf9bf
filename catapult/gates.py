"""What a gate says of a version, in a sentence with both numbers; from facts that were read already. No database here.

A gate is a rule on becoming a release, or on reaching an environment. `queries.gates` reads what is judged here.
"""

import hashlib
import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from catapult.tables import RELEASE, GateKind, Operator, Role

COMPARED: dict[str, Callable[[float, float], bool]] = {
    Operator.AT_LEAST: operator.ge,
    Operator.ABOVE: operator.gt,
    Operator.AT_MOST: operator.le,
    Operator.BELOW: operator.lt,
    Operator.EQUAL: operator.eq,
}
OWN_FIELDS: dict[str, tuple[str, ...]] = {
    GateKind.METRIC: ("path", "op", "value"),
    GateKind.NO_REGRESSION: ("path", "direction", "tolerance"),
    GateKind.METADATA_PRESENT: ("paths",),
    GateKind.RELEASED: (),
    GateKind.SOAKED: ("environment", "seconds"),
    GateKind.APPROVED: ("count", "role"),
}
"""The fields of each kind of gate, beside `model` and `target`."""

UNITS = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


class Word(NamedTuple):
    """An approval as it counts, or why it does not."""

    id: UUID
    approved_by: str
    api_key_id: UUID
    comment: str | None
    created_at: datetime
    void: str | None


@dataclass(frozen=True)
class Verdict:
    """What a gate says of a version: whether it lets it through, and why."""

    gate: Any
    passed: bool
    detail: str
    approvals: list[Word] = field(default_factory=list)

    def said(self) -> dict[str, Any]:
        """For an audit entry."""
        return {"id": str(self.gate.id), "kind": self.gate.kind_, "model": self.gate.model, "detail": self.detail}


def standing(gates: Iterable[Any]) -> str:
    """The gates as they stand, as text that is another one once any of them is changed, added or deleted."""
    told = sorted(f"{gate.id}:{gate.counter}" for gate in gates)
    return hashlib.sha256(" ".join(told).encode()).hexdigest()


def judge(fact: Any, approvals: Sequence[Any], stands: str, asker: UUID | None) -> Verdict:
    """The gate's verdict. `approvals` are all of this version and target that were not withdrawn; `asker` is a key's id."""
    if fact.kind_ == GateKind.APPROVED:
        words = [_word(fact, approval, stands, asker) for approval in approvals]
        return _approved(fact, words)
    passed, detail = _JUDGES[fact.kind_](fact)
    return Verdict(fact, passed, detail)


def _metric(fact: Any) -> tuple[bool, str]:
    if fact.number is None:
        return False, _no_number(fact)
    passed = COMPARED[fact.op](fact.number, fact.value)
    return passed, f"{fact.path} is {number(fact.number)}; it must be {fact.op} {number(fact.value)}"


def _no_regression(fact: Any) -> tuple[bool, str]:
    if fact.number is None:
        return False, _no_number(fact)
    other = "the present release" if fact.target == RELEASE else f"what is live in {fact.target}"
    if fact.base_id is None:
        none = "there is no release yet" if fact.target == RELEASE else f"nothing is live in {fact.target} yet"
        return True, f"{fact.path} is {number(fact.number)}; {none}"
    if fact.base_number is None:
        return True, f"{fact.path} is {number(fact.number)}; {other}, {fact.base_version}, has none"
    higher = fact.direction == "higher"
    bound = _exact(fact.base_number) + (-1 if higher else 1) * _exact(fact.tolerance)
    passed = _exact(fact.number) >= bound if higher else _exact(fact.number) <= bound
    by = f" by more than {number(fact.tolerance)}" if fact.tolerance else ""
    than = f"it must not be {'lower' if higher else 'higher'}{by} than {number(fact.base_number)} of {other}"
    return passed, f"{fact.path} is {number(fact.number)}; {than}, {fact.base_version}"


def _metadata_present(fact: Any) -> tuple[bool, str]:
    if fact.missing:
        return False, f"no {', '.join(fact.missing)} in its metadata"
    return True, f"{', '.join(fact.paths)} {'is' if len(fact.paths) == 1 else 'are'} in its metadata"


def _released(fact: Any) -> tuple[bool, str]:
    return fact.is_release, "it is a release" if fact.is_release else "it is no release; only releases get here"


def _soaked(fact: Any) -> tuple[bool, str]:
    if fact.since is None:
        return False, f"it is not live in {fact.environment}; it must be for {span(fact.seconds)}"
    lasted = max(0, int((fact.now - fact.since).total_seconds()))  # it began later than now where the clock was set back
    said = f"it is live in {fact.environment} for {span(lasted)} without break; it must be for {span(fact.seconds)}"
    return lasted >= fact.seconds, said


_JUDGES: dict[str, Callable[[Any], tuple[bool, str]]] = {
    GateKind.METRIC: _metric,
    GateKind.NO_REGRESSION: _no_regression,
    GateKind.METADATA_PRESENT: _metadata_present,
    GateKind.RELEASED: _released,
    GateKind.SOAKED: _soaked,
}


def _approved(fact: Any, words: list[Word]) -> Verdict:
    counted = len({word.api_key_id for word in words if word.void is None})
    who = "an admin" if fact.role == Role.ADMIN else f"a {fact.role} or higher"
    detail = f"approved by {counted} of {fact.count_} that it takes, each by {who}"
    void = "; ".join(f"that of {word.approved_by} does not count: {word.void}" for word in words if word.void)
    return Verdict(fact, counted >= fact.count_, f"{detail}; {void}" if void else detail, words)


def _word(fact: Any, approval: Any, stands: str, asker: UUID | None) -> Word:
    void = None
    if approval.standing != stands:
        void = "a gate was changed since"
    elif approval.revoked_at is not None:
        void = "its key was revoked"
    elif not Role(approval.role).holds(Role(fact.role)):
        void = f"its key is a {approval.role}"
    elif approval.api_key_id == fact.created_by_key:
        void = "its key registered the version"
    elif approval.api_key_id == asker:
        void = "its key is the one that asks"
    return Word(approval.id, approval.approved_by, approval.api_key_id, approval.comment, approval.created_at, void)


def _no_number(fact: Any) -> str:
    if fact.found is None or fact.found == "null":
        return f"no {fact.path} in its metadata"
    if fact.found == "number":
        return f"{fact.path} in its metadata stands in a list, and those are not read"
    kind = {"string": "text", "boolean": "true or false", "array": "a list", "object": "an object"}
    return f"{fact.path} in its metadata is no number but {kind.get(fact.found, fact.found)}"


def number(value: float) -> str:
    """As it was written, for the most part: `0.89`, `1200`, `1e-07`."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def _exact(value: float) -> Decimal:
    """As it is written: 0.95 - 0.01 is 0.94 here."""
    return Decimal(repr(value))


def span(seconds: int) -> str:
    """`1 day`, `36 hours` as `1 day 12 hours`, `90 seconds` as `1 minute 30 seconds`."""
    parts = []
    for size, unit in UNITS:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}{'' if count == 1 else 's'}")
    return " ".join(parts) or "0 seconds"
