"""Gates: one by id, all of them, and what those that a version meets say of it."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Uuid, and_, bindparam, func, literal, or_, select, text

from catapult.errors import Conflict, NotFound
from catapult.extensions import db
from catapult.queries.lists.paging import Listing
from catapult.queries.lists.raw_columns import as_text
from catapult.rules import gates
from catapult.rules.gates import Verdict
from catapult.tables import RELEASE, ApiKey, Approval, Gate, GateKind, RegisteredModel, Version, VersionStatus

G: Any = Gate.__table__.c
A: Any = Approval.__table__.c
K: Any = ApiKey.__table__.c
V: Any = Version.__table__.c
M: Any = RegisteredModel.__table__.c

MOST_VOID = 1_000
"""Approvals are counted up to here."""

OWN = ("path", "op", "value", "direction", "tolerance", "paths", "environment", "seconds", "count", "role")
_COLUMNS: tuple[Any, ...] = (
    as_text(G.id),
    G.model,
    G.target,
    G.kind.label("kind_"),
    *(G[name].label("count_") if name == "count" else G[name] for name in OWN),
    G.created_by,
    G.created_at,
    G.updated_at,
    G.counter,
)
_GATES = Listing(select(*_COLUMNS).where(G.deleted_at.is_(None)), G.created_at, G.id)
_BY_ID = _GATES.rows.where(G.id == bindparam("gate_id"))

# A row a version and gate that is for it, with all that the gate looks at: whatever their number, one statement.
_FACTS = """
SELECT asked.id AS version_id, asked.created_by_key, asked.released_at IS NOT NULL AS is_release,
    gate.id, gate.counter, gate.model, gate.target, gate.kind AS kind_, gate.path, gate.op, gate.value, gate.direction,
    gate.tolerance, gate.paths, gate.environment, gate.seconds, gate.count AS count_, gate.role, gate.created_by, gate.created_at,
    gate.updated_at, statement_timestamp() AS now, base.id AS base_id, base.version AS base_version,
    (SELECT value FROM metrics WHERE version_id = asked.id AND path = gate.path) AS number,
    (SELECT value FROM metrics WHERE version_id = base.id AND path = gate.path) AS base_number,
    CASE WHEN gate.path IS NOT NULL
        THEN jsonb_typeof(coalesce(asked.metadata -> gate.path, asked.metadata #> string_to_array(gate.path, '.'))) END AS found,
    CASE WHEN gate.kind = 'metadata_present' THEN ARRAY(
        SELECT wanted FROM unnest(gate.paths) WITH ORDINALITY AS listed (wanted, place)
        WHERE coalesce(jsonb_typeof(coalesce(asked.metadata -> wanted, asked.metadata #> string_to_array(wanted, '.'))), 'null')
            = 'null'
        AND NOT (strpos(wanted, '.') > 0 AND EXISTS (
            -- A key may have dots in it itself: down by every beginning of the path that is a key.
            WITH RECURSIVE below (value, rest) AS (
                SELECT asked.metadata, string_to_array(wanted, '.')
                UNION ALL
                SELECT value -> array_to_string(rest[1:taken], '.'), rest[taken + 1:]
                FROM below, generate_series(1, cardinality(rest)) AS taken
                WHERE jsonb_typeof(value) = 'object' AND value ? array_to_string(rest[1:taken], '.')
            ) SELECT FROM below WHERE rest = '{{}}' AND jsonb_typeof(value) <> 'null'))
        ORDER BY place) END AS missing,
    CASE WHEN gate.kind = 'soaked' THEN (
        WITH RECURSIVE stretch AS (
            SELECT id, live_from FROM deployments
            WHERE release_id = asked.id AND place = gate.environment AND live_from IS NOT NULL AND ended_at IS NULL
            UNION ALL
            SELECT earlier.id, earlier.live_from FROM stretch JOIN deployments AS earlier
                ON earlier.superseded_by = stretch.id AND earlier.release_id = asked.id
        ) SELECT min(live_from) FROM stretch) END AS since
FROM versions AS asked
JOIN models AS model ON model.id = asked.model_id
JOIN {gates} AS gate ON gate.deleted_at IS NULL AND {target}
    AND lower(model.name) LIKE replace(replace(lower(gate.model), '_', '\\_'), '*', '%')
LEFT JOIN LATERAL (
    SELECT id, version FROM (
        SELECT release.id, release.version FROM versions AS release
        WHERE gate.target = 'release' AND release.model_id = asked.model_id AND release.released_at IS NOT NULL
            AND release.deleted_at IS NULL AND release.status = 'active'
        ORDER BY release.created_at DESC, release.id DESC LIMIT 1
    ) AS present
    UNION ALL
    SELECT there.id, there.version FROM deployments JOIN versions AS there ON there.id = deployments.release_id
    WHERE deployments.model_id = asked.model_id AND deployments.place = gate.target
        AND deployments.live_from IS NOT NULL AND deployments.ended_at IS NULL
) AS base ON gate.kind = 'no_regression'
WHERE asked.id = ANY(:versions)
ORDER BY gate.created_at, gate.id
"""


def _asking(gates: str, target: str) -> Any:
    return text(_FACTS.format(gates=gates, target=target)).bindparams(bindparam("versions", type_=ARRAY(Uuid)))


_STORED = _asking("gates", "gate.target = :target")
_EVERYWHERE = _asking("gates", "true")
# As if it were there: `jsonb_populate_record` gives a row of that table.
_TRIED = _asking("jsonb_populate_record(CAST(NULL AS gates), CAST(:gate AS jsonb))", "gate.target = :target")


def get(gate_id: UUID) -> Any:
    """That gate, as a plain row. Raises NotFound."""
    row = db.session.execute(_BY_ID, {"gate_id": gate_id}).one_or_none()
    if row is None:
        raise missing()
    return row


def missing() -> NotFound:
    return NotFound("There is no such gate, or it was deleted. GET /api/v1/gates lists those there are.")


def listing() -> Listing:
    """Gates newest first."""
    return _GATES


def of_model(name: str) -> Listing:
    """Those that are for the model of that name, newest first."""
    like = func.replace(func.replace(func.lower(G.model), "_", "\\_"), "*", "%")
    return _GATES.where(literal(name.lower()).like(like))


def verdicts(version_ids: Iterable[Any], target: str, asker: UUID | None) -> dict[UUID, list[Verdict]]:
    """`{version's id: what each gate says}` of these versions on their way to that target; none where no gate is for it.

    `asker` is the key of whoever asks, whose own approval does not count. Two statements, whatever the number of gates.
    """
    ids = [UUID(str(one)) for one in version_ids]
    found = facts(ids, target)
    words = _approvals(ids, target.lower()) if any(_asks_approval(of) for of in found.values()) else {}
    return {one: _judged(found.get(one, []), words.get((one, target.lower()), []), asker) for one in ids}


def verdicts_everywhere(version_ids: Iterable[Any], asker: UUID | None) -> dict[UUID, dict[str, list[Verdict]]]:
    """`{version's id: {target: what each gate says}}`, for every target that a gate is for; as `verdicts`, two statements."""
    found: dict[tuple[UUID, str], list[Any]] = defaultdict(list)
    ids = [UUID(str(one)) for one in version_ids]
    for fact in db.session.execute(_EVERYWHERE, {"versions": ids}) if ids else ():
        found[fact.version_id, fact.target].append(fact)
    words = _approvals(ids) if any(_asks_approval(of) for of in found.values()) else {}
    said: dict[UUID, dict[str, list[Verdict]]] = {one: {} for one in ids}
    for (one, target), facts_there in found.items():
        said[one][target] = _judged(facts_there, words.get((one, target), []), asker)
    return said


def tried(version_ids: Iterable[Any], gate: Mapping[str, Any]) -> dict[UUID, Verdict]:
    """`{version's id: what this gate would say}` of those of these versions that it would be for; it need not be stored.

    Nobody has approved anything for a gate that is not there.
    """
    ids = [UUID(str(one)) for one in version_ids]
    asked = {"versions": ids, "target": gate["target"], "gate": json.dumps(dict(gate))}
    return {fact.version_id: gates.judge(fact, [], "", None) for fact in db.session.execute(_TRIED, asked)}


def newest_for(pattern: str, most: int) -> list[Any]:
    """`id model_name version created_at` of the newest active versions that a gate for such models would be for."""
    query = (
        select(V.id, M.name.label("model_name"), V.version, V.created_at)
        .join_from(Version.__table__, RegisteredModel.__table__, M.id == V.model_id)
        .where(V.deleted_at.is_(None), V.status == VersionStatus.ACTIVE.value, _for(pattern))
    )
    return list(db.session.execute(query.order_by(V.created_at.desc(), V.id.desc()).limit(most)))


def approval_count(*meant: tuple[str, str]) -> int:
    """How many approvals there are that a change of gates for these patterns and targets would void, up to `MOST_VOID`.

    Of those for a release, only where the version is none yet.
    """
    voided = or_(*(and_(A.target == target, _for(pattern)) for pattern, target in meant))
    found = (
        select(A.id)
        .join_from(Approval.__table__, Version.__table__, V.id == A.version_id)
        .join(RegisteredModel.__table__, M.id == V.model_id)
        .where(A.withdrawn_at.is_(None), V.deleted_at.is_(None), voided)
        .where(or_(A.target != RELEASE, V.released_at.is_(None)))
    )
    return db.session.scalar(select(func.count()).select_from(found.limit(MOST_VOID).subquery())) or 0


def _for(pattern: str) -> ColumnElement[bool]:
    """Whether a gate with this pattern is for the model: as `_FACTS` has it."""
    like = pattern.lower().replace("_", "\\_").replace("*", "%")
    return func.lower(M.name).like(like)


def facts(version_ids: Sequence[UUID], target: str) -> dict[UUID, list[Any]]:
    """`{version's id: a row a gate that is for it}`, as `gates.judge` and `gates.gates_hash` take them."""
    found: dict[UUID, list[Any]] = defaultdict(list)
    for fact in db.session.execute(_STORED, {"versions": list(version_ids), "target": target.lower()}):
        found[fact.version_id].append(fact)
    return found


def check_unnamed(place: str) -> None:
    """Nothing, if no gate names that environment. Raises Conflict."""
    named = select(func.count()).where(G.deleted_at.is_(None), or_(G.target == place, G.environment == place))
    count = db.session.scalar(named) or 0
    if count:
        raise Conflict(f"{count} gates name {place}. Delete or change them first: GET /api/v1/gates lists them.")


def _approvals(version_ids: Sequence[UUID], target: str | None = None) -> dict[tuple[UUID, str], list[Any]]:
    """Those that were not withdrawn, by version and target, oldest first, with the role and the end of their keys."""
    query = (
        select(
            *(A.id, A.version_id, A.target, A.approved_by, A.api_key_id, A.comment, A.standing, A.created_at),
            *(K.role, K.revoked_at),
        )
        .join_from(Approval.__table__, ApiKey.__table__, A.api_key_id == K.id)
        .where(A.version_id.in_(list(version_ids)), A.withdrawn_at.is_(None))
        .order_by(A.created_at, A.id)
    )
    found: dict[tuple[UUID, str], list[Any]] = defaultdict(list)
    for approval in db.session.execute(query if target is None else query.where(A.target == target)):
        found[approval.version_id, approval.target].append(approval)
    return found


def _asks_approval(found: list[Any]) -> bool:
    return any(fact.kind_ == GateKind.APPROVED for fact in found)


def _judged(found: list[Any], words: list[Any], asker: UUID | None) -> list[Verdict]:
    stands = gates.gates_hash(found)
    return [gates.judge(fact, words, stands, asker) for fact in found]
