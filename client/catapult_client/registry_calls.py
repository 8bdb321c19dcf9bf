"""Image registries: `/api/v1/registries`."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence

from .calls import UNSET, Calls, Failed, Unset, arguments, call, identity, listing
from .image_records import ImageRegistry


class RegistryCalls(Calls[Failed]):
    """The methods of a Registry for image registries. They need the role `admin` and a key without bounds, or raise Forbidden."""

    @listing
    def registries(self, *, limit: int | None = None) -> Iterator[ImageRegistry]:
        """Return an iterator over image registries, newest first. `limit` is the page size (1 to 1000)."""
        return self._pages(ImageRegistry, "/v1/registries", {"limit": limit})

    @call
    def get_registry(self, registry_id: str | uuid.UUID | ImageRegistry | Failed) -> ImageRegistry | Failed:
        """Return the image registry. Raises NotFound."""
        return self._get(ImageRegistry, _path(registry_id))

    @call
    def create_registry(
        self,
        host: str,
        repositories: Sequence[str],
        *,
        allow_http: bool | None = None,
        ca: str | None = None,
        username: str | None = None,
        secret: str | None = None,
        idempotency_key: str | None = None,
    ) -> ImageRegistry | Failed:
        """Add an image registry: its address and credentials for the repositories that match one of the patterns.

        `secret` and `ca` are names of the server's secrets, of a password and of certificates, never their values.
        Raises Validation (a secret is missing, or the server may not send there), Conflict (there are 50).
        """
        return self._post(ImageRegistry, "/v1/registries", arguments(locals(), "idempotency_key"), idempotency_key)

    @call
    def update_registry(
        self,
        registry_id: str | uuid.UUID | ImageRegistry | Failed,
        *,
        host: str | Unset = UNSET,
        repositories: Sequence[str] | Unset = UNSET,
        allow_http: bool | Unset = UNSET,
        ca: str | Unset | None = UNSET,
        username: str | Unset | None = UNSET,
        secret: str | Unset | None = UNSET,
        if_match: str | ImageRegistry | None = None,
    ) -> ImageRegistry | Failed:
        """Change the fields that are passed, and return the image registry.

        Raises NotFound, Validation, PreconditionFailed (`if_match`).
        """
        changes = arguments(locals(), "registry_id", "if_match")
        return self._put(ImageRegistry, _path(registry_id), changes, if_match)

    @call
    def delete_registry(
        self, registry_id: str | uuid.UUID | ImageRegistry | Failed, *, if_match: str | ImageRegistry | None = None
    ) -> None:
        """Delete the image registry, which is then asked without credentials. Raises NotFound, PreconditionFailed (`if_match`)."""
        self._delete(_path(registry_id), {}, if_match)


def _path(registry_id: object) -> str:
    return f"/v1/registries/{identity(registry_id, 'registry_id')}"
