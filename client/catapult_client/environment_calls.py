"""Environments, and their live versions now or at a time: `/api/v1/environments`, `/api/v1/live`."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import datetime

from .calls import UNSET, Calls, Failed, Unset, arguments, call, environment_name, identity, listing
from .deployment_records import Deployment, Environment, LiveModel


class EnvironmentCalls(Calls[Failed]):
    """The methods of a Registry for environments. Case is ignored in their names."""

    @listing
    def list_environments(self, *, limit: int | None = None) -> Iterator[Environment]:
        """Return an iterator over environments, lowest `rank` first. `limit` is the page size (1 to 1000)."""
        return self._pages(Environment, "/v1/environments", {"limit": limit})

    @call
    def get_environment(self, name: str) -> Environment | Failed:
        """Return an environment by its name. Raises NotFound, which names the existing ones."""
        return self._get(Environment, f"/v1/environments/{environment_name(name, 'name')}")

    @call
    def put_environment(
        self,
        name: str,
        *,
        rank: int | Unset = UNSET,
        protected: bool | Unset = UNSET,
        frozen: bool | Unset = UNSET,
        frozen_reason: str | Unset | None = UNSET,
        frozen_until: datetime | str | Unset | None = UNSET,
        description: str | Unset | None = UNSET,
        deploy_within: int | Unset | None = UNSET,
        if_match: str | Environment | None = None,
    ) -> Environment | Failed:
        """Create an environment, or change the fields that are passed (None clears one). Return it.

        By default a new one is ranked last, not protected and not frozen. Deploying to a new name creates it, too.
        `frozen` needs a `frozen_reason`; without `frozen_until` (a time with a zone) the freeze has no end.
        An unfinished deployment is shown as overdue after `deploy_within` seconds; by default it never is.
        Raises PreconditionFailed (changed since `if_match`), Validation, InvalidArgument, Forbidden (needs the role
        `admin`).
        """
        changes = arguments(locals(), "name", "if_match")
        return self._put(Environment, f"/v1/environments/{environment_name(name, 'name')}", changes, if_match)

    @call
    def freeze(self, name: str, reason: str, until: datetime | str | None = None) -> Environment | Failed:
        """Refuse deployments to an environment until then, or until `thaw`. Rollbacks are still possible.

        The same as `put_environment(name, frozen=True, frozen_reason=reason, frozen_until=until)`.
        """
        return self.put_environment(name, frozen=True, frozen_reason=reason, frozen_until=until)

    @call
    def thaw(self, name: str) -> Environment | Failed:
        """Allow deployments again. The same as `put_environment(name, frozen=False)`."""
        return self.put_environment(name, frozen=False)

    @call
    def delete_environment(
        self, name: str, *, force: bool | None = None, if_match: str | Environment | None = None
    ) -> None:
        """Delete an environment; its history stays. With `force` its live deployments are ended.

        Raises NotFound, Conflict (a gate names it, or something is live and `force` is not set), PreconditionFailed,
        Forbidden (needs the role `admin`).
        """
        self._delete(f"/v1/environments/{environment_name(name, 'name')}", {"force": force}, if_match)

    @listing
    def live(
        self, environment: str, at: datetime | str | None = None, *, limit: int | None = None
    ) -> Iterator[Deployment]:
        """Return an iterator over the deployments that are live there, one a model, or that were live at `at`.

        `at` is a datetime with a zone or RFC 3339 text, exact to the microsecond; the answer then includes versions
        deleted since. `limit` is the page size (1 to 1000). Raises InvalidArgument (a time without a zone); the
        iterator raises NotFound (no such environment) and whatever a request can.
        """
        path = f"/v1/environments/{environment_name(environment, 'environment')}/live"
        return self._pages(Deployment, path, {"at": at, "limit": limit})

    @listing
    def live_matrix(self, *, limit: int | None = None) -> Iterator[LiveModel]:
        """Return an iterator over the models with a live version: that version in each environment, and how far it is behind.

        `limit` is the page size (1 to 1000).
        """
        return self._pages(LiveModel, "/v1/live", {"limit": limit})

    @call
    def rollback(
        self,
        environment: str,
        *,
        model_name: str,
        reason: str,
        to: str | uuid.UUID | Deployment | Failed | None = None,
        idempotency_key: str | None = None,
    ) -> Deployment | Failed:
        """Make the previous version live again. Return the new deployment, which has `rollback_of`.

        The default is the newest earlier version, without those rolled back from since the last ordinary deployment;
        `to` is an earlier live deployment, the record or its id. Gates and freezes do not apply.
        Raises NotFound, Conflict (nothing to go back to), Validation (`to`), Forbidden (needs the role `releaser`).
        """
        fields = {"model_name": model_name, "reason": reason, "to": None if to is None else identity(to, "to")}
        path = f"/v1/environments/{environment_name(environment, 'environment')}/rollback"
        return self._post(Deployment, path, fields, idempotency_key)

    @call
    def retire(
        self, environment: str, model_name: str, reason: str, *, idempotency_key: str | None = None
    ) -> Deployment | Failed:
        """Take a model out of service: nothing of it is live there from now on. Return the deployment that ended.

        Unfinished deployments of it there are cancelled. Gates and freezes do not apply, and the audit log keeps the
        `reason`. Raises NotFound, Conflict (nothing was live), Validation, Forbidden (needs the role `publisher`;
        `releaser` where the environment is protected).
        """
        path = f"/v1/environments/{environment_name(environment, 'environment')}/retire"
        return self._post(Deployment, path, {"model_name": model_name, "reason": reason}, idempotency_key)
