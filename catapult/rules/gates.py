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

from catapult.tables import RELEASE, Direction, GateKind, Operator, Role

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

CHANGED, ASKS = "a gate was changed since", "its key is the one that asks"
"""Why an approval does not count that its key may give again, and why one counts only for whoever else asks."""

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

    @property
    def passes_for_others(self) -> bool:
        """Whether it lets the version through at least where somebody asks who has not approved of it."""
        if self.passed or self.gate.kind_ != GateKind.APPROVED:
            return self.passed
        needed: int = self.gate.count_
        return len({word.api_key_id for word in self.approvals if word.void in (None, ASKS)}) >= needed

    def wants(self, key_id: UUID | None, role: Role) -> bool:
        """Whether approvals are missing and one by this key would be among those that count."""
        if self.gate.kind_ != GateKind.APPROVED or self.passes_for_others or key_id is None:
            return False
        given = {word.api_key_id for word in self.approvals if word.void != CHANGED}
        return key_id not in given and _unfit(self.gate, key_id, role) is None


def rule(gate: Any) -> str:
    """What the gate asks for, in a few words: `accuracy >= 0.9`."""
    return _RULES[gate.kind_](gate)


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
    other = _other(fact)
    if fact.base_id is None:
        none = "there is no release yet" if fact.target == RELEASE else f"nothing is live in {fact.target} yet"
        return True, f"{fact.path} is {number(fact.number)}; {none}"
    if fact.base_number is None:
        return True, f"{fact.path} is {number(fact.number)}; {other}, {fact.base_version}, has none"
    higher = fact.direction == Direction.HIGHER
    bound = _exact(fact.base_number) + (-1 if higher else 1) * _exact(fact.tolerance)
    passed = _exact(fact.number) >= bound if higher else _exact(fact.number) <= bound
    than = f"it must not be {_worse(fact)} than {number(fact.base_number)} of {other}"
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
    lasted = max(0, int((fact.now - fact.since).total_seconds()))  # below 0 where the clock was set back
    said = f"it is live in {fact.environment} for {span(lasted, parts=2)} without break; it must be for {span(fact.seconds)}"
    return lasted >= fact.seconds, said


_JUDGES: dict[str, Callable[[Any], tuple[bool, str]]] = {
    GateKind.METRIC: _metric,
    GateKind.NO_REGRESSION: _no_regression,
    GateKind.METADATA_PRESENT: _metadata_present,
    GateKind.RELEASED: _released,
    GateKind.SOAKED: _soaked,
}


_RULES: dict[str, Callable[[Any], str]] = {
    GateKind.METRIC: lambda gate: f"{gate.path} {gate.op} {number(gate.value)}",
    GateKind.NO_REGRESSION: lambda gate: f"{gate.path} not {_worse(gate)} than that of {_other(gate)}",
    GateKind.METADATA_PRESENT: lambda gate: f"{', '.join(gate.paths)} in its metadata",
    GateKind.RELEASED: lambda gate: "releases only",
    GateKind.SOAKED: lambda gate: f"live in {gate.environment} for {span(gate.seconds)} without break",
    GateKind.APPROVED: lambda gate: f"approved by {_keys(gate.count_)} {_who(gate.role)}",
}


def _other(gate: Any) -> str:
    """What a version is compared with on its way to the gate's target."""
    return "the present release" if gate.target == RELEASE else f"what is live in {gate.target}"


def _worse(gate: Any) -> str:
    by = f" by more than {number(gate.tolerance)}" if gate.tolerance else ""
    return f"{'lower' if gate.direction == Direction.HIGHER else 'higher'}{by}"


def _who(role: str) -> str:
    return "an admin" if role == Role.ADMIN else f"a {role} or higher"


def _keys(count: int) -> str:
    return "another key," if count == 1 else f"{count} other keys, each"


def _approved(fact: Any, words: list[Word]) -> Verdict:
    counted = len({word.api_key_id for word in words if word.void is None})
    detail = f"approved by {counted} of {fact.count_} that it takes, each by {_who(fact.role)}"
    void = "; ".join(f"that of {word.approved_by} does not count: {word.void}" for word in words if word.void)
    return Verdict(fact, counted >= fact.count_, f"{detail}; {void}" if void else detail, words)


def _word(fact: Any, approval: Any, stands: str, asker: UUID | None) -> Word:
    void = None
    if approval.standing != stands:
        void = CHANGED
    elif approval.revoked_at is not None:
        void = "its key was revoked"
    elif unfit := _unfit(fact, approval.api_key_id, Role(approval.role)):
        void = unfit
    elif approval.api_key_id == asker:
        void = ASKS
    return Word(approval.id, approval.approved_by, approval.api_key_id, approval.comment, approval.created_at, void)


def _unfit(fact: Any, key_id: UUID, role: Role) -> str | None:
    """Why no approval by that key counts, whenever it is given; None where one does."""
    if not role.holds(Role(fact.role)):
        return f"its key is a {role}"
    return "its key registered the version" if key_id == fact.created_by_key else None


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


def span(seconds: int, parts: int | None = None) -> str:
    """`1 day`, `36 hours` as `1 day 12 hours`, `90 seconds` as `1 minute 30 seconds`; the largest so many units of it."""
    found = []
    for size, unit in UNITS:
        count, seconds = divmod(seconds, size)
        if count:
            found.append(f"{count} {unit}{'' if count == 1 else 's'}")
    return " ".join(found[:parts]) or "0 seconds"
