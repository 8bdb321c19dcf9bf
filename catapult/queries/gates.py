"""Gates: one by its id, lists of them, and their verdicts on versions."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Uuid, and_, bindparam, func, literal, or_, select, text

from catapult.errors import Conflict, NotFound
from catapult.extensions import db
from catapult.queries.lists.paging import Listing, newest_first
from catapult.queries.lists.raw_columns import shown
from catapult.rules import gates
from catapult.rules.gates import Verdict
from catapult.tables import RELEASE, ApiKey, Approval, Gate, GateKind, RegisteredModel, Version, VersionStatus

G: Any = Gate.__table__.c
A: Any = Approval.__table__.c
K: Any = ApiKey.__table__.c
V: Any = Version.__table__.c
M: Any = RegisteredModel.__table__.c

MOST_VOID = 1_000
"""Approvals are counted up to this number."""

OWN = ("path", "op", "value", "direction", "tolerance", "paths", "environment", "seconds", "count", "role")
_COLUMNS: tuple[Any, ...] = (
    *shown(G, "id model target created_by created_at updated_at counter"),
    *(G[name].label(f"{name}_" if name == "count" else name) for name in OWN),
    G.kind.label("kind_"),
)
_GATES = Listing(select(*_COLUMNS).where(G.deleted_at.is_(None)), newest_first(G.created_at, G.id))
_BY_ID = _GATES.rows.where(G.id == bindparam("gate_id"))

# A row for each version and each gate that applies to it, with all that the gate looks at, in one statement.
_FACTS = """
SELECT asked.id AS version_id, asked.created_by_key, asked.released_at IS NOT NULL AS is_release,
    gate.id, gate.counter, gate.model, gate.target, gate.kind AS kind_, gate.path, gate.op, gate.value, gate.direction,
    gate.tolerance, gate.paths, gate.environment, gate.seconds, gate.count AS count_, gate.role, gate.created_by, gate.created_at,
    gate.updated_at, statement_timestamp() AS now, base.id AS base_id, base.version AS base_version,
    (SELECT value FROM metrics WHERE version_id = asked.id AND path = gate.path) AS number,
    (SELECT value FROM metrics WHERE version_id = base.id AND path = gate.path) AS base_number,
    CASE WHEN gate.path IS NOT NULL THEN jsonb_typeof(
        coalesce(asked.metadata -> gate.path, asked.metadata #> string_to_array(gate.path, '.'))) END AS json_type,
    CASE WHEN gate.kind = 'metadata_present' THEN ARRAY(
        SELECT wanted FROM unnest(gate.paths) WITH ORDINALITY AS listed (wanted, position)
        WHERE coalesce(jsonb_typeof(coalesce(asked.metadata -> wanted, asked.metadata #> string_to_array(wanted, '.'))), 'null')
            = 'null'
        AND NOT (strpos(wanted, '.') > 0 AND EXISTS (
            -- A key may contain dots: try every beginning of the path that is a key.
            WITH RECURSIVE below (value, rest) AS (
                SELECT asked.metadata, string_to_array(wanted, '.')
                UNION ALL
                SELECT value -> array_to_string(rest[1:taken], '.'), rest[taken + 1:]
                FROM below, generate_series(1, cardinality(rest)) AS taken
                WHERE jsonb_typeof(value) = 'object' AND value ? array_to_string(rest[1:taken], '.')
            ) SELECT FROM below WHERE rest = '{{}}' AND jsonb_typeof(value) <> 'null'))
        ORDER BY position) END AS missing,
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


def _facts_of(gates: str, target: str) -> Any:
    return text(_FACTS.format(gates=gates, target=target)).bindparams(bindparam("versions", type_=ARRAY(Uuid)))


_STORED = _facts_of("gates", "gate.target = :target")
_EVERYWHERE = _facts_of("gates", "true")
# For a gate that is not stored, `jsonb_populate_record` makes a row of the table.
_TRIED = _facts_of("jsonb_populate_record(CAST(NULL AS gates), CAST(:gate AS jsonb))", "gate.target = :target")


def get(gate_id: UUID) -> Any:
    """Return the gate as a plain row. Raises NotFound."""
    row = db.session.execute(_BY_ID, {"gate_id": gate_id}).one_or_none()
    if row is None:
        raise missing()
    return row


def missing() -> NotFound:
    return NotFound("There is no such gate, or it was deleted. GET /api/v1/gates lists all gates.")


def listing() -> Listing:
    """Return gates, newest first."""
    return _GATES


def of_model(name: str) -> Listing:
    """Return the gates that apply to the model with that name, newest first."""
    like = func.replace(func.replace(func.lower(G.model), "_", "\\_"), "*", "%")
    return _GATES.where(literal(name.lower()).like(like))


def verdicts(version_ids: Iterable[Any], target: str, asker: UUID | None) -> dict[UUID, list[Verdict]]:
    """Return `{version's id: the verdicts of the gates on its way to that target}`, an empty list if no gate applies.

    `asker` is the key that asks, whose own approval does not count. Sends two statements, however many gates there are.
    """
    ids = _uuids(version_ids)
    rows = facts(ids, target)
    approvals = _approvals(ids, target.lower()) if any(map(_asks_approval, rows.values())) else {}
    return {each: _judge(rows.get(each, []), approvals.get((each, target.lower()), []), asker) for each in ids}


def verdicts_everywhere(version_ids: Iterable[Any], asker: UUID | None) -> dict[UUID, dict[str, list[Verdict]]]:
    """Return `{version's id: {target: verdicts}}` for every target that has a gate. Otherwise as `verdicts`."""
    ids = _uuids(version_ids)
    rows: dict[tuple[UUID, str], list[Any]] = defaultdict(list)
    for fact in db.session.execute(_EVERYWHERE, {"versions": ids}) if ids else ():
        rows[fact.version_id, fact.target].append(fact)
    approvals = _approvals(ids) if any(map(_asks_approval, rows.values())) else {}
    judged: dict[UUID, dict[str, list[Verdict]]] = {version_id: {} for version_id in ids}
    for (version_id, target), of_target in rows.items():
        judged[version_id][target] = _judge(of_target, approvals.get((version_id, target), []), asker)
    return judged


def tried(version_ids: Iterable[Any], gate: Mapping[str, Any]) -> dict[UUID, Verdict]:
    """Return `{version's id: verdict}` of a gate that need not be stored, for the versions that it would apply to.

    Approvals do not count: nobody can have approved anything for a gate that does not exist yet.
    """
    values = {"versions": _uuids(version_ids), "target": gate["target"], "gate": json.dumps(dict(gate))}
    return {fact.version_id: gates.judge(fact, [], "", None) for fact in db.session.execute(_TRIED, values)}


def newest_for(pattern: str, most: int) -> list[Any]:
    """Return `id model_name version created_at` of the newest active versions that the pattern of a gate matches."""
    query = (
        select(V.id, M.name.label("model_name"), V.version, V.created_at)
        .join_from(Version.__table__, RegisteredModel.__table__, M.id == V.model_id)
        .where(V.deleted_at.is_(None), V.status == VersionStatus.ACTIVE.value, _applies(pattern))
    )
    return list(db.session.execute(query.order_by(V.created_at.desc(), V.id.desc()).limit(most)))


def approval_count(*meant: tuple[str, str]) -> int:
    """Return how many approvals a change of gates with these patterns and targets would void, up to `MOST_VOID`.

    Approvals for a release count only if the version is not a release yet.
    """
    voided = or_(*(and_(A.target == target, _applies(pattern)) for pattern, target in meant))
    approvals = (
        select(A.id)
        .join_from(Approval.__table__, Version.__table__, V.id == A.version_id)
        .join(RegisteredModel.__table__, M.id == V.model_id)
        .where(A.withdrawn_at.is_(None), V.deleted_at.is_(None), voided)
        .where(or_(A.target != RELEASE, V.released_at.is_(None)))
    )
    return db.session.scalar(select(func.count()).select_from(approvals.limit(MOST_VOID).subquery())) or 0


def _applies(pattern: str) -> ColumnElement[bool]:
    """Return whether a gate with this pattern applies to the model, as in `_FACTS`."""
    like = pattern.lower().replace("_", "\\_").replace("*", "%")
    return func.lower(M.name).like(like)


def facts(version_ids: Sequence[UUID], target: str) -> dict[UUID, list[Any]]:
    """Return `{version's id: a row for each gate that applies}`, as `gates.judge` and `gates.gates_hash` take them."""
    rows: dict[UUID, list[Any]] = defaultdict(list)
    for fact in db.session.execute(_STORED, {"versions": list(version_ids), "target": target.lower()}):
        rows[fact.version_id].append(fact)
    return rows


def check_unnamed(place: str) -> None:
    """Raise Conflict if a gate names that environment."""
    named = select(func.count()).where(G.deleted_at.is_(None), or_(G.target == place, G.environment == place))
    count = db.session.scalar(named) or 0
    if count:
        raise Conflict(f"{count} gates name {place}. Delete or change them first: GET /api/v1/gates lists them.")


def _approvals(version_ids: Sequence[UUID], target: str | None = None) -> dict[tuple[UUID, str], list[Any]]:
    """Return approvals that were not withdrawn, by version and target, oldest first, with their keys' roles."""
    query = (
        select(
            *(A.id, A.version_id, A.target, A.approved_by, A.api_key_id, A.comment, A.standing, A.created_at),
            *(K.role, K.revoked_at),
        )
        .join_from(Approval.__table__, ApiKey.__table__, A.api_key_id == K.id)
        .where(A.version_id.in_(list(version_ids)), A.withdrawn_at.is_(None))
        .order_by(A.created_at, A.id)
    )
    approvals: dict[tuple[UUID, str], list[Any]] = defaultdict(list)
    for approval in db.session.execute(query if target is None else query.where(A.target == target)):
        approvals[approval.version_id, approval.target].append(approval)
    return approvals


def _uuids(ids: Iterable[Any]) -> list[UUID]:
    return [UUID(str(each)) for each in ids]


def _asks_approval(facts: list[Any]) -> bool:
    return any(fact.kind_ == GateKind.APPROVED for fact in facts)


def _judge(facts: list[Any], approvals: list[Any], asker: UUID | None) -> list[Verdict]:
    current_hash = gates.gates_hash(facts)
    return [gates.judge(fact, approvals, current_hash, asker) for fact in facts]
