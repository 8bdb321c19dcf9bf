"""The queue: a table from which workers claim jobs with SKIP LOCKED and leases. docs/decisions/0045 says why.

A job runs at least once: if its worker is killed, another one claims it when the lease ends.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text
from uuid_utils.compat import uuid7

from catapult import audit
from catapult.extensions import db

LEASE = 20
"""Seconds after which a job is taken from a worker that does not renew its lease."""
ATTEMPTS = 12
"""Attempts after which a job fails for good; together they take about an hour. Repeated jobs never fail for good."""
LONGEST_PAUSE = 300
"""Seconds between attempts, which double from 2 on."""

# Walks ix_jobs_due.
_CLAIM = text(
    """
    UPDATE jobs SET leased_until = statement_timestamp() + make_interval(secs => :lease), attempts = attempts + 1,
        last_run_at = clock_timestamp()
    WHERE id IN (
        SELECT id FROM jobs WHERE state = 'open' AND coalesce(leased_until, run_at) <= statement_timestamp()
            AND kind = ANY(:kinds) AND NOT id = ANY(:without)
        ORDER BY coalesce(leased_until, run_at) LIMIT :most FOR UPDATE SKIP LOCKED
    )
    RETURNING id, kind, key, payload, attempts, run_at, last_run_at
    """
)

# Adding a job while it runs moves `run_at`: then it is due again, and neither deleted nor postponed.
_IS_CLAIMED = "id = :id AND state = 'open' AND last_run_at = :claimed_at"
_DONE = text(
    f"""
    WITH gone AS (DELETE FROM jobs WHERE {_IS_CLAIMED} AND run_at = :run_at RETURNING id)
    UPDATE jobs SET leased_until = NULL, attempts = 0, last_error = NULL WHERE {_IS_CLAIMED} AND NOT EXISTS (SELECT FROM gone)
    """  # noqa: S608 - built from constants
)
_AGAIN = text(
    f"""
    UPDATE jobs SET leased_until = NULL, attempts = 0, last_error = NULL,
        run_at = CASE WHEN run_at = :run_at THEN statement_timestamp() + make_interval(secs => :seconds) ELSE run_at END
    WHERE {_IS_CLAIMED}
    """  # noqa: S608
)
_FAILED = text(
    f"""
    UPDATE jobs SET leased_until = NULL, last_error = :error, state = CASE WHEN :for_good THEN 'failed' ELSE state END,
        run_at = statement_timestamp() + make_interval(secs => :seconds)
    WHERE {_IS_CLAIMED}
    """  # noqa: S608
)
_GIVE_BACK = text(
    f"UPDATE jobs SET leased_until = NULL, attempts = greatest(attempts - 1, 0) WHERE {_IS_CLAIMED}"  # noqa: S608
)
_RENEW = text(
    "UPDATE jobs SET leased_until = statement_timestamp() + make_interval(secs => :lease)"
    " WHERE id = ANY(:ids) AND leased_until IS NOT NULL"
)
_ADD = text(
    """
    INSERT INTO jobs (id, kind, key, payload) SELECT id, :kind, key, CAST(payload AS jsonb)
    FROM unnest(CAST(:ids AS uuid[]), CAST(:keys AS varchar[]), CAST(:payloads AS text[])) AS wanted (id, key, payload)
    ON CONFLICT (kind, key) WHERE state = 'open' DO UPDATE SET payload = excluded.payload, run_at = CASE
        WHEN jobs.leased_until IS NULL THEN least(jobs.run_at, excluded.run_at) ELSE excluded.run_at END
    """
)
REPEATED = ""
"""The key of the single job of a repeated kind."""
_REPEAT = text(
    "INSERT INTO jobs (id, kind, key) VALUES (:id, :kind, '') ON CONFLICT (kind, key) WHERE state = 'open' DO NOTHING"
)


class JobFailed(Exception):
    """A job could not do its work. The message is for administrators and names no secret."""


@dataclass(frozen=True)
class ClaimedJob:
    """A job that this worker has claimed. `claimed_at` distinguishes it from a later claim by another worker."""

    id: UUID
    kind: str
    key: str
    payload: dict[str, Any]
    attempts: int
    run_at: datetime
    claimed_at: datetime

    @property
    def _values(self) -> dict[str, Any]:
        return {"id": self.id, "claimed_at": self.claimed_at}


def add(kind: str, keys: Collection[str] | Mapping[str, dict[str, Any]]) -> None:
    """Add a job for each key, due now, in the session's transaction. An open job with the key becomes due instead.

    A mapping has the payloads, which replace those of open jobs.
    """
    if keys:
        ordered = sorted(set(keys))  # one order, so that two transactions that add the same jobs do not deadlock
        payloads = [json.dumps(keys[key] if isinstance(keys, Mapping) else {}) for key in ordered]
        values = {"ids": [uuid7() for _ in ordered], "keys": ordered, "payloads": payloads}
        db.session.execute(_ADD, {"kind": kind, **values})


def repeat(kind: str) -> None:
    """Add the single job of a repeated kind unless it exists."""
    _execute(_REPEAT, {"id": uuid7(), "kind": kind})


def claim(kinds: Collection[str], most: int, without: Collection[UUID] = ()) -> list[ClaimedJob]:
    """Claim up to `most` due jobs of these kinds, the longest due first."""
    with audit.bookkeeping():
        values = {"kinds": list(kinds), "most": most, "lease": LEASE, "without": list(without)}
        return [ClaimedJob(*row) for row in db.session.execute(_CLAIM, values)]


def done(job: ClaimedJob) -> None:
    """Delete the job, unless it was added again while it ran."""
    _execute(_DONE, {**job._values, "run_at": job.run_at})


def again(job: ClaimedJob, seconds: float) -> None:
    """Run the job again in so many seconds, or at once if it was added again while it ran."""
    _execute(_AGAIN, {**job._values, "run_at": job.run_at, "seconds": seconds})


def failed(job: ClaimedJob, error: str, for_good: bool) -> None:
    """Try the job again after a pause, or never if it failed for good."""
    seconds = min(2.0 ** min(job.attempts, 20), LONGEST_PAUSE)
    _execute(_FAILED, {**job._values, "error": error[:1024], "for_good": for_good, "seconds": seconds})


def give_back(job: ClaimedJob) -> None:
    """Let another worker claim the job at once. This attempt does not count."""
    _execute(_GIVE_BACK, job._values)


def renew(job_ids: Collection[UUID]) -> None:
    """Extend the leases of jobs that still run."""
    _execute(_RENEW, {"ids": list(job_ids), "lease": LEASE})


def _execute(statement: TextClause, values: dict[str, Any]) -> None:
    with audit.bookkeeping():
        db.session.execute(statement, values)
