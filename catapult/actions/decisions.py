"""Record decisions: one row each, written in the transaction of the change and never changed."""

from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, NamedTuple

from uuid_utils.compat import uuid7

from catapult.audit import Actor
from catapult.rules import decisions
from catapult.rules.gates import Verdict
from catapult.rules.json_text import JsonText
from catapult.tables import Decision, DecisionKind, Version


class Recorded(NamedTuple):
    """A decision, what the audit entry says about it, and the decision as answers show it."""

    row: Decision
    details: dict[str, Any]
    json: JsonText


def record(kind: DecisionKind, version: Version, target: str, **context: Any) -> Recorded:
    """Return the decision as `drafted` does, for the caller to write. The caller's entry names it by its `details`."""
    row = drafted(kind, version, target, **context)
    written, sha256 = decisions.written(attrgetter(*decisions.ATTRIBUTES)(row))
    return Recorded(row, {"decision_id": str(row.id), "decision_sha256": sha256}, written)


def drafted(
    kind: DecisionKind,
    version: Version,
    target: str,
    *,
    actor: Actor,
    now: datetime,
    verdicts: Sequence[Verdict] = (),
    reason: str | None = None,
    freeze: str | None = None,
) -> Decision:
    """Return the row of the decision.

    `verdicts` are those of all gates of the target, `freeze` is the reason of a freeze that did not stop it. It is an override if
    a gate fails, except for a rollback, which gates do not stop.
    """
    override = kind != DecisionKind.ROLLBACK and not all(it.passed for it in verdicts)
    return Decision(
        id=uuid7(),
        kind_=kind,
        at=now,
        by=actor.shown,
        by_key_id=actor.key_id,
        by_person_id=actor.person_id,
        version_id=version.id,
        model_id=version.model_id,
        model_name=version.model_name,
        version=version.version,
        target=target,
        content=decisions.content(version),
        reason=reason,
        override=override,
        override_by_registrant=override and verdicts[0].gate.registrant == actor.voice,
        verdicts=[decisions.verdict(verdict) for verdict in verdicts],
        approvals=decisions.approvals(verdicts),
        freeze=freeze,
    )
