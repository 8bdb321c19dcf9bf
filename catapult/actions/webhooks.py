"""Create, edit, rotate, try and delete webhooks, and send a delivery again.

Only admins without bounds may do so, since a webhook receives events of every model.
"""

import re
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from uuid_utils.compat import uuid7

from catapult import audit
from catapult.actions import locks
from catapult.audit import WORKER, Actor, Entry
from catapult.egress import Policy, host_of
from catapult.errors import Conflict, Invalid
from catapult.extensions import current_settings, db
from catapult.queries import webhooks as queries
from catapult.rules import encryption, webhook_signatures
from catapult.tables import NOW, Delivery, DeliveryState, Event, EventType, Role, Webhook, WebhookFormat

MOST = 50
"""Webhooks at a time: each event is compared with all of them."""
OVERLAP = timedelta(hours=24)
"""How long events are also signed with the old secret after a rotation."""
MAILTO = re.compile(r"mailto:[!#$%&'*+./0-9=?^_`{|}~A-Za-z-]{1,64}@([A-Za-z0-9.-]{1,190})")
FIELDS = ("format", "events", "models", "environments")
_ADDRESS = ("url_sealed", "host", "url_end")


def check_may_manage(actor: Actor) -> None:
    """Raise Forbidden unless the actor may manage webhooks, and see them."""
    actor.needs(Role.ADMIN)
    actor.bounds.check_everything("webhooks")


def create(*, actor: Actor, url: str, format: str = WebhookFormat.STANDARD, **fields: Any) -> Webhook:
    """Create a webhook, which gets the next event and all later ones, and return it with its `secret`, which is shown only now.

    Raises Forbidden, Invalid for an address that nothing may be sent to, and Conflict if there are `MOST`.
    """
    check_may_manage(actor)
    host = _checked_host(url, format)
    locks.webhooks()
    if (db.session.scalar(select(func.count()).where(Webhook.deleted_at.is_(None))) or 0) >= MOST:
        raise Conflict(f"There are {MOST} webhooks, the most that there may be. Delete one that is not used any more.")
    secret = webhook_signatures.new_secret()
    webhook = Webhook(
        id=uuid7(),
        **dict.fromkeys(FIELDS) | _unique(fields) | _address(url, host) | {"format": format},
        secret_sealed=_sealed(secret),
        created_by=actor.shown,
    )
    webhook.secret = secret
    db.session.add(webhook)
    chosen = {name: getattr(webhook, name) for name in FIELDS}
    return audit.commit(actor, webhook, _entry("webhook.create", webhook, **chosen))


def edit(webhook_id: UUID, fields: dict[str, Any], *, actor: Actor, expected: set[int] | None = None) -> Webhook:
    """Set these fields. `active=True` sends again to a webhook that has ended, `active=False` ends it.

    Raises NotFound, Forbidden, Invalid, PreconditionFailed.
    """
    check_may_manage(actor)
    fields = _unique(fields)
    url, active = fields.pop("url", None), fields.pop("active", None)
    if url is not None or "format" in fields:
        seen = queries.secrets(webhook_id)
        host = _checked_host(
            url or _url(seen.url_sealed), fields.get("format", seen.format)
        )  # no lock is held meanwhile
        fields |= _address(url, host) if url is not None else {}
        expected = {seen.counter} if expected is None else expected & {seen.counter}
    webhook = _locked(webhook_id)
    locks.check_counter(webhook, expected)
    before = shown(webhook)
    changed = audit.changes(webhook, fields)
    if url is not None:
        changed = {name: change for name, change in changed.items() if name not in _ADDRESS}
        changed["url"] = {"old": before, "new": shown(webhook)}
    if active is not None and active != (webhook.ended_at is None):
        webhook.ended_at, webhook.ended_because = (None, None) if active else (locks.now(), f"By {actor.shown}.")
        webhook.failing_since = None
        changed["active"] = {"old": not active, "new": active}
    return audit.commit(actor, webhook, _entry("webhook.update", webhook, changes=changed)) if changed else webhook


def rotate(webhook_id: UUID, *, actor: Actor) -> Webhook:
    """Give the webhook a new secret and return it with that. The old one also signs for `OVERLAP`. Raises NotFound, Forbidden."""
    check_may_manage(actor)
    webhook = _locked(webhook_id)
    secret = webhook_signatures.new_secret()
    webhook.old_secret_sealed, webhook.old_secret_until = webhook.secret_sealed, locks.now() + OVERLAP
    webhook.secret_sealed, webhook.secret = _sealed(secret), secret
    return audit.commit(actor, webhook, _entry("webhook.rotate", webhook))


def delete(webhook_id: UUID, *, actor: Actor, expected: set[int] | None = None) -> None:
    """Delete the webhook; what waits is not sent any more. Raises NotFound, Forbidden, PreconditionFailed."""
    check_may_manage(actor)
    webhook = _locked(webhook_id)
    locks.check_counter(webhook, expected)
    webhook.deleted_at = NOW
    audit.commit(actor, webhook, _entry("webhook.delete", webhook))


