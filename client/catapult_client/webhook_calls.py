"""Webhooks, their deliveries and the worker's jobs: `/api/v1/webhooks`, `/api/v1/jobs`."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence

from .calls import UNSET, Calls, Failed, Unset, arguments, call, identity, listing
from .webhook_records import Delivery, Job, Webhook


class WebhookCalls(Calls[Failed]):
    """The methods of a Registry for webhooks and jobs. All need the role `admin` and a key without bounds, and raise Forbidden."""

    @listing
    def list_webhooks(self, *, limit: int | None = None) -> Iterator[Webhook]:
        """Return an iterator over webhooks, newest first, ended ones too, without addresses and secrets."""
        return self._pages(Webhook, "/v1/webhooks", {"limit": limit})

    @call
    def get_webhook(self, webhook_id: str | uuid.UUID | Webhook | Failed) -> Webhook | Failed:
        """Return the webhook. Raises NotFound."""
        return self._get(Webhook, _path(webhook_id))

    @call
    def create_webhook(
        self,
        url: str,
        *,
        format: str | None = None,
        events: Sequence[str] | None = None,
        models: Sequence[str] | None = None,
        environments: Sequence[str] | None = None,
        idempotency_key: str | None = None,
    ) -> Webhook | Failed:
        """Create a webhook and return it with its `secret`, which is shown only now. None is every event, model, environment.

        `format` is standard, cdevents, slack, teams or email. Raises Validation (also for an address that the registry may not
        send to), Conflict (50 webhooks). `secret` is None if an earlier try created it: rotate it then.
        """
        return self._post(Webhook, "/v1/webhooks", arguments(locals(), "idempotency_key"), idempotency_key)

    @call
    def update_webhook(
        self,
        webhook_id: str | uuid.UUID | Webhook | Failed,
        *,
        url: str | Unset = UNSET,
        format: str | Unset = UNSET,
        events: Sequence[str] | Unset | None = UNSET,
        models: Sequence[str] | Unset | None = UNSET,
        environments: Sequence[str] | Unset | None = UNSET,
        active: bool | Unset = UNSET,
        if_match: str | Webhook | None = None,
    ) -> Webhook | Failed:
        """Change the fields that are passed, and return the webhook. `active=True` sends again to one that has ended.

        Raises NotFound, Validation, PreconditionFailed (`if_match`).
        """
        return self._put(Webhook, _path(webhook_id), arguments(locals(), "webhook_id", "if_match"), if_match)

    @call
    def rotate_webhook(
        self, webhook_id: str | uuid.UUID | Webhook | Failed, *, idempotency_key: str | None = None
    ) -> Webhook | Failed:
        """Give the webhook a new secret and return it with that. The old one also signs for 24 hours. Raises NotFound."""
        return self._post(Webhook, f"{_path(webhook_id)}/rotate", {}, idempotency_key)

    @call
    def test_webhook(
        self, webhook_id: str | uuid.UUID | Webhook | Failed, *, idempotency_key: str | None = None
    ) -> Delivery | Failed:
        """Send a `webhook.test`, and return its delivery. Raises NotFound, Conflict (the webhook has ended)."""
        return self._post(Delivery, f"{_path(webhook_id)}/test", {}, idempotency_key)

    @call
    def delete_webhook(
        self, webhook_id: str | uuid.UUID | Webhook | Failed, *, if_match: str | Webhook | None = None
    ) -> None:
        """Delete the webhook. Waiting events are no longer sent. Raises NotFound, PreconditionFailed (`if_match`)."""
        self._delete(_path(webhook_id), {}, if_match)

    @listing
    def list_deliveries(
        self, webhook_id: str | uuid.UUID | Webhook | Failed, *, limit: int | None = None
    ) -> Iterator[Delivery]:
        """Return an iterator over the webhook's deliveries of the last 30 days, newest first. It raises NotFound."""
        return self._pages(Delivery, f"{_path(webhook_id)}/deliveries", {"limit": limit})

    @call
    def replay_delivery(
        self, delivery_id: str | uuid.UUID | Delivery | Failed, *, idempotency_key: str | None = None
    ) -> Delivery | Failed:
        """Send the delivery again, with the same `webhook-id`. Raises NotFound, Conflict (it is on its way)."""
        path = f"/v1/deliveries/{identity(delivery_id, 'delivery_id')}/replay"
        return self._post(Delivery, path, {}, idempotency_key)

    @listing
    def list_jobs(self, *, limit: int | None = None) -> Iterator[Job]:
        """Return an iterator over the worker's jobs that wait, run or have failed, newest first."""
        return self._pages(Job, "/v1/jobs", {"limit": limit})

    @call
    def retry_job(self, job_id: str | uuid.UUID | Job | Failed, *, idempotency_key: str | None = None) -> Job | Failed:
        """Try a job again that has failed for good, and return it. Raises NotFound, Conflict (it has not failed)."""
        return self._post(Job, f"/v1/jobs/{identity(job_id, 'job_id')}/retry", {}, idempotency_key)


def _path(webhook_id: object) -> str:
    return f"/v1/webhooks/{identity(webhook_id, 'webhook_id')}"
