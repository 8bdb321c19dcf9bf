"""Decisions as pages show them: who let a version through, on which verdicts and approvals, and what was overridden."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from catapult.queries import content, decisions
from catapult.queries.content import Change
from catapult.rules import content_changes
from catapult.rules import decisions as rules
from catapult.rules.gates import after_registration
from catapult.tables import DecisionKind

CHANGES, LONGEST = 5, 300
"""Shown changes of content, and shown characters of one."""

DID = {
    DecisionKind.PROMOTE: "promoted it",
    DecisionKind.DEMOTE: "demoted it",
    DecisionKind.DEPLOY: "deployed it",
    DecisionKind.ROLLBACK: "rolled back to it",
    DecisionKind.RETIRE: "retired it",
    DecisionKind.MOVE: "pointed the alias at it",
    DecisionKind.REMOVE: "removed the alias from it",
}


@dataclass(frozen=True)
class Limits:
    """How much of a decision is shown: characters of a text, verdicts, and approvals."""

    text: int = 300
    verdicts: int = 12
    approvals: int = 8


CARD = Limits()


@dataclass(frozen=True)
class Evidence:
    """A decision, with the fields that the API answers."""

    id: str
    kind: str
    at: datetime
    by: str
    by_key_id: str | None
    by_person_id: str | None
    version_id: str
    model_name: str
    version: str
    target: str
    content: dict[str, Any]
    reason: str | None
    override: bool
    override_by_registrant: bool
    verdicts: list[dict[str, Any]]
    approvals: list[dict[str, Any]]
    freeze: str | None
    sha256: str
    limits: Limits

    @property
    def did(self) -> str:
        """What was done, in words."""
        return DID[DecisionKind(self.kind)]

    @property
    def overridden(self) -> list[dict[str, Any]]:
        """The verdicts that did not pass."""
        return [verdict for verdict in self.verdicts if not verdict["passed"]]

    @property
    def state(self) -> str:
        """The summary: `1 override`, `4 of 4 gates`, or that no gate asked anything."""
        count = len(self.verdicts)
        if self.override:
            overridden = len(self.overridden)
            by = " by whoever registered it" if self.override_by_registrant else ""
            return f"{overridden} override{'' if overridden == 1 else 's'}{by}"
        return f"{count} of {count} gates" if count else "no gates"

    @property
    def shown_verdicts(self) -> list[dict[str, Any]]:
        """The first verdicts; if not all are shown, those that were overridden come first."""
        if len(self.verdicts) <= self.limits.verdicts:
            return self.verdicts
        return sorted(self.verdicts, key=lambda verdict: bool(verdict["passed"]))[: self.limits.verdicts]

    @property
    def shown_approvals(self) -> list[dict[str, Any]]:
        """The newest approvals that counted, oldest first."""
        return self.approvals[-self.limits.approvals :]


def of(decision: str | None, limits: Limits = CARD) -> Evidence | None:
    """Return the decision, given as the JSON of the API; None if no evidence was kept."""
    return None if decision is None else _parsed(decision, limits)


def of_row(row: Any, limits: Limits = CARD) -> Evidence:
    """Return the decision, given as a row of `queries.decisions`."""
    return _parsed(rules.as_json(row), limits)


def _parsed(decision: str, limits: Limits) -> Evidence:
    document = json.loads(decision)
    document["at"] = datetime.fromisoformat(document["at"])
    document["approvals"] = [
        {**approval, "at": datetime.fromisoformat(approval["at"])} for approval in document["approvals"]
    ]
    return Evidence(**document, limits=limits)


def of_ids(decision_ids: Iterable[str | None]) -> dict[str, Evidence]:
    """Return `{id: decision}`. Sends no statement if there is nothing to read."""
    return {str(decision_id): of_row(row) for decision_id, row in decisions.of_ids(decision_ids).items()}


def content_changes_of(version_ids: Iterable[Any]) -> dict[UUID, list[str]]:
    """Return `{version's id: a sentence for each change of content since registration}`, oldest first."""
    changes_by_id = content.changes([UUID(str(version_id)) for version_id in version_ids])
    return {version_id: list(_sentences(changes)) for version_id, changes in changes_by_id.items()}


def _sentences(changes: list[Change]) -> Iterator[str]:
    """Yield what each change did: `accuracy changed from 0.5 to 0.99 by ci, 2 hours after registration`."""
    if len(changes) > CHANGES:
        yield f"{len(changes) - CHANGES} earlier changes of its content"
    for change in changes[-CHANGES:]:
        fields = {
            name: pair for name, pair in change.changes.items() if name in (*content.FIELDS, *content.MODEL_FIELDS)
        }
        when = after_registration(int((change.at - change.registered_at).total_seconds()))
        yield f"{_short(content_changes.described(fields))} by {change.by}, {when}"


def _short(text: str) -> str:
    """Return the text, cut to `LONGEST` characters."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
