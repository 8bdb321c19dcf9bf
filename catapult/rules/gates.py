"""The verdict of a gate on a version, in a sentence with its numbers. Judged from facts that `queries.gates` reads.

A gate is a rule for becoming a release, for reaching an environment, or for what an alias points at.
"""

import hashlib
import json
import operator
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from catapult.rules import targets
from catapult.rules.file_signatures import Signature
from catapult.rules.metadata_limits import MOST_LISTED
from catapult.rules.numbers import EXACT, as_number, exact, written
from catapult.tables import RELEASE, Direction, GateKind, Operator, Role

COMPARED: dict[str, Callable[[Decimal, Decimal], bool]] = {
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
    GateKind.FILES_SIGNED: (),
    GateKind.FILES_INTACT: (),
    GateKind.DIGEST_VERIFIED: ("max_age", "tag"),
    GateKind.SIGNED: ("count",),
    GateKind.APPROVED: ("count", "role"),
}
"""The fields of each kind of gate, beside `model` and `target`."""
DEFAULTS: dict[str, dict[str, Any]] = {
    GateKind.NO_REGRESSION: {"tolerance": 0},
    GateKind.DIGEST_VERIFIED: {"max_age": 86_400, "tag": False},
    GateKind.SIGNED: {"count": 1},
    GateKind.APPROVED: {"count": 1, "role": Role.RELEASER.value},
}
"""The defaults of a gate's fields."""

CHANGED = "a gate has changed since"
CONTENT_CHANGED = "the content has changed since"
OWN_REQUEST = "you cannot approve your own request"
"""Why an approval does not count for the key that gave it. It counts for others."""

NOT_READ = "the signature of its files was not read"
"""The detail of a `files_signed` gate where signatures are not read."""

UNITS = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


class Approval(NamedTuple):
    """An approval. `void` is the reason that it does not count, or None if it counts; `note` says who created its key."""

    id: UUID
    approved_by: str
    voice: UUID
    comment: str | None
    created_at: datetime
    void: str | None
    note: str | None


@dataclass(frozen=True)
class Verdict:
    """Whether a gate lets a version through, and why."""

    gate: Any
    passed: bool
    detail: str
    approvals: list[Approval] = field(default_factory=list)

    def details(self) -> dict[str, Any]:
        """Return the verdict for an audit entry."""
        return {"id": str(self.gate.id), "kind": self.gate.kind_, "model": self.gate.model, "detail": self.detail}

    @property
    def passes_for_others(self) -> bool:
        """Whether the version passes if the request comes from a key that has not approved it."""
        if self.passed or self.gate.kind_ != GateKind.APPROVED:
            return self.passed
        required: int = self.gate.count_
        return len(self.counted_voices) >= required

    @property
    def counted_voices(self) -> set[UUID]:
        """The voices whose approvals count, if the request comes from another key."""
        return {approval.voice for approval in self.approvals if approval.void in (None, OWN_REQUEST)}

    def can_be_approved_by(self, voice: UUID | None, role: Role) -> bool:
        """Return whether approvals are missing and one by this voice would count."""
        if self.gate.kind_ != GateKind.APPROVED or self.passes_for_others or voice is None:
            return False
        return voice not in self.counted_voices and reason_cannot_approve(self.gate, voice, role) is None


def rule(gate: Any) -> str:
    """Return what the gate requires in a few words: `accuracy >= 0.9`."""
    return _RULES[gate.kind_](gate)


def gates_hash(gates: Iterable[Any]) -> str:
    """Return a hash that differs once any of the gates is changed, added or deleted: 64 hex digits."""
    versions = sorted(f"{gate.id}:{gate.counter}" for gate in gates)
    return hashlib.sha256(" ".join(versions).encode()).hexdigest()


def judge(
    facts: Any, approvals: Sequence[Any], current_hash: str, asker: UUID | None, signature: Signature | None = None
) -> Verdict:
    """Return the gate's verdict.

    `facts` are the gate and the facts it judges (`queries.gates.facts`), `approvals` those of the version and target that are not
    withdrawn, `current_hash` is the `gates_hash` of the target's gates, and `asker` the voice of the request. `signature` is that
    of the version's files; without it, no gate of `files_signed` passes.
    """
    if facts.kind_ == GateKind.APPROVED:
        return _approved(facts, [_judged(facts, approval, current_hash, asker) for approval in approvals])
    if facts.kind_ == GateKind.FILES_SIGNED:
        return Verdict(facts, signature.verified, signature.detail) if signature else Verdict(facts, False, NOT_READ)
    passed, detail = _JUDGES[facts.kind_](facts)
    return Verdict(facts, passed, detail)


def _metric(facts: Any) -> tuple[bool, str]:
    if facts.number is None:
        return False, _no_number(facts)
    passed = COMPARED[facts.op](exact(facts.number), exact(facts.value))
    return passed, f"{_present(facts)}; it must be {facts.op} {written(facts.value)}"


