"""Figures of the last twelve weeks: deployments, how long a version takes to the last environment, failures, repairs.

A week begins on Monday, 00:00 UTC, and a deployment belongs to the week in which it began (`deployed_at`).
A week that is over is counted once, at the first look after `SETTLED`, and saved in `week_figures`. Later weeks are counted on
each request, so that one or two weeks are read, however many deployments there are. What happens to a deployment after its
week was saved (it fails, is rolled back, or is deleted with its model) does not change the figures of that week. Until then, a
deleted deployment does not count.
"""

import math
import time
from datetime import date, timedelta
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, text

from catapult.extensions import db

WEEKS = 12
WEEK = timedelta(days=7)

SETTLED = timedelta(days=1)
"""How long after its end a week is saved. By then the last transactions are committed, and deployments that were running have
ended."""

FRESH = 30.0
"""Seconds for which a worker reuses the last figures."""

_recent = WeakKeyDictionary[Engine, tuple[float, "Figures"]]()


class Week(NamedTuple):
    """A week's figures: `lead` and `restore` are medians in seconds; None if the week had none.

    `deployments` have ended, with success or not, and are not rollbacks. `failures` are those of them that failed or were
    rolled back. `lead` is from the registration of a version until it is live in the last environment for the first
    time. `restore` is from the time at which a deployment went live until it was rolled back.
    """

    week: date
    deployments: int
    failures: int
    lead: float | None
    restore: float | None

    @property
    def failure_share(self) -> float | None:
        """The share of failures in per cent; None without deployments."""
        return 100 * self.failures / self.deployments if self.deployments else None


class Figures(NamedTuple):
    """The figures of `WEEKS` weeks, oldest first; the last is not over yet.

    `by_now` is how many deployments the week before had at this time of the week. `place` is the environment that the
    lead time ends in: the last that is protected, or else the last. `unsaved` are weeks that are over and not saved yet.
    """

    place: str
    weeks: list[Week]
    by_now: int
    unsaved: list[Week]


# Walks ix_deployments_newest for each week that is not saved: the inner condition skips the others. A deployment was rolled back
# if the one that superseded it is a rollback, which is looked up by its id.
_FIGURES = text(
    """
WITH last AS (
    SELECT coalesce((SELECT place FROM environments WHERE deleted_at IS NULL
        ORDER BY protected DESC, rank DESC, place DESC LIMIT 1), '') AS place, date_trunc('week', now(), 'UTC') AS week
), earlier AS (
    SELECT count(*) AS by_now FROM deployments WHERE deleted_at IS NULL AND rollback_of IS NULL
        AND status IN ('success', 'failed') AND deployed_at < now() - interval '7 days'
        AND deployed_at >= date_trunc('week', now(), 'UTC') - interval '7 days'
), spans AS (
    SELECT begins, begins + interval '7 days' AS ends, CAST(timezone('UTC', begins) AS date) AS monday
    FROM last, generate_series(last.week - :weeks * interval '7 days', last.week, interval '7 days') AS each (begins)
)
SELECT last.place, earlier.by_now, spans.monday AS week,
    saved.week IS NULL AND counted.seen > 0 AND spans.ends + :settled <= now() AS is_unsaved,
    coalesce(saved.deployments, counted.deployments) AS deployments, coalesce(saved.failures, counted.failures) AS failures,
    CASE WHEN saved.week IS NULL THEN counted.lead ELSE saved.lead_seconds END AS lead,
    CASE WHEN saved.week IS NULL THEN counted.restore ELSE saved.restore_seconds END AS restore
FROM last CROSS JOIN earlier CROSS JOIN spans
LEFT JOIN week_figures AS saved ON saved.week = spans.monday AND saved.place = last.place
LEFT JOIN LATERAL (
    SELECT count(*) AS seen, count(*) FILTER (WHERE ended) AS deployments, count(*) FILTER (WHERE ended AND bad) AS failures,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY lead) AS lead,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY restore) AS restore
    FROM (
        SELECT it.rollback_of IS NULL AND it.status IN ('success', 'failed') AS ended,
            it.status = 'failed' OR EXISTS (
                SELECT FROM deployments AS back WHERE back.id = it.superseded_by AND back.rollback_of IS NOT NULL
            ) AS bad,
            CASE WHEN it.rollback_of IS NOT NULL THEN (
                SELECT extract(epoch FROM it.live_from - bad.live_from)
                FROM deployments AS bad WHERE bad.id = it.rollback_of
            ) END AS restore,
            CASE WHEN it.place = last.place AND it.live_from IS NOT NULL AND it.rollback_of IS NULL AND NOT EXISTS (
                SELECT FROM deployments AS other WHERE other.release_id = it.release_id AND other.deleted_at IS NULL
                    AND other.place = it.place AND other.live_from IS NOT NULL AND other.deployed_at < it.deployed_at
            ) THEN (
                SELECT extract(epoch FROM greatest(it.live_from - version.created_at, interval '0'))
                FROM versions AS version WHERE version.id = it.release_id
            ) END AS lead
        FROM deployments AS it
        WHERE saved.week IS NULL AND it.deleted_at IS NULL AND it.deployed_at >= spans.begins AND it.deployed_at < spans.ends
    ) AS listed
) AS counted ON true
ORDER BY spans.begins
"""
)


def figures() -> Figures:
    """Return the figures of the last twelve weeks. One statement; `actions.week_figures.save` stores what it counted."""
    rows = list(db.session.execute(_FIGURES, {"weeks": WEEKS - 1, "settled": SETTLED}))
    weeks = [Week(row.week, row.deployments, row.failures, _number(row.lead), _number(row.restore)) for row in rows]
    unsaved = [week for row, week in zip(rows, weeks, strict=True) if row.is_unsaved]
    return Figures(rows[-1].place, weeks, rows[-1].by_now, unsaved)


def recent() -> Figures:
    """Return the figures, at most `FRESH` seconds old: a busy week has thousands of deployments to count.

    The figures of a registry that has deployed nothing are counted each time, which costs nothing.
    """
    counted_at, counted = _recent.get(db.engine, (-math.inf, None))
    if counted is not None and time.monotonic() - counted_at < FRESH:
        return counted
    counted = figures()
    if any(week.deployments for week in counted.weeks):
        _recent[db.engine] = time.monotonic(), counted._replace(unsaved=[])
    return counted


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