def end(webhook_id: UUID, because: str) -> None:
    """End a webhook whose receiver is gone. Does nothing if it has ended."""
    webhook = _lock(webhook_id)
    if webhook is not None and webhook.ended_at is None:
        webhook.ended_at, webhook.ended_because = locks.now(), because
        audit.commit(WORKER, webhook, _entry("webhook.end", webhook, reason=because))


def send_test(webhook_id: UUID, *, actor: Actor) -> Delivery:
    """Send a `webhook.test` to this webhook alone. Raises NotFound, Forbidden, and Conflict if the webhook has ended."""
    check_may_manage(actor)
    webhook = _locked(webhook_id)
    _check_active(webhook)
    now = locks.now()
    event = Event(id=uuid7(), type=EventType.WEBHOOK_TEST, data={"by": actor.shown}, created_at=now, dispatched_at=now)
    delivery = Delivery(id=uuid7(), event_id=event.id, webhook_id=webhook_id)
    db.session.add(event)
    audit.flush()
    delivery.type, delivery.data, delivery.log = event.type, event.data, []
    db.session.add(delivery)
    return audit.commit(actor, delivery, _entry("webhook.test", webhook))


def replay(delivery_id: UUID, *, actor: Actor) -> Delivery:
    """Send the delivery again under the same `webhook-id`, as often as a new one.

    Raises NotFound, Forbidden, and Conflict if it is on its way, or if its webhook has ended.
    """
    check_may_manage(actor)
    query = select(Delivery).where(Delivery.id == delivery_id, Delivery.webhook_id.is_not(None))
    delivery = db.session.scalar(query.with_for_update().execution_options(populate_existing=True))
    if delivery is None:
        raise queries.missing_delivery()
    assert delivery.webhook_id is not None
    webhook = _locked(delivery.webhook_id)
    _check_active(webhook)
    if delivery.state == DeliveryState.WAITING:
        raise Conflict("This delivery is on its way already. Wait until it ends.")
    before = queries.delivery(delivery_id)
    delivery.type, delivery.data, delivery.log = before.type, before.data, before.log
    delivery.state, delivery.tries, delivery.next_try_at = DeliveryState.WAITING, 0, locks.now()
    entry = audit.entry("delivery.replay", delivery, webhook_id=str(webhook.id), webhook=shown(webhook))
    return audit.commit(actor, delivery, entry)


def shown(webhook: Any) -> str:
    """Return what may be shown of the address: `hooks.example.com…x9Qz`."""
    return f"{webhook.host}…{webhook.url_end}"


def _entry(action: str, webhook: Webhook, **details: Any) -> Entry:
    return audit.entry(action, webhook, webhook=shown(webhook), **details)


def _unique(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields as they are stored: no text of a list twice, and environments in lower case."""
    environments = fields.get("environments")
    fields = fields | ({"environments": [name.lower() for name in environments]} if environments else {})
    return {name: list(dict.fromkeys(it)) if isinstance(it, list) else it for name, it in fields.items()}


def _checked_host(url: str, format: str) -> str:
    """Return the host of the address. Raises Invalid if nothing may be sent there in this format."""
    if format != WebhookFormat.EMAIL:
        Policy.of(current_settings()).check(url)
        return host_of(url)
    match = MAILTO.fullmatch(url)
    if match is None:
        fault = "Must be an address as mailto:team@example.com, for the format email."
        raise Invalid("No mail can be sent to this address.", errors={"url": [fault]})
    if not current_settings().smtp_url:
        raise Invalid("This server sends no mail.", errors={"format": ["Needs the setting SMTP_URL."]})
    return match[1]


def _address(url: str, host: str) -> dict[str, Any]:
    return {"url_sealed": _sealed(url), "host": host, "url_end": url[-4:]}


def _sealed(text: str) -> bytes:
    return encryption.encrypt(text, current_settings().secret_key)


def _url(sealed: bytes) -> str:
    try:
        return encryption.decrypt(sealed, current_settings().secret_key)
    except encryption.Unreadable as error:
        fault = "Cannot be read any more, since SECRET_KEY was changed. Send it again."
        raise Invalid("The webhook has no address that can be read.", errors={"url": [fault]}) from error


def _check_active(webhook: Webhook) -> None:
    if webhook.ended_at is not None:
        raise Conflict(f"This webhook has ended: {webhook.ended_because} Set active=true first.")


def _locked(webhook_id: UUID) -> Webhook:
    webhook = _lock(webhook_id)
    if webhook is None:
        raise queries.missing()
    return webhook


def _lock(webhook_id: UUID) -> Webhook | None:
    query = select(Webhook).where(Webhook.id == webhook_id, Webhook.deleted_at.is_(None))
    return db.session.scalar(query.with_for_update(key_share=True).execution_options(populate_existing=True))
