"""Trusted keys, and whether a version's files are signed by one: `/api/v1/trusted-keys`."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import datetime

from .calls import UNSET, Calls, Failed, Unset, arguments, call, identity, listing
from .file_records import FileSignature, TrustedKey
from .model_records import Version


class TrustedKeyCalls(Calls[Failed]):
    """The methods of a Registry for signed files. Changes need the role `admin` and a key without bounds, or raise Forbidden."""

    @call
    def check_signature(self, version_id: str | uuid.UUID | Version | Failed) -> FileSignature | Failed:
        """Return whether a trusted key has signed the present files of the version. Raises NotFound."""
        return self._get(FileSignature, f"/v1/versions/{identity(version_id, 'version_id')}/signature")

    @listing
    def list_trusted_keys(self, *, limit: int | None = None) -> Iterator[TrustedKey]:
        """Return an iterator over trusted keys, newest first, expired ones too. `limit` is the page size (1 to 1000)."""
        return self._pages(TrustedKey, "/v1/trusted-keys", {"limit": limit})

    @call
    def get_trusted_key(self, key_id: str | uuid.UUID | TrustedKey | Failed) -> TrustedKey | Failed:
        """Return the trusted key. Raises NotFound."""
        return self._get(TrustedKey, _path(key_id))

    @call
    def create_trusted_key(
        self,
        name: str,
        public_key: str,
        *,
        model: str | None = None,
        not_after: datetime | str | None = None,
        idempotency_key: str | None = None,
    ) -> TrustedKey | Failed:
        """Trust signatures of this key, in PEM, of files of the models that match `model` (None: all), up to `not_after`.

        Raises Validation (also for anything but a public key of P-256, Ed25519 or RSA), Conflict (the name is taken).
        """
        return self._post(TrustedKey, "/v1/trusted-keys", arguments(locals(), "idempotency_key"), idempotency_key)

    @call
    def update_trusted_key(
        self,
        key_id: str | uuid.UUID | TrustedKey | Failed,
        *,
        name: str | Unset = UNSET,
        model: str | Unset | None = UNSET,
        not_after: datetime | str | Unset | None = UNSET,
        if_match: str | TrustedKey | None = None,
    ) -> TrustedKey | Failed:
        """Change the fields that are passed, and return the trusted key. The public key itself never changes.

        Raises NotFound, Validation, Conflict (the name is taken), PreconditionFailed (`if_match`).
        """
        return self._put(TrustedKey, _path(key_id), arguments(locals(), "key_id", "if_match"), if_match)

    @call
    def delete_trusted_key(
        self, key_id: str | uuid.UUID | TrustedKey | Failed, *, if_match: str | TrustedKey | None = None
    ) -> None:
        """Delete the trusted key. Its signatures no longer count. Raises NotFound, PreconditionFailed (`if_match`)."""
        self._delete(_path(key_id), {}, if_match)


def _path(key_id: object) -> str:
    return f"/v1/trusted-keys/{identity(key_id, 'key_id')}"
