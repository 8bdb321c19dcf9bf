"""Deployments: `/api/v1/deployments`."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from .calls import UNSET, Calls, Failed, Unset, arguments, call, given, identity, listing
from .deployment_records import Deployment
from .deployment_run import DeploymentRun
from .model_records import Version


class DeploymentCalls(Calls[Failed]):
    """The methods of a Registry for deployments."""

    @call
    def deploy(
        self,
        release_id: str | uuid.UUID | Version | Failed,
        environment: str,
        status: str = "success",
        metadata: Mapping[str, Any] | None = None,
        endpoint_url: str | None = None,
        *,
        log_url: str | None = None,
        force: bool = False,
        reason: str | None = None,
        idempotency_key: str | None = None,
    ) -> Deployment | Failed:
        """Record that a version (`release_id`: the record or its id) went to an environment; return the deployment.

        `status` is `pending`, `running`, `success` or `failed`; the newest `success` of a model is live. A new
        environment is created. `force` overrides the gates: it needs the role `admin` and a `reason`, and the audit
        log keeps both. Raises NotFound, Conflict (archived), Frozen, Blocked (see its `gates`), Validation, Forbidden
        (needs the role `publisher`; `releaser` where the environment is protected).
        """
        fields = arguments(locals(), "idempotency_key")
        fields |= {"release_id": identity(release_id, "release_id"), "force": force or None}
        return self._post(Deployment, "/v1/deployments", fields, idempotency_key)

    def deployment(
        self,
        release_id: str | uuid.UUID | Version | Failed,
        environment: str,
        metadata: Mapping[str, Any] | None = None,
        endpoint_url: str | None = None,
        *,
        log_url: str | None = None,
        force: bool = False,
        reason: str | None = None,
    ) -> DeploymentRun[Failed]:
        """Return a context manager that records a deployment while your code carries it out: `pending`, then `running`.

            with registry.deployment(version, "staging", log_url=job_url) as d:
                roll_out(version.image)
                d.update(metadata={"replicas": 3})

        Leaving the block reports `success`, which makes it live. An exception, also Ctrl-C, reports `failed` with its
        text in `metadata["error"]` and is raised again; if the report fails, that is logged. `d.record` is the
        deployment. Entering raises what `deploy` does, leaving what `update_deployment` does: Conflict if the deployment
        was cancelled, for example because a newer one succeeded, Frozen or Blocked if the environment is frozen or a gate
        fails by then. With `on_error="warn"` the block always runs.

        In the main thread SIGTERM and SIGHUP end the block with a SystemExit, and it is `failed`. Then the signal has
        its usual effect: the program's own handler runs, or the process ends. Ignored signals stay ignored.
        """
        fields = arguments(locals(), "release_id", "environment")
        return DeploymentRun(self, release_id, environment, fields)

    @call
    def update_deployment(
        self,
        deployment_id: str | uuid.UUID | Deployment | Failed,
        *,
        status: str | Unset = UNSET,
        metadata: Mapping[str, Any] | Unset = UNSET,
        endpoint_url: str | Unset | None = UNSET,
        log_url: str | Unset | None = UNSET,
        force: bool = False,
        reason: str | None = None,
        if_match: str | Deployment | None = None,
    ) -> Deployment | Failed:
        """Change the fields that are passed and return the deployment. None clears an address; `metadata` is replaced.

        `status` moves in one direction: `pending`, `running`, then `success`, `failed` or `cancelled`. `success` makes
        it live, ends the previous deployment and cancels older ones that are not finished. Freezes and gates are checked
        again then: a refusal leaves it unchanged, and `force` overrides the gates as in `deploy`. Raises NotFound,
        Conflict (a step back), Frozen, Blocked, PreconditionFailed, Validation, Forbidden (needs the role `publisher`;
        `releaser` where the environment is protected).
        """
        changes = arguments(locals(), "deployment_id", "if_match")
        changes |= {"force": force or UNSET, "reason": given(reason)}
        return self._put(Deployment, f"/v1/deployments/{identity(deployment_id, 'deployment_id')}", changes, if_match)

    @call
    def get_deployment(self, deployment_id: str | uuid.UUID | Deployment | Failed) -> Deployment | Failed:
        """Return a deployment by its id. Raises NotFound."""
        return self._get(Deployment, f"/v1/deployments/{identity(deployment_id, 'deployment_id')}")

    @listing
    def list_deployments(
        self,
        *,
        environment: str | None = None,
        release_id: str | uuid.UUID | Version | Failed | None = None,
        model_name: str | None = None,
        status: str | None = None,
        live: bool | None = None,
        limit: int | None = None,
    ) -> Iterator[Deployment]:
        """Return an iterator over the deployments that match all filters, newest first. It fetches pages as it is read.

        `live=True` gives those that are live now. `limit` is the page size (1 to 1000).
        The iterator raises Validation and whatever a request can.
        """
        return self._pages(Deployment, "/v1/deployments", arguments(locals()))
