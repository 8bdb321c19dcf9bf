"""Who may, and who did: `/api/v1/api-keys`, `/api/v1/audit-logs`."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import datetime

from .calls import Calls, Gone, call, identity, listing
from .errors import SecretLost
from .records import ApiKey, AuditEntry


class AccessCalls(Calls[Gone]):
    """What a Registry does with keys and the audit log."""

    @call
    def create_api_key(
        self,
        name: str,
        role: str | None = None,
        expires_at: datetime | str | None = None,
        *,
        idempotency_key: str | None = None,
    ) -> ApiKey | Gone:
        """A new key; its `key` is the secret, which the registry never shows again.

        `role` is `viewer`, `publisher` (the registry's default), `releaser` or `admin`.
        Raises SecretLost, Validation, Forbidden (takes `admin`), InvalidArgument (a time without a zone).
        """
        fields = {"name": name, "role": role, "expires_at": expires_at}
        made = self._post(ApiKey, "/v1/api-keys", fields, idempotency_key)
        if made.key is None:  # a replayed answer: the first try made it, and no secret is kept to send again
            raise _secret_lost(made)
        return made

    @listing
    def list_api_keys(self, *, limit: int | None = None) -> Iterator[ApiKey]:
        """Every key, without its secret, newest first. The iterator raises Forbidden (takes `admin`)."""
        return self._pages(ApiKey, "/v1/api-keys", {"limit": limit})

    @call
    def revoke_api_key(self, api_key_id: str | uuid.UUID | ApiKey | Gone) -> None:
        """The key opens nothing any more.

        Raises NotFound, Conflict (the key in use here, or the last admin), Forbidden (takes `admin`).
        """
        self._delete(f"/v1/api-keys/{identity(api_key_id, 'api_key_id')}", {}, None)

    @listing
    def list_audit_logs(
        self,
        *,
        action: str | None = None,
        resource_type: str | None = None,
        resource_id: str | uuid.UUID | None = None,
        api_key_name: str | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        limit: int | None = None,
    ) -> Iterator[AuditEntry]:
        """Every entry of the audit log that fits all filters, newest first, fetched page by page.

        Times are datetimes with a zone, or RFC 3339 text. `limit` is the rows that one request fetches (1 to 1000).
        Raises InvalidArgument; the iterator raises Validation and whatever a request can.
        """
        query = {
            "action": action,
            "resource_type": resource_type,
            "resource_id": resource_id,
            "api_key_name": api_key_name,
            "since": since,
            "until": until,
            "limit": limit,
        }
        return self._pages(AuditEntry, "/v1/audit-logs", query)


def _secret_lost(made: ApiKey) -> SecretLost:
    fault = SecretLost(
        f"The key {made.name!r} was made, but the answer with its secret was lost: revoke {made.id} and make another.",
        maybe_applied=True,
    )
    fault.api_key_id = made.id
    return fault
