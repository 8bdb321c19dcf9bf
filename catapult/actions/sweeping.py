"""Delete rows that are no longer needed. They are no changes that anybody asked for, so they have no audit entries."""

from datetime import timedelta
from typing import Any, NamedTuple

from sqlalchemy import text

from catapult import audit
from catapult.queries.sessions import IDLE
from catapult.tables import Delivery, DeliveryTry, Event, IdempotentAnswer, Job, Session, SignInCount

BATCH = 1_000
REPEATED_FOR = timedelta(hours=24)
"""How long the answer to a POST with an Idempotency-Key is repeated."""
KEPT = timedelta(days=30)
"""How long events, their deliveries, and jobs that failed are kept."""


class Over(NamedTuple):
    """Rows that are deleted once this column, which has an index, is so old; `only` those that this SQL holds for."""

    column: Any
    age: timedelta
    only: str = "true"


OVER = (
    Over(IdempotentAnswer.created_at, REPEATED_FOR),
    Over(Session.used_at, IDLE),
    Over(SignInCount.minute, IDLE),
    Over(DeliveryTry.at, KEPT),
    Over(
        Delivery.created_at,
        KEPT,
        "state <> 'waiting' AND NOT EXISTS (SELECT FROM delivery_tries WHERE delivery_id = deliveries.id)",
    ),
    Over(
        Event.created_at,
        KEPT,
        "dispatched_at IS NOT NULL AND NOT EXISTS (SELECT FROM deliveries WHERE event_id = events.id)",
    ),
    Over(Job.run_at, KEPT, "state = 'failed'"),
)
"""What the worker deletes, in an order in which nothing refers to it any more."""


def sweep() -> bool:
    """Delete up to `BATCH` rows of each table whose time is over. Return whether none of them may have more."""
    return max([_delete(over) for over in OVER]) < BATCH


def _delete(over: Over) -> int:
    """Delete the oldest rows, by the column's index, and pass over those that somebody else uses at the moment."""
    name, table = over.column.key, over.column.class_.__tablename__
    oldest = (
        f"SELECT ctid FROM {table} WHERE {name} <= statement_timestamp() - CAST(:age AS interval) AND {over.only}"  # noqa: S608
        f" ORDER BY {name} LIMIT {BATCH} FOR UPDATE SKIP LOCKED"
    )
    statement = text(f"DELETE FROM {table} WHERE ctid = ANY (ARRAY({oldest}))")  # noqa: S608 - our own names
    return audit.note(statement.bindparams(age=over.age))
