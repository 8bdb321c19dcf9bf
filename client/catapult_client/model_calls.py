"""Models: `/api/v1/models`."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from .calls import UNSET, Calls, Failed, Unset, arguments, call, given, identity, listing
from .ensure import ensured
from .errors import InvalidArgument, NotFound
from .model_records import Model, Renamed


class ModelCalls(Calls[Failed]):
    """The methods of a Registry for models."""

    @call
    def create_model(
        self,
        name: str,
        storage_path: str | None = None,
        *,
        repository: str | None = None,
        description: str | None = None,
        register_tags: str | None = None,
        tags: Sequence[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> Model | Failed:
        """Register a model and return it. Needs `storage_path`, `repository` or both.

        `register_tags` is a pattern of image tags, `"v*"`: a matching image that is pushed to the repository becomes a version, if
        the image registry sends notifications.

        Raises Conflict (the name is taken), Validation, Forbidden (needs the role `publisher`).
        """
        fields = arguments(locals(), "idempotency_key")
        return self._create_model(fields, idempotency_key)

    @call
    def ensure_model(
        self,
        name: str,
        storage_path: str | None = None,
        *,
        repository: str | None = None,
        description: str | None = None,
        register_tags: str | None = None,
        tags: Sequence[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        compare: Iterable[str] | None = None,
    ) -> Model | Failed:
        """Return the model of this name, creating it if needed, so that a job can be run again.

        A model that exists must have the same content: the fields that are not None are compared, but not `description`
        and `tags`, which people edit. `compare` names the fields that are compared instead, tags in any order. Raises
        Conflict, whose `difference` is `{field: (current, sent)}`, and what `create_model` raises.
        """
        content = self._plain(arguments(locals(), "name", "compare"), None)
        return ensured(
            f"The model {name}",
            lambda: self._create_model({"name": name, **content}, None),
            lambda: self._find_model(name),
            content,
            compare,
        )

    @call
    def get_model(
        self, model_id: str | uuid.UUID | Model | Failed | None = None, *, name: str | None = None
    ) -> Model | Failed:
        """Return a model by its id, or by its exact name (case is ignored). It has an `etag` only if fetched by id.

        Raises NotFound, and InvalidArgument unless exactly one of the two is given.
        """
        if name is None:
            return self._get(Model, f"/v1/models/{identity(model_id, 'model_id')}")
        if model_id is not None:
            raise InvalidArgument("Pass model_id or name to get_model, not both.")
        return self._model_named(name)

    @call
    def get_model_by_name(self, name: str) -> Model | Failed:
        """Return a model by its exact name (case is ignored). Raises NotFound."""
        return self._model_named(name)

    @listing
    def list_models(
        self,
        *,
        search: str | None = None,
        name: str | None = None,
        tag: str | None = None,
        filter: str | None = None,
        sort: str | None = None,
        limit: int | None = None,
    ) -> Iterator[Model]:
        """Return an iterator over models, newest first. It fetches pages as it is read.

        `search` finds text anywhere in name or description (case is ignored); `name` is exact. `filter` is an
        expression, `'tags = "nlp" and version_count > 3'`; `sort` is field names, `"-metadata.size,name"`. `limit` is
        the page size (1 to 1000), not the length of the iterator; for the first few use `itertools.islice`.
        The iterator raises Validation and whatever a request can.
        """
        return self._pages(Model, "/v1/models", arguments(locals()))

    @call
    def update_model(
        self,
        model_id: str | uuid.UUID | Model | Failed,
        *,
        storage_path: str | Unset = UNSET,
        repository: str | Unset | None = UNSET,
        description: str | Unset | None = UNSET,
        register_tags: str | Unset | None = UNSET,
        tags: Sequence[str] | Unset = UNSET,
        metadata: Mapping[str, Any] | Unset = UNSET,
        reason: str | None = None,
        if_match: str | Model | None = None,
    ) -> Model | Failed:
        """Change the fields that are passed and return the model. None clears a text; `metadata` and `tags` are replaced.

        Another `storage_path` or `repository` voids the approvals of all its versions. If one of them is a release or
        live, that needs the role `releaser` and a `reason`, which the audit log keeps.
        `if_match` is a record fetched by its id, or its `etag`: the change is refused if somebody else changed it since.
        Raises NotFound, PreconditionFailed, Validation, Forbidden (needs the role `publisher`).
        """
        changes = arguments(locals(), "model_id", "if_match") | {"reason": given(reason)}
        return self._put(Model, f"/v1/models/{identity(model_id, 'model_id')}", changes, if_match)

    @call
    def rename_model(self, model_id: str | uuid.UUID | Model | Failed, name: str) -> Renamed | Failed:
        """Give a model another name and return it with the gates and keys that no longer apply to it, or newly do.

        The old name still leads to it, and no other model can have it while this one exists. Raises NotFound, Conflict
        (the name is taken), Validation, Forbidden (needs the role `admin`).
        """
        return self._post(Renamed, f"/v1/models/{identity(model_id, 'model_id')}/rename", {"name": name}, None)

    @call
    def delete_model(
        self,
        model_id: str | uuid.UUID | Model | Failed,
        *,
        force: bool | None = None,
        if_match: str | Model | None = None,
    ) -> None:
        """Delete a model, which frees its name. With `force` its live deployments are ended.

        Raises NotFound, Conflict (a version is live, without `force`), PreconditionFailed, Forbidden (needs the role
        `admin`).
        """
        self._delete(f"/v1/models/{identity(model_id, 'model_id')}", {"force": force}, if_match)

    def _create_model(self, fields: Mapping[str, Any], idempotency_key: str | None) -> Model:
        return self._post(Model, "/v1/models", fields, idempotency_key)

    def _model_named(self, name: str) -> Model:
        model = self._find_model(name)
        if model is None:
            raise NotFound(f"There is no model named {name}.", type="not-found", status=404)
        return model

    def _find_model(self, name: str) -> Model | None:
        # Compared again, because a server that does not know the filter would return every model.
        if not isinstance(name, str) or not name:
            raise InvalidArgument("name must be a non-empty string.")
        models = self._pages(Model, "/v1/models", {"name": name})
        return next((model for model in models if _is_called(model, name)), None)


def _is_called(model: Model, name: str) -> bool:
    return name.lower() in (each.lower() for each in (model.name, *model.former_names))
