"""Rank, protect, freeze and delete environments. Deploying to a new name creates its environment."""

import re
from datetime import UTC
from typing import Any

from sqlalchemy import func, literal, select
from sqlalchemy.dialects.postgresql import insert
from uuid_utils.compat import uuid7

from catapult import audit
from catapult.actions import deployment_states, locks
from catapult.audit import Actor, Entry
from catapult.errors import Conflict, Forbidden, Frozen, Invalid, PreconditionFailed
from catapult.extensions import current_settings, db
from catapult.queries import environments, gates
from catapult.rules import environment_names, reasons
from catapult.tables import ENVIRONMENT_LENGTH, MAX_RANK, NOW, RELEASE, Deployment, Environment, Role, is_live

NEW = {"frozen": False, "frozen_reason": None, "frozen_until": None, "description": None, "deploy_within": None}
"""The fields of a new environment, besides the last rank. A deleted one that was protected comes back protected."""
MOST = 500
"""Environments at a time: pages show them all."""
_NUMBER = select(func.count()).where(Environment.deleted_at.is_(None)).scalar_subquery()
FREEZE = ("frozen", "frozen_reason", "frozen_until")


def put(
    name: str, fields: dict[str, Any], *, actor: Actor, expected: set[int] | None = None, new: bool = False
) -> tuple[Environment, bool]:
    """Set these fields of the environment, which is created if it does not exist. Return it and whether it was created.

    Raises Forbidden, PreconditionFailed, Invalid for a freeze without a reason or with an end in the past, and Conflict if it
    exists although `new` is set.
    """
    actor.needs(Role.ADMIN)
    _check_name(name)
    _check_bounds(actor, name)
    environment, created = _get_or_create(name, actor, shared=False)
    if created and expected is not None:
        raise PreconditionFailed(f"There is no environment {name} any more. Send it without If-Match to create it.")
    if new and not created:
        raise Conflict(f"The environment {environment.name} already exists.", errors={"name": ["Is taken."]})
    locks.check_counter(environment, expected)
    changed = audit.changes(environment, _fields_to_set(environment, fields))
    freeze = _freeze(environment) if changed.keys() & set(FREEZE) and (environment.frozen or not created) else None
    if created:
        details = {field: _as_json(getattr(environment, field)) for field in ("rank", "protected", *NEW)}
        entry = audit.entry("environment.create", environment, name=environment.name, **details, freeze=freeze)
    elif changed:
        entry = _updated(environment, changed, freeze)
    else:
        return environment, False
    return audit.commit(actor, environment, entry), created


def end_freezes(*, actor: Actor) -> int:
    """End the freezes whose time is over, each with an entry of its own, and return their number.

    Such a freeze no longer stops deployments; this writes the events.
    """
    expired = Environment.frozen & (Environment.frozen_until <= NOW) & Environment.deleted_at.is_(None)
    ended = 0
    for name in db.session.scalars(select(Environment.place).where(expired)).all():
        environment = _locked(name, shared=False)
        if environment is None or not environment.frozen or freeze_reason(environment) is not None:
            continue  # somebody else ended it meanwhile, or froze it again
        changed = audit.changes(environment, dict.fromkeys(FREEZE) | {"frozen": False})
        audit.commit(actor, environment, _updated(environment, changed, _freeze(environment)))
        ended += 1
    return ended


def delete(name: str, *, actor: Actor, force: bool = False, expected: set[int] | None = None) -> None:
    """Mark the environment as deleted, end its live deployments and cancel its unfinished ones. Its history stays.

    Raises NotFound, PreconditionFailed, and Conflict if a gate names it, or if it has live deployments and not `force`.
    """
    actor.needs(Role.ADMIN)
    _check_bounds(actor, name)
    locks.gates_shared()  # so that no gate that names it is created meanwhile
    environment = _locked(name, shared=False)
    if environment is None or environment.deleted_at is not None:
        raise environments.missing(name)
    locks.check_counter(environment, expected)
    gates.check_unnamed(environment.place)
    here = Deployment.place == environment.place
    live = db.session.scalar(select(func.count()).select_from(Deployment).where(here, is_live())) or 0
    if live and not force:
        raise Conflict(f"{live} deployments are live in {environment.name}. Send force=true to end them too.")
    ended = deployment_states.end_live(here)
    cancelled = [str(deployment_id) for deployment_id in deployment_states.cancel(here)]
    environment.deleted_at = NOW
    details = {"ended_deployments": ended or None, "cancelled_deployments": cancelled or None}
    audit.commit(actor, environment, audit.entry("environment.delete", environment, name=environment.name, **details))


def get_or_create(name: str, actor: Actor) -> tuple[Environment, bool]:
    """Lock all gates and the environment to deploy to against changes; create it, ranked last, if it does not exist.

    Return it, and whether it was created. Neither audits nor commits.
    """
    locks.gates_shared()
    return _get_or_create(name, actor, shared=True)


def lock(name: str, *, deleted: bool = False) -> Environment:
    """Lock the environment against changes and return it, a deleted one only if `deleted` is set. Raises NotFound."""
    environment = _locked(name, shared=True)
    if environment is None or (environment.deleted_at is not None and not deleted):
        raise environments.missing(name)
    return environment


def check_not_frozen(environment: Environment) -> None:
    """Raise Frozen, with the reason, if the environment is frozen now."""
    reason = freeze_reason(environment)
    if reason is not None:
        end = environment.frozen_until
        until = f" until {end.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if end else ""
        raise Frozen(f"{environment.name} is frozen{until}: {reason}")


