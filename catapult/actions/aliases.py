"""Point aliases at versions, and remove them. Where a gate guards an alias, that is a decision, as a promotion is."""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import func, select, update
from uuid_utils.compat import uuid7

from catapult import audit
from catapult.actions import decisions, gates, locks
from catapult.actions.deployment_states import INSTANT
from catapult.audit import Actor, Entry
from catapult.errors import Conflict, Invalid, PreconditionFailed
from catapult.extensions import db
from catapult.queries import aliases as queries
from catapult.queries import gates as gate_queries
from catapult.queries import registered_models
from catapult.rules import targets
from catapult.tables import NOW, Alias, Decision, DecisionKind, RegisteredModel, Role, Version, VersionStatus

MOST = 100
"""Aliases of a model."""


def move(
    model_id: UUID, name: str, *, actor: Actor, version_id: UUID, reason: str | None = None, force: bool = False
) -> Alias:
    """Point the alias at this version of the model from now on. If it points there already, nothing changes.

    `force`, with a reason and by an admin, overrides the gates and writes an entry about that too. Raises NotFound (model,
    version), Invalid (name, version of another model), Forbidden, Blocked, and Conflict if the version is archived or the model
    has as many aliases as it may.
    """
    actor.needs(Role.PUBLISHER)
    gates.check_force(actor, force, reason)
    if not targets.is_alias(name):
        raise Invalid("That cannot be the name of an alias.", errors={"alias": [targets.ALIAS_RULE]})
    locks.gates_shared()
    version, now = locks.version(version_id)
    if version.model_id != model_id:
        registered_models.check(model_id)
        raise Invalid("The version is another model's.", errors={"version_id": ["Must be a version of this model."]})
    actor.bounds.check_model(version.model_name)
    last = queries.newest(model_id, name)
    current = last if last is not None and last.until is None else None
    if current is not None and current.version_id == version.id:
        return _with_names(current, version)
    if version.status == VersionStatus.ARCHIVED:
        raise Conflict(f"{version.version} is archived. Set its status to active first, then point the alias at it.")
    if current is None:
        _check_limit(version)
    shown = current.name if current is not None else name
    decided = _decide(DecisionKind.MOVE, version, shown, actor=actor, now=now, reason=reason, force=force)
    alias = _new(version, shown, decided, _start(last, now), actor=actor, reason=reason)
    if current is not None:
        current.until = alias.since
        audit.flush()  # before the new row: the index allows one current row
    db.session.add(alias)
    details = {"from_version": current.version if current is not None else None, **decided.details}
    entry = audit.entry("alias.move", version, **_details(version, shown), reason=reason, **details)
    return _with_names(audit.commit(actor, alias, entry, *decided.entries), version)


def remove(
    model_id: UUID,
    name: str,
    *,
    actor: Actor,
    reason: str | None = None,
    force: bool = False,
    shown: UUID | None = None,
) -> None:
    """Remove the alias: from now on it points at nothing. The gates that guard it judge the version that it pointed at.

    `force` is as in `move`; `shown` is the version that the caller saw it point at, None for any. Raises NotFound, Forbidden,
    Blocked, PreconditionFailed.
    """
    actor.needs(Role.PUBLISHER)
    gates.check_force(actor, force, reason)
    locks.gates_shared()
    model = locks.model(RegisteredModel.id == model_id)
    actor.bounds.check_model(model.name)
    alias = queries.newest(model_id, name) if targets.is_alias(name) else None
    if alias is None or alias.until is not None:
        raise queries.missing(name)
    if shown not in (None, alias.version_id):
        raise PreconditionFailed(f"@{alias.name} was pointed at another version meanwhile.")
    version, now = locks.version(alias.version_id)
    decided = _decide(DecisionKind.REMOVE, version, alias.name, actor=actor, now=now, reason=reason, force=force)
    alias.until = max(now, alias.since)
    entry = audit.entry("alias.remove", version, **_details(version, alias.name), reason=reason, **decided.details)
    audit.commit(actor, alias, entry, *decided.entries)


def check_none(version: Version) -> list[Entry]:
    """Raise Conflict, naming them, if aliases point at the version. Return no entries."""
    if version.aliases:
        raise _still_points(version, version.aliases)
    return []


