"""Register, edit, rename and delete models."""

from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from uuid_utils.compat import uuid7

from catapult import audit
from catapult.actions import aliases, approvals, contents, deployment_states, locks
from catapult.audit import Actor
from catapult.errors import Conflict, Invalid
from catapult.extensions import db
from catapult.queries import gates, naming
from catapult.queries.content import MODEL_FIELDS as CONTENT
from catapult.rules import image_reference, mlflow_tags, targets
from catapult.rules import metadata_limits as limits
from catapult.tables import NOW, Alias, Approval, Deployment, RegisteredModel, Role, Version, is_live


def create(
    *,
    actor: Actor,
    name: str,
    storage_path: str | None = None,
    repository: str | None = None,
    description: str | None = None,
    register_tags: str | None = None,
    tags: list[str] | None = None,
    metadata: dict[str, Any] | None = None,
) -> RegisteredModel:
    """Register a model. `storage_path` defaults to `repository`.

    Raises Conflict (name taken), Invalid (neither of the two is given, or nothing can be pulled from the repository).
    """
    actor.needs(Role.PUBLISHER)
    actor.bounds.check_model(name)
    limits.check(metadata)
    path = storage_path or repository
    if not path:
        raise Invalid(
            "Send storage_path or repository: where the images are.",
            errors={"storage_path": ["Required without a repository."]},
        )
    _check_repository(repository)
    model = RegisteredModel(
        id=uuid7(),
        name=name,
        storage_path=path,
        repository=repository,
        description=description,
        register_tags=register_tags,
        tags=tags or [],
        metadata_=metadata or {},
    )
    db.session.add(model)
    details = {"name": name, "storage_path": path, "register_tags": register_tags}
    return audit.commit(actor, model, audit.entry("model.create", model, **details))


def edit(
    model_id: UUID,
    fields: dict[str, Any],
    *,
    actor: Actor,
    reason: str | None = None,
    expected: set[int] | None = None,
) -> RegisteredModel:
    """Set these fields. A call that changes nothing writes no entry.

    A change of `repository` or `storage_path` changes the images of all versions: it voids their approvals and, if one is a
    release or live, takes a releaser and a reason. `expected` are the counters the caller has seen, None for any. Raises NotFound,
    Forbidden, Invalid (reason, repository), PreconditionFailed.
    """
    actor.needs(Role.PUBLISHER)
    limits.check(fields.get("metadata_"))
    model = locks.model(RegisteredModel.id == model_id)
    actor.bounds.check_model(model.name)
    locks.check_counter(model, expected)
    changed = mlflow_tags.split(audit.changes(model, fields))
    if not changed:
        return model
    if "repository" in changed:
        _check_repository(model.repository)
    voided = None
    if content := {name: changed[name] for name in CONTENT if name in changed}:
        if _has_evidence(model):
            contents.check_may_change(
                actor, reason, f"A version of {model.name} is a release, live or what a guarded alias points at"
            )
        of_model = Approval.version_id.in_(select(Version.id).where(Version.model_id == model.id))
        voided = approvals.void(of_model, contents.why_void(content, actor), locks.now())
    details = {"changes": changed, "reason": reason, "voided_approvals": voided}
    return audit.commit(actor, model, audit.entry("model.update", model, name=model.name, **details))


def rename(model_id: UUID, name: str, *, actor: Actor) -> RegisteredModel:
    """Give the model another name. The old name still leads to the model, and no other model can take it until this one is deleted.

    The returned row also has what `naming.change` returns: the gates and keys' bounds that apply no longer, or newly, to the
    model. The same name changes nothing. Raises NotFound, Forbidden, and Conflict (name taken).
    """
    actor.needs(Role.ADMIN)
    locks.gates_shared()  # so that the gates that are returned cannot change
    model = locks.model(RegisteredModel.id == model_id)
    old = model.name
    for each in (old, name):
        actor.bounds.check_model(each)
    change = naming.change(old, name)
    for gate in (*change["gates_lost"], *change["gates_gained"]):
        if targets.is_environment(gate["target"]):
            actor.bounds.check_environment(gate["target"])
    for key, value in change.items():
        setattr(model, key, value)
    if name != old:
        model.former_names = [*(each for each in model.former_names if each not in (old, name)), old]
        model.name = name
        shown = {key: value or None for key, value in change.items()}
        audit.commit(actor, model, audit.entry("model.rename", model, name=name, old_name=old, **shown))
    return model


def _check_repository(repository: str | None) -> None:
    """Raise Invalid if container tools cannot pull from it."""
    fault = image_reference.repository_fault(repository) if repository else None
    if fault:
        raise Invalid("Container tools cannot pull from this repository.", errors={"repository": [fault]})


def _has_evidence(model: RegisteredModel) -> bool:
    """Return whether a version of the model is a release, live, or what a guarded alias points at."""
    released = select(Version.id).where(
        Version.model_id == model.id, Version.released_at.is_not(None), Version.deleted_at.is_(None)
    )
    live = select(Deployment.id).where((Deployment.model_id == model.id) & is_live())
    if db.session.scalar(select(released.exists() | live.exists())):
        return True
    current = select(Alias).where(Alias.model_id == model.id, Alias.until.is_(None))
    return any(
        row.decision_id or gates.facts([row.version_id], targets.of_alias(row.name)).get(row.version_id)
        for row in db.session.scalars(current)
    )


def delete(model_id: UUID, *, actor: Actor, force: bool = False, expected: set[int] | None = None) -> None:
    """Remove the model, its versions and their deployments from every list, and its aliases. Its name is free again.

    Raises NotFound, PreconditionFailed, and Conflict while a version is live, unless `force` ends those deployments.
    """
    actor.needs(Role.ADMIN)
    model = locks.model(RegisteredModel.id == model_id)
    actor.bounds.check_model(model.name)
    locks.check_counter(model, expected)
    deployment_states.check_bounds(actor, Deployment.model_id == model.id)
    ended = _end_live(model, force)
    cancelled = [str(deployment_id) for deployment_id in deployment_states.cancel(Deployment.model_id == model.id)]
    model.deleted_at = NOW
    removed = {"versions": _remove(Version, model), "deployments": _remove(Deployment, model)}
    ends = {"ended_deployments": ended or None, "cancelled_deployments": cancelled or None}
    ends["ended_aliases"] = aliases.end_of_model(model.id) or None
    audit.commit(actor, model, audit.entry("model.delete", model, name=model.name, **removed, **ends))


def _end_live(model: RegisteredModel, force: bool) -> list[dict[str, str]]:
    """End the model's live deployments and return them. Raises Conflict if there are any and `force` is unset."""
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
