"""Create, edit and delete gates, and check versions against them."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Date, func, select
from sqlalchemy.dialects.postgresql import insert
from uuid_utils.compat import uuid7

from catapult import audit
from catapult.actions import locks
from catapult.audit import Actor, Entry
from catapult.errors import Blocked, Conflict, Invalid
from catapult.extensions import db
from catapult.queries import environments
from catapult.queries import gates as queries
from catapult.queries.gate_facts import ALL
from catapult.rules import reasons, targets
from catapult.rules.gates import DEFAULTS, OWN_FIELDS, Verdict, rule
from catapult.tables import NOW, RELEASE, Gate, GateKind, GateRefusal, Role

MOST = 100
"""Gates of a target."""
ATTRIBUTES = {"kind": "kind_", "count": "count_"}
"""Fields whose attribute has another name."""


def create(*, actor: Actor, model: str, target: str, kind: str, **own: Any) -> Gate:
    """Create a gate, in force from now on. `own` are the fields of its kind. Raises Forbidden, Invalid."""
    actor.needs(Role.ADMIN)
    locks.gates_exclusive()  # before the check, so that the environments it names are not deleted meanwhile
    fields = checked(model=model, target=target, kind=kind, **own)
    _check_bounds(actor, fields)
    _check_unique(fields)
    _check_limit(fields["target"])
    gate = Gate(
        id=uuid7(), created_by=actor.shown, **{ATTRIBUTES.get(name, name): value for name, value in fields.items()}
    )
    db.session.add(gate)
    return audit.commit(actor, gate, audit.entry("gate.create", gate, **fields))


def edit(gate_id: UUID, fields: Mapping[str, Any], *, actor: Actor, expected: set[int] | None = None) -> Gate:
    """Set these fields of the gate. Approvals that were given before no longer count.

    Raises NotFound, Forbidden, Invalid, PreconditionFailed.
    """
    actor.needs(Role.ADMIN)
    locks.gates_exclusive()
    gate = _locked(gate_id)
    _check_bounds(actor, _fields(gate))
    locks.check_counter(gate, expected)
    fields = checked(**{**_fields(gate), **fields, "kind": gate.kind_})
    _check_bounds(actor, fields)
    _check_unique(fields, gate)
    if fields["target"] != gate.target:
        _check_limit(fields["target"])
    changed = audit.changes(gate, {ATTRIBUTES.get(name, name): value for name, value in fields.items()})
    if not changed:
        return gate
    entry = audit.entry("gate.update", gate, model=gate.model, target=gate.target, kind=gate.kind_, changes=changed)
    return audit.commit(actor, gate, entry)


def delete(gate_id: UUID, *, actor: Actor, expected: set[int] | None = None) -> None:
    """Delete the gate. Raises NotFound, Forbidden, PreconditionFailed."""
    actor.needs(Role.ADMIN)
    locks.gates_exclusive()
    gate = _locked(gate_id)
    _check_bounds(actor, _fields(gate))
    locks.check_counter(gate, expected)
    gate.deleted_at = NOW
    audit.commit(actor, gate, audit.entry("gate.delete", gate, **_fields(gate)))


def checked(*, model: str, target: str, kind: str, **own: Any) -> dict[str, Any]:
    """Return the gate's fields as they are stored. Raises Invalid, naming every field that is missing or of another kind."""
    given = {name: value for name, value in own.items() if value is not None}
    required = OWN_FIELDS[kind]
    given = {**DEFAULTS.get(kind, {}), **given}
    errors = {name: [f"Required for a gate of kind {kind}."] for name in required if name not in given}
    takes = ", ".join(required) or "no field of its own"
    errors |= {name: [f"A gate of kind {kind} takes {takes}."] for name in given if name not in required}
    if kind == GateKind.RELEASED and target.lower() == RELEASE:
        errors["target"] = ["Must be an environment: a version is not a release before it is promoted."]
    if str(given.get("environment", "")).lower() in (RELEASE, target.lower()):
        errors["environment"] = ["Must be another environment than the target."]
    if errors:
        raise Invalid("A gate needs the fields of its kind and no others.", errors=errors)
    environments.check_target(target.lower())
    if "environment" in given:
        environments.check(given["environment"])
        given["environment"] = given["environment"].lower()
    return {"model": model, "target": target.lower(), "kind": kind, **given}


def _check_bounds(actor: Actor, fields: Mapping[str, Any]) -> None:
    """Raise Forbidden if the gate concerns a model or environment beyond the actor's bounds."""
    actor.bounds.check_model(fields["model"])
    if targets.is_environment(fields["target"]):
        actor.bounds.check_environment(fields["target"])