def _no_regression(facts: Any) -> tuple[bool, str]:
    if facts.number is None:
        return False, _no_number(facts)
    present, base = _present(facts), _base(facts, facts.base_is_present)
    if facts.base_id is None:
        return True, f"{present}; {_no_base(facts.target)}"
    if facts.base_number is None:
        return True, f"{present}; {base}, {facts.base_version}, has no {facts.path}"
    higher = facts.direction == Direction.HIGHER
    shifted = EXACT.subtract if higher else EXACT.add
    bound = shifted(exact(facts.base_number), exact(facts.tolerance))
    passed = exact(facts.number) >= bound if higher else exact(facts.number) <= bound
    limit = f"it must not be {_worse(facts)} than the {written(facts.base_number)} of {base}, {facts.base_version}"
    return passed, f"{present}; {limit}"


def _present(facts: Any) -> str:
    """Return the number and its last change since registration."""
    present = f"{facts.path} is {written(facts.number)}"
    if facts.edited is None:
        return present
    old = facts.edited["old"]
    old_number = as_number(old)
    before = (
        "added"
        if old is None
        else f"changed from {json.dumps(old)[:60] if old_number is None else written(old_number)}"
    )
    return f"{present} ({before} by {facts.edited['by']}, {after_registration(int(facts.edited['seconds']))})"


def _metadata_present(facts: Any) -> tuple[bool, str]:
    if facts.missing:
        return False, f"its metadata has no {', '.join(facts.missing)}"
    return True, f"its metadata has {', '.join(facts.paths)}"


def _released(facts: Any) -> tuple[bool, str]:
    return facts.is_release, "it is a release" if facts.is_release else "it is not a release; only releases may go here"


def _soaked(facts: Any) -> tuple[bool, str]:
    required = f"it needs {span(facts.seconds)} there without interruption"
    if facts.since is None:
        return False, f"it is not live in {facts.environment}; {required}"
    seconds = max(0, int((facts.now - facts.since).total_seconds()))  # negative if the clock was set back
    return seconds >= facts.seconds, f"it has been live in {facts.environment} for {span(seconds, parts=2)}; {required}"


def _files_intact(facts: Any) -> tuple[bool, str]:
    if not facts.unsound:
        return True, "its files are as they were added"
    shown, more = facts.unsound[:3], len(facts.unsound) - 3
    return False, f"of its files {', '.join(shown)}{' and others' if more > 0 else ''}"


def _digest_verified(facts: Any) -> tuple[bool, str]:
    if not facts.has_image:
        return False, "it was registered without an image"
    checked = facts.checked
    if checked is None:
        return False, "the image registry was not asked for its digest yet; verify it"
    if checked["is_elsewhere"]:
        return False, "its digest was verified in another repository than the model's present one; verify it again"
    if checked["digest_status"] != "verified":
        return False, _not_verified(checked)
    age = max(0, int(checked["age"]))  # negative if the clock was set back
    required = f"its digest must have been verified within {span(facts.max_age)}"
    if age > facts.max_age:
        why = f" ({checked['detail'].rstrip('.')})" if checked["unreachable"] else ""
        return False, f"{required}, and was {span(age, parts=2)} ago{why}; verify it again"
    if facts.tag and checked["has_tag"] and checked["tag_status"] != "current":
        return False, checked["tag_fault"] or "it is not known where its tag leads; verify it again"
    tag = "; its tag led to it" if facts.tag and checked["has_tag"] else ""
    return True, f"its digest was verified {span(age, parts=1)} ago{tag}; {required}"


def _not_verified(checked: dict[str, Any]) -> str:
    """Return why the digest is not verified. If the registry is unreachable now, its last answer counts."""
    faults = {
        "missing": "the image registry does not have its digest",
        "mismatch": "the image registry has another content under its digest",
        "unverified": "its digest was never verified at the image registry",
    }
    return f"{faults[checked['digest_status']]} ({checked['detail'].rstrip('.')})"


def _signed(facts: Any) -> tuple[bool, str]:
    if not facts.has_image:
        return False, "it was registered without an image"
    signers = facts.signers or []
    by = f"signed by {', '.join(signers)}" if signers else "not signed by a trusted key, as far as is known"
    passed = len(signers) >= facts.count_
    return (
        passed,
        f"its image is {by}; it needs {_keys(facts.count_)}{'' if passed else '; verify it once it is signed'}",
    )


def _keys(count: int) -> str:
    return "the signature of a trusted key" if count == 1 else f"the signatures of {count} trusted keys"


_JUDGES: dict[str, Callable[[Any], tuple[bool, str]]] = {
    GateKind.METRIC: _metric,
    GateKind.NO_REGRESSION: _no_regression,
    GateKind.METADATA_PRESENT: _metadata_present,
    GateKind.RELEASED: _released,
    GateKind.SOAKED: _soaked,
    GateKind.FILES_INTACT: _files_intact,
    GateKind.DIGEST_VERIFIED: _digest_verified,
    GateKind.SIGNED: _signed,
}


