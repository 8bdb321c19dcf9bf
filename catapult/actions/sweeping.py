"""Delete rows that are no longer needed. They are no changes that anybody asked for, so they have no audit entries."""

from datetime import timedelta
from typing import Any

from sqlalchemy import Select, delete, or_, select, tuple_

from catapult import audit
from catapult.queries.sessions import IDLE, LONGEST
from catapult.tables import (
    NOW,
    Delivery,
    DeliveryState,
    DeliveryTry,
    Event,
    IdempotentAnswer,
    Job,
    JobState,
    Session,
    SignInCount,
)

BATCH = 1_000
REPEATED_FOR = timedelta(hours=24)
"""How long the answer to a POST with an Idempotency-Key is repeated."""
KEPT = timedelta(days=30)
"""How long events, their deliveries, and jobs that failed are kept."""


def sweep() -> bool:
    """Delete up to `BATCH` rows of each table whose time is over. Return whether none of them may have more."""
    return max([_delete(table, over) for table, over in _over()]) < BATCH


def _over() -> list[tuple[Any, Any]]:
    idle = or_(Session.used_at <= NOW - IDLE, Session.created_at <= NOW - LONGEST)
    untried = ~select(DeliveryTry.id).where(DeliveryTry.delivery_id == Delivery.id).exists()
    sent = (Delivery.state != DeliveryState.WAITING) & (Delivery.created_at <= NOW - KEPT) & untried
    untold = ~select(Delivery.id).where(Delivery.event_id == Event.id).exists()
    return [
        (IdempotentAnswer, IdempotentAnswer.created_at <= NOW - REPEATED_FOR),
        (Session, idle),
        (SignInCount, SignInCount.minute < NOW - IDLE),
        (DeliveryTry, DeliveryTry.at <= NOW - KEPT),
        (Delivery, sent),
        (Event, Event.dispatched_at.is_not(None) & (Event.created_at <= NOW - KEPT) & untold),
        (Job, (Job.state == JobState.FAILED) & (Job.run_at <= NOW - KEPT)),
    ]


def _delete(table: Any, over: Any) -> int:
    keys = table.__table__.primary_key.columns
    some: Select[Any] = select(*keys).where(over).limit(BATCH).with_for_update(skip_locked=True)
    return audit.note(delete(table).where(tuple_(*keys).in_(some)).execution_options(synchronize_session=False))