def evidence(version: Any) -> list[str]:
    """Return what makes the version's content evidence, `what @champion points at`: it was a decision, or a gate guards it now."""
    version_id = UUID(str(version.id))
    decided = set(queries.decided(version_id)) if version.aliases else set()
    names = [
        target
        for target in (f"@{name}" for name in version.aliases)
        if target in decided or gate_queries.facts([version_id], target.lower()).get(version_id)
    ]
    return [f"what {', '.join(names)} {'points' if len(names) == 1 else 'point'} at"] if names else []


def end_of_version(version: Version, now: datetime) -> list[Entry]:
    """End the aliases of a version that is deleted with them, and return their entries. The gates' lock is held.

    Raises Conflict if a gate guards one.
    """
    rows = list(db.session.scalars(select(Alias).where(Alias.version_id == version.id, Alias.until.is_(None))))
    if guarded := sorted(row.name for row in rows if _guarding_gates(version, row.name)):
        raise _still_points(version, guarded)
    for row in rows:
        row.until = max(now, row.since)
    return [audit.entry("alias.remove", version, **_details(version, row.name)) for row in rows]


def end_of_model(model_id: UUID) -> list[str]:
    """End the aliases of a model that is deleted, and return their names."""
    current = update(Alias).where(Alias.model_id == model_id, Alias.until.is_(None))
    ended = current.values(until=func.greatest(NOW, Alias.since)).returning(Alias.name)
    return sorted(db.session.scalars(ended, execution_options={"synchronize_session": False}))


class Decided(NamedTuple):
    """The decision to move or remove an alias, the details and overrides for the audit log; None and empty without gates."""

    decision: Decision | None
    details: dict[str, Any]
    entries: list[Entry]


def _decide(
    kind: DecisionKind,
    version: Version,
    name: str,
    *,
    actor: Actor,
    now: datetime,
    reason: str | None,
    force: bool,
) -> Decided:
    """Judge the version by the gates that guard the alias, and add the decision. Raises Forbidden, Blocked."""
    facts, target = _guarding_gates(version, name), targets.of_alias(name)
    if not facts:
        return Decided(None, {}, [])
    actor.needs(Role.RELEASER)
    verdicts = gates.judge(facts, target, actor=actor, force=force)
    recorded = decisions.record(kind, version, target, actor=actor, now=now, verdicts=verdicts, reason=reason)
    db.session.add(recorded.row)
    overridden = gates.override(version, verdicts, target, reason, **_details(version, name), **recorded.details)
    return Decided(recorded.row, {"override": recorded.row.override or None, **recorded.details}, overridden)


def _guarding_gates(version: Version, name: str) -> list[Any]:
    """Return the rows of the gates that guard the alias of the version's model."""
    return gate_queries.facts([version.id], targets.of_alias(name)).get(version.id, [])


def _new(version: Version, name: str, decided: Decided, since: datetime, *, actor: Actor, reason: str | None) -> Alias:
    return Alias(
        id=uuid7(),
        model_id=version.model_id,
        name=name,
        version_id=version.id,
        since=since,
        set_by=actor.shown,
        set_by_key=actor.key_id,
        reason=reason,
        decision_id=decided.decision.id if decided.decision is not None else None,
        override=decided.decision is not None and decided.decision.override,
    )


def _start(last: Alias | None, now: datetime) -> datetime:
    """Return when the next row of the alias begins: after its last row, even if the clock was set back."""
    return now if last is None else max(now, last.until or last.since + INSTANT)


def _check_limit(version: Version) -> None:
    if queries.count(version.model_id) >= MOST:
        raise Conflict(f"{version.model_name} has {MOST} aliases, which are the most. Remove one first.")


def _details(version: Version, name: str) -> dict[str, str]:
    return {"model": version.model_name, "version": version.version, "alias": name}


def _with_names(alias: Alias, version: Version) -> Alias:
    alias.model_name, alias.version = version.model_name, version.version
    return alias


def _still_points(version: Version, names: list[str]) -> Conflict:
    if len(names) == 1:
        return Conflict(f"{names[0]} points at {version.version}. Move or remove the alias first.")
    listed = f"{', '.join(names[:-1])} and {names[-1]}"
    return Conflict(f"{listed} point at {version.version}. Move or remove these aliases first.")