_RULES: dict[str, Callable[[Any], str]] = {
    GateKind.METRIC: lambda gate: f"{gate.path} {gate.op} {written(gate.value)}",
    GateKind.NO_REGRESSION: lambda gate: f"{gate.path} not {_worse(gate)} than that of {_base(gate)}",
    GateKind.METADATA_PRESENT: lambda gate: f"{', '.join(gate.paths)} in the metadata",
    GateKind.RELEASED: lambda gate: "releases only",
    GateKind.SOAKED: lambda gate: f"live in {gate.environment} for {span(gate.seconds)} without interruption",
    GateKind.APPROVED: lambda gate: f"approved by {_others(gate.count_)} with the role {_role_or_higher(gate.role)}",
    GateKind.FILES_SIGNED: lambda gate: "all files signed by a trusted key",
    GateKind.FILES_INTACT: lambda gate: "no file missing, changed or unread",
    GateKind.DIGEST_VERIFIED: lambda gate: (
        f"digest verified at the image registry within {span(gate.max_age)}{', and its tag not moved' if gate.tag else ''}"
    ),
    GateKind.SIGNED: lambda gate: f"image with {_keys(gate.count_)}",
}


def _base(gate: Any, is_present: bool = True) -> str:
    """Return the name of what a version is compared with: what is in the gate's target, or was last."""
    if gate.target == RELEASE:
        return "the current release" if is_present else "the last release"
    if targets.alias_of(gate.target) is not None:
        return f"what {gate.target} {'points at' if is_present else 'pointed at last'}"
    return f"what {'is' if is_present else 'was last'} live in {gate.target}"


def _no_base(target: str) -> str:
    if target == RELEASE:
        return "there is no release yet"
    return f"nothing is live in {target} yet" if targets.is_environment(target) else f"{target} points at nothing yet"


def _worse(gate: Any) -> str:
    by = f" by more than {written(gate.tolerance)}" if gate.tolerance else ""
    return f"{'lower' if gate.direction == Direction.HIGHER else 'higher'}{by}"


def _role_or_higher(role: str) -> str:
    return "admin" if role == Role.ADMIN else f"{role} or higher"


def _others(count: int) -> str:
    return "another person or service" if count == 1 else f"{count} other people or services"


def _approved(facts: Any, approvals: list[Approval]) -> Verdict:
    counted = len({approval.voice for approval in approvals if approval.void is None})
    detail = f"it has {counted} of {facts.count_} approvals with the role {_role_or_higher(facts.role)}"
    void = [f"the approval by {each.approved_by} does not count: {each.void}" for each in approvals if each.void]
    return Verdict(facts, counted >= facts.count_, "; ".join([detail, *void]), approvals)


def _judged(facts: Any, row: Any, current_hash: str, asker: UUID | None) -> Approval:
    void = _void(facts, row, current_hash) or (OWN_REQUEST if row.voice == asker else None)
    note = None
    if row.maker is not None and row.maker != row.voice and row.maker in (facts.registrant, asker):
        note = f"its key was created by whoever {'registered the version' if row.maker == facts.registrant else 'asks'}"
    return Approval(row.id, row.approved_by, row.voice, row.comment, row.created_at, void, note)


def _void(facts: Any, row: Any, current_hash: str) -> str | None:
    """Return why the approval counts for nobody, or None."""
    reasons = (
        (row.void_reason is not None, row.void_reason),
        (row.content_hash != facts.content_hash, CONTENT_CHANGED),
        (row.gates_hash != current_hash, CHANGED),
        (row.is_of_inactive, f"{row.approved_by} was deactivated"),
        (row.is_revoked, "its key was revoked"),
        (row.is_expired, "its key has expired"),
    )
    return next((reason for applies, reason in reasons if applies), None) or reason_cannot_approve(
        facts, row.voice, Role(row.role)
    )


def reason_cannot_approve(facts: Any, voice: UUID, role: Role) -> str | None:
    """Return why no approval by this voice can count; None if one can."""
    if not role.holds(Role(facts.role)):
        return f"its key has the role {role}"
    if voice == facts.registrant:
        return "the same person or service registered the version"
    return "the same person or service has changed the content" if voice in facts.editors else None


def _no_number(facts: Any) -> str:
    if facts.json_type is None or facts.json_type == "null":
        return f"its metadata has no {facts.path}"
    if facts.json_type == "number":
        path = re.sub(r"\.([0-9]+)(?=[.\[]|$)", r"[\1]", facts.path)
        if path != facts.path:
            return f"{facts.path} is inside a list in its metadata; its path is {path}"
        return f"{facts.path} is not among the first {MOST_LISTED} numbers of the lists in its metadata; others are not searched"
    kind = {"string": "text", "boolean": "true or false", "array": "a list", "object": "an object"}
    return f"{facts.path} in its metadata is {kind.get(facts.json_type, facts.json_type)}, not a number"


def after_registration(seconds: int) -> str:
    """Return how long after registration that is: `2 hours after registration`."""
    return f"{span(seconds, parts=1)} after registration" if seconds > 0 else "right after registration"


def span(seconds: int, parts: int | None = None) -> str:
    """Return a length of time in words, `1 day 12 hours`, with only the `parts` largest units if given."""
    units = []
    for size, unit in UNITS:
        count, seconds = divmod(seconds, size)
        if count:
            units.append(f"{count} {unit}{'' if count == 1 else 's'}")
    return " ".join(units[:parts]) or "0 seconds"
