"""Send the due events of one webhook or person, in order for each model.

There is one job a receiver, so that two workers never send to it at once, and a slow receiver delays nobody else.
"""

import random
import re
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, Protocol
from urllib.parse import quote
from uuid import UUID

from catapult import egress
from catapult.actions import deliveries, webhooks
from catapult.actions.deliveries import Outcome
from catapult.extensions import current_settings, db
from catapult.jobs import mail
from catapult.queries import people
from catapult.queries import webhooks as queries
from catapult.rules import encryption, webhook_formats, webhook_signatures
from catapult.rules.json_text import rfc3339
from catapult.tables import Webhook, WebhookFormat

MOST = 100
SECONDS = 15.0
"""The most seconds for one request and its answer."""
TURN, FAILURES = 10.0, 3
"""Seconds and failures after which the next receiver has its turn."""
PATIENCE = 5 * 86_400
"""Seconds of failures only after which a webhook ends."""
LONGEST_WAIT = 86_400
"""Seconds that `Retry-After` may ask for."""
GONE = 410
SECRET_PART = 6
"""Characters of a part of an address that may be a secret."""


class Send(Protocol):
    """Sends one event. Returns the outcome, whose `seconds` is None, and the seconds of the receiver's `Retry-After`."""

    def __call__(self, delivery: Any) -> tuple[Outcome, float]: ...


def run(receiver_id: str, _: dict[str, Any]) -> float | None:
    """Return 0 if there is more to send than fits in one turn."""
    webhook = queries.active(UUID(receiver_id))
    address = None if webhook else people.address_of(UUID(receiver_id))
    rows = queries.to_send(UUID(receiver_id), MOST)
    db.session.remove()  # no connection is held while bytes flow
    if webhook is None and address is None:
        deliveries.give_up(UUID(receiver_id))
        return None
    send = partial(_send, webhook) if webhook else partial(_mail, address)
    return 0 if _take_turn(rows, webhook, send) or len(rows) == MOST else None


def _take_turn(rows: list[Any], webhook: Webhook | None, send: Send) -> bool:
    """Send the due events. Return True if the turn ended before, because it took too long or the webhook was changed."""
    deadline, failures, held_up = time.monotonic() + TURN, 0, set()
    for row in rows:
        if row.model in held_up:
            continue
        if row.is_due:
            if time.monotonic() > deadline or failures >= FAILURES:
                return True
            outcome, is_as_before = _try(row, webhook, send)
            tries = row.tries + 1
            if not is_as_before:
                return True
            if outcome.delivered:
                continue
            failures += 1
            if outcome.seconds is None and _end_if_failing(webhook, outcome):
                return False
        else:
            tries = row.tries
        if tries < queries.IN_ORDER:
            held_up.add(row.model)
    return False


def _try(row: Any, webhook: Webhook | None, send: Send) -> tuple[Outcome, bool]:
    """Send one event and record the outcome. Return it, and whether the webhook is unchanged."""
    outcome, wait = send(row)
    pauses = current_settings().webhook_tries[1:]
    if not outcome.delivered and outcome.status != GONE and row.tries < len(pauses):
        # 0 to 20 % later, so that events that failed together are not sent again together.
        pause = pauses[row.tries] * random.uniform(1, 1.2)  # noqa: S311 - no secret
        outcome = outcome._replace(seconds=max(pause, min(wait, LONGEST_WAIT)))
    was_failing = bool(webhook and webhook.failing_since)
    counter = deliveries.record(row.id, webhook.id if webhook else None, outcome, was_failing)
    if webhook:
        webhook.failing_since = None if outcome.delivered else webhook.failing_since or datetime.now(UTC)
    return outcome, webhook is None or counter == webhook.counter


