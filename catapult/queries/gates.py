"""Gates: one by its id, lists of them, and their verdicts on versions."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Date, and_, bindparam, func, literal, literal_column, or_, select

from catapult.errors import Conflict, NotFound
from catapult.extensions import KEEP_PLAN, db
from catapult.filters.operators import normalized
from catapult.queries import file_signatures, gate_facts
from catapult.queries.lists.paging import Listing, newest_first
from catapult.queries.lists.raw_columns import shown
from catapult.rules import gates
from catapult.rules.bounds import like_patterns
from catapult.rules.file_signatures import Signature
from catapult.rules.gates import Verdict
from catapult.rules.normal_text import normal
from catapult.tables import RELEASE, Approval, Gate, GateKind, GateRefusal, RegisteredModel, Version, VersionStatus

G: Any = Gate.__table__.c
A: Any = Approval.__table__.c
R: Any = GateRefusal.__table__.c
V: Any = Version.__table__.c
M: Any = RegisteredModel.__table__.c

MOST_VOID = 1_000
"""Approvals are counted up to this number."""

REFUSED_WITHIN = 90
"""Days in which refusals are counted."""

MOST_DIRECTED = 200
"""The newest gates of a model that say in which direction its numbers are better."""

OWN = (
    *("path", "op", "value", "direction", "tolerance", "paths", "environment", "seconds", "count", "role"),
    *("max_age", "tag"),
)
_COLUMNS: tuple[Any, ...] = (
    *shown(G, "id model target created_by created_at updated_at counter"),
    *(G[name].label(f"{name}_" if name == "count" else name) for name in OWN),
    G.kind.label("kind_"),
)
_GATES = Listing(select(*_COLUMNS).where(G.deleted_at.is_(None)), newest_first(G.created_at, G.id))
_LIKE = func.replace(func.replace(func.lower(G.model), "_", "\\_"), "*", "%")
_DIRECTED = (
    select(G.path, G.op, G.value, G.direction)
    .where(G.deleted_at.is_(None), bindparam("name").like(_LIKE), or_(G.direction.is_not(None), G.op.is_not(None)))
    .order_by(*_GATES.order())
    .limit(literal_column(str(MOST_DIRECTED)))
    .execution_options(**KEEP_PLAN)
)
_BY_ID = _GATES.rows.where(G.id == bindparam("gate_id"))


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
    return _GATES.where(applies_to(name))


def applies_to(name: str) -> ColumnElement[bool]:
    """Return whether the gate applies to the model with that name."""
    return literal(name.lower()).like(_LIKE)


def contains(words: str) -> ColumnElement[bool]:
    """Return whether the gate's model, target, kind, environment or a path of it contains the words, case ignored."""
    paths = (normalized(path) for path in (G.path, func.array_to_string(G.paths, " ")))
    fields = (G.model, G.target, G.kind, G.environment, *paths)
    return or_(*(field.icontains(normal(words), autoescape=True) for field in fields))


def refusals(gate_ids: Iterable[Any]) -> dict[str, int]:
    """Return `{gate's id: how often it refused}` in the last `REFUSED_WITHIN` days, without those that did not."""
    since = func.timezone("UTC", func.now()).cast(Date) - REFUSED_WITHIN
    query = select(R.gate_id, func.sum(R.refusals)).where(R.gate_id.in_(_uuids(gate_ids)), R.day > since)
    return {str(gate_id): count for gate_id, count in db.session.execute(query.group_by(R.gate_id))}


def directed(name: str) -> list[Any]:
    """Return `path op value direction` of the newest gates of that model that say whether its numbers should be higher or lower."""
    return list(db.session.execute(_DIRECTED, {"name": name.lower()}))


def verdicts(version_ids: Iterable[Any], target: str, asker: UUID | None) -> dict[UUID, list[Verdict]]:
    """Return `{version's id: the verdicts of the gates on its way to that target}`, an empty list if no gate applies.

    `asker` is the voice that asks, whose own approval does not count. Sends one statement, and another one if a gate
    needs signed files.
    """
    ids = _uuids(version_ids)
    rows = facts(ids, target)
    signed = signatures(fact for of_version in rows.values() for fact in of_version)
    return {each: evaluate(rows.get(each, []), asker, signed.get(each)) for each in ids}


