"""Approve a version for a target, and withdraw an approval."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, select, update
from uuid_utils.compat import uuid7

from catapult import audit
from catapult.actions import locks
from catapult.audit import Actor
from catapult.errors import Conflict, Forbidden, NotFound
from catapult.extensions import db
from catapult.queries import api_keys, environments
from catapult.queries import gates as queries
from catapult.rules import gates, targets
from catapult.tables import Approval, GateKind, Role, Version, VersionStatus


def create(version_id: UUID, *, actor: Actor, target: str, comment: str | None = None) -> Approval:
    """Approve the version with the actor's key. The approval counts until the content or a gate of the target changes.

    Raises NotFound (version), Invalid (target), Forbidden, and Conflict if the version is archived or the approval would count for
    no gate: none asks for approvals, they need a higher role, or the same person or service registered the version, changed its
    content or approved it already.
    """
    actor.needs(Role.PUBLISHER)
    if actor.key_id is None or actor.voice is None:
        raise Forbidden("An approval needs an API key: it counts for the person or service that holds it.")
    locks.gates_shared()
    version, _ = locks.version(version_id)
    if version.status == VersionStatus.ARCHIVED:
        raise Conflict(f"{version.version} is archived, so there is nothing to approve.")
    target = target.lower()
    environments.check_target(target)
    _check_bounds(actor, version, target)
    facts = queries.facts([version_id], target)[version_id]
    _check_counts(version, target, facts, actor.voice, actor.role)
    approval = Approval(
        id=uuid7(),
        version_id=version_id,
        target=target,
        comment=comment,
        gates_hash=gates.gates_hash(facts),
        content_hash=next(fact.content_hash for fact in facts if fact.kind_ == GateKind.APPROVED),
        api_key_id=actor.key_id,
        approved_by=actor.shown,
    )
    db.session.add(approval)
    return audit.commit(
        actor, approval, audit.entry("approval.create", approval, **_details(version, target), comment=comment)
    )


def withdraw(version_id: UUID, approval_id: UUID, *, actor: Actor) -> None:
    """Withdraw the approval, which no longer counts. Only its author may do so, with any key. Raises NotFound, Forbidden.

    Withdrawing it again changes nothing and writes no entry.
    """
    actor.needs(Role.PUBLISHER)
    version, _ = locks.version(version_id)
    approval = _locked(version_id, approval_id)
    _check_bounds(actor, version, approval.target)
    if actor.voice is None or api_keys.voice_of(approval.api_key_id) != actor.voice:
        raise Forbidden(f"Only {approval.approved_by}, who gave this approval, may withdraw it.")
    if approval.withdrawn_at is not None:
        return
    approval.withdrawn_at = locks.now()
    audit.commit(actor, approval, audit.entry("approval.withdraw", approval, **_details(version, approval.target)))


def void(condition: ColumnElement[bool], reason: str, now: datetime) -> list[str] | None:
    """Void the approvals that meet the condition for good. Return their ids for the audit entry; None if there are none."""
    given = (condition, Approval.withdrawn_at.is_(None), Approval.voided_at.is_(None))
    statement = update(Approval).where(*given).values(voided_at=now, void_reason=reason).returning(Approval.id)
    return sorted(str(approval_id) for approval_id in db.session.scalars(statement)) or None


def _check_counts(version: Version, target: str, facts: Sequence[Any], voice: UUID, role: Role) -> None:
    """Raise Conflict if an approval by this voice would count for no gate of the target."""
    requiring = [fact for fact in facts if fact.kind_ == GateKind.APPROVED]
    if not requiring:
        raise Conflict(
            f"No gate asks for approvals of {version.model_name} for {target}, so there is nothing to approve."
        )
    reasons = [gates.reason_cannot_approve(fact, voice, role) for fact in requiring]
    if all(reasons):
        raise Conflict(f"Your approval would not count: {reasons[0]}.")
    given = [approval for verdict in queries.evaluate(facts, None) for approval in verdict.approvals]
    if any(approval.void is None and approval.voice == voice for approval in given):
        raise Conflict("You have already approved it.")


def _check_bounds(actor: Actor, version: Version, target: str) -> None:
    actor.bounds.check_model(version.model_name)
    if targets.is_environment(target):
        actor.bounds.check_environment(target)


def _details(version: Version, target: str) -> dict[str, str]:
    return {"model": version.model_name, "version": version.version, "version_id": str(version.id), "target": target}


def _locked(version_id: UUID, approval_id: UUID) -> Approval:
    query = select(Approval).where(Approval.id == approval_id, Approval.version_id == version_id)
    approval = db.session.scalar(query.with_for_update().execution_options(populate_existing=True))
    if approval is None:
        raise NotFound("There is no such approval of this version.")
    return approval
