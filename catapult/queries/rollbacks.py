"""Rollbacks: the version that each left and why, and the versions to roll back to."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import aliased

from catapult.extensions import db
from catapult.queries.lists.raw_columns import as_text
from catapult.tables import AuditLog, Deployment, RegisteredModel, Version, VersionStatus

A: Any = AuditLog.__table__.c
D: Any = Deployment.__table__.c
V: Any = Version.__table__.c
M: Any = RegisteredModel.__table__.c

LATEST, OFFERED = 200, 20
"""The latest deployments that are searched, and the most versions that are offered."""

_ROLLBACK = select(A.details["reason"].astext).where(A.resource_id == D.id, A.action == "deployment.rollback")
_REASON = _ROLLBACK.order_by(A.created_at).limit(1).scalar_subquery()


def details(deployments: Iterable[Any]) -> dict[str, Any]:
    """Return `{deployment id: row}` for the rollbacks among these rows. Each row has `id from_version reason`."""
    ids = [row.id for row in deployments if row.rollback_of]
    if not ids:
        return {}
    replaced = aliased(Deployment.__table__)
    query = (
        select(as_text(D.id), V.version.label("from_version"), _REASON.label("reason"))
        .join_from(Deployment.__table__, replaced, replaced.c.id == D.rollback_of)
        .join(Version.__table__, V.id == replaced.c.release_id)
        .where(D.id.in_(ids))
    )
    return {row.id: row for row in db.session.execute(query)}


def with_deleted_version(deployments: Sequence[Any]) -> set[str]:
    """Return the ids of the rows whose model or version was deleted."""
    query = (
        select(as_text(D.id))
        .join_from(Deployment.__table__, Version.__table__, V.id == D.release_id)
        .join(RegisteredModel.__table__, M.id == D.model_id)
        .where(D.id.in_([row.id for row in deployments]), or_(V.deleted_at.is_not(None), M.deleted_at.is_not(None)))
    )
    return set(db.session.scalars(query)) if deployments else set()


def choices(model_id: UUID, environment: str, current_version_id: UUID) -> list[Any]:
    """Return other active versions that were live in the environment, most recently live first, with that deployment.

    `id release_id version is_release live_from ended_at deployed_by`.
    """
    released = V.released_at.is_not(None).label("is_release")
    query = (
        select(as_text(D.id), D.release_id, V.version, released, D.live_from, D.ended_at, D.deployed_by)
        .join_from(Deployment.__table__, Version.__table__, V.id == D.release_id)
        .where(
            D.model_id == model_id, D.place == environment, D.live_from.is_not(None), D.release_id != current_version_id
        )
        .where(V.deleted_at.is_(None), V.status == VersionStatus.ACTIVE.value)
        .order_by(D.live_from.desc())
        .limit(LATEST)
    )
    newest: dict[UUID, Any] = {}
    for row in db.session.execute(query):
        newest.setdefault(row.release_id, row)
    return list(newest.values())[:OFFERED]
