"""Rank, protect, freeze and delete environments; deploying to a name makes it one."""

import re
from datetime import UTC
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from uuid_utils.compat import uuid7

from catapult import audit
from catapult.actions import locks, progress
from catapult.audit import Actor
from catapult.errors import Conflict, Frozen, Invalid, PreconditionFailed
from catapult.extensions import db
from catapult.queries import environments, gates
from catapult.tables import MAX_RANK, NOW, RELEASE, Deployment, Environment, Role, is_live

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)
UNRANKED = {"protected": False, "frozen": False, "frozen_reason": None, "frozen_until": None, "description": None}
"""What a new environment is, beside ranked last."""
FREEZE = ("frozen", "frozen_reason", "frozen_until")


def put(
    name: str, fields: dict[str, Any], *, actor: Actor, expected: set[int] | None = None, new: bool = False
) -> tuple[Environment, bool]:
    """The environment has these fields; it is made where it is not there. Says, too, whether it was made.

    Raises Forbidden, PreconditionFailed, Invalid for a freeze without a reason or one that is over, and Conflict where it is there
    already and has to be `new`.
    """
    actor.needs(Role.ADMIN)
    _check_name(name)
    environment, made = _taken(name, actor, share=False)
    if made and expected is not None:
        raise PreconditionFailed(f"There is no environment {name} any more. Send it without If-Match to make it.")
    if new and not made:
        raise Conflict(f"There is an environment {environment.name} already.", errors={"name": ["Is taken."]})
    locks.check_counter(environment, expected)
    changed = audit.changes(environment, _checked(environment, fields))
    if made:
        said = audit.entry("environment.create", environment, name=environment.name, **_told(environment))
        return audit.commit(actor, environment, said), True
    if not changed:
        return environment, False
    said = audit.entry("environment.update", environment, name=environment.name, changes=_as_json(changed))
    return audit.commit(actor, environment, said), False


def delete(name: str, *, actor: Actor, force: bool = False, expected: set[int] | None = None) -> None:
    """The environment leaves every list; what is on its way there is cancelled. Its history stays.

    Raises NotFound, PreconditionFailed, and Conflict while a gate names it or something is live there, unless `force` ends that.
    """
    actor.needs(Role.ADMIN)
    environment = _locked(name, share=False)
    if environment is None or environment.deleted_at is not None:
        raise environments.missing(name)
    locks.check_counter(environment, expected)
    locks.hold_gates()  # none that is being written meanwhile may name it
    gates.check_unnamed(environment.place)
    there = Deployment.place == environment.place
    running = db.session.scalar(select(func.count()).select_from(Deployment).where(there, is_live())) or 0
    if running and not force:
        raise Conflict(f"{running} deployments are live in {environment.name}. Send force=true to end them with it.")
    ended = progress.end_live(there)
    cancelled = [str(one) for one in progress.cancel(there)]
    environment.deleted_at = NOW
    details = {"ended_deployments": ended or None, "cancelled_deployments": cancelled or None}
    audit.commit(actor, environment, audit.entry("environment.delete", environment, name=environment.name, **details))


def taken(name: str, actor: Actor) -> tuple[Environment, bool]:
    """The environment to deploy to, which nobody changes meanwhile; made, ranked last, where it is not there.

    Says, too, whether it was made. Neither audits nor commits.
    """
    return _taken(name, actor, share=True)


def held(name: str, *, ever: bool = False) -> Environment:
    """That environment, which nobody changes meanwhile; with `ever` a deleted one, too. Raises NotFound."""
    environment = _locked(name, share=True)
    if environment is None or (environment.deleted_at is not None and not ever):
        raise environments.missing(name)
    return environment


def check_open(environment: Environment) -> None:
    """Nothing, if it takes deployments now. Raises Frozen, with the reason."""
    reason = freeze_of(environment)
    if reason is not None:
        end = environment.frozen_until
        until = f" until {end.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if end else ""
        raise Frozen(f"{environment.name} is frozen{until}: {reason}")


