"""Versions that wait for an approval on their way to a target."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import select, text

from catapult.audit import Actor
from catapult.extensions import db
from catapult.queries import gate_facts, gates
from catapult.queries.live import RECENT
from catapult.rules.gates import Verdict
from catapult.tables import Gate, GateKind

G: Any = Gate.__table__.c
MOST = 50
"""The most candidates, newest first, that are checked."""

# Among the newest versions: for `release`, those newer than their model's release; for an environment, a model's latest version
# and newest release, unless it or a newer version is live there; for an alias the same, unless the alias points at it or at a
# newer version. Walks ix_versions_newest.
_CANDIDATES = f"""
SELECT recent.id, model.name AS model_name, recent.version, recent.created_at, recent.created_by, needed.target,
    CASE WHEN release.id <> recent.id THEN release.version END AS release
FROM (
    SELECT id, model_id, version, created_at, created_by, created_by_key, released_at FROM versions
    WHERE deleted_at IS NULL AND status = 'active' ORDER BY created_at DESC, id DESC LIMIT {RECENT}
) AS recent
JOIN models AS model ON model.id = recent.model_id AND model.deleted_at IS NULL
CROSS JOIN LATERAL (
    SELECT DISTINCT target FROM gates
    WHERE deleted_at IS NULL AND kind = 'approved'
        AND lower(model.name) LIKE replace(replace(lower(gates.model), '_', '\\_'), '*', '%')
) AS needed
LEFT JOIN LATERAL (
    SELECT id, created_at, version FROM versions AS other
    WHERE other.model_id = recent.model_id AND other.released_at IS NOT NULL AND other.deleted_at IS NULL
        AND other.status = 'active' ORDER BY other.created_at DESC, other.id DESC LIMIT 1
) AS release ON true
LEFT JOIN LATERAL (
    (SELECT there.created_at FROM deployments JOIN versions AS there ON there.id = deployments.release_id
    WHERE deployments.model_id = recent.model_id AND deployments.place = needed.target
        AND deployments.live_from IS NOT NULL AND deployments.ended_at IS NULL LIMIT 1)
    UNION ALL
    (SELECT there.created_at FROM aliases AS alias JOIN versions AS there ON there.id = alias.version_id
    WHERE starts_with(needed.target, '@') AND alias.model_id = recent.model_id
        AND lower(alias.name) = substr(needed.target, 2) AND alias.until IS NULL LIMIT 1)
) AS live ON needed.target <> 'release'
WHERE NOT EXISTS (
    SELECT FROM api_keys AS key WHERE key.id = recent.created_by_key AND coalesce(key.person_id, key.line_id, key.id) = :voice
) AND CASE needed.target
    WHEN 'release' THEN recent.released_at IS NULL AND (release.id IS NULL OR release.created_at < recent.created_at)
    ELSE (recent.id = release.id OR recent.version = model.latest_version)
        AND (live.created_at IS NULL OR live.created_at < recent.created_at) END
ORDER BY recent.created_at DESC, recent.id DESC, needed.target LIMIT {MOST}
"""  # noqa: S608 - built from constants


# Only these kinds decide whether a version waits; ignore the verdicts of other kinds from this statement.
FACTS = f"""
(WITH candidate AS MATERIALIZED ({_CANDIDATES})
SELECT {gate_facts.as_json_of("candidate", frozenset({GateKind.APPROVED, GateKind.RELEASED}))})
"""
"""SQL for the facts that `count` reads, as one JSON array, to be part of a larger statement; `:voice` is the actor's."""


class Waiting(NamedTuple):
    """A version that lacks approvals for a target, with the verdicts of all gates of the target."""

    id: UUID
    model_name: str
    version: str
    created_at: datetime
    created_by: str
    target: str
    release: str | None
    """The model's newest release, unless this is it."""
    verdicts: list[Verdict]


def waiting(actor: Actor) -> list[Waiting]:
    """Return versions that wait for an approval this actor may give, newest first. Checks only the newest `MOST` candidates."""
    rows = candidates(actor)
    return of_candidates(actor, rows, gates.verdicts_everywhere(dict.fromkeys(row.id for row in rows), None))


def candidates(actor: Actor | None) -> list[Any]:
    """Return the newest versions with a target whose gates need approvals, without the actor's own."""
    return list(db.session.execute(text(_CANDIDATES), {"voice": actor.voice if actor else None}))


def waiting_for_anybody() -> list[Waiting]:
    """Return the versions that wait for anybody's approval, of the newest `MOST` candidates."""
    rows = candidates(None)
    verdicts = gates.verdicts_everywhere(dict.fromkeys(row.id for row in rows), None)
    return [waiting for waiting in _joined(rows, verdicts) if _lacks_approvals(waiting.verdicts)]


def of_candidates(actor: Actor, rows: list[Any], verdicts: dict[UUID, dict[str, list[Verdict]]]) -> list[Waiting]:
    """Return those `candidates` that wait for an approval this actor may give; `verdicts` are those of all targets."""
    return [waiting for waiting in _joined(rows, verdicts) if _waits_for(actor, waiting.verdicts)]


def count(actor: Actor, facts: Iterable[dict[str, Any]]) -> int:
    """Return the number of `waiting` versions and targets, from `FACTS`."""
    of_target: dict[tuple[UUID, str], list[Any]] = defaultdict(list)
    for fact in gate_facts.from_json(facts):
        of_target[fact.version_id, fact.target].append(fact)
    return sum(_waits_for(actor, gates.evaluate(rows, None)) for rows in of_target.values())


def _waits_for(actor: Actor, verdicts: list[Verdict]) -> bool:
    """Return whether the actor may give a missing approval. Versions barred by a `released` gate do not wait."""
    return _passes_released(verdicts) and any(it.can_be_approved_by(actor.voice, actor.role) for it in verdicts)


def _lacks_approvals(verdicts: list[Verdict]) -> bool:
    return _passes_released(verdicts) and not all(
        it.passes_for_others for it in verdicts if it.gate.kind_ == GateKind.APPROVED
    )


def _passes_released(verdicts: list[Verdict]) -> bool:
    return all(verdict.passed for verdict in verdicts if verdict.gate.kind_ == GateKind.RELEASED)


def _joined(rows: list[Any], verdicts: dict[UUID, dict[str, list[Verdict]]]) -> Iterator[Waiting]:
    return (Waiting(**row._asdict(), verdicts=verdicts[row.id].get(row.target, [])) for row in rows)


def any_gate_needs_approval() -> bool:
    """Return whether any gate needs approvals."""
    query = select(G.id).where(G.deleted_at.is_(None), G.kind == GateKind.APPROVED.value).limit(1)
    return db.session.scalar(query) is not None
