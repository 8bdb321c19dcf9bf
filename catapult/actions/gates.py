"""Write, change and delete gates; and hold versions to them."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from uuid_utils.compat import uuid7

from catapult import audit
from catapult.actions import locks
from catapult.audit import Actor, Entry
from catapult.errors import Blocked, Invalid
from catapult.extensions import db
from catapult.queries import environments
from catapult.queries import gates as queries
from catapult.rules.gates import OWN_FIELDS, Verdict
from catapult.tables import NOW, RELEASE, Gate, GateKind, Role

SINGULAR = {"kind": "kind_", "count": "count_"}
"""Fields whose attribute is called otherwise."""


def create(*, actor: Actor, model: str, target: str, kind: str, **own: Any) -> Gate:
    """The gate holds from now on. `own` are the fields of its kind. Raises Forbidden, Invalid."""
    actor.needs(Role.ADMIN)
    _alone()  # before it is checked: the environments it names are not deleted meanwhile
    fields = checked(model=model, target=target, kind=kind, **own)
    gate = Gate(
        id=uuid7(), created_by=actor.name, **{SINGULAR.get(name, name): value for name, value in fields.items()}
    )
    db.session.add(gate)
    return audit.commit(actor, gate, audit.entry("gate.create", gate, **fields))


def edit(gate_id: UUID, fields: Mapping[str, Any], *, actor: Actor, expected: set[int] | None = None) -> Gate:
    """These fields of the gate have these values; approvals that were given before count no more.

    Raises NotFound, Forbidden, Invalid, PreconditionFailed.
    """
    actor.needs(Role.ADMIN)
    _alone()
    gate = _locked(gate_id)
    locks.check_counter(gate, expected)
    present = {name: getattr(gate, SINGULAR.get(name, name)) for name in _names(gate.kind_)}
    fields = checked(**{**present, **fields, "kind": gate.kind_})
    changed = audit.changes(gate, {SINGULAR.get(name, name): value for name, value in fields.items()})
    if not changed:
        return gate
    said = audit.entry("gate.update", gate, model=gate.model, target=gate.target, kind=gate.kind_, changes=changed)
    return audit.commit(actor, gate, said)


def delete(gate_id: UUID, *, actor: Actor, expected: set[int] | None = None) -> None:
    """The gate holds no more. Raises NotFound, Forbidden, PreconditionFailed."""
    actor.needs(Role.ADMIN)
    _alone()
    gate = _locked(gate_id)
    locks.check_counter(gate, expected)
    gate.deleted_at = NOW
    told = {name: getattr(gate, SINGULAR.get(name, name)) for name in _names(gate.kind_)}
    audit.commit(actor, gate, audit.entry("gate.delete", gate, **told))


def checked(*, model: str, target: str, kind: str, **own: Any) -> dict[str, Any]:
    """The gate's fields as they are stored, if they are those of its kind. Raises Invalid, which names every field at fault."""
    given = {name: value for name, value in own.items() if value is not None}
    wanted = OWN_FIELDS[kind]
    if kind == GateKind.NO_REGRESSION:
        given.setdefault("tolerance", 0.0)
    if kind == GateKind.APPROVED:
        given = {"count": 1, "role": Role.RELEASER.value, **given}
    errors = {name: [f"Needed for a gate of kind {kind}."] for name in wanted if name not in given}
    takes = ", ".join(wanted) or "no field of its own"
    errors |= {name: [f"A gate of kind {kind} takes {takes}."] for name in given if name not in wanted}
    if kind == GateKind.RELEASED and target.lower() == RELEASE:
        errors["target"] = ["Has to be an environment: what becomes a release is none yet."]
    if str(given.get("environment", "")).lower() in (RELEASE, target.lower()):
        errors["environment"] = ["Has to be another environment than the target."]
    if errors:
        raise Invalid("A gate needs the fields of its kind and no other.", errors=errors)
    environments.check_target(target.lower())
    if "environment" in given:
        environments.check(given["environment"])
        given["environment"] = given["environment"].lower()
    return {"model": model, "target": target.lower(), "kind": kind, **given}


def check_force(actor: Actor, force: bool, reason: str | None) -> None:
    """Nothing, if whoever forces it may, and says why. Raises Forbidden, Invalid."""
    if not force:
        return
    actor.needs(Role.ADMIN)
    if not reason:
        raise Invalid("Say why it is forced: the audit log keeps it.", errors={"reason": ["Needed with force."]})


def passed(version_id: UUID, target: str, *, actor: Actor, force: bool = False) -> list[Verdict]:
    """The gates that did not let the version through and that `force` passed; none where all let it through.

    The caller holds the gates' lock (`locks.version`). Raises Blocked, with every gate's verdict.
    """
    audit.flush()  # what is changed in this transaction is judged as it is now
    verdicts = queries.verdicts([version_id], target, actor.key_id)[version_id]
    broken = [verdict for verdict in verdicts if not verdict.passed]
    if broken and not force:
        raise blocked(verdicts, target)
    return broken


def blocked(verdicts: Sequence[Verdict], target: str) -> Blocked:
    """What names each gate that does not let it through, and holds what all of them say."""
    reasons = "; ".join(verdict.detail for verdict in verdicts if not verdict.passed)
    goal = "become a release" if target == RELEASE else f"go to {target}"
    return Blocked(f"It may not {goal}: {reasons}.", gates=list(verdicts))


def override(row: Any, broken: Sequence[Verdict], target: str, reason: str | None, **details: Any) -> list[Entry]:
    """The entry that says which gates were passed by force; none where none was."""
    if not broken:
        return []
    told = [verdict.said() for verdict in broken]
    return [audit.entry("gate.override", row, target=target, reason=reason, gates=told, **details)]


def _alone() -> None:
    """No promotion and no deployment is judged while gates change: each comes wholly before the change, or after it."""
    db.session.execute(select(func.pg_advisory_xact_lock(locks.GATES)))


def _locked(gate_id: UUID) -> Gate:
    query = select(Gate).where(Gate.id == gate_id, Gate.deleted_at.is_(None)).with_for_update(key_share=True)
    gate = db.session.scalar(query.execution_options(populate_existing=True))
    if gate is None:
        raise queries.missing()
    return gate


def _names(kind: str) -> tuple[str, ...]:
    return ("model", "target", "kind", *OWN_FIELDS[kind])