def freeze_reason(environment: Environment) -> str | None:
    """Return why the environment is frozen now, or None if it is not."""
    until = environment.frozen_until
    return environment.frozen_reason if environment.frozen and (until is None or until > locks.now()) else None


def _get_or_create(name: str, actor: Actor, *, shared: bool) -> tuple[Environment, bool]:
    environment = _locked(name, shared=shared, skip=True)
    return (environment, False) if environment is not None else _create(name, actor)


def _locked(name: str, *, shared: bool, skip: bool = False) -> Environment | None:
    """Lock the environment's row, shared for a deployment and exclusive for a change, and return it or None.

    With `skip`, return None for a row that is deleted or that another transaction is changing. Otherwise several
    transactions could wait for a deletion and share the lock on the deleted row, and none could recreate the environment.
    """
    query = select(Environment).where(Environment.place == environments.lookup_name(name))
    query = query.where(Environment.deleted_at.is_(None)) if skip else query
    locked = query.with_for_update(read=shared, key_share=not shared, skip_locked=skip)
    environment: Environment | None = db.session.scalar(locked.execution_options(populate_existing=True))
    return environment


def _create(name: str, actor: Actor) -> tuple[Environment, bool]:
    """Create the environment, or reset a deleted one, and return it and whether this transaction did so.

    If several transactions run this concurrently, one creates the row. The others wait for it and return that row.
    Raises Forbidden if the actor's role may not (ENVIRONMENT_ROLE), Conflict if there are too many.
    """
    required = Role(current_settings().environment_role)
    if not actor.role.holds(required):
        raise Forbidden(
            f"There is no environment {name}, and creating one takes the role {required} here. Ask an administrator."
        )
    values = {"id": uuid7(), "name": name, "rank": _last_rank(), "created_by": actor.shown}
    columns = [getattr(Environment, column) for column in values]
    row = select(*(value if column == "rank" else literal(value) for column, value in values.items())).where(
        _NUMBER < MOST
    )
    inserted: Any = db.session.execute(insert(Environment).from_select(columns, row).on_conflict_do_nothing())
    environment = _locked(name, shared=False)
    deleted = environment is not None and environment.deleted_at is not None
    if environment is None or (deleted and not db.session.scalar(select(_NUMBER < MOST))):
        raise Conflict(
            f"There are {MOST} environments, the most that there may be. Delete one that is not used any more."
        )
    if deleted:
        rank = db.session.scalar(select(_last_rank()))
        values = {"name": name, "rank": rank, "created_by": actor.shown, "created_at": NOW, "deleted_at": None}
        for field, value in {**values, **NEW}.items():
            setattr(environment, field, value)
        db.session.flush()
    return environment, deleted or bool(inserted.rowcount)


def _last_rank() -> Any:
    highest = func.least(func.coalesce(func.max(Environment.rank), 0), MAX_RANK - 1)
    return select(highest + 1).where(Environment.deleted_at.is_(None)).scalar_subquery()


def _check_bounds(actor: Actor, name: str) -> None:
    actor.bounds.check_all_models("settings of environments")
    actor.bounds.check_environment(name)


def _check_name(name: str) -> None:
    faults = {
        environment_names.RULE: not re.fullmatch(environment_names.PATTERN, name, re.ASCII),
        environment_names.RESERVED: environment_names.is_reserved(name),
        f"Must have 1 to {ENVIRONMENT_LENGTH} characters.": len(name) > ENVIRONMENT_LENGTH,
        "Must not be release: that is the target of a promotion.": name.lower() == RELEASE,
    }
    if messages := [message for message, applies in faults.items() if applies]:
        raise Invalid("This is not a valid name of an environment.", errors={"name": messages})


def _fields_to_set(environment: Environment, fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields to set. Unfreezing also clears the reason and the end. An expired freeze counts as not frozen.

    Raises Invalid for a reason or an end without a freeze, a freeze without a reason, and an end in the past.
    """
    if not any(name in fields for name in FREEZE):
        return fields
    frozen = freeze_reason(environment) is not None
    if not fields.get("frozen", frozen):
        sent = [name for name in ("frozen_reason", "frozen_until") if fields.get(name) is not None]
        if sent:
            raise Invalid("Send frozen=true with it.", errors={name: ["Belongs to a freeze."] for name in sent})
        return {**fields, "frozen": False, "frozen_reason": None, "frozen_until": None}
    if not frozen:
        fields = {"frozen_reason": None, "frozen_until": None, **fields}
    reason = fields.get("frozen_reason", environment.frozen_reason)
    reasons.check(reason, "A freeze needs a reason: whoever is refused reads it.", "frozen_reason")
    until = fields.get("frozen_until")
    if until is not None and until <= locks.now():
        raise Invalid("A freeze must end in the future.", errors={"frozen_until": ["Is in the past."]})
    return fields


def _updated(environment: Environment, changed: dict[str, Any], freeze: dict[str, Any] | None) -> Entry:
    changed = {field: {when: _as_json(value) for when, value in pair.items()} for field, pair in changed.items()}
    return audit.entry("environment.update", environment, name=environment.name, changes=changed, freeze=freeze)


def _freeze(environment: Environment) -> dict[str, Any]:
    """Return the freeze as it is now, for an entry."""
    until = _as_json(environment.frozen_until)
    return {"frozen": environment.frozen, "reason": environment.frozen_reason, "until": until}


def _as_json(value: Any) -> Any:
    """Return a time as text and all else as it is."""
    return value.isoformat() if hasattr(value, "isoformat") else value
