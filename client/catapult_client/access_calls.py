"""Keys and the audit log: `/api/v1/api-keys`, `/api/v1/audit-logs`."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import datetime

from .calls import Calls, Failed, arguments, call, identity, listing
from .errors import SecretLost
from .records import ApiKey, AuditEntry


class AccessCalls(Calls[Failed]):
    """The methods of a Registry for keys and the audit log."""

    @call
    def create_api_key(
        self,
        name: str,
        role: str | None = None,
        expires_at: datetime | str | None = None,
        *,
        idempotency_key: str | None = None,
    ) -> ApiKey | Failed:
        """Create a key and return it. Its `key` is the secret, which the registry never shows again.

        `role` is `viewer`, `publisher` (the registry's default), `releaser` or `admin`.
        Raises SecretLost, Validation, Forbidden (needs the role `admin`), InvalidArgument (a time without a zone).
        """
        fields = arguments(locals(), "idempotency_key")
        created = self._post(ApiKey, "/v1/api-keys", fields, idempotency_key)
        if created.key is None:  # an earlier try created it, and the registry does not store the secret
            error = SecretLost(
                f"The key {created.name!r} was created, but the answer with its secret was lost. "
                f"Revoke {created.id} and create another key.",
                maybe_applied=True,
            )
            error.api_key_id = created.id
            raise error
        return created

    @listing
    def list_api_keys(self, *, limit: int | None = None) -> Iterator[ApiKey]:
        """Return an iterator over keys, newest first. It raises Forbidden (needs the role `admin`)."""
        return self._pages(ApiKey, "/v1/api-keys", {"limit": limit})

    @call
    def revoke_api_key(self, api_key_id: str | uuid.UUID | ApiKey | Failed) -> None:
        """Revoke a key, which stops working at once.

        Raises NotFound, Conflict (this registry's own key, or the last admin), Forbidden (needs the role `admin`).
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
        """Return an iterator over the audit entries that match all filters, newest first. It fetches pages as it is read.

        Times are datetimes with a zone, or RFC 3339 text. `limit` is the page size (1 to 1000).
        Raises InvalidArgument; the iterator raises Validation and whatever a request can.
        """
        return self._pages(AuditEntry, "/v1/audit-logs", arguments(locals()))
