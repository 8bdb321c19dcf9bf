"""Write the deliveries of events and the outcome of each try. The worker's bookkeeping, without audit entries."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import insert, select, text, update
from uuid_utils.compat import uuid7

from catapult import audit
from catapult.audit import Actor
from catapult.extensions import db
from catapult.queries import inbox
from catapult.rules import subscriptions
from catapult.tables import NOW, Delivery, DeliveryState, Event, EventType, Person, Role, Webhook

BATCH = 200
"""Events whose deliveries are written in one transaction."""

_RECORD_TRY = text(
    """
    WITH tried AS (
        INSERT INTO delivery_tries (id, delivery_id, milliseconds, status, answer, error)
        VALUES (:id, :delivery_id, :milliseconds, :status, :answer, :error)
    )
    UPDATE deliveries SET state = CAST(:state AS varchar), tries = tries + 1,
        next_try_at = statement_timestamp() + make_interval(secs => :seconds)
    WHERE id = :delivery_id AND state = 'waiting'
    RETURNING (SELECT counter FROM webhooks WHERE id = deliveries.webhook_id)
    """
)
_HEALTHY = text("UPDATE webhooks SET failing_since = NULL WHERE id = :id AND failing_since IS NOT NULL")
_FAILING = text("UPDATE webhooks SET failing_since = statement_timestamp() WHERE id = :id AND failing_since IS NULL")


class Outcome(NamedTuple):
    """How one try ended: the answer's status and beginning, or the error, and after how many seconds the next one is due.

    `seconds` is None if there is no next try.
    """

    milliseconds: int
    status: int | None
    answer: str | None
    error: str | None
    delivered: bool
    seconds: float | None


def dispatch() -> Sequence[Event]:
    """Write the deliveries of up to `BATCH` events, oldest first, in the session's transaction. Return the events."""
    waiting = select(Event).where(Event.dispatched_at.is_(None)).order_by(Event.created_at, Event.id).limit(BATCH)
    events = db.session.scalars(waiting.with_for_update(skip_locked=True)).all()
    if not events:
        return []
    webhooks = db.session.scalars(select(Webhook).where(Webhook.deleted_at.is_(None), Webhook.ended_at.is_(None))).all()
    by_mail = select(Person).where(Person.active, Person.email.is_not(None), Person.notices != [])
    people = db.session.scalars(by_mail.order_by(Person.id)).all()
    awaited = _awaited_approvals(events, people)
    rows = []
    for event in events:
        about: dict[str, Any] = {"event_id": event.id, "model": event.data.get("model")}
        hooks = [hook for hook in webhooks if subscriptions.wants(hook, event.type, event.data)]
        readers = [person for person in people if _is_for(person, event, awaited)]
        rows += [{"id": uuid7(), "webhook_id": hook.id, "person_id": None, **about} for hook in hooks]
        rows += [{"id": uuid7(), "webhook_id": None, "person_id": person.id, **about} for person in readers]
    if rows:
        db.session.execute(insert(Delivery), rows)
    db.session.execute(update(Event).where(Event.id.in_([event.id for event in events])).values(dispatched_at=NOW))
    return events


def receivers() -> list[str]:
    """Return the ids of the webhooks and people to whom something is due."""
    receiver = select(text("DISTINCT coalesce(webhook_id, person_id)")).select_from(Delivery)
    due = (Delivery.state == DeliveryState.WAITING, Delivery.next_try_at <= NOW)
    return [str(each) for each in db.session.scalars(receiver.where(*due))]


def record(delivery_id: UUID, webhook_id: UUID | None, outcome: Outcome, was_failing: bool) -> int | None:
    """Save how a try ended. Return the webhook's counter, which changes with the webhook; None for a person."""
    state = DeliveryState.DELIVERED if outcome.delivered else DeliveryState.WAITING
    if not outcome.delivered and outcome.seconds is None:
        state = DeliveryState.FAILED
    values = {
        "id": uuid7(),
        "delivery_id": delivery_id,
        "milliseconds": outcome.milliseconds,
        "status": outcome.status,
        "answer": outcome.answer,
        "error": outcome.error,
        "state": state,
        "seconds": outcome.seconds or 0.0,
    }
    with audit.bookkeeping():
        counter: int | None = db.session.scalar(_RECORD_TRY, values)
        if webhook_id and outcome.delivered == was_failing:
            db.session.execute(_HEALTHY if outcome.delivered else _FAILING, {"id": webhook_id})
    return counter


def give_up(receiver_id: UUID) -> None:
    """Fail everything that waits for a receiver that has ended or was deleted."""
    to_receiver = (Delivery.webhook_id == receiver_id) | (Delivery.person_id == receiver_id)
    audit.note(
        update(Delivery)
        .where(to_receiver, Delivery.state == DeliveryState.WAITING)
        .values(state=DeliveryState.FAILED)
        .execution_options(synchronize_session=False)
    )


def _awaited_approvals(events: Iterable[Event], people: Iterable[Person]) -> dict[UUID, set[tuple[str, str]]]:
    """Return `{person's id: versions and targets that wait for their approval}`; empty if no event is about approvals."""
    awaited: dict[UUID, set[tuple[str, str]]] = defaultdict(set)
    if any(event.type == EventType.APPROVAL_WANTED for event in events):
        for person in people:
            if EventType.APPROVAL_WANTED in person.notices:
                actor = Actor(person.name, Role(person.role), person_id=person.id, voice=person.id)
                awaited[person.id] = {(str(it.id), it.target) for it in inbox.waiting(actor)}
    return awaited


def _is_for(person: Person, event: Event, awaited: dict[UUID, set[tuple[str, str]]]) -> bool:
    if event.type not in person.notices:
        return False
    wanted = (event.data.get("version_id"), event.data.get("target"))
    return event.type != EventType.APPROVAL_WANTED or wanted in awaited[person.id]
