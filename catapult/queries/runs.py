"""Runs of a model to an environment: what a deployment replaced, the ones before it, and how long they took."""

from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text

from catapult.extensions import db

LAST = 20
"""The last deployments whose median is the usual duration."""

LATEST, EARLIER = 200, 5
"""The earlier deployments of the model that are searched, and the most to the same environment that are shown."""

USUAL = """
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) FROM (
    SELECT extract(epoch FROM live_from - deployed_at) AS seconds FROM deployments AS earlier
    WHERE earlier.model_id = it.model_id AND earlier.place = it.place AND live_from > deployed_at AND earlier.id <> it.id
    ORDER BY live_from DESC LIMIT :last
) AS last
"""
"""SQL for the median of the seconds that the last deployments like `it` took; read with ix_deployments_history."""


class Runs(NamedTuple):
    """The `earlier` deployments, newest first, and the median of the seconds that the last took, None if none took any."""

    earlier: list[Any]
    usual: float | None


# Walks ix_deployments_model; versions are looked up only for the rows that are shown.
_EARLIER = text(
    f"""
SELECT ({USUAL}) AS usual, run.id::text, run.status, run.deployed_by, run.deployed_at, run.live_from IS NOT NULL
    AND run.ended_at IS NULL AS live, run.override, run.environment, version.version,
    (SELECT extract(epoch FROM max(at) - run.deployed_at) FROM deployment_states WHERE deployment_id = run.id) AS seconds
FROM (SELECT id, model_id, place, deployed_at FROM deployments WHERE id = :id) AS it
LEFT JOIN LATERAL (
    SELECT * FROM (
        SELECT * FROM deployments WHERE model_id = it.model_id AND deleted_at IS NULL
            AND (deployed_at, id) < (it.deployed_at, it.id)
        ORDER BY deployed_at DESC, id DESC LIMIT :latest
    ) AS latest WHERE place = it.place ORDER BY deployed_at DESC, id DESC LIMIT :earlier
) AS run ON true
LEFT JOIN LATERAL (SELECT version FROM versions WHERE id = run.release_id LIMIT 1) AS version ON true
"""  # noqa: S608 - a constant
)


def of(deployment_id: str) -> Runs:
    """Return the deployments of the model to that environment before this one, and how long they take."""
    sent = {"id": UUID(deployment_id), "last": LAST, "latest": LATEST, "earlier": EARLIER}
    rows = list(db.session.execute(_EARLIER, sent))
    return Runs([row for row in rows if row.id], float(rows[0].usual) if rows and rows[0].usual else None)


# Walks ix_deployments_history. A deployment that did not go live is compared with what was live when it began.
_AROUND = text(
    """
WITH it AS (SELECT * FROM deployments WHERE id = :id), around AS (
    SELECT 'after' AS part, release_id, live_from, ended_at FROM it
    UNION ALL
    SELECT 'before', last.* FROM it CROSS JOIN LATERAL (
        SELECT release_id, live_from, ended_at FROM deployments
        WHERE model_id = it.model_id AND place = it.place AND live_from IS NOT NULL AND id <> it.id AND live_from <
            CASE WHEN it.status IN ('pending', 'running') THEN 'infinity' ELSE coalesce(it.live_from, it.deployed_at) END
        ORDER BY live_from DESC LIMIT 1
    ) AS last
    UNION ALL
    SELECT 'superseded_by', other.release_id, NULL, NULL FROM it JOIN deployments AS other ON other.id = it.superseded_by
    UNION ALL
    SELECT 'rollback_of', other.release_id, NULL, NULL FROM it JOIN deployments AS other ON other.id = it.rollback_of
)
SELECT part, live_from, ended_at, version.version, version.metadata::text AS metadata_
FROM around CROSS JOIN LATERAL (SELECT version, metadata FROM versions WHERE id = around.release_id LIMIT 1) AS version
"""
)


def around(deployment_id: str) -> dict[str, Any]:
    """Return the versions around a deployment: its own as `after`, `before` of what was live there before it, and those of
    `superseded_by` and `rollback_of`, deleted ones too. What does not exist is left out.

    Each has `version metadata_`, and `live_from ended_at` of its deployment.
    """
    return {row.part: row for row in db.session.execute(_AROUND, {"id": UUID(deployment_id)})}
