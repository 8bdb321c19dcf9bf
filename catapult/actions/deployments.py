"""Record deployments and their states, make them live, and roll back."""

from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import select
from uuid_utils.compat import uuid7

from catapult import audit
from catapult.actions import decisions, deployment_states, environments, gates, locks
from catapult.actions.deployment_states import Previous
from catapult.actions.going_live import GoingLive, NotLive
from catapult.actions.locks import LockedVersion
from catapult.audit import Actor, Entry, Script
from catapult.errors import Conflict, Invalid, PreconditionFailed
from catapult.extensions import begin, db, is_autocommit
from catapult.queries import deployments, history, image_checks, registered_models, versions
from catapult.queries import environments as environment_queries
from catapult.queries import gates as gate_queries
from catapult.rules import metadata_limits as limits
from catapult.rules import reasons
from catapult.tables import (
    Decision,
    DecisionKind,
    Deployment,
    DeploymentStatus,
    Environment,
    RegisteredModel,
    Role,
    Version,
    VersionStatus,
    is_live,
)

_had_gates: set[str] = set()  # environments, when this process last deployed there: no look before the locks


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
    ends_last: bool = True,
) -> Deployment:
    """Record that this version went to this environment. With success it is live there and ends the previous one.

    The environment is created if it does not exist. `force`, with a reason and by an admin, overrides the gates. Without
    `ends_last`, the client did not ask to end the previous one, and the entry says so. Raises NotFound (version), Forbidden,
    Frozen, Blocked, and Conflict if the version is archived.
    """
    actor.needs(Role.PUBLISHER)
    gates.check_force(actor, force, reason)
    limits.check(metadata)
    fields = {"metadata_": metadata or {}, "endpoint_url": endpoint_url, "log_url": log_url}
    is_new = False
    if status == DeploymentStatus.SUCCESS and is_autocommit():
        quick, is_new = _create_at_once(release_id, environment, actor, reason, ends_last, fields)
        if quick is not None:
            return quick
    begin()
    locked, created = _locked_for(release_id, environment, actor, is_new)
    version, now, target = locked.version, locked.now, locked.environment
    (_had_gates.add if locked.kinds else _had_gates.discard)(target.place)
    _check_target(version, target, actor)
    deployment = _new(version, environment, actor, status, **fields)
    decided = None
    if status not in deployment_states.NOT_REACHED:
        decided = _decide(deployment, target, actor, now, force, reason, locked.kinds)
    previous = Previous(locked.last, locked.unfinished)
    script, ended = _insertion(deployment, now, previous, decided.decision if decided else None)
    details = {**_details(deployment), **ended, "made_environment": created or None, "reason": reason}
    details |= {"ended_unasked": (not ends_last and previous.live is not None) or None}
    details |= decided.details if decided else {}
    entry = audit.entry("deployment.create", deployment, **details)
    return audit.commit(actor, deployment, entry, *(decided.entries if decided else ()), statement=script)


def _create_at_once(
    release_id: UUID, environment: str, actor: Actor, reason: str | None, ends_last: bool, fields: dict[str, Any]
) -> tuple[Deployment | None, bool]:
    """Record the deployment by one statement if the environment has no gates, as `create` does.

    Return None if the locks have to be taken first, and whether the environment or the version does not exist.
    """
    place = environment_queries.lookup_name(environment)
    seen = locks.look(release_id, place) if place not in _had_gates else None
    if seen is None or seen.kinds or seen.unfinished:
        return None, seen is None and place not in _had_gates
    version, target = seen.version, seen.environment
    _check_target(version, target, actor)
    environments.check_not_frozen(target)
    deployment = _new(version, environment, actor, DeploymentStatus.SUCCESS, **fields)
    decision = decisions.drafted(DecisionKind.DEPLOY, version, target.place, actor=actor, now=seen.now, reason=reason)
    deployment.decision_id = decision.id
    details = {**_details(deployment), "reason": reason, "decision_id": str(decision.id)}
    entry = audit.entry("deployment.create", deployment, **details)
    with suppress(NotLive):
        statement = GoingLive(deployment, decision, seen.evidence, ends_last)
        return audit.commit(actor, deployment, entry, statement=statement), False
    return None, False


