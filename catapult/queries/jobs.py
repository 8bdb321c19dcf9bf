"""The worker's jobs: what is due, what failed, and whether a worker runs."""

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import select, text

from catapult.errors import NotFound
from catapult.extensions import db
from catapult.queries.lists.paging import Listing, newest_first
from catapult.queries.lists.raw_columns import shown
from catapult.tables import Job

J: Any = Job.__table__.c
QUIET = 60
"""Seconds without a job after which the worker counts as stopped: some jobs run every few seconds."""
MANY = 6
"""Attempts, with the present one, from which a job counts as failing."""

_JOBS = Listing(
    select(
        *shown(J, "id"),
        J.kind.label("kind_"),
        *shown(J, "key state attempts run_at leased_until last_run_at last_error created_at"),
    ),
    newest_first(J.created_at, J.id),
)
_DEPTH = text(
    """
    SELECT count(*) FILTER (WHERE state = 'open') AS open, count(*) FILTER (WHERE state = 'failed') AS failed,
        count(*) FILTER (WHERE state = 'open' AND attempts >= :many) AS failing,
        count(*) FILTER (WHERE state = 'open' AND coalesce(leased_until, run_at) <= now()) AS due,
        coalesce(extract(epoch FROM now() - min(coalesce(leased_until, run_at)) FILTER (WHERE state = 'open')), 0) AS oldest,
        max(last_run_at) AS last_run_at, coalesce(max(last_run_at) > now() - make_interval(secs => :quiet), false) AS runs
    FROM jobs
    """
)


class Depth(NamedTuple):
    """How many jobs there are, how many seconds the oldest has been due, and whether a worker runs.

    `failing` are those that are still tried and have failed for about a minute.
    """

    open: int
    failed: int
    failing: int
    due: int
    oldest: float
    last_run_at: datetime | None
    runs: bool


def listing() -> Listing:
    """Return the list of jobs, newest first, failed ones too."""
    return _JOBS


def depth() -> Depth:
    """Return the state of the queue. There are few jobs: finished ones are deleted."""
    row = db.session.execute(_DEPTH, {"quiet": QUIET, "many": MANY}).one()
    return Depth(row.open, row.failed, row.failing, row.due, max(0.0, float(row.oldest)), row.last_run_at, row.runs)


def missing() -> NotFound:
    return NotFound("There is no job with this id. Finished jobs are deleted.")
