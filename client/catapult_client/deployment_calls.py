"""Deployments: `/api/v1/deployments`."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from .calls import UNSET, Calls, Gone, Unset, call, identity, listing
from .deployment_run import DeploymentRun
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
        log_url: str | None = None,
        force: bool = False,
        reason: str | None = None,
        idempotency_key: str | None = None,
    ) -> Deployment | Gone:
        """It is on record that the version (`release_id`: the record or its id) went to the environment.

        `status` is `pending`, `running`, `success` or `failed`; the newest `success` of a model is the one live there.
        An environment that is not there is made. `force` passes the gates, takes `admin` and a `reason`, and stands in
        the audit log with what it passed. Raises NotFound, Conflict (archived), Frozen, Blocked (its `gates` say what
        is missing), Validation, Forbidden (takes `publisher`; `releaser` where the environment is protected).
        """
        fields = {
            "release_id": identity(release_id, "release_id"),
            "environment": environment,
            "status": status,
            "metadata": metadata,
            "endpoint_url": endpoint_url,
            "log_url": log_url,
            "force": force or None,
            "reason": reason,
        }
        return self._post(Deployment, "/v1/deployments", fields, idempotency_key)

    def deployment(
        self,
        release_id: str | uuid.UUID | Version | Gone,
        environment: str,
        metadata: Mapping[str, Any] | None = None,
        endpoint_url: str | None = None,
        *,
        log_url: str | None = None,
        force: bool = False,
        reason: str | None = None,
    ) -> DeploymentRun[Gone]:
        """A deployment to do within `with`: on record as `pending`, then `running`, and by what became of it.

            with registry.deployment(version, "staging", log_url=job_url) as d:
                roll_out(version.image)
                d.update(metadata={"replicas": 3})

        Leaving the block reports `success`, which makes it live; an exception, Ctrl-C too, reports `failed` with its
        text in `metadata["error"]`, and goes on. Where that cannot be reported it is logged, and the exception is what
        is raised. `d.record` is the deployment. Entering raises what `deploy` does, leaving what `update_deployment`
        does: Conflict if it was cancelled meanwhile, as when a newer one succeeded. With `on_error="warn"` the block
        runs whatever the registry says.
        """
        fields = {
            "metadata": metadata,
            "endpoint_url": endpoint_url,
            "log_url": log_url,
            "force": force,
            "reason": reason,
        }
        return DeploymentRun(self, release_id, environment, fields)

    @call
    def update_deployment(
        self,
        deployment_id: str | uuid.UUID | Deployment | Gone,
        *,
        status: str | Unset = UNSET,
        metadata: Mapping[str, Any] | Unset = UNSET,
        endpoint_url: str | Unset | None = UNSET,
        log_url: str | Unset | None = UNSET,
        if_match: str | Deployment | None = None,
    ) -> Deployment | Gone:
        """The fields sent are changed, `metadata` as a whole; None clears an address, and what is left out stays.

        `status` only moves on: `pending`, `running`, then `success`, `failed` or `cancelled`. `success` makes it live,
        ends the one before and cancels older ones on their way there. Raises NotFound, Conflict (a step back),
        PreconditionFailed, Validation, Forbidden (takes `publisher`; `releaser` where the environment is protected).
        """
        path = f"/v1/deployments/{identity(deployment_id, 'deployment_id')}"
        changes = {"status": status, "metadata": metadata, "endpoint_url": endpoint_url, "log_url": log_url}
        return self._put(Deployment, path, changes, if_match)

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