def verdicts_everywhere(
    version_ids: Iterable[Any], asker: UUID | None, signed: Mapping[UUID, Signature] | None = None
) -> dict[UUID, dict[str, list[Verdict]]]:
    """Return `{version's id: {target: verdicts}}` for every target that has a gate. Otherwise as `verdicts`.

    `signed` are the `signatures`, if they were read already.
    """
    ids = _uuids(version_ids)
    rows: dict[tuple[UUID, str], list[Any]] = defaultdict(list)
    for fact in db.session.execute(gate_facts.EVERYWHERE, {"versions": ids}) if ids else ():
        rows[fact.version_id, fact.target].append(fact)
    verdicts: dict[UUID, dict[str, list[Verdict]]] = {version_id: {} for version_id in ids}
    if signed is None:
        signed = signatures(fact for of_target in rows.values() for fact in of_target)
    for (version_id, target), of_target in rows.items():
        verdicts[version_id][target] = evaluate(of_target, asker, signed.get(version_id))
    return verdicts


def evaluate(rows: Sequence[Any], asker: UUID | None, signature: Signature | None = None) -> list[Verdict]:
    """Return the verdicts of all gates of a target on one version, from their `facts` and the one of its `signatures`."""
    needs_hash = any(fact.kind_ == GateKind.APPROVED for fact in rows)
    current_hash = gates.gates_hash(rows) if needs_hash else ""  # only approvals name it
    return [gates.judge(fact, gate_facts.approvals(fact), current_hash, asker, signature) for fact in rows]


def signatures(facts: Iterable[Any]) -> dict[UUID, Signature]:
    """Return `{version's id: the signature of its files}` for the versions with a gate of `files_signed` among these `facts`.

    Sends one statement, or none. It reads too much to be part of the facts of every gate.
    """
    return file_signatures.of({fact.version_id for fact in facts if fact.kind_ == GateKind.FILES_SIGNED})


def tried(version_ids: Iterable[Any], gate: Mapping[str, Any]) -> dict[UUID, Verdict]:
    """Return `{version's id: verdict}` of a gate that need not be stored, for the versions that it would apply to.

    Approvals do not count: nobody can have approved anything for a gate that does not exist yet.
    """
    values = {"versions": _uuids(version_ids), "target": gate["target"], "gate": json.dumps(dict(gate))}
    rows = list(db.session.execute(gate_facts.TRIED, values))
    signed = signatures(rows)
    return {fact.version_id: gates.judge(fact, [], "", None, signed.get(fact.version_id)) for fact in rows}


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
    affected = (
        select(A.id)
        .join_from(Approval.__table__, Version.__table__, V.id == A.version_id)
        .join(RegisteredModel.__table__, M.id == V.model_id)
        .where(A.withdrawn_at.is_(None), A.voided_at.is_(None), V.deleted_at.is_(None), voided)
        .where(or_(A.target != RELEASE, V.released_at.is_(None)))
    )
    return db.session.scalar(select(func.count()).select_from(affected.limit(MOST_VOID).subquery())) or 0


def _applies(pattern: str) -> ColumnElement[bool]:
    """Return whether a gate with this pattern applies to the model, as in `_FACTS`."""
    return func.lower(M.name).like(*like_patterns([pattern]))


def facts(version_ids: Sequence[UUID], target: str, kinds: frozenset[str] = gate_facts.ALL) -> dict[UUID, list[Any]]:
    """Return `{version's id: a row for each gate that applies}`, as `gates.judge` and `gates.gates_hash` take them.

    The target has no gates of other kinds than these. Without any, nothing is read.
    """
    rows: dict[UUID, list[Any]] = defaultdict(list)
    values = {"versions": list(version_ids), "target": target.lower()}
    for fact in db.session.execute(gate_facts.of_target(kinds), values) if kinds else ():
        rows[fact.version_id].append(fact)
    return rows


def check_unnamed(environment: str) -> None:
    """Raise Conflict if a gate names that environment."""
    named = select(func.count()).where(
        G.deleted_at.is_(None), or_(G.target == environment, G.environment == environment)
    )
    count = db.session.scalar(named) or 0
    if count:
        raise Conflict(f"{count} gates name {environment}. Delete or change them first: GET /api/v1/gates lists them.")


def _uuids(ids: Iterable[Any]) -> list[UUID]:
    return [UUID(str(each)) for each in ids]
