"""Aliases, names that point at versions: `/api/v1/models/{id}/aliases`."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import datetime

from .calls import Failed, alias_name, call, given, identity, listing
from .errors import InvalidArgument
from .model_calls import ModelCalls
from .model_records import Alias, Model, Version


class AliasCalls(ModelCalls[Failed]):
    """The methods of a Registry for aliases. A `model` is a record, or a name in which case is ignored, as in `alias`."""

    @call
    def set_alias(
        self,
        model: str | Model | Failed,
        alias: str,
        version: str | uuid.UUID | Version | Failed,
        *,
        reason: str | None = None,
        force: bool | None = None,
    ) -> Alias | Failed:
        """Point an alias of the model at a version, the record or its id, from now on. Return the alias.

        If it already points there, nothing changes. `force`, with a `reason`, overrides the gates that guard the alias
        and needs the role `admin`. Raises Blocked (a gate), Conflict (archived, or too many aliases), NotFound,
        Validation (a version of another model, or a name that no alias can have), InvalidArgument, Forbidden (needs
        the role `publisher`; `releaser` where a gate guards the alias).
        """
        changes = {"version_id": identity(version, "version"), "reason": given(reason), "force": given(force)}
        name = alias_name(alias)
        return self._put(Alias, f"/v1/models/{self._model_id(model)}/aliases/{name}", changes, None)

    @call
    def delete_alias(
        self, model: str | Model | Failed, alias: str, *, reason: str | None = None, force: bool | None = None
    ) -> None:
        """Remove an alias: it points at nothing from now on. `force` is as in `set_alias`.

        Raises Blocked (a gate that guards it), NotFound, Forbidden (needs the role `publisher`; `releaser` where a gate
        guards the alias).
        """
        name = alias_name(alias)
        self._delete(f"/v1/models/{self._model_id(model)}/aliases/{name}", {"reason": reason, "force": force}, None)

    @listing
    def aliases(
        self, model: str | Model | Failed, at: datetime | str | None = None, *, limit: int | None = None
    ) -> Iterator[Alias]:
        """Return an iterator over the model's aliases by name, with the versions that they point at, or pointed at `at`.

        `at` is a datetime with a zone or RFC 3339 text. `limit` is the page size (1 to 1000). Raises NotFound (no such
        model), InvalidArgument (a time without a zone); the iterator raises whatever a request can.
        """
        return self._pages(Alias, f"/v1/models/{self._model_id(model)}/aliases", {"at": at, "limit": limit})

    @call
    def version_of(self, model: str | Model | Failed, alias: str) -> Version | Failed:
        """Return the version that the alias of the model points at. Raises NotFound."""
        name = model.name if isinstance(model, Model) else model
        if not isinstance(name, str) or not name:
            raise InvalidArgument("model must be a model's name or record.")
        return self._get(Version, "/v1/versions/latest", {"model_name": name, "alias": alias_name(alias)})

    def _model_id(self, model: str | Model | Failed) -> str:
        return identity(self._model_named(model) if isinstance(model, str) else model, "model")
