"""Gates and approvals: `/api/v1/gates`, and what they say of a version."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence

from .calls import UNSET, Calls, Gone, Unset, call, identity, listing, place
from .records import Approval, Gate, Verdict, Version


class GateCalls(Calls[Gone]):
    """What a Registry does with gates. A `target` is `release` or an environment's name."""

    @listing
    def list_gates(self, *, limit: int | None = None) -> Iterator[Gate]:
        """Every gate, newest first. `limit` is the rows that one request fetches (1 to 1000)."""
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
        role: str | None = None,
        idempotency_key: str | None = None,
    ) -> Gate | Gone:
        """The gate holds from now on, for the model of this name or for all that fit a pattern (`myorg/*`, `*`).

        `kind` says which of the others it takes: `metric` (`path`, `op` of `>= > <= < ==`, `value`), `no_regression`
        (`path`, `direction` of `higher lower`, `tolerance`), `metadata_present` (`paths`), `released` (none), `soaked`
        (`environment`, `seconds`), `approved` (`count`, `role`). Paths are within metadata: `accuracy`, `eval.f1`.
        Raises Validation, which names every field at fault, Forbidden (takes `admin`).
        """
        fields = {
            "model": model,
            "target": target,
            "kind": kind,
            "path": path,
            "op": op,
            "value": value,
            "direction": direction,
            "tolerance": tolerance,
            "paths": paths,
            "environment": environment,
            "seconds": seconds,
            "count": count,
            "role": role,
        }
        return self._post(Gate, "/v1/gates", fields, idempotency_key)

    @call
    def update_gate(
        self,
        gate_id: str | uuid.UUID | Gate | Gone,
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
        role: str | Unset = UNSET,
        if_match: str | Gate | None = None,
    ) -> Gate | Gone:
        """The fields sent are changed, and approvals that were given before count no more. `kind` never changes.

        Raises NotFound, PreconditionFailed (changed meanwhile), Validation, Forbidden (takes `admin`).
        """
        changes = {
            "model": model,
            "target": target,
            "path": path,
            "op": op,
            "value": value,
            "direction": direction,
            "tolerance": tolerance,
            "paths": paths,
            "environment": environment,
            "seconds": seconds,
            "count": count,
            "role": role,
        }
        return self._put(Gate, f"/v1/gates/{identity(gate_id, 'gate_id')}", changes, if_match)

    @call
    def delete_gate(self, gate_id: str | uuid.UUID | Gate | Gone, *, if_match: str | Gate | None = None) -> None:
        """The gate holds no more. Raises NotFound, PreconditionFailed, Forbidden (takes `admin`)."""
        self._delete(f"/v1/gates/{identity(gate_id, 'gate_id')}", {}, if_match)

    @call
    def check_gates(self, version_id: str | uuid.UUID | Version | Gone, target: str) -> list[Verdict] | Gone:
        """What each gate says of the version on its way to the target, the oldest first; `[]` where no gate is for it.

        It gets there if all have `passed`. An approval by the key in use here does not count.
        Raises NotFound (version), Validation (target).
        """
        path = f"/v1/versions/{identity(version_id, 'version_id')}/gates"
        return self._all(Verdict, path, {"target": place(target, "target")})

    @call
    def approve(
        self,
        version_id: str | uuid.UUID | Version | Gone,
        target: str,
        comment: str | None = None,
        *,
        idempotency_key: str | None = None,
    ) -> Approval | Gone:
        """The key in use here approves that the version gets to the target, as long as the gates stand as they do now.

        It counts with a gate of kind `approved`, but never by the key that registered the version or that then asks.
        Raises NotFound, Conflict (approved already, or archived), Validation (target), Forbidden (takes `publisher`).
        """
        path = f"/v1/versions/{identity(version_id, 'version_id')}/approvals"
        return self._post(Approval, path, {"target": target, "comment": comment}, idempotency_key)

    @call
    def withdraw_approval(
        self, version_id: str | uuid.UUID | Version | Gone, approval_id: str | uuid.UUID | Approval | Gone
    ) -> None:
        """The approval counts no more. Raises NotFound, Forbidden (only the key that gave it takes it back)."""
        path = f"/v1/versions/{identity(version_id, 'version_id')}/approvals/{identity(approval_id, 'approval_id')}"
        self._delete(path, {}, None)