def edit(
    deployment_id: UUID,
    fields: dict[str, Any],
    *,
    actor: Actor,
    expected: set[int] | None = None,
    force: bool = False,
    reason: str | None = None,
) -> Deployment:
    """Set these fields. A `status` can only move forward; with success the deployment is live, as in `create`.

    With success, gates and freezes are checked again; a refusal leaves it as it was. Raises NotFound, PreconditionFailed,
    Forbidden, Frozen, Blocked, and Conflict for a step back or if the version has been archived.
    """
    actor.needs(Role.PUBLISHER)
    gates.check_force(actor, force, reason)
    limits.check(fields.get("metadata_"))
    row = deployments.get(deployment_id)
    locks.gates_shared()
    environment = environments.lock(row.environment, deleted=True)
    _check_may_deploy(environment, actor)
    locked = locks.version_for(UUID(row.release_id), environment.place)
    version, now = locked.version, locked.now
    actor.bounds.check_model(version.model_name)
    deployment = _locked(deployment_id, version)
    deployment.decision = row.decision
    locks.check_counter(deployment, expected)
    deployment_states.check_step(deployment, fields)
    status = fields.get("status", deployment.status)
    moves = status != deployment.status
    decided = None
    if moves and status not in deployment_states.NOT_REACHED:
        _check_active(version)
    if moves and status == DeploymentStatus.SUCCESS:  # before its fields are set: a refusal must leave nothing to write
        decided = _decide(deployment, environment, actor, now, force, reason, locked.kinds)
        db.session.add(decided.decision)
    changed = audit.changes(deployment, fields)
    if not changed:
        return deployment
    details = {**_details(deployment), "changes": changed, "reason": reason}
    if decided:
        with db.session.no_autoflush:
            previous = deployment_states.previous(deployment)
            deployment_states.go_live(deployment, now, previous).run()
        # One time for the state and for the beginning of being live.
        deployment.updated_at = deployment.live_from or now
        details |= {**deployment_states.ended(previous), **decided.details}
    entry = audit.entry("deployment.update", deployment, **details)
    return audit.commit(actor, deployment, entry, *(decided.entries if decided else ()))


def rollback(
    environment: str, *, actor: Actor, model_name: str, reason: str, to: UUID | None = None, shown: UUID | None = None
) -> Deployment:
    """Make an earlier version live again: the newest that was live there, or that of the deployment `to`.

    `shown` is the deployment that the caller saw live, None for any. The present version, versions rolled back from since the
    last ordinary deployment, and archived or deleted ones are skipped. Neither gates nor a freeze stop a rollback; its entry
    names those that would have. Raises NotFound, Invalid (`to`), PreconditionFailed, and Conflict without an earlier version.
    """
    actor.needs(Role.RELEASER)
    reasons.check(reason, "A rollback needs a reason: the audit log keeps it.")
    locks.gates_shared()
    target = environments.lock(environment)
    _check_may_deploy(target, actor)
    model = locks.model(registered_models.named(model_name))
    actor.bounds.check_model(model.name)
    now = locks.now()
    steps = history.steps_back(model.id, target.place, to)
    if steps.live is not None:
        _check_shown(shown, steps.live.id)
    live, earlier = rollback_step(steps, model, target, to)
    version = db.session.get_one(Version, earlier.release_id, populate_existing=True)
    version.image_check = image_checks.of(version.id)
    version.model = model
    _check_active(version)
    verdicts = gate_queries.verdicts([version.id], target.place, actor.voice)[version.id]
    failed = [verdict.details() for verdict in gates.failed(verdicts)]
    freeze = environments.freeze_reason(target)
    copied = {"metadata_": earlier.metadata_, "endpoint_url": earlier.endpoint_url, "rollback_of": live.id}
    deployment = _new(version, target.name, actor, DeploymentStatus.SUCCESS, **copied)
    context: dict[str, Any] = {"actor": actor, "now": now, "verdicts": verdicts, "reason": reason, "freeze": freeze}
    decision = decisions.record(DecisionKind.ROLLBACK, version, target.place, **context)
    _set_decision(deployment, decision)
    script, ended = _insertion(deployment, now, deployment_states.previous(deployment), decision.row)
    details = {
        **_details(deployment),
        **ended,
        **decision.details,
        "reason": reason,
        "rollback_of": str(live.id),
        "from_version": live.version,
        "to": str(earlier.id),
        "passed_gates": failed or None,
        "passed_freeze": freeze,
    }
    entry = audit.entry("deployment.rollback", deployment, **details)
    return audit.commit(actor, deployment, entry, statement=script)


def rollback_step(
    steps: history.Steps, model: RegisteredModel, target: Environment, to: UUID | None
) -> tuple[Any, Any]:
    """Return the live deployment and the one to go back to. Raises Conflict, Invalid."""
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


