"""Deployments: `/api/v1/deployments`."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from .calls import Calls, Gone, call, identity, listing
from .records import Deployment, Version


class DeploymentCalls(Calls[Gone]):
    """What a Registry does with deployments."""

    @call
    def deploy(
        self,
        release_id: str | uuid.UUID | Version | Gone,
        environment: str,
        status: str = "success",
        metadata: Mapping[str, Any] | None = None,
        endpoint_url: str | None = None,
        *,
        idempotency_key: str | None = None,
    ) -> Deployment | Gone:
        """It is on record that the version (`release_id`: the record or its id) went to the environment.

        `status` is `pending`, `running`, `success` or `failed`; the newest `success` of a model is the one live there.
        Raises NotFound, Conflict (archived), Frozen, Blocked, Validation, Forbidden (takes `publisher`).
        """
        fields = {
            "release_id": identity(release_id, "release_id"),
            "environment": environment,
            "status": status,
            "metadata": metadata,
            "endpoint_url": endpoint_url,
        }
        return self._post(Deployment, "/v1/deployments", fields, idempotency_key)

    @call
    def get_deployment(self, deployment_id: str | uuid.UUID | Deployment | Gone) -> Deployment | Gone:
        """The deployment with this id. Raises NotFound."""
        return self._get(Deployment, f"/v1/deployments/{identity(deployment_id, 'deployment_id')}")

    @listing
    def list_deployments(
        self,
        *,
        environment: str | None = None,
        release_id: str | uuid.UUID | Version | Gone | None = None,
        model_name: str | None = None,
        status: str | None = None,
        live: bool | None = None,
        limit: int | None = None,
    ) -> Iterator[Deployment]:
        """Every deployment that fits all filters, newest first, fetched page by page as the iterator is read.

        `live=True`: only those that are live now. `limit` is the rows that one request fetches (1 to 1000).
        The iterator raises Validation and whatever a request can.
        """
        query = {
            "environment": environment,
            "release_id": release_id,
            "model_name": model_name,
            "status": status,
            "live": live,
            "limit": limit,
        }
        return self._pages(Deployment, "/v1/deployments", query)
