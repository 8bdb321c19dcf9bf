"""Models: `/api/v1/models`."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .calls import UNSET, Calls, Gone, Unset, call, identity, listing
from .ensure import ensured
from .errors import InvalidArgument, NotFound
from .records import Model


class ModelCalls(Calls[Gone]):
    """What a Registry does with models."""

    @call
    def create_model(
        self,
        name: str,
        storage_path: str | None = None,
        *,
        repository: str | None = None,
        description: str | None = None,
        tags: Sequence[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> Model | Gone:
        """The model is registered. It takes `storage_path` or `repository`, or both.

        Raises Conflict (the name is taken), Validation, Forbidden (takes `publisher`).
        """
        return self._create_model(
            {
                "name": name,
                "storage_path": storage_path,
                "repository": repository,
                "description": description,
                "tags": tags,
                "metadata": metadata,
            },
            idempotency_key,
        )

    @call
    def ensure_model(
        self,
        name: str,
        storage_path: str | None = None,
        *,
        repository: str | None = None,
        description: str | None = None,
        tags: Sequence[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Model | Gone:
        """The model is there with what was sent: made now or, as by a job that starts again, before.

        Only what is sent is compared: tags in any order, the name with case ignored.
        Raises Conflict, whose `difference` is `{field: (there, sent)}`, and what `create_model` raises.
        """
        content = {
            "storage_path": storage_path,
            "repository": repository,
            "description": description,
            "tags": tags,
            "metadata": metadata,
        }
        return ensured(
            f"The model {name}",
            lambda: self._create_model({"name": name, **content}, None),
            lambda: self._find_model(name),
            content,
        )

    @call
    def get_model(
        self, model_id: str | uuid.UUID | Model | Gone | None = None, *, name: str | None = None
    ) -> Model | Gone:
        """The model with this id, or with exactly this name (case ignored). Only by id it has an `etag`.

        Raises NotFound, and InvalidArgument unless one of the two is given.
        """
        if name is None:
            return self._get(Model, f"/v1/models/{identity(model_id, 'model_id')}")
        if model_id is not None:
            raise InvalidArgument("get_model takes model_id or name, not both.")
        return self._model_named(name)

    @call
    def get_model_by_name(self, name: str) -> Model | Gone:
        """The model with exactly this name (case ignored). Raises NotFound."""
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
        """Every model, newest first, fetched page by page as the iterator is read.

        `search` is anywhere in name or description (case ignored), `name` is exact. `filter` is about content,
        `'tags = "nlp" and version_count > 3'`, and `sort` names fields, `"-metadata.size,name"`. `limit` is the rows that one
        request fetches (1 to 1000), not those of the iterator: `itertools.islice` takes the first few.
        The iterator raises Validation and whatever a request can.
        """
        query = {"search": search, "name": name, "tag": tag, "filter": filter, "sort": sort, "limit": limit}
        return self._pages(Model, "/v1/models", query)

    @call
    def update_model(
        self,
        model_id: str | uuid.UUID | Model | Gone,
        *,
        storage_path: str | Unset = UNSET,
        repository: str | Unset | None = UNSET,
        description: str | Unset | None = UNSET,
        tags: Sequence[str] | Unset = UNSET,
        metadata: Mapping[str, Any] | Unset = UNSET,
        if_match: str | Model | None = None,
    ) -> Model | Gone:
        """The fields sent are changed, `metadata` and `tags` as a whole; None clears a text; what is left out stays.

        `if_match` is the record as it was fetched alone, or its `etag`: then nobody else's change is overwritten.
        Raises NotFound, PreconditionFailed (changed meanwhile), Validation, Forbidden (takes `publisher`).
        """
        path = f"/v1/models/{identity(model_id, 'model_id')}"
        changes = {
            "storage_path": storage_path,
            "repository": repository,
            "description": description,
            "tags": tags,
            "metadata": metadata,
        }
        return self._put(Model, path, changes, if_match)

    @call
    def delete_model(
        self,
        model_id: str | uuid.UUID | Model | Gone,
        *,
        force: bool | None = None,
        if_match: str | Model | None = None,
    ) -> None:
        """The model is gone from every list, and its name free. `force` ends the deployments that are live.

        Raises NotFound, Conflict (a version is live, and no `force`), PreconditionFailed, Forbidden (takes `admin`).
        """
        self._delete(f"/v1/models/{identity(model_id, 'model_id')}", {"force": force}, if_match)

    def _create_model(self, fields: Mapping[str, Any], idempotency_key: str | None) -> Model:
        return self._post(Model, "/v1/models", fields, idempotency_key)

    def _model_named(self, name: str) -> Model:
        model = self._find_model(name)
        if model is None:
            raise NotFound(f"No model is named {name}.", type="not-found", status=404)
        return model

    def _find_model(self, name: str) -> Model | None:
        # By the exact filter; looked at once more, since an older server may not know it and send everything.
        if not isinstance(name, str) or not name:
            raise InvalidArgument("name must be text, and not empty.")
        models = self._pages(Model, "/v1/models", {"name": name})
        return next((model for model in models if model.name.lower() == name.lower()), None)