def retire(
    environment: str,
    *,
    actor: Actor,
    model_name: str,
    reason: str,
    shown: UUID | None = None,
    cancels_others: bool = True,
) -> Deployment:
    """End the model's live deployment in the environment, without a successor, and cancel unfinished ones.

    Without `cancels_others`, unfinished deployments of other versions go on. `shown` is as in `rollback`. Needs the role to deploy
    there; neither gates nor a freeze stop it. Returns the deployment that ended. Raises NotFound, Forbidden, PreconditionFailed,
    and Conflict if nothing was live.
    """
    actor.needs(Role.PUBLISHER)
    reasons.check(reason, "Retiring a model needs a reason: the audit log keeps it.")
    locks.gates_shared()
    target = environments.lock(environment)
    _check_may_deploy(target, actor)
    model = locks.model(registered_models.named(model_name))
    actor.bounds.check_model(model.name)
    here = (Deployment.model_id == model.id) & (Deployment.place == target.place)
    row = db.session.scalar(select(Deployment).where(here, is_live()).execution_options(populate_existing=True))
    if row is None:
        raise Conflict(f"Nothing of {model.name} is live in {target.name}, so there is nothing to retire.")
    _check_shown(shown, row.id)
    version = db.session.get_one(Version, row.release_id, populate_existing=True)
    version.image_check = image_checks.of(version.id)
    version.model = model
    freeze = environments.freeze_reason(target)
    deployment_states.end_live(here)
    unfinished = here if cancels_others else here & (Deployment.release_id == row.release_id)
    cancelled = [str(deployment_id) for deployment_id in deployment_states.cancel(unfinished)]
    db.session.refresh(row)
    row.release, row.model = version, model
    row.decision = deployments.get(row.id).decision
    now = row.ended_at or locks.now()
    decision = decisions.record(
        DecisionKind.RETIRE, version, target.place, actor=actor, now=now, reason=reason, freeze=freeze
    )
    db.session.add(decision.row)
    details = {
        **_details(row),
        **decision.details,
        "reason": reason,
        "cancelled_deployments": cancelled or None,
        "passed_freeze": freeze,
    }
    return audit.commit(actor, row, audit.entry("deployment.retire", row, **details))


def _locked_for(version_id: UUID, environment: str, actor: Actor, is_new: bool) -> tuple[LockedVersion, bool]:
    """Lock the version for a deployment to the environment, and return whether that was created. Raises NotFound, Forbidden."""
    place = environment_queries.lookup_name(environment)
    locked = None if is_new else locks.version_for_environment(version_id, place)
    if locked is not None:
        return locked, False
    audit.start_again()  # the environment's lock comes before the model's
    target, created = environments.get_or_create(environment, actor)
    _check_may_deploy(target, actor)  # before a version that does not exist is refused
    locked = locks.version_for_environment(version_id, place)
    if locked is None:
        raise versions.missing()
    return locked, created


class Decided(NamedTuple):
    """The decision for a deployment, its details for the audit entry, and the entry of an override."""

    decision: Decision
    details: dict[str, Any]
    entries: list[Entry]


def _decide(
    deployment: Deployment,
    target: Environment,
    actor: Actor,
    now: datetime,
    force: bool,
    reason: str | None,
    kinds: frozenset[str],
) -> Decided:
    """Check the freeze and the gates, and return the decision. Raises Frozen, Blocked."""
    environments.check_not_frozen(target)
    version = deployment.release
    verdicts = gates.check(version.id, target.place, actor=actor, force=force, kinds=kinds)
    decision = decisions.record(
        DecisionKind.DEPLOY, version, target.place, actor=actor, now=now, verdicts=verdicts, reason=reason
    )
    _set_decision(deployment, decision)
    named = {"model": version.model_name, "version": version.version, **decision.details}
    entries = gates.override(deployment, verdicts, target.place, reason, **named)
    return Decided(decision.row, {**decision.details, "override": decision.row.override or None}, entries)


def _set_decision(deployment: Deployment, decision: decisions.Recorded) -> None:
    deployment.decision_id, deployment.override = decision.row.id, decision.row.override
    deployment.decision = decision.json


def _new(version: Version, environment: str, actor: Actor, status: str, **fields: Any) -> Deployment:
    deployment = Deployment(
        id=uuid7(),
        release_id=version.id,
        model_id=version.model_id,
        environment=environment,
        status=status,
        deployed_by=actor.shown,
        override=False,
        counter=1,
        **fields,
    )
    deployment.release, deployment.model, deployment.decision = version, version.model, None
    return deployment


def _insertion(
    deployment: Deployment, now: datetime, previous: Previous, decision: Decision | None
) -> tuple[Script, dict[str, Any]]:
    """Return the script that inserts the deployment, live if it succeeded, and what it ends, for the audit entry."""
    script, ended = Script(), {}
    if deployment.status == DeploymentStatus.SUCCESS:
        script, ended = deployment_states.go_live(deployment, now, previous), deployment_states.ended(previous)
        now = deployment.live_from or now
    deployment.deployed_at = deployment.updated_at = now
    script.insert(deployment)
    if decision is not None:
        script.insert(decision)
    return script, ended


def _details(deployment: Deployment) -> dict[str, Any]:
    return {
        "model": deployment.model_name,
        "version": deployment.version,
        "version_id": str(deployment.release_id),
        "environment": deployment.environment,
        "status": str(deployment.status),
    }


def _check_target(version: Version, environment: Environment, actor: Actor) -> None:
    """Raise Forbidden or Conflict unless the actor may deploy the version to the environment."""
    _check_may_deploy(environment, actor)
    actor.bounds.check_model(version.model_name)
    _check_active(version)


def _check_may_deploy(environment: Environment, actor: Actor) -> None:
    actor.bounds.check_environment(environment.name)
    if environment.protected:
        actor.needs(Role.RELEASER)


def _check_shown(shown: UUID | None, live: UUID) -> None:
    if shown not in (None, live):
        raise PreconditionFailed("Another version has gone live there meanwhile.")


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
