"""Import deployments that another tool recorded, all or none, into times in which the registry has none."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import delete, func, select, tuple_
from uuid_utils.compat import uuid7

from catapult import audit
from catapult.actions import environments, locks
from catapult.audit import Actor
from catapult.errors import Invalid
from catapult.extensions import db
from catapult.rules import metadata_limits
from catapult.rules.json_text import rfc3339
from catapult.tables import Deployment, DeploymentStatus, ModelName, Role, Version, WeekFigures

MOST = 10_000
"""Lines of a file."""
LISTED = 20
"""The problems that an error names; the others are counted."""


Known = dict[tuple[str, str], tuple[UUID, UUID]]
"""The ids of versions and of their models, by the model's name in lower case and the version."""


class Span(NamedTuple):
    """The time in which a deployment is live. `ended_at` is None if it is live now."""

    live_from: datetime
    ended_at: datetime | None
    deployment: Deployment
    line: int | None
    """The line of the file; None for a deployment of the registry."""


Line = tuple[int, dict[str, Any]]
"""The number of a line in the file, and its fields."""


def run(lines: Sequence[Line], *, actor: Actor) -> None:
    """Record these deployments, each with an audit entry.

    A line has `model`, `version`, `environment`, `status` (success, failed or cancelled), `deployed_by`, and `metadata` if there
    is any; with success `live_from` and, unless it is live now, `ended_at`; otherwise `deployed_at`. Environments that are
    missing are created. Raises Invalid, naming the lines, for unknown versions, contradictions and overlaps.
    """
    actor.needs(Role.ADMIN)
    if not lines:
        raise Invalid("There is no line to import.")
    if len(lines) > MOST:
        raise Invalid(f"There are {len(lines)} lines; at most {MOST} are imported at once. Split the file.")
    known, now = _versions(lines), locks.now()
    raise_problems([problem for number, line in lines for problem in _problems(number, line, known, now)])
    environment_names = {line["environment"].lower(): line["environment"] for _, line in lines}
    locks.gates_shared()
    for _, name in sorted(environment_names.items()):
        environments.get_or_create(name, actor)
    models = {model_id for _, model_id in known.values()}
    locks.models(sorted(models))
    imported = [(number, _deployment(line, *known[line["model"].lower(), line["version"]])) for number, line in lines]
    existing = db.session.scalars(
        select(Deployment).where(Deployment.model_id.in_(models), Deployment.place.in_(environment_names))
    ).all()
    raise_problems([*_repeated(imported, existing), *_overlapping(imported, existing)])
    db.session.add_all([deployment for _, deployment in imported])
    first = min(row.deployed_at for _, row in imported)
    # Count the weeks again that have more deployments now.
    db.session.execute(delete(WeekFigures).where(WeekFigures.week >= func.date_trunc("week", first)))
    audit.commit(
        actor, imported[-1][1], *(_entry(line, row) for (_, line), (_, row) in zip(lines, imported, strict=True))
    )


def _problems(number: int, line: dict[str, Any], known: Known, now: datetime) -> Iterator[str]:
    live_from, ended_at, at = line.get("live_from"), line.get("ended_at"), line.get("deployed_at")
    if (line["model"].lower(), line["version"]) not in known:
        yield f"Line {number}: there is no version {line['version']} of a model {line['model']}."
    if line["status"] == DeploymentStatus.SUCCESS:
        if live_from is None or at is not None:
            yield f"Line {number}: with success it needs live_from, and has no deployed_at of its own."
        elif ended_at is not None and ended_at <= live_from:
            yield f"Line {number}: ended_at must be after live_from."
    elif at is None or live_from is not None or ended_at is not None:
        yield f"Line {number}: with {line['status']} it needs deployed_at, and has neither live_from nor ended_at."
    if any(time is not None and time > now for time in (live_from, ended_at, at)):
        yield f"Line {number}: a time is in the future."
    try:
        metadata_limits.check(line.get("metadata"))
    except Invalid as refusal:
        yield f"Line {number}: {refusal.detail}"


def _versions(lines: Sequence[Line]) -> Known:
    wanted = {(line["model"].lower(), line["version"]) for _, line in lines}
    columns = (ModelName.name, Version.version, Version.id, Version.model_id)
    query = select(*columns).join_from(Version, ModelName, ModelName.model_id == Version.model_id)
    named = tuple_(ModelName.name, Version.version).in_(wanted)
    rows = db.session.execute(query.where(Version.deleted_at.is_(None), named))
    return {(row[0], row[1]): (row[2], row[3]) for row in rows}


def _deployment(line: dict[str, Any], version_id: UUID, model_id: UUID) -> Deployment:
    return Deployment(
        id=uuid7(),
        release_id=version_id,
        model_id=model_id,
        environment=line["environment"],
        status=line["status"],
        metadata_=line.get("metadata") or {},
        deployed_by=line["deployed_by"],
        deployed_at=line.get("live_from") or line["deployed_at"],
        live_from=line.get("live_from"),
        ended_at=line.get("ended_at"),
    )


def _repeated(imported: Sequence[tuple[int, Deployment]], existing: Sequence[Deployment]) -> Iterator[str]:
    """Yield problems of deployments that did not go live and are recorded already: they have no span to overlap."""

    def key(row: Deployment) -> tuple[Any, ...]:
        return row.release_id, row.environment.lower(), row.status, row.deployed_at

    seen = {key(row): "the registry" for row in existing}
    for number, row in imported:
        if row.live_from is None and key(row) in seen:
            yield f"Line {number}: is in {seen[key(row)]} already."
        seen.setdefault(key(row), f"line {number}")


def _overlapping(imported: Sequence[tuple[int, Deployment]], existing: Sequence[Deployment]) -> Iterator[str]:
    """Yield problems of spans that overlap. Set `superseded_by` where the next span begins when one ends."""
    spans: dict[tuple[UUID, str], list[Span]] = defaultdict(list)
    for number, row in [*((None, row) for row in existing), *imported]:
        if row.live_from is not None:
            spans[row.model_id, row.environment.lower()].append(Span(row.live_from, row.ended_at, row, number))
    for listed in spans.values():
        listed.sort(key=lambda span: (span.live_from, span.ended_at is None, span.ended_at))
        for before, after in pairwise(listed):
            if before.ended_at is None or before.ended_at > after.live_from:
                line, other = (after, before) if after.line is not None else (before, after)
                if line.line is not None:
                    of = "what the registry has" if other.line is None else f"line {other.line}"
                    yield f"Line {line.line}: overlaps {of}, live from {rfc3339(other.live_from)}."
            elif before.line is not None and before.ended_at == after.live_from:
                before.deployment.superseded_by = after.deployment.id


def _entry(line: dict[str, Any], row: Deployment) -> audit.Entry:
    times = {name: rfc3339(time) for name in ("live_from", "ended_at", "deployed_at") if (time := line.get(name))}
    named = {name: line[name] for name in ("model", "version", "environment", "status", "deployed_by")}
    return audit.entry("deployment.import", row, **named, **times)


def raise_problems(problems: Sequence[str]) -> None:
    """Raise Invalid if there are problems, naming the first ones."""
    if problems:
        more = f" And {len(problems) - LISTED} more." if len(problems) > LISTED else ""
        raise Invalid(f"Nothing was imported. {' '.join(problems[:LISTED])}{more}")
