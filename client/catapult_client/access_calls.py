"""People, keys and the audit log: `/api/v1/people`, `/api/v1/me`, `/api/v1/api-keys`, `/api/v1/audit-logs`."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from .access_records import ApiKey, Me, Person, PersonRef, SavedView
from .audit_records import AuditEntry, AuditKey, Checkpoint, Consistency, Proof
from .calls import UNSET, Calls, Failed, Unset, arguments, call, identity, listing
from .errors import SecretLost


class AccessCalls(Calls[Failed]):
    """The methods of a Registry for people, keys and the audit log."""

    @call
    def me(self) -> Me | Failed:
        """Return the key that this Registry has, and its person. Raises Unauthenticated."""
        return self._get(Me, "/v1/me")

    @listing
    def list_people(self, *, limit: int | None = None) -> Iterator[Person]:
        """Return an iterator over people, newest first, inactive ones too. `limit` is the page size (1 to 1000)."""
        return self._pages(Person, "/v1/people", {"limit": limit})

    @call
    def create_person(
        self, name: str, email: str | None = None, role: str | None = None, *, idempotency_key: str | None = None
    ) -> Person | Failed:
        """Add a person, who holds no key yet, and return them. `role` is the highest of their keys, `viewer` by default.

        Raises Conflict (somebody has this email address), Validation, Forbidden (needs the role `admin`).
        """
        return self._post(Person, "/v1/people", arguments(locals(), "idempotency_key"), idempotency_key)

    @call
    def get_person(self, person_id: str | uuid.UUID | Person | PersonRef | Failed) -> Person | Failed:
        """Return a person by their id. Raises NotFound."""
        return self._get(Person, f"/v1/people/{identity(person_id, 'person_id')}")

    @call
    def update_person(
        self,
        person_id: str | uuid.UUID | Person | PersonRef | Failed,
        *,
        name: str | Unset = UNSET,
        email: str | Unset | None = UNSET,
        role: str | Unset = UNSET,
        active: bool | Unset = UNSET,
        notices: Sequence[str] | Unset = UNSET,
        if_match: str | Person | None = None,
    ) -> Person | Failed:
        """Change the fields that are passed and return the person. None clears the email address.

        A lower `role` lowers their keys at once; a higher one leaves them. `active=False` revokes their keys and ends
        their sessions, for good. `notices` are the events that they get by mail. Raises NotFound,
        PreconditionFailed, Validation, Conflict (yourself, or no admin would be left), Forbidden (needs the role `admin`,
        except for your own name, email address and notices).
        """
        changes = arguments(locals(), "person_id", "if_match")
        return self._put(Person, f"/v1/people/{identity(person_id, 'person_id')}", changes, if_match)

    @call
    def create_api_key(
        self,
        name: str,
        role: str | None = None,
        expires_at: datetime | str | None = None,
        *,
        person_id: str | uuid.UUID | Person | PersonRef | Failed | None = None,
        models: Sequence[str] | None = None,
        environments: Sequence[str] | None = None,
        idempotency_key: str | None = None,
    ) -> ApiKey | Failed:
        """Create a key and return it. Its `key` is the secret, which the registry never shows again.

        `role` is `viewer`, `publisher` (the registry's default), `releaser` or `admin`. `person_id` is who holds it; by
        default it is a service's. `models` (names and patterns such as `myorg/*`) and `environments` are what it may
        change; by default everything that its role may.
        Raises SecretLost, Validation, NotFound (person), Conflict (an inactive person), Forbidden (needs the role
        `admin`), InvalidArgument (a time without a zone).
        """
        fields = arguments(locals(), "idempotency_key")
        fields["person_id"] = None if person_id is None else identity(person_id, "person_id")
        return self._new_key("/v1/api-keys", fields, idempotency_key)

    @call
    def create_my_key(
        self,
        name: str,
        role: str | None = None,
        expires_at: datetime | str | None = None,
        *,
        models: Sequence[str] | None = None,
        environments: Sequence[str] | None = None,
        idempotency_key: str | None = None,
    ) -> ApiKey | Failed:
        """Create another key of your own and return it, as `create_api_key` does. Omitted fields are taken from your key.

        It may not do more, or last longer, than your present key. Raises SecretLost, Validation, Forbidden (a
        service's key, or more than your key may), InvalidArgument.
        """
        return self._new_key("/v1/me/keys", arguments(locals(), "idempotency_key"), idempotency_key)

    @listing
    def list_my_keys(self, *, limit: int | None = None) -> Iterator[ApiKey]:
        """Return an iterator over the keys of your person, newest first. It raises Forbidden (a service's key)."""
        return self._pages(ApiKey, "/v1/me/keys", {"limit": limit})

    @listing
    def list_my_views(self, *, limit: int | None = None) -> Iterator[SavedView]:
        """Return an iterator over your saved views, newest first. `limit` is the page size (1 to 1000)."""
        return self._pages(SavedView, "/v1/me/views", {"limit": limit})

    @call
    def create_my_view(self, name: str, address: str, *, idempotency_key: str | None = None) -> SavedView | Failed:
        """Save a view and return it: a name for the path and query of models, versions, deployments or audit.

        Raises Validation, Conflict (a name that is taken, or 50 views already).
        """
        return self._post(SavedView, "/v1/me/views", {"name": name, "address": address}, idempotency_key)

    @call
    def delete_my_view(self, view_id: str | uuid.UUID | SavedView | Failed) -> None:
        """Delete one of your saved views. Raises NotFound."""
        self._delete(f"/v1/me/views/{identity(view_id, 'view_id')}", {}, None)

    @listing
    def list_api_keys(self, *, limit: int | None = None) -> Iterator[ApiKey]:
        """Return an iterator over keys, newest first. It raises Forbidden (needs the role `admin`)."""
        return self._pages(ApiKey, "/v1/api-keys", {"limit": limit})

    @call
    def update_api_key(
        self,
        api_key_id: str | uuid.UUID | ApiKey | Failed,
        *,
        name: str | Unset = UNSET,
        role: str | Unset = UNSET,
        expires_at: datetime | str | Unset | None = UNSET,
        models: Sequence[str] | Unset | None = UNSET,
        environments: Sequence[str] | Unset | None = UNSET,
    ) -> ApiKey | Failed:
        """Change the fields that are passed of a key that works, and return it. None removes the end or the bound.

        Raises NotFound, Validation (also a role above its person's), Conflict (it no longer works, or no admin would be
        left), Forbidden (needs the role `admin`), InvalidArgument.
        """
        changes = arguments(locals(), "api_key_id")
        return self._put(ApiKey, f"/v1/api-keys/{identity(api_key_id, 'api_key_id')}", changes, None)

    @call
    def rotate_api_key(
        self,
        api_key_id: str | uuid.UUID | ApiKey | Failed,
        overlap_seconds: int | None = None,
        *,
        idempotency_key: str | None = None,
    ) -> ApiKey | Failed:
        """Replace a key and return the new one, with its `key`. The old key works for `overlap_seconds` more (a day).

        The new key has the same name, person, role and bounds, and the old one's original lifetime. A key may
        rotate itself: `registry.rotate_api_key(registry.me().key_id)`. Raises SecretLost, NotFound, Validation (0 to
        604,800 seconds), Conflict (it no longer works, or was rotated), Forbidden (neither your own nor an admin).
        """
        path = f"/v1/api-keys/{identity(api_key_id, 'api_key_id')}/rotate"
        return self._new_key(path, {"overlap_seconds": overlap_seconds}, idempotency_key)

    @call
    def revoke_api_key(self, api_key_id: str | uuid.UUID | ApiKey | Failed) -> None:
        """Revoke a key, which stops working at once.

        Raises NotFound, Conflict (this registry's own key, or the last admin), Forbidden (neither your own nor an admin).
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

    @call
    def checkpoint(self) -> Checkpoint | Failed:
        """Return the newest checkpoint of the sealed audit log. Keep its `note` elsewhere. Raises NotFound (none yet)."""
        return self._get(Checkpoint, "/v1/audit-logs/checkpoint")

    @call
    def audit_key(self) -> AuditKey | Failed:
        """Return the public key of the checkpoints. Raises NotFound (none yet)."""
        return self._get(AuditKey, "/v1/audit-logs/key")

    @call
    def proof(self, entry_id: str | uuid.UUID | AuditEntry | Failed) -> Proof | Failed:
        """Return the proof that the newest checkpoint contains an audit entry. `leads_to_root()` checks its arithmetic.

        Raises NotFound, Conflict (the entry is not sealed yet: ask again in a few seconds).
        """
        return self._get(Proof, f"/v1/audit-logs/{identity(entry_id, 'entry_id')}/proof")

    @call
    def consistency(self, first: int, last: int) -> Consistency | Failed:
        """Return the proof that the log of `last` sealed entries begins with that of `first` entries.

        `continues(root)` checks it, with the root of the first one that you hold. Raises Validation, NotFound.
        """
        return self._get(Consistency, "/v1/audit-logs/consistency", {"from": first, "to": last})

    def _new_key(self, path: str, fields: Mapping[str, Any], idempotency_key: str | None) -> ApiKey:
        """Create a key and return it with its secret. Raises SecretLost."""
        created = self._post(ApiKey, path, fields, idempotency_key)
        if created.key is None:  # an earlier try created it, and the registry does not store the secret
            error = SecretLost(
                f"The key {created.name!r} was created, but the answer with its secret was lost. "
                f"Revoke {created.id} and create another key.",
                maybe_applied=True,
            )
            error.api_key_id = created.id
            raise error
        return created
