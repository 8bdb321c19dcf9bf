"""Single calls of MLflow's clients, composed of other actions: register by number, set a tag, move to a stage."""

import itertools
from typing import Any
from uuid import UUID

from sqlalchemy import select

from catapult import audit
from catapult.actions import deployments, environments, locks, registered_models, versions
from catapult.actions.registration import Registered
from catapult.audit import Actor
from catapult.errors import Conflict, NotFound
from catapult.extensions import db
from catapult.queries import mlflow
from catapult.queries import registered_models as model_queries
from catapult.queries import versions as version_queries
from catapult.rules import mlflow_stages, mlflow_tags
from catapult.tables import RegisteredModel, Role, Version, VersionStatus

REASON = "MLflow moved it to the stage {}."


def register(*, actor: Actor, model_name: str, version: str | None = None, **fields: Any) -> Registered:
    """Register a version, named by its number if `version` is None. Raises NotFound in MLflow's words, and what
    `versions.register` raises.

    If the model has a version with that name, the new one is `<number>.mlflow`, or else `<number>.mlflow.2` and so on. That is
    looked up only once the number is refused: a look-up in the statement that registers would cost every version.
    """
    actor.needs(Role.PUBLISHER)
    try:
        return versions.register(actor=actor, model_name=model_name, version=version, **fields)
    except NotFound:
        db.session.rollback()
        mlflow.model(model_name)
        raise
    except Conflict:
        db.session.rollback()
        if version is not None:
            raise
    name = _free_name(locks.model(model_queries.named(model_name)))
    return versions.register(actor=actor, model_name=model_name, version=name, **fields)


def _free_name(model: RegisteredModel) -> str:
    """Return an unused name for the model's next version. The model is locked, so that nobody else takes its number."""
    of_model = select(Version.id).where(Version.model_id == model.id, Version.deleted_at.is_(None))
    number = str(model.last_number + 1)
    suffixes = itertools.chain(("", ".mlflow"), (f".mlflow.{count}" for count in itertools.count(2)))
    names = (number + suffix for suffix in suffixes)
    return next(name for name in names if db.session.scalar(of_model.where(Version.version == name)) is None)


def tag_model(model_id: UUID, key: str, value: str | None, *, actor: Actor) -> None:
    """Set a tag of MLflow, or remove it where the value is None. Raises NotFound, Forbidden, Invalid."""
    actor.needs(Role.PUBLISHER)
    model = locks.model(RegisteredModel.id == model_id)
    metadata = mlflow_tags.with_tag(model.metadata_, key, value)
    registered_models.edit(model_id, {"metadata_": metadata}, actor=actor)


def tag_version(version_id: UUID, key: str, value: str | None, *, actor: Actor) -> None:
    """Set a tag of MLflow, or remove it where the value is None. Raises NotFound, Forbidden, Invalid."""
    actor.needs(Role.PUBLISHER)
    version, _ = locks.version(version_id)
    metadata = mlflow_tags.with_tag(version.metadata_, key, value)
    versions.edit(version_id, {"metadata_": metadata}, actor=actor)


def move(version_id: UUID, stage: str, *, actor: Actor, ends_last: bool) -> None:
    """Move the version to a stage of MLflow, in one transaction, with an audit entry for each change.

    Production and Staging make it live in the environment of that name. Archived ends its live deployments and archives it; None
    ends them. Without `ends_last`, the client did not ask to end the version that was live there. Raises NotFound,
    Forbidden, Frozen, Blocked.
    """
    actor.needs(Role.PUBLISHER)
    environment = mlflow_stages.ENVIRONMENTS.get(stage)
    with audit.together():
        locks.gates_shared()
        if environment is None:
            _retire(version_id, stage, actor)
            status = VersionStatus.ARCHIVED if stage == mlflow_stages.ARCHIVED else VersionStatus.ACTIVE
            versions.edit(version_id, {"status": str(status)}, actor=actor)
        elif environment not in {row.place for row in mlflow.live(version_id)}:
            environments.get_or_create(environment, actor)  # locked before the model is
            if version_queries.get(version_id).status == VersionStatus.ARCHIVED:
                versions.edit(version_id, {"status": str(VersionStatus.ACTIVE)}, actor=actor)
            reason = REASON.format(stage)
            deployments.create(
                actor=actor, release_id=version_id, environment=environment, reason=reason, ends_last=ends_last
            )


def _retire(version_id: UUID, stage: str, actor: Actor) -> None:
    """End the version's live deployments. Environments are locked before the model; then the deployments are read again."""
    for row in mlflow.live(version_id):
        environments.lock(row.environment)
    locks.version(version_id)
    for row in mlflow.live(version_id):
        deployments.retire(
            row.environment,
            actor=actor,
            model_name=row.model_name,
            reason=REASON.format(stage),
            shown=row.id,
            cancels_others=False,
        )
