"""Delete rows that are no longer needed. Nobody asked for these changes, so they have no audit entries."""

from datetime import timedelta
from typing import Any, NamedTuple

from sqlalchemy import text

from catapult import audit
from catapult.queries.sessions import IDLE
from catapult.tables import Delivery, DeliveryTry, Event, IdempotentAnswer, Job, Session, SignInCount

BATCH = 1_000
REPEATED_FOR = timedelta(hours=24)
"""How long the answer to a POST with an Idempotency-Key is repeated."""
RETENTION = timedelta(days=30)
"""How long events, their deliveries, and jobs that failed are kept."""


class Expiry(NamedTuple):
    """Rows that are deleted when this indexed column is older than `age`, if they meet the SQL condition `only`."""

    column: Any
    age: timedelta
    only: str = "true"


EXPIRIES = (
    Expiry(IdempotentAnswer.created_at, REPEATED_FOR),
    Expiry(Session.used_at, IDLE),
    Expiry(SignInCount.minute, IDLE),
    Expiry(DeliveryTry.at, RETENTION),
    Expiry(
        Delivery.created_at,
        RETENTION,
        "state <> 'waiting' AND NOT EXISTS (SELECT FROM delivery_tries WHERE delivery_id = deliveries.id)",
    ),
    Expiry(
        Event.created_at,
        RETENTION,
        "dispatched_at IS NOT NULL AND NOT EXISTS (SELECT FROM deliveries WHERE event_id = events.id)",
    ),
    Expiry(Job.run_at, RETENTION, "state = 'failed'"),
)
"""The rows that the worker deletes. Rows that refer to others come before them."""


def sweep() -> bool:
    """Delete up to `BATCH` expired rows of each table. Return whether all expired rows are gone."""
    return max([_delete(expiry) for expiry in EXPIRIES]) < BATCH


def _delete(expiry: Expiry) -> int:
    """Delete the oldest rows, by the column's index, and skip rows that are locked."""
    name, table = expiry.column.key, expiry.column.class_.__tablename__
    oldest = (
        f"SELECT ctid FROM {table} WHERE {name} <= statement_timestamp() - CAST(:age AS interval) AND {expiry.only}"  # noqa: S608
        f" ORDER BY {name} LIMIT {BATCH} FOR UPDATE SKIP LOCKED"
    )
    statement = text(f"DELETE FROM {table} WHERE ctid = ANY (ARRAY({oldest}))")  # noqa: S608 - our own names
    return audit.note(statement.bindparams(age=expiry.age))