def _end_if_failing(webhook: Webhook | None, outcome: Outcome) -> bool:
    """End the webhook if its receiver is gone or has failed for `PATIENCE`. Return whether it has ended."""
    if webhook is None:
        return False
    since = webhook.failing_since
    if outcome.status == GONE:
        webhooks.end(webhook.id, "Its receiver answered 410 Gone.")
    elif since is not None and (datetime.now(UTC) - since).total_seconds() > PATIENCE:
        webhooks.end(webhook.id, "Its receiver has failed for five days.")
    else:
        return False
    deliveries.give_up(webhook.id)
    return True


def _send(webhook: Webhook, row: Any) -> tuple[Outcome, float]:
    settings, event = current_settings(), event_of(row)
    try:
        url = encryption.decrypt(webhook.url_sealed, settings.secret_key)
        secrets = [encryption.decrypt(sealed, settings.secret_key) for sealed in _secrets(webhook)]
    except encryption.Unreadable:
        return _failed("SECRET_KEY was changed, so the address cannot be read. Save the webhook's url again."), 0
    if webhook.format == WebhookFormat.EMAIL:
        return _mail(url.removeprefix("mailto:"), row)
    message = webhook_formats.http_message(WebhookFormat(webhook.format), event, settings.public_url or "/catapult")
    headers = message.headers | webhook_signatures.headers(str(row.id), int(time.time()), message.body, secrets)
    try:
        answer = egress.send(egress.Policy.of(settings), "POST", url, headers, message.body, total=SECONDS)
    except egress.Unsent as error:
        return _failed(error.reason), 0
    text = _redacted(url, answer.body.decode("utf-8", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}"))[:1024]
    delivered = 200 <= answer.status < 300
    return Outcome(answer.milliseconds, answer.status, text, None, delivered, None), _retry_after(answer.headers)


def _redacted(url: str, text: str) -> str:
    """Return the answer's text without the secret parts of the address: error pages often repeat them."""
    _, _, path = url.partition("://")[2].partition("/")
    for part in sorted({path, *re.split(r"[/?&=]", path)}, key=len, reverse=True):
        text = text.replace(part, "…") if len(part) >= SECRET_PART else text
    return text


def _mail(address: str | None, row: Any) -> tuple[Outcome, float]:
    began, fault = time.monotonic(), mail.send(webhook_formats.email_message(event_of(row)), str(address), str(row.id))
    if fault:
        return _failed(fault), 0
    return Outcome(round((time.monotonic() - began) * 1000), 250, "", None, True, None), 0


def _failed(reason: str) -> Outcome:
    return Outcome(0, None, None, reason[:1024], False, None)


def _secrets(webhook: Webhook) -> list[bytes]:
    old = webhook.old_secret_sealed
    is_valid = webhook.old_secret_until is not None and webhook.old_secret_until > datetime.now(UTC)
    return [webhook.secret_sealed, *([old] if old is not None and is_valid else [])]


def event_of(row: Any) -> dict[str, Any]:
    """Return the event as it is sent, with a link to the page for people."""
    content = {"digest": row.digest or row.data.get("digest"), "source": row.source or row.data.get("source")}
    data = {**row.data, "image": row.image, **content, "url": link(row.data)}
    data = {name: value for name, value in data.items() if value is not None}
    return {"id": str(row.id), "type": row.type, "timestamp": rfc3339(row.at), "data": data}


def link(data: dict[str, Any]) -> str | None:
    """Return the address of the page that an event is about; None without PUBLIC_URL."""
    if not current_settings().public_url:
        return None
    if "deployment_id" in data:
        path = f"/deployments/{data['deployment_id']}"
    elif "model" in data and "version" in data:
        path = f"/models/{quote(data['model'])}/versions/{quote(data['version'], safe='')}"
    elif "environment" in data:
        path = f"/environments/{quote(data['environment'])}"
    else:
        path = "/"
    return f"{current_settings().public_url}{path}"


def _retry_after(headers: dict[str, str]) -> float:
    """Return the seconds of `Retry-After`; 0 without it, or if it cannot be read."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return 0.0
