"""The timeline of an environment: what was live of each model and when, what failed, and when it was frozen."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import bindparam, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as UUIDS

from catapult.extensions import db
from catapult.tables import Action, AuditLog

A: Any = AuditLog.__table__.c

BARS, FAILED, CHANGES = 200, 1_000, 500
"""The newest bars of a lane, failed deployments of the registry, and changes of an environment that a window shows."""

FREEZE = ("frozen", "frozen_reason", "frozen_until")
NOT_FROZEN: dict[str, Any] = {"frozen": False, "frozen_reason": None, "frozen_until": None}


class Freeze(NamedTuple):
    """A time in which an environment was frozen, and why."""

    start: datetime
    end: datetime
    reason: str


# Of each model, by ix_deployments_history: what went live in the window, and the one before, if it was live when the
# window began. Failed deployments by ix_deployments_status. Versions are looked up for those rows alone.
_LANES = text(
    """
WITH bar AS (
    SELECT bar.* FROM unnest(:models) AS model (id) CROSS JOIN LATERAL (
        (SELECT id, model_id, release_id, live_from, ended_at, rollback_of FROM deployments
         WHERE model_id = model.id AND place = :place AND live_from IS NOT NULL AND live_from >= :since
         ORDER BY live_from DESC LIMIT :bars)
        UNION ALL
        (SELECT id, model_id, release_id, live_from, ended_at, rollback_of FROM deployments
         WHERE model_id = model.id AND place = :place AND live_from IS NOT NULL AND live_from < :since
         ORDER BY live_from DESC LIMIT 1)
    ) AS bar
    WHERE bar.ended_at IS NULL OR bar.ended_at > :since
    UNION ALL
    SELECT id, model_id, release_id, NULL, deployed_at, NULL FROM (
        SELECT id, model_id, release_id, deployed_at, place FROM deployments
        WHERE status = 'failed' AND deleted_at IS NULL AND deployed_at >= :since
        ORDER BY deployed_at DESC, id DESC LIMIT :failed
    ) AS failed
    WHERE failed.place = :place AND failed.model_id = ANY(:models)
)
SELECT bar.id::text, bar.model_id::text, bar.live_from, bar.ended_at, bar.rollback_of::text, version.version
FROM bar CROSS JOIN LATERAL (SELECT version FROM versions WHERE id = bar.release_id LIMIT 1) AS version
ORDER BY coalesce(bar.live_from, bar.ended_at), bar.id
"""
).bindparams(bindparam("models", type_=ARRAY(UUIDS())))


def lanes(model_ids: Sequence[str], environment: str, since: datetime) -> list[Any]:
    """Return what was live of the models in that environment since then, and what failed, oldest first.

    `id model_id live_from ended_at rollback_of version`; what failed has no `live_from`, and `ended_at` is its time.
    """
    if not model_ids:
        return []
    sent = {"models": list(model_ids), "place": environment, "since": since, "bars": BARS, "failed": FAILED}
    return list(db.session.execute(_LANES, sent))


def freezes(environment: Any, since: datetime, now: datetime) -> list[Freeze]:
    """Return when the environment was frozen since then, oldest first: from its audit entries, newest first."""
    newest = (
        select(A.action, A.details, A.created_at)
        .where(A.resource_id == UUID(str(environment.id)), A.created_at >= since)
        .order_by(A.created_at.desc(), A.id.desc())
        .limit(CHANGES)
    )
    state = {name: getattr(environment, name) for name in FREEZE}
    freezes, end = [], now
    for entry in db.session.execute(newest):
        before, after = _changed(entry)
        freezes += _frozen(state | after, entry.created_at, end)
        state, end = state | after | before, entry.created_at
    freezes += _frozen(state, since, end)
    return freezes[::-1]


def _changed(entry: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the fields of a freeze that the entry changed: as they were, and as they became."""
    if entry.action == Action.ENVIRONMENT_CREATE:
        return NOT_FROZEN, {name: entry.details.get(name) for name in FREEZE}
    changes: Mapping[str, Any] = entry.details.get("changes") or {}
    pairs = {name: changes[name] for name in FREEZE if name in changes}
    return {name: pair["old"] for name, pair in pairs.items()}, {name: pair["new"] for name, pair in pairs.items()}


def _frozen(state: Mapping[str, Any], start: datetime, end: datetime) -> list[Freeze]:
    """Return a list with the freeze between the two times; empty if it was not frozen."""
    until = state["frozen_until"]
    until = datetime.fromisoformat(until) if isinstance(until, str) else until
    end = min(end, until) if until else end
    return [Freeze(start, end, state["frozen_reason"] or "")] if state["frozen"] and start < end else []
