"""The queue: a table that workers take jobs from by SKIP LOCKED, and hold by leases. docs/decisions/0045 says why.

A job runs at least once: one whose worker was killed is taken again when its lease ends.
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
"""Attempts after which a job fails for good; together they take about an hour. Repeated jobs never do."""
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

# `run_at` moves when somebody adds the job while it runs: it is due again then, and neither deleted nor put off.
_HELD = "id = :id AND state = 'open' AND last_run_at = :claimed_at"
_DONE = text(
    f"""
    WITH gone AS (DELETE FROM jobs WHERE {_HELD} AND run_at = :run_at RETURNING id)
    UPDATE jobs SET leased_until = NULL, attempts = 0, last_error = NULL WHERE {_HELD} AND NOT EXISTS (SELECT FROM gone)
    """  # noqa: S608 - built from constants
)
_AGAIN = text(
    f"""
    UPDATE jobs SET leased_until = NULL, attempts = 0, last_error = NULL,
        run_at = CASE WHEN run_at = :run_at THEN statement_timestamp() + make_interval(secs => :seconds) ELSE run_at END
    WHERE {_HELD}
    """  # noqa: S608
)
_FAILED = text(
    f"""
    UPDATE jobs SET leased_until = NULL, last_error = :error, state = CASE WHEN :for_good THEN 'failed' ELSE state END,
        run_at = statement_timestamp() + make_interval(secs => :seconds)
    WHERE {_HELD}
    """  # noqa: S608
)
_GIVE_BACK = text(
    f"UPDATE jobs SET leased_until = NULL, attempts = greatest(attempts - 1, 0) WHERE {_HELD}"  # noqa: S608
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
"""The key of a kind's one job that is repeated."""
_REPEAT = text(
    "INSERT INTO jobs (id, kind, key) VALUES (:id, :kind, '') ON CONFLICT (kind, key) WHERE state = 'open' DO NOTHING"
)


class JobFailed(Exception):
    """A job could not do its work. The message is for administrators and names no secret."""


@dataclass(frozen=True)
class Held:
    """A job that this worker holds. `claimed_at` tells it from the same job in the hands of a later worker."""

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
    """Make a job of each key due now, in the session's transaction. One that is open already stays the only one.

    A mapping has the payload of each, which replaces that of one that is open.
    """
    if keys:
        ordered = sorted(set(keys))  # two transactions that add the same must lock them in one order
        payloads = [json.dumps(keys[key] if isinstance(keys, Mapping) else {}) for key in ordered]
        values = {"ids": [uuid7() for _ in ordered], "keys": ordered, "payloads": payloads}
        db.session.execute(_ADD, {"kind": kind, **values})


def repeat(kind: str) -> None:
    """Make sure that there is the one job of a kind that is repeated."""
    _note(_REPEAT, {"id": uuid7(), "kind": kind})


def claim(kinds: Collection[str], most: int, without: Collection[UUID] = ()) -> list[Held]:
    """Take up to `most` due jobs of these kinds, those that are due longest first."""
    with audit.bookkeeping():
        values = {"kinds": list(kinds), "most": most, "lease": LEASE, "without": list(without)}
        return [Held(*row) for row in db.session.execute(_CLAIM, values)]


def done(job: Held) -> None:
    """Delete the job, unless it was added again while it ran."""
    _note(_DONE, {**job._values, "run_at": job.run_at})


def again(job: Held, seconds: float) -> None:
    """Run the job again in so many seconds, or at once if it was added again while it ran."""
    _note(_AGAIN, {**job._values, "run_at": job.run_at, "seconds": seconds})


def failed(job: Held, error: str, for_good: bool) -> None:
    """Try the job again after a pause, or never if it failed for good."""
    seconds = min(2.0 ** min(job.attempts, 20), LONGEST_PAUSE)
    _note(_FAILED, {**job._values, "error": error[:1024], "for_good": for_good, "seconds": seconds})


def give_back(job: Held) -> None:
    """Let another worker take the job at once; this attempt does not count."""
    _note(_GIVE_BACK, job._values)


def renew(job_ids: Collection[UUID]) -> None:
    """Extend the leases of jobs that still run."""
    _note(_RENEW, {"ids": list(job_ids), "lease": LEASE})


def _note(statement: TextClause, values: dict[str, Any]) -> None:
    with audit.bookkeeping():
        db.session.execute(statement, values)
