"""Record deployments and their states, make them live, and roll back."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from uuid_utils.compat import uuid7

from catapult import audit
from catapult.actions import deployment_states, environments, gates, locks
from catapult.audit import Actor
from catapult.errors import Conflict, Invalid, PreconditionFailed
from catapult.extensions import db
from catapult.queries import deployments, history
from catapult.queries import gates as gate_queries
from catapult.rules import metadata_limits as limits
from catapult.rules.gates import Verdict
from catapult.tables import Deployment, DeploymentStatus, Environment, RegisteredModel, Role, Version, VersionStatus

NOT_REACHED = (DeploymentStatus.FAILED, DeploymentStatus.CANCELLED)
"""A deployment recorded with one of these did not reach its environment, so neither gates nor a freeze apply to it."""


def create(
    *,
    actor: Actor,
    release_id: UUID,
    environment: str,
    status: str = DeploymentStatus.SUCCESS,
    metadata: dict[str, Any] | None = None,
    endpoint_url: str | None = None,
    log_url: str | None = None,
    force: bool = False,
    reason: str | None = None,
) -> Deployment:
    """Record that this version went to this environment. With success it is live there, and the one before has ended.

    The environment is created if it does not exist. `force`, with a reason and by an admin, overrides the gates. Raises NotFound
    (version), Forbidden, Frozen, Blocked, and Conflict if the version is archived.
    """
    actor.needs(Role.PUBLISHER)
    gates.check_force(actor, force, reason)
    limits.check(metadata)
    locks.gates_shared()
    target, created = environments.get_or_create(environment, actor)
    _check_role(target, actor)
    version, now = locks.version(release_id)
    _check_active(version)
    failed: list[Verdict] = []
    if status not in NOT_REACHED:
        environments.check_not_frozen(target)
        failed = gates.check(version.id, target.place, actor=actor, force=force)
    deployment = _new(
        version, environment, actor, status, metadata_=metadata or {}, endpoint_url=endpoint_url, log_url=log_url
    )
    ended = _add(deployment, now)
    details = {**_details(deployment), **ended, "made_environment": created or None, "reason": reason}
    override = gates.override(
        deployment, failed, target.place, reason, model=version.model_name, version=version.version
    )
    return audit.commit(actor, deployment, audit.entry("deployment.create", deployment, **details), *override)


def edit(deployment_id: UUID, fields: dict[str, Any], *, actor: Actor, expected: set[int] | None = None) -> Deployment:
    """Set these fields. A `status` can only move forward; with success the deployment is live, as in `create`.

    Gates and freezes were checked when it was recorded. Raises NotFound, PreconditionFailed, Forbidden, and Conflict for a step
    back or if the version has been archived.
    """
    actor.needs(Role.PUBLISHER)
    limits.check(fields.get("metadata_"))
    row = deployments.get(deployment_id)
    environment = environments.lock(row.environment, deleted=True)
    _check_role(environment, actor)
    version, now = locks.version(UUID(row.release_id))
    deployment = _locked(deployment_id, version)
    locks.check_counter(deployment, expected)
    _check_step(deployment, fields)
    changed = audit.changes(deployment, fields)
    if not changed:
        return deployment
    ended: dict[str, Any] = {}
    if "status" in changed and deployment.status not in NOT_REACHED:
        _check_active(version)
    if "status" in changed and deployment.status == DeploymentStatus.SUCCESS:
        ended = deployment_states.go_live(deployment, now).details()
        # One time for the state and for the beginning of being live.
        deployment.updated_at = deployment.live_from or now
    details = {**_details(deployment), **ended, "changes": changed}
    return audit.commit(actor, deployment, audit.entry("deployment.update", deployment, **details))


def rollback(
    environment: str, *, actor: Actor, model_name: str, reason: str, to: UUID | None = None, shown: UUID | None = None
) -> Deployment:
    """Make the newest earlier version that was live there live again, or that of the deployment `to`.

    `shown` is the deployment that the caller saw live, None for any. Skipped are the present version, versions rolled back from
    since the last ordinary deployment, and archived or deleted ones. Neither gates nor a freeze stop a rollback; its entry names
    those that would have. Raises NotFound, Invalid (`to`), PreconditionFailed, and Conflict if there is nothing to go back to.
    """
    actor.needs(Role.RELEASER)
    locks.gates_shared()
    target = environments.lock(environment)
    model = locks.model(func.lower(RegisteredModel.name) == model_name.lower())
    now = locks.now()
    steps = history.steps_back(model.id, target.place, to)
    if shown is not None and steps.live is not None and steps.live.id != shown:
        raise PreconditionFailed("Another version has gone live there meanwhile.")
    live, earlier = way_back(steps, model, target, to)
    version = db.session.get_one(Version, earlier.release_id, populate_existing=True)
    version.model = model
    _check_active(version)
    verdicts = gate_queries.verdicts([version.id], target.place, actor.key_id)[version.id]
    failed = [verdict.details() for verdict in verdicts if not verdict.passed]
    copied = {"metadata_": earlier.metadata_, "endpoint_url": earlier.endpoint_url, "rollback_of": live.id}
    deployment = _new(version, target.name, actor, DeploymentStatus.SUCCESS, **copied)
    ended = _add(deployment, now)
    details = {
        **_details(deployment),
        **ended,
        "reason": reason,
        "rollback_of": str(live.id),
        "from_version": live.version,
        "to": str(earlier.id),
        "passed_gates": failed or None,
        "passed_freeze": environments.freeze_reason(target),
    }
    return audit.commit(actor, deployment, audit.entry("deployment.rollback", deployment, **details))


def way_back(steps: history.Steps, model: RegisteredModel, target: Environment, to: UUID | None) -> tuple[Any, Any]:
    """Return what is live there and the deployment to go back to. Raises Conflict, Invalid."""
    where = f"{model.name} in {target.name}"
    if steps.live is None:
        raise Conflict(f"Nothing of {where} is live, so there is nothing to roll back from. Deploy a version instead.")
    if to is not None and steps.target is None:
        raise Invalid(
            "to must be a deployment of this model that was live there before.",
            errors={"to": [f"Is not an earlier live deployment of {where}."]},
        )
    if steps.target is None:
        raise Conflict(f"There is no earlier version of {where} to go back to. Deploy one instead.")
    return steps.live, steps.target


def _new(version: Version, environment: str, actor: Actor, status: str, **fields: Any) -> Deployment:
    deployment = Deployment(
        id=uuid7(),
        release_id=version.id,
        model_id=version.model_id,
        environment=environment,
        status=status,
        deployed_by=actor.name,
        **fields,
    )
    deployment.release, deployment.model = version, version.model
    return deployment


def _add(deployment: Deployment, now: datetime) -> dict[str, Any]:
    """Add the deployment to the session, live if it succeeded, and return what ended for it, for the audit entry."""
    ended: dict[str, Any] = {}
    if deployment.status == DeploymentStatus.SUCCESS:
        ended = deployment_states.go_live(deployment, now).details()
        now = deployment.live_from or now
    deployment.deployed_at = deployment.updated_at = now
    db.session.add(deployment)
    return ended


def _details(deployment: Deployment) -> dict[str, Any]:
    return {
        "model": deployment.model_name,
        "version": deployment.version,
        "version_id": str(deployment.release_id),
        "environment": deployment.environment,
        "status": str(deployment.status),
    }


def _check_role(environment: Environment, actor: Actor) -> None:
    if environment.protected:
        actor.needs(Role.RELEASER)


def _check_active(version: Version) -> None:
    if version.status == VersionStatus.ARCHIVED:
        raise Conflict(f"{version.version} is archived. Set its status to active first, then deploy it.")


def _locked(deployment_id: UUID, version: Version) -> Deployment:
    query = select(Deployment).where(Deployment.id == deployment_id, Deployment.deleted_at.is_(None))
    deployment = db.session.scalar(query.with_for_update(key_share=True).execution_options(populate_existing=True))
    if deployment is None:
        raise deployments.missing()
    deployment.release, deployment.model = version, version.model
    return deployment


def _check_step(deployment: Deployment, fields: dict[str, Any]) -> None:
    """Raise Conflict if the status in `fields` may not follow the present one."""
    present, wanted = deployment.status, fields.get("status", deployment.status)
    following = deployment_states.NEXT.get(present, ())
    if wanted != present and wanted not in following:
        allowed = f"It can become {', '.join(following)}." if following else "That state is final."
        raise Conflict(f"The deployment is {present} and can't become {wanted}. {allowed}")
