"""Approve a version for a target, and withdraw an approval."""

from uuid import UUID

from sqlalchemy import select
from uuid_utils.compat import uuid7

from catapult import audit
from catapult.actions import locks
from catapult.audit import Actor
from catapult.errors import Conflict, Forbidden, NotFound
from catapult.extensions import db
from catapult.queries import environments
from catapult.queries import gates as queries
from catapult.rules import gates
from catapult.tables import Approval, Role, Version, VersionStatus


def create(version_id: UUID, *, actor: Actor, target: str, comment: str | None = None) -> Approval:
    """Approve the version with the actor's key. The approval counts until a gate of the target changes.

    The gates say whose approvals count. Raises NotFound (version), Invalid (target), Forbidden, and Conflict if the version is
    archived or the key has already approved it.
    """
    actor.needs(Role.PUBLISHER)
    if actor.key_id is None:
        raise Forbidden("An approval needs an API key: it counts by key.")
    locks.gates_shared()
    version, _ = locks.version(version_id)
    if version.status == VersionStatus.ARCHIVED:
        raise Conflict(f"{version.version} is archived, so there is nothing to approve.")
    target = target.lower()
    environments.check_target(target)
    approval = Approval(
        id=uuid7(),
        version_id=version_id,
        target=target,
        comment=comment,
        standing=gates.gates_hash(queries.facts([version_id], target)[version_id]),
        api_key_id=actor.key_id,
        approved_by=actor.name,
    )
    db.session.add(approval)
    return audit.commit(
        actor, approval, audit.entry("approval.create", approval, **_details(version, target), comment=comment)
    )


def withdraw(version_id: UUID, approval_id: UUID, *, actor: Actor) -> None:
    """Withdraw the approval, which no longer counts. Only the key that gave it may do so. Raises NotFound, Forbidden.

    Withdrawing it again changes nothing and writes no entry.
    """
    actor.needs(Role.PUBLISHER)
    version, _ = locks.version(version_id)
    approval = _locked(version_id, approval_id)
    if approval.api_key_id != actor.key_id:
        raise Forbidden(f"Only {approval.approved_by}, who gave this approval, may withdraw it.")
    if approval.withdrawn_at is not None:
        return
    approval.withdrawn_at = locks.now()
    audit.commit(actor, approval, audit.entry("approval.withdraw", approval, **_details(version, approval.target)))


def _details(version: Version, target: str) -> dict[str, str]:
    return {"model": version.model_name, "version": version.version, "version_id": str(version.id), "target": target}


def _locked(version_id: UUID, approval_id: UUID) -> Approval:
    query = select(Approval).where(Approval.id == approval_id, Approval.version_id == version_id)
    approval = db.session.scalar(query.with_for_update().execution_options(populate_existing=True))
    if approval is None:
        raise NotFound("There is no such approval of this version.")
    return approval
