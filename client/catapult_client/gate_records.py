"""Records of gates, approvals, verdicts and decisions."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .record import PARSE, Record, each


@dataclass(frozen=True)
class Gate(Record):
    """A rule for promotions (`target` is `release`), for deployments to an environment, or for an alias (`@champion`).

    `model` is a name or a pattern such as `myorg/*`. The other fields depend on the kind, and are None for the rest:
    `metric` has `path op value`, `no_regression` `path direction tolerance`, `metadata_present` `paths`,
    `soaked` `environment seconds`, `approved` `count role`, `digest_verified` `max_age tag`, `signed` `count`, and `released`,
    `files_signed` and `files_intact` none.
    """

    id: str = ""
    model: str = ""
    target: str = ""
    kind: str = ""
    path: str | None = None
    op: str | None = None
    value: float | None = None
    direction: str | None = None
    tolerance: float | None = None
    paths: list[str] | None = field(default=None, hash=False)
    environment: str | None = None
    seconds: int | None = None
    count: int | None = None
    max_age: int | None = None
    tag: bool | None = None
    role: str | None = None
    created_by: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    etag: str | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Approval(Record):
    """An approval of a version for a target. `void` says why it does not count; None if it does.

    `note` says if its key was created by whoever registered the version or sends the request. Within a verdict `version_id`
    and `target` are empty.
    """

    id: str = ""
    version_id: str = ""
    target: str = ""
    comment: str | None = None
    approved_by: str | None = None
    created_at: datetime | None = None
    void: str | None = None
    note: str | None = None


@dataclass(frozen=True)
class Verdict(Record):
    """The result of a gate for a version. `detail` says why in a sentence, with the numbers."""

    gate: Gate = field(default_factory=Gate)
    passed: bool = False
    detail: str = ""
    approvals: list[Approval] = field(default_factory=list, hash=False)


@dataclass(frozen=True)
class Decision(Record):
    """A promotion, demotion, deployment, rollback or retirement, or a change of an alias that gates guard, with its
    evidence. It never changes.

    `kind` is `promote`, `demote`, `deploy`, `rollback`, `retire`, `move` or `remove` (of an alias); `target` is `release`,
    an environment or `@` and an alias. `content` has the version's `tag digest image source hash numbers` of that moment,
    each of `verdicts` `gate_id kind rule passed detail`, each of `approvals` `by at comment`. `freeze` is the reason of a
    freeze that did not stop it. The audit entry has the same `sha256`.
    """

    id: str = ""
    kind: str = ""
    at: datetime | None = None
    by: str = ""
    by_key_id: str | None = None
    by_person_id: str | None = None
    version_id: str = ""
    model_name: str = ""
    version: str = ""
    target: str = ""
    content: dict[str, Any] = field(default_factory=dict, hash=False)
    reason: str | None = None
    override: bool = False
    override_by_registrant: bool = False
    verdicts: list[dict[str, Any]] = field(default_factory=list, hash=False)
    approvals: list[dict[str, Any]] = field(default_factory=list, hash=False)
    freeze: str | None = None
    sha256: str = ""


PARSE.update(
    {
        "Gate": Gate.from_json,
        "Decision | None": Decision.from_json,
        "list[Approval]": each(Approval),
    }
)