def freeze_of(environment: Environment) -> str | None:
    """Why it is frozen now; None if it is not."""
    until = environment.frozen_until
    return environment.frozen_reason if environment.frozen and (until is None or until > locks.now()) else None


def _taken(name: str, actor: Actor, *, share: bool) -> tuple[Environment, bool]:
    environment = _locked(name, share=share, kept=True)
    return (environment, False) if environment is not None else _made(name, actor)


def _locked(name: str, *, share: bool, kept: bool = False) -> Environment | None:
    """Deployments hold it together, and a change of it alone.

    With `kept`, one that was deleted is not there, nor one that is changed just now: whoever waited for a deletion would hold
    the deleted row together with others, and none of them could make it again.
    """
    query = select(Environment).where(Environment.place == environments.place_of(name))
    query = query.where(Environment.deleted_at.is_(None)) if kept else query
    locked = query.with_for_update(read=share, key_share=not share, skip_locked=kept)
    found: Environment | None = db.session.scalar(locked.execution_options(populate_existing=True))
    return found


def _made(name: str, actor: Actor) -> tuple[Environment, bool]:
    """Of several at once one makes it; the others wait for that, or for a change of it, and find it. A deleted one is as new."""
    values = {"id": uuid7(), "name": name, "rank": _last_rank(), "created_by": actor.name}
    added: Any = db.session.execute(insert(Environment).values(values).on_conflict_do_nothing())
    environment = _locked(name, share=False)
    assert environment is not None, "an environment is never deleted for good"
    again = environment.deleted_at is not None
    if again:
        rank = db.session.scalar(select(_last_rank()))
        values = {"name": name, "rank": rank, "created_by": actor.name, "created_at": NOW, "deleted_at": None}
        for field, value in {**values, **UNRANKED}.items():
            setattr(environment, field, value)
        db.session.flush()
    return environment, again or bool(added.rowcount)


def _last_rank() -> Any:
    highest = func.least(func.coalesce(func.max(Environment.rank), 0), MAX_RANK - 1)
    return select(highest + 1).where(Environment.deleted_at.is_(None)).scalar_subquery()


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name) or name.lower() == RELEASE:
        rule = "Has to begin with a letter or digit and hold letters, digits and ._- only, 63 at most; not release."
        raise Invalid("That is no name of an environment.", errors={"name": [rule]})


def _checked(environment: Environment, fields: dict[str, Any]) -> dict[str, Any]:
    """The fields, with what thawing forgets: why and until when it was frozen. A freeze that is over is none. Raises Invalid."""
    if not any(name in fields for name in FREEZE):
        return fields
    frozen = freeze_of(environment) is not None
    if not fields.get("frozen", frozen):
        sent = [name for name in ("frozen_reason", "frozen_until") if fields.get(name) is not None]
        if sent:
            raise Invalid("Send frozen=true with it.", errors={name: ["Belongs to a freeze."] for name in sent})
        return {**fields, "frozen": False, "frozen_reason": None, "frozen_until": None}
    if not frozen:
        fields = {"frozen_reason": None, "frozen_until": None, **fields}
    if not fields.get("frozen_reason", environment.frozen_reason):
        raise Invalid(
            "Say why it is frozen: whoever is refused reads it.", errors={"frozen_reason": ["Needed for a freeze."]}
        )
    until = fields.get("frozen_until")
    if until is not None and until <= locks.now():
        raise Invalid("A freeze has to end in the future.", errors={"frozen_until": ["Is in the past."]})
    return fields


def _told(environment: Environment) -> dict[str, Any]:
    """What a new one is, for its entry."""
    until = environment.frozen_until.isoformat() if environment.frozen_until else None
    return {
        "rank": environment.rank,
        "protected": environment.protected,
        "frozen": environment.frozen,
        "frozen_reason": environment.frozen_reason,
        "frozen_until": until,
        "description": environment.description,
    }


def _as_json(changed: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Times as text."""
    return {
        field: {when: value.isoformat() if hasattr(value, "isoformat") else value for when, value in pair.items()}
        for field, pair in changed.items()
    }
