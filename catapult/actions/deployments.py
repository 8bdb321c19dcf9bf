"""Record deployments and how far they come, keep the one that is live, and go back to one before."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from uuid_utils.compat import uuid7

from catapult import audit
from catapult.actions import environments, gates, locks, progress
from catapult.audit import Actor
from catapult.errors import Conflict, Invalid, PreconditionFailed
from catapult.extensions import db
from catapult.queries import deployments, history
from catapult.queries import gates as gate_queries
from catapult.rules import metadata_limits as limits
from catapult.rules.gates import Verdict
from catapult.tables import (
    Deployment,
    DeploymentStatus,
    Environment,
    RegisteredModel,
    Role,
    Version,
    VersionStatus,
)

NEVER_THERE = (DeploymentStatus.FAILED, DeploymentStatus.CANCELLED)
"""What is recorded as one of these did not reach its environment, so that neither a gate nor a freeze stands in its way."""


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
    """Record that this version went to this environment; with success it is live there and the one before has ended.

    The environment is made where it is not there. `force`, with a reason and by an admin, passes the gates. Raises NotFound
    (version), Forbidden, Frozen, Blocked, and Conflict where the version is archived.
    """
    actor.needs(Role.PUBLISHER)
    gates.check_force(actor, force, reason)
    limits.check(metadata)
    place, made = environments.taken(environment, actor)
    _check_role(place, actor)
    version, _, now = locks.version(release_id, gated=True)
    _check_active(version)
    broken: list[Verdict] = []
    if status not in NEVER_THERE:
        environments.check_open(place)
        broken = gates.passed(version.id, place.place, actor=actor, force=force)
    deployment = _new(
        version, environment, actor, status, metadata_=metadata or {}, endpoint_url=endpoint_url, log_url=log_url
    )
    ended = _added(deployment, now)
    told = {**_details(deployment), **ended, "made_environment": made or None, "reason": reason}
    override = gates.override(
        deployment, broken, place.place, reason, model=version.model_name, version=version.version
    )
    return audit.commit(actor, deployment, audit.entry("deployment.create", deployment, **told), *override)


def edit(deployment_id: UUID, fields: dict[str, Any], *, actor: Actor, expected: set[int] | None = None) -> Deployment:
    """These fields have these values. A `status` only ever moves on; with success it is live, as in `create`.

    Gates and freezes were asked when it began. Raises NotFound, PreconditionFailed, Forbidden, and Conflict for a step back or
    where the version was archived since.
    """
    actor.needs(Role.PUBLISHER)
    limits.check(fields.get("metadata_"))
    found = deployments.get(deployment_id)
    place = environments.held(found.environment, ever=True)
    _check_role(place, actor)
    version, _, now = locks.version(UUID(found.release_id))
    deployment = _locked(deployment_id, version)
    locks.check_counter(deployment, expected)
    changed = audit.changes(deployment, _moved(deployment, fields))
    if not changed:
        return deployment
    ended: dict[str, Any] = {}
    if "status" in changed and deployment.status not in NEVER_THERE:
        _check_active(version)
    if "status" in changed and deployment.status == DeploymentStatus.SUCCESS:
        ended = progress.go_live(deployment, now).said()
        deployment.updated_at = deployment.live_from or now  # one time for the state and for what is live from then
    told = {**_details(deployment), **ended, "changes": changed}
    return audit.commit(actor, deployment, audit.entry("deployment.update", deployment, **told))


def rollback(
    environment: str,
    *,
    actor: Actor,
    model_name: str,
    reason: str,
    to: UUID | None = None,
    shown: UUID | None = None,
) -> Deployment:
    """The newest earlier version that was live there is live again, or that of the deployment `to`.

    `shown` is the deployment that the caller saw live, None for any.

    Left out are the present one, what was rolled back from since the last ordinary deployment, and what is archived or deleted.
    Neither gates nor a freeze stop it; its entry says which it passed. Raises NotFound, Invalid (`to`), PreconditionFailed, and
    Conflict where there is nothing to go back to.
    """
    actor.needs(Role.RELEASER)
    place = environments.held(environment)
    model = locks.model(func.lower(RegisteredModel.name) == model_name.lower(), gated=True)
    now = locks.now()
    steps = history.steps_back(model.id, place.place, to)
    if shown is not None and steps.live is not None and steps.live.id != shown:
        raise PreconditionFailed("Another version went live there meanwhile.")
    live, target = way_back(steps, model, place, to)
    version = db.session.get_one(Version, target.release_id, populate_existing=True)
    version.model = model
    _check_active(version)
    verdicts = gate_queries.verdicts([version.id], place.place, actor.key_id)[version.id]
    passed = [verdict.said() for verdict in verdicts if not verdict.passed]
    kept = {"metadata_": target.metadata_, "endpoint_url": target.endpoint_url, "rollback_of": live.id}
    deployment = _new(version, place.name, actor, DeploymentStatus.SUCCESS, **kept)
    ended = _added(deployment, now)
    told = {
        **_details(deployment),
        **ended,
        "reason": reason,
        "rollback_of": str(live.id),
        "from_version": live.version,
        "to": str(target.id),
        "passed_gates": passed or None,
        "passed_freeze": environments.freeze_of(place),
    }
    return audit.commit(actor, deployment, audit.entry("deployment.rollback", deployment, **told))


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


def _added(deployment: Deployment, now: datetime) -> dict[str, Any]:
    """It is in the session, and live if it succeeded; what ended for it, for the entry."""
    ended: dict[str, Any] = {}
    if deployment.status == DeploymentStatus.SUCCESS:
        ended = progress.go_live(deployment, now).said()
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


def _check_role(place: Environment, actor: Actor) -> None:
    if place.protected:
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


def _moved(deployment: Deployment, fields: dict[str, Any]) -> dict[str, Any]:
    """The fields, if their status may follow the present one. Raises Conflict."""
    now, then = deployment.status, fields.get("status", deployment.status)
    if then != now and then not in progress.AFTER.get(now, ()):
        may = ", ".join(progress.AFTER.get(now, ())) or "nothing: it is over"
        raise Conflict(f"The deployment is {now} and can't become {then}. What may follow is {may}.")
    return fields


def way_back(steps: history.Steps, model: RegisteredModel, place: Environment, to: UUID | None) -> tuple[Any, Any]:
    """What is live there, and the deployment to go back to. Raises Conflict, Invalid."""
    where = f"{model.name} in {place.name}"
    if steps.live is None:
        raise Conflict(f"Nothing of {where} is live, so there is nothing to roll back from. Deploy a version instead.")
    if to is not None and steps.target is None:
        raise Invalid(
            "to has to be a deployment of this model that was live there before.",
            errors={"to": [f"Is no earlier live deployment of {where}."]},
        )
    if steps.target is None:
        raise Conflict(f"There is no earlier version of {where} to go back to. Deploy one instead.")
    return steps.live, steps.target
