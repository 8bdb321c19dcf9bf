"""Register, edit and delete models."""

from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from uuid_utils.compat import uuid7

from catapult import audit
from catapult.actions import deployment_states, locks
from catapult.audit import Actor
from catapult.errors import Conflict, Invalid
from catapult.extensions import db
from catapult.rules import metadata_limits as limits
from catapult.tables import NOW, Deployment, RegisteredModel, Role, Version, is_live


def create(
    *,
    actor: Actor,
    name: str,
    storage_path: str | None = None,
    repository: str | None = None,
    description: str | None = None,
    tags: list[str] | None = None,
    metadata: dict[str, Any] | None = None,
) -> RegisteredModel:
    """Register a model. `storage_path` defaults to `repository`.

    Raises Conflict (name taken), Invalid (neither of the two is given).
    """
    actor.needs(Role.PUBLISHER)
    limits.check(metadata)
    path = storage_path or repository
    if not path:
        raise Invalid(
            "Send storage_path or repository: where the images are.",
            errors={"storage_path": ["Required without a repository."]},
        )
    model = RegisteredModel(
        id=uuid7(),
        name=name,
        storage_path=path,
        repository=repository,
        description=description,
        tags=tags or [],
        metadata_=metadata or {},
    )
    db.session.add(model)
    return audit.commit(actor, model, audit.entry("model.create", model, name=name, storage_path=path))


def edit(model_id: UUID, fields: dict[str, Any], *, actor: Actor, expected: set[int] | None = None) -> RegisteredModel:
    """Set these fields. A call that changes nothing writes no entry.

    `expected` are the counters the caller has seen, None for any. Raises NotFound, PreconditionFailed.
    """
    actor.needs(Role.PUBLISHER)
    limits.check(fields.get("metadata_"))
    model = locks.model(RegisteredModel.id == model_id)
    locks.check_counter(model, expected)
    changed = audit.changes(model, fields)
    if not changed:
        return model
    return audit.commit(actor, model, audit.entry("model.update", model, name=model.name, changes=changed))


def delete(model_id: UUID, *, actor: Actor, force: bool = False, expected: set[int] | None = None) -> None:
    """Remove the model, its versions and their deployments from every list. Its name is free again.

    Raises NotFound, PreconditionFailed, and Conflict while a version is live, unless `force` ends those deployments.
    """
    actor.needs(Role.ADMIN)
    model = locks.model(RegisteredModel.id == model_id)
    locks.check_counter(model, expected)
    ended = _end_live(model, force)
    cancelled = [str(deployment_id) for deployment_id in deployment_states.cancel(Deployment.model_id == model.id)]
    model.deleted_at = NOW
    removed = {"versions": _remove(Version, model), "deployments": _remove(Deployment, model)}
    ends = {"ended_deployments": ended or None, "cancelled_deployments": cancelled or None}
    audit.commit(actor, model, audit.entry("model.delete", model, name=model.name, **removed, **ends))


def _end_live(model: RegisteredModel, force: bool) -> list[dict[str, str]]:
    """End what is live of this model and return it. Raises Conflict if something is live and `force` is unset."""
    live = (Deployment.model_id == model.id) & is_live()
    live_in = list(db.session.scalars(select(Deployment.environment).where(live).order_by(Deployment.environment)))
    if live_in and not force:
        raise Conflict(f"{model.name} is live in {', '.join(live_in)}. Send force=true to end those deployments too.")
    return deployment_states.end_live(live) if live_in else []


def _remove(table: Any, model: RegisteredModel) -> int:
    """Mark every row of that model in this table as deleted and return how many there were."""
    rows = update(table).where(table.model_id == model.id, table.deleted_at.is_(None))
    result: Any = db.session.execute(
        rows.values(deleted_at=NOW, updated_at=table.updated_at), execution_options={"synchronize_session": False}
    )
    return int(result.rowcount)
