"""Approve that a version may reach a target, and take it back."""

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
from catapult.tables import Approval, Role, VersionStatus


def create(version_id: UUID, *, actor: Actor, target: str, comment: str | None = None) -> Approval:
    """The actor's key approves of it. It counts as long as the gates stand as they stand now.

    Whose approval counts, the gates say. Raises NotFound (version), Invalid (target), Forbidden, and Conflict where the version
    is archived or the key has approved already.
    """
    actor.needs(Role.PUBLISHER)
    if actor.key_id is None:
        raise Forbidden("An approval is somebody's word: give it with an API key.")
    version, _, _ = locks.version(version_id, gated=True)
    if version.status == VersionStatus.ARCHIVED:
        raise Conflict(f"{version.version} is archived, so there is nothing to approve.")
    target = target.lower()
    environments.check_target(target)
    stands = gates.standing(queries.facts([version_id], target)[version_id])
    approval = Approval(
        id=uuid7(),
        version_id=version_id,
        target=target,
        comment=comment,
        standing=stands,
        api_key_id=actor.key_id,
        approved_by=actor.name,
    )
    db.session.add(approval)
    said = {"model": version.model_name, "version": version.version, "version_id": str(version_id), "target": target}
    return audit.commit(actor, approval, audit.entry("approval.create", approval, **said, comment=comment))


def withdraw(version_id: UUID, approval_id: UUID, *, actor: Actor) -> None:
    """It counts no more. Only the key that gave it may take it back. Raises NotFound, Forbidden.

    Taking back what was taken back changes nothing and writes no entry.
    """
    actor.needs(Role.PUBLISHER)
    version, _, _ = locks.version(version_id)
    approval = _locked(version_id, approval_id)
    if approval.api_key_id != actor.key_id:
        raise Forbidden(f"Only its maker, {approval.approved_by}, may take an approval back.")
    if approval.withdrawn_at is not None:
        return
    approval.withdrawn_at = locks.now()
    said = {"model": version.model_name, "version": version.version, "version_id": str(version_id)}
    audit.commit(actor, approval, audit.entry("approval.withdraw", approval, **said, target=approval.target))


def _locked(version_id: UUID, approval_id: UUID) -> Approval:
    query = select(Approval).where(Approval.id == approval_id, Approval.version_id == version_id)
    approval = db.session.scalar(query.with_for_update().execution_options(populate_existing=True))
    if approval is None:
        raise NotFound("There is no such approval of this version.")
    return approval
