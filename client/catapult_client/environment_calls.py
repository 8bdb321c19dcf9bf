"""Environments, and what is live there, now and then: `/api/v1/environments`, `/api/v1/live`."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import datetime

from .calls import UNSET, Calls, Gone, Unset, call, identity, listing, place
from .records import Deployment, Environment, LiveModel


class EnvironmentCalls(Calls[Gone]):
    """What a Registry does with environments. Their names ignore case."""

    @listing
    def list_environments(self, *, limit: int | None = None) -> Iterator[Environment]:
        """Every environment, the lowest `rank` first. `limit` is the rows that one request fetches (1 to 1000)."""
        return self._pages(Environment, "/v1/environments", {"limit": limit})

    @call
    def get_environment(self, name: str) -> Environment | Gone:
        """The environment of this name. Raises NotFound, which lists those there are."""
        return self._get(Environment, f"/v1/environments/{place(name, 'name')}")

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
        if_match: str | Environment | None = None,
    ) -> Environment | Gone:
        """The environment is there with these fields; None clears one, and what is left out stays.

        A new one is ranked last and is neither protected nor frozen unless sent so. Deploying to a name makes it, too.
        `frozen` needs a `frozen_reason`; without `frozen_until` (a time with a zone) it lasts until somebody ends it.
        Raises PreconditionFailed (changed meanwhile), Validation, InvalidArgument, Forbidden (takes `admin`).
        """
        changes = {
            "rank": rank,
            "protected": protected,
            "frozen": frozen,
            "frozen_reason": frozen_reason,
            "frozen_until": frozen_until,
            "description": description,
        }
        return self._put(Environment, f"/v1/environments/{place(name, 'name')}", changes, if_match)

    @call
    def freeze(self, name: str, reason: str, until: datetime | str | None = None) -> Environment | Gone:
        """The environment takes no deployments until then, or until `thaw`; rollbacks it takes.

        `put_environment(name, frozen=True, frozen_reason=reason, frozen_until=until)`, so an earlier end is forgotten.
        """
        return self.put_environment(name, frozen=True, frozen_reason=reason, frozen_until=until)

    @call
    def thaw(self, name: str) -> Environment | Gone:
        """The environment takes deployments again. `put_environment(name, frozen=False)`"""
        return self.put_environment(name, frozen=False)

    @call
    def delete_environment(
        self, name: str, *, force: bool | None = None, if_match: str | Environment | None = None
    ) -> None:
        """The environment leaves every list; its history stays. `force` ends the deployments that are live there.

        Raises NotFound, Conflict (a gate names it, or something is live and no `force`), PreconditionFailed, Forbidden
        (takes `admin`).
        """
        self._delete(f"/v1/environments/{place(name, 'name')}", {"force": force}, if_match)

    @listing
    def live(
        self, environment: str, at: datetime | str | None = None, *, limit: int | None = None
    ) -> Iterator[Deployment]:
        """The deployments that are live there, one a model, or that were at that moment, to the microsecond.

        `at` is a datetime with a zone, or RFC 3339 text. Of the past, what was deleted since is told, too. `limit` is
        the rows that one request fetches (1 to 1000). Raises InvalidArgument (a time without a zone); the iterator
        raises NotFound (no such environment) and whatever a request can.
        """
        path = f"/v1/environments/{place(environment, 'environment')}/live"
        return self._pages(Deployment, path, {"at": at, "limit": limit})

    @listing
    def live_matrix(self, *, limit: int | None = None) -> Iterator[LiveModel]:
        """Every model of which something is live, with its version in each environment and how far that is behind.

        `limit` is the models that one request fetches (1 to 1000).
        """
        return self._pages(LiveModel, "/v1/live", {"limit": limit})

    @call
    def rollback(
        self,
        environment: str,
        *,
        model_name: str,
        reason: str,
        to: str | uuid.UUID | Deployment | Gone | None = None,
        idempotency_key: str | None = None,
    ) -> Deployment | Gone:
        """The version that was live there before is live again: the new deployment, with `rollback_of`.

        By default the newest earlier version, those left out that were rolled back from since the last ordinary
        deployment; `to` is an earlier live deployment, the record or its id. Neither gates nor a freeze stop it.
        Raises NotFound, Conflict (nothing to go back to), Validation (`to`), Forbidden (takes `releaser`).
        """
        fields = {"model_name": model_name, "reason": reason, "to": None if to is None else identity(to, "to")}
        path = f"/v1/environments/{place(environment, 'environment')}/rollback"
        return self._post(Deployment, path, fields, idempotency_key)
