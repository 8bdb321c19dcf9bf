"""Record deployments, and keep the one that is live."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from uuid_utils.compat import uuid7

from catapult import audit
from catapult import metadata as limits
from catapult.actions import locks
from catapult.audit import Actor
from catapult.errors import Conflict
from catapult.extensions import db
from catapult.tables import Deployment, DeploymentStatus, Role, Version, VersionStatus, is_live


def create(
    *,
    actor: Actor,
    release_id: UUID,
    environment: str,
    status: str = DeploymentStatus.SUCCESS,
    metadata: dict[str, Any] | None = None,
    endpoint_url: str | None = None,
) -> Deployment:
    """Record that this version went to this environment; with success it is live there and the one before has ended.

    Raises NotFound (version), Conflict where the version is archived.
    """
    actor.needs(Role.PUBLISHER)
    limits.check(metadata)
    version, _, now = locks.version(release_id)
    if version.status == VersionStatus.ARCHIVED:
        raise Conflict(f"{version.version} is archived. Set its status to active first, then deploy it.")
    deployment = Deployment(
        id=uuid7(),
        release_id=version.id,
        model_id=version.model_id,
        environment=environment,
        status=status,
        metadata_=metadata or {},
        endpoint_url=endpoint_url,
        deployed_by=actor.name,
    )
    deployment.release, deployment.model = version, version.model
    ended = _go_live(deployment, now) if status == DeploymentStatus.SUCCESS else None
    db.session.add(deployment)
    said = audit.entry("deployment.create", deployment, **_details(deployment, version), ended_deployment=ended)
    return audit.commit(actor, deployment, said)


def _details(deployment: Deployment, version: Version) -> dict[str, Any]:
    return {
        "model": version.model_name,
        "version": version.version,
        "version_id": str(version.id),
        "environment": deployment.environment,
        "status": str(deployment.status),
    }


def _go_live(deployment: Deployment, now: datetime) -> str | None:
    """It is live from the moment that the one before it ends; returns that one's id."""
    place = func.lower(Deployment.environment) == deployment.environment.lower()
    before = db.session.scalar(select(Deployment).where(Deployment.model_id == deployment.model_id, place, is_live()))
    if before is None:
        deployment.live_from = deployment.deployed_at = deployment.updated_at = now
        return None
    # Never before it began, not even where the clock was set back.
    now = max(now, before.live_from or now)
    deployment.live_from = deployment.deployed_at = deployment.updated_at = before.ended_at = now
    # The old one has to leave the partial unique index before the new one enters it.
    db.session.flush()
    return str(before.id)
