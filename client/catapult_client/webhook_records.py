"""Records of webhooks, deliveries and jobs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .record import Record


@dataclass(frozen=True)
class Webhook(Record):
    """A receiver of events. Of its address, only `host` and `url_end`, the last characters, are ever shown.

    `state` is active, failing or ended. Only `create_webhook` and `rotate_webhook` return `secret`. It is never in the repr.
    """

    id: str = ""
    host: str = ""
    url_end: str = ""
    format: str = ""
    events: list[str] | None = field(default=None, hash=False)
    models: list[str] | None = field(default=None, hash=False)
    environments: list[str] | None = field(default=None, hash=False)
    state: str = ""
    failing_since: datetime | None = None
    ended_at: datetime | None = None
    ended_because: str | None = None
    old_secret_until: datetime | None = None
    created_by: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    secret: str | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Delivery(Record):
    """An event on its way to a webhook. `state` is waiting, delivered or failed; `id` is the message's `webhook-id`.

    `log` has the tries, the newest first: `at milliseconds status answer error`.
    """

    id: str = ""
    webhook_id: str = ""
    event_id: str = ""
    type: str = ""
    data: dict[str, Any] = field(default_factory=dict, hash=False)
    state: str = ""
    tries: int = 0
    next_try_at: datetime | None = None
    created_at: datetime | None = None
    log: list[Any] = field(default_factory=list, hash=False)


@dataclass(frozen=True)
class Job(Record):
    """Work for the registry's worker. `state` is open, or failed: then it is not tried again by itself."""

    id: str = ""
    kind: str = ""
    key: str = ""
    state: str = ""
    attempts: int = 0
    run_at: datetime | None = None
    leased_until: datetime | None = None
    last_run_at: datetime | None = None
    last_error: str | None = None
    created_at: datetime | None = None
