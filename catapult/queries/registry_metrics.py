"""RegistryFigures of the registry for monitoring. Each reads a bounded number of rows."""

from typing import Any, NamedTuple

from sqlalchemy import text

from catapult.extensions import db
from catapult.queries import jobs, registry
from catapult.tables import LIVE, UNSOUND_IMAGE

BOUND = {"bound": registry.EXACT_UP_TO + 1}
SAMPLED_PAGES = 400
NAMED = 50
"""Environments that have series of their own."""

_BY_OUTCOME = text(
    "SELECT place, status, count(*) AS number"
    " FROM (SELECT place, status FROM deployments WHERE deleted_at IS NULL LIMIT :bound) AS part"
    " GROUP BY place, status ORDER BY place, status"
)

# The same pages at each scrape, so that figures change only when data does.
_SAMPLED = text(
    "WITH part AS (SELECT place, status, deleted_at FROM deployments TABLESAMPLE SYSTEM (:percent) REPEATABLE (1)),"
    " whole AS (SELECT greatest(:rows, 1)::numeric / greatest(count(*), 1) AS times FROM part)"
    " SELECT place, status, round(count(*) * max(times))::bigint AS number FROM part, whole"
    " WHERE deleted_at IS NULL GROUP BY place, status ORDER BY place, status"
)
_SIZE = text("SELECT relpages, reltuples::bigint AS rows FROM pg_class WHERE oid = to_regclass('deployments')")

_LAST_HOUR = text(
    "SELECT place, status, count(*) AS number FROM (SELECT place, status FROM deployments"
    " WHERE deleted_at IS NULL AND deployed_at > statement_timestamp() - interval '1 hour'"
    " ORDER BY deployed_at DESC, id DESC LIMIT :bound) AS part"
    " GROUP BY place, status ORDER BY place, status"
)

_LIVE = text(
    "SELECT place, count(*) AS number, extract(epoch FROM statement_timestamp() - max(live_from))::float AS newest,"
    " extract(epoch FROM statement_timestamp() - min(live_from))::float AS oldest"
    " FROM (SELECT place, live_from FROM deployments WHERE live_from IS NOT NULL AND ended_at IS NULL"
    " ORDER BY deployed_at DESC, id DESC LIMIT :bound) AS part GROUP BY place ORDER BY place"
)

_OTHERS = text(
    "SELECT (SELECT count(*)"  # noqa: S608 - built from constants
    " FROM (SELECT expires_at, revoked_at FROM api_keys ORDER BY created_at DESC, id DESC LIMIT :bound) AS part"
    " WHERE revoked_at IS NULL AND expires_at > statement_timestamp()"
    " AND expires_at <= statement_timestamp() + interval '14 days') AS expiring,"
    " (SELECT count(*)"
    " FROM (SELECT FROM versions WHERE deleted_at IS NULL AND released_at IS NOT NULL LIMIT :bound) AS part) AS releases,"
    " (SELECT reltuples::bigint FROM pg_class WHERE oid = to_regclass('ix_versions_releases')) AS estimated,"
    " (SELECT count(*) FROM (SELECT FROM deliveries WHERE state = 'waiting' LIMIT :bound) AS part) AS waiting,"
    " (SELECT count(*) FROM (SELECT FROM artifacts AS file JOIN versions AS version ON version.id = file.version_id"
    " WHERE file.state = 'missing' AND version.deleted_at IS NULL LIMIT :bound) AS part) AS missing,"
    " (SELECT count(*) FROM (SELECT FROM artifacts AS file JOIN versions AS version ON version.id = file.version_id"
    " WHERE file.state = 'changed' AND version.deleted_at IS NULL LIMIT :bound) AS part) AS changed,"
    " (SELECT json_object_agg(state, number) FROM (SELECT state, count(*) AS number FROM (SELECT"
    " CASE WHEN digest_status IN ('missing', 'mismatch') THEN digest_status ELSE tag_status END AS state"
    f" FROM image_checks AS checked WHERE ({UNSOUND_IMAGE}) AND EXISTS (SELECT FROM deployments"
    f" WHERE release_id = checked.version_id AND {LIVE}) LIMIT :bound) AS part GROUP BY state) AS counted) AS images"
)


_FIRST = text("SELECT place FROM environments WHERE deleted_at IS NULL ORDER BY rank, place LIMIT :named")


class RegistryFigures(NamedTuple):
    """RegistryFigures of the registry. Rows have `place`, an environment in lower case; ages are in seconds."""

    counts: dict[str, int]
    deployments: list[Any]
    last_hour: list[Any]
    live: list[Any]
    keys_expiring: int
    environments: list[str]
    jobs: jobs.Depth
    deliveries_waiting: int
    files_damaged: dict[str, int]
    """By state: `missing` and `changed`."""
    images_changed: dict[str, int]
    """Live versions by the fault of their images: `missing` and `mismatch` digests, `moved` and `gone` tags."""


def figures() -> RegistryFigures:
    """Return the present figures."""
    others = db.session.execute(_OTHERS, BOUND).one()
    return RegistryFigures(
        counts={**registry.counts(), "releases": _bounded(others.releases, others.estimated)},
        deployments=_deployments(),
        last_hour=_rows(_LAST_HOUR),
        live=_rows(_LIVE),
        keys_expiring=others.expiring,
        environments=list(db.session.scalars(_FIRST, {"named": NAMED})),
        jobs=jobs.depth(),
        deliveries_waiting=others.waiting,
        files_damaged={"missing": others.missing, "changed": others.changed},
        images_changed=dict.fromkeys(("missing", "mismatch", "moved", "gone"), 0) | (others.images or {}),
    )


def _deployments() -> list[Any]:
    """Return deployments by environment and status: counted if there are few, else estimated from a sample of pages."""
    exact = _rows(_BY_OUTCOME)
    if sum(row.number for row in exact) < BOUND["bound"]:
        return exact
    size = db.session.execute(_SIZE).one()
    percent = min(100.0, 100.0 * SAMPLED_PAGES / max(size.relpages, 1))
    return list(db.session.execute(_SAMPLED, {"percent": percent, "rows": max(size.rows, BOUND["bound"])}))


def _bounded(counted: int, estimated: int) -> int:
    return counted if counted < BOUND["bound"] else max(estimated, BOUND["bound"])


def _rows(query: Any) -> list[Any]:
    return list(db.session.execute(query, BOUND))
