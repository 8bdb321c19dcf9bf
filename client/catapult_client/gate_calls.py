"""Gates, their verdicts on a version, approvals and decisions: `/api/v1/gates`, `/api/v1/decisions`."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence

from .calls import UNSET, Calls, Failed, Unset, arguments, call, identity, listing, target_name
from .gate_records import Approval, Decision, Gate, Verdict
from .model_records import Version


class GateCalls(Calls[Failed]):
    """The methods of a Registry for gates and decisions. A `target` is `release`, an environment's name or `@champion`."""

    @listing
    def list_gates(self, *, limit: int | None = None) -> Iterator[Gate]:
        """Return an iterator over gates, newest first. `limit` is the page size (1 to 1000)."""
        return self._pages(Gate, "/v1/gates", {"limit": limit})

    @call
    def create_gate(
        self,
        model: str,
        target: str,
        kind: str,
        *,
        path: str | None = None,
        op: str | None = None,
        value: float | None = None,
        direction: str | None = None,
        tolerance: float | None = None,
        paths: Sequence[str] | None = None,
        environment: str | None = None,
        seconds: int | None = None,
        count: int | None = None,
        max_age: int | None = None,
        tag: bool | None = None,
        role: str | None = None,
        idempotency_key: str | None = None,
    ) -> Gate | Failed:
        """Create a gate for the model of this name, or for all models that match a pattern (`myorg/*`, `*`).

        The kind determines the other fields: `metric` (`path`, `op` one of `>= > <= < ==`, `value`), `no_regression`
        (`path`, `direction` `higher` or `lower`, `tolerance`), `metadata_present` (`paths`), `released` (none),
        `soaked` (`environment`, `seconds`), `approved` (`count`, `role`), `digest_verified` (`max_age` in
        seconds, `tag`: whether the tag must not have moved), `signed` (`count` of trusted keys), `files_signed` and
        `files_intact` (none).
        Paths are within metadata: `accuracy`, `eval.f1`, `results[0].value`.

        Raises Validation, which names every bad field, Conflict (the same gate exists),
        and Forbidden (needs the role `admin`).
        """
        fields = arguments(locals(), "idempotency_key")
        return self._post(Gate, "/v1/gates", fields, idempotency_key)

    @call
    def update_gate(
        self,
        gate_id: str | uuid.UUID | Gate | Failed,
        *,
        model: str | Unset = UNSET,
        target: str | Unset = UNSET,
        path: str | Unset = UNSET,
        op: str | Unset = UNSET,
        value: float | Unset = UNSET,
        direction: str | Unset = UNSET,
        tolerance: float | Unset = UNSET,
        paths: Sequence[str] | Unset = UNSET,
        environment: str | Unset = UNSET,
        seconds: int | Unset = UNSET,
        count: int | Unset = UNSET,
        max_age: int | Unset = UNSET,
        tag: bool | Unset = UNSET,
        role: str | Unset = UNSET,
        if_match: str | Gate | None = None,
    ) -> Gate | Failed:
        """Change the fields that are passed and return the gate. Earlier approvals no longer count. `kind` is fixed.

        Raises NotFound, PreconditionFailed (changed since `if_match`), Validation, Conflict (the same gate exists),
        Forbidden (needs the role `admin`).
        """
        changes = arguments(locals(), "gate_id", "if_match")
        return self._put(Gate, f"/v1/gates/{identity(gate_id, 'gate_id')}", changes, if_match)

    @call
    def delete_gate(self, gate_id: str | uuid.UUID | Gate | Failed, *, if_match: str | Gate | None = None) -> None:
        """Delete a gate. Raises NotFound, PreconditionFailed, Forbidden (needs the role `admin`)."""
        self._delete(f"/v1/gates/{identity(gate_id, 'gate_id')}", {}, if_match)

    @call
    def check_gates(self, version_id: str | uuid.UUID | Version | Failed, target: str) -> list[Verdict] | Failed:
        """Return the verdict of each gate between the version and the target, oldest gate first; `[]` without gates.

        The version may go to the target if all have `passed`. Your own approval does not count.
        Raises NotFound (version), Validation (target).
        """
        path = f"/v1/versions/{identity(version_id, 'version_id')}/gates"
        return self._all(Verdict, path, {"target": target_name(target)})

    @call
    def approve(
        self,
        version_id: str | uuid.UUID | Version | Failed,
        target: str,
        comment: str | None = None,
        *,
        idempotency_key: str | None = None,
    ) -> Approval | Failed:
        """Approve that the version, with the content that it has now, goes to the target. Return the approval.

        Gates of kind `approved` count it, unless its author promotes or deploys the version. It becomes void when the
        content or a gate of the target changes, its key no longer works, or its person is deactivated. Raises NotFound,
        Conflict (it could not count: approved already, archived, you registered the version or changed its content, a
        role below the gate's, or no gate needs it), Validation (target), Forbidden (needs the role `publisher`).
        """
        path = f"/v1/versions/{identity(version_id, 'version_id')}/approvals"
        return self._post(Approval, path, {"target": target, "comment": comment}, idempotency_key)

    @call
    def withdraw_approval(
        self, version_id: str | uuid.UUID | Version | Failed, approval_id: str | uuid.UUID | Approval | Failed
    ) -> None:
        """Withdraw an approval. Raises NotFound, Forbidden (only its author may withdraw it)."""
        path = f"/v1/versions/{identity(version_id, 'version_id')}/approvals/{identity(approval_id, 'approval_id')}"
        self._delete(path, {}, None)

    @listing
    def decisions(
        self, version_id: str | uuid.UUID | Version | Failed, *, limit: int | None = None
    ) -> Iterator[Decision]:
        """Return an iterator over the decisions about a version, newest first. It raises NotFound (no such version)."""
        path = f"/v1/versions/{identity(version_id, 'version_id')}/decisions"
        return self._pages(Decision, path, {"limit": limit})

    @call
    def get_decision(self, decision_id: str | uuid.UUID | Decision | Failed) -> Decision | Failed:
        """Return a decision by its id, such as a record's `decision_id`. Raises NotFound."""
        return self._get(Decision, f"/v1/decisions/{identity(decision_id, 'decision_id')}")