def _check_limit(target: str) -> None:
    """Raise Conflict if the target has `MOST` gates: each promotion reads them all and records their verdicts."""
    count = db.session.scalar(select(func.count()).where(Gate.deleted_at.is_(None), Gate.target == target)) or 0
    if count >= MOST:
        raise Conflict(
            f"{target} has {count} gates; {MOST} are the most. Delete one first, or let one hold for more models."
        )


def _check_unique(fields: Mapping[str, Any], besides: Gate | None = None) -> None:
    """Raise Conflict, which names the gate, if another one has these fields. Case is ignored in the model's name."""
    kind = fields["kind"]
    columns = {name: getattr(Gate, ATTRIBUTES.get(name, name)) for name in (*OWN_FIELDS[kind], "target", "kind")}
    same = [column == fields[name] for name, column in columns.items()]
    query = select(Gate).where(Gate.deleted_at.is_(None), func.lower(Gate.model) == fields["model"].lower(), *same)
    gate = db.session.scalar(query if besides is None else query.where(Gate.id != besides.id))
    if gate is not None:
        raise Conflict(f"There is such a gate already, {gate.id}: {rule(gate)}. Change or delete that one.")


def check_force(actor: Actor, force: bool, reason: str | None) -> None:
    """Raise Forbidden if the actor may not use force, and Invalid without a reason. Without `force`, do nothing."""
    if not force:
        return
    actor.needs(Role.ADMIN)
    reasons.check(reason, "Force needs a reason: the audit log keeps it.")


def check(
    version_id: UUID, target: str, *, actor: Actor, force: bool = False, kinds: frozenset[str] = ALL
) -> list[Verdict]:
    """Check the version against the gates of the target and return all verdicts. Those that fail are overridden by `force`.

    `kinds` are those of the target's gates, if known. The caller holds the gates' shared lock. Raises Blocked, with every
    gate's verdict, if one does not pass and `force` is unset.
    """
    audit.flush()  # so that changes of this transaction are checked too
    facts = queries.facts([version_id], target, kinds).get(version_id, [])
    return judge(facts, target, actor=actor, force=force)


def judge(facts: Sequence[Any], target: str, *, actor: Actor, force: bool = False) -> list[Verdict]:
    """Judge the version by the `facts` of the target's gates, as `check` does.

    The caller holds the locks of gates and version. Keys and files also change under these locks, so a signature that
    is read here counts until the transaction ends.
    """
    signed = queries.signatures(facts)
    verdicts = queries.evaluate(facts, actor.voice, next(iter(signed.values()), None))
    if failed(verdicts) and not force:
        raise blocked(verdicts, target)
    return verdicts


def failed(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Return the verdicts that do not pass."""
    return [verdict for verdict in verdicts if not verdict.passed]


def blocked(verdicts: Sequence[Verdict], target: str) -> Blocked:
    """Return the refusal that names each gate that failed and holds all verdicts."""
    reasons = "; ".join(verdict.detail for verdict in verdicts if not verdict.passed)
    return Blocked(f"It may not {_goal(target)}: {reasons}.", gates=list(verdicts))


def _goal(target: str) -> str:
    if target == RELEASE:
        return "become a release"
    return f"go to {target}" if targets.is_environment(target) else f"be {target}"


def count_refusals(verdicts: Sequence[Verdict]) -> None:
    """Add one to today's refusals of each gate that does not pass. Ends the request's transaction.

    Nobody asked for this change, so it has no audit entry.
    """
    ids = sorted(
        {verdict.gate.id for verdict in failed(verdicts)}
    )  # in one order, so that two transactions do not deadlock
    today = func.timezone("UTC", func.now()).cast(Date)
    rows = [{"gate_id": gate_id, "day": today, "refusals": 1} for gate_id in ids]
    statement = insert(GateRefusal).values(rows)
    counted = GateRefusal.refusals + 1
    audit.note(statement.on_conflict_do_update(index_elements=["gate_id", "day"], set_={"refusals": counted}))


def override(row: Any, verdicts: Sequence[Verdict], target: str, reason: str | None, **details: Any) -> list[Entry]:
    """Return the audit entry of an override, with the failed verdicts; an empty list if none failed."""
    overridden = [verdict.details() for verdict in failed(verdicts)]
    if not overridden:
        return []
    return [audit.entry("gate.override", row, target=target, reason=reason, gates=overridden, **details)]


def _locked(gate_id: UUID) -> Gate:
    query = select(Gate).where(Gate.id == gate_id, Gate.deleted_at.is_(None)).with_for_update(key_share=True)
    gate = db.session.scalar(query.execution_options(populate_existing=True))
    if gate is None:
        raise queries.missing()
    return gate


def _fields(gate: Gate) -> dict[str, Any]:
    names = ("model", "target", "kind", *OWN_FIELDS[gate.kind_])
    return {name: getattr(gate, ATTRIBUTES.get(name, name)) for name in names}
