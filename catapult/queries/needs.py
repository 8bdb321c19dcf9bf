"""Things that need attention: deployments that run or have failed, and freezes that end soon."""

from datetime import timedelta
from typing import Any

from sqlalchemy import text

from catapult.extensions import db
from catapult.queries import runs

RECENT = 200
"""The most failures, and the most deployments under way: the newest."""

FAILED_WITHIN, ENDS_WITHIN = timedelta(days=14), timedelta(days=1)
"""How long a failure is reported, and how long before its end a freeze is."""

# The newest failed, pending and running deployments, unless a later one of the same model to the same environment has begun,
# except cancelled ones. Walks ix_deployments_status, ix_deployments_model for each, and ix_deployments_history for how long
# the last ones took.
_NEEDS = text(
    f"""
SELECT CASE WHEN it.status = 'failed' THEN 'failed'
    WHEN it.deployed_at < now() - make_interval(secs => environments.deploy_within) THEN 'overdue' ELSE 'under way' END AS kind,
    it.id::text, it.model_id::text, model.name AS model_name, version.version, it.environment, it.place, it.status,
    it.deployed_at AS at, environments.protected, environments.deploy_within,
    CASE WHEN it.status <> 'failed' THEN ({runs.USUAL}) END AS usual
FROM (
    (SELECT id, model_id, release_id, place, environment, status, deployed_at FROM deployments
    WHERE status = 'failed' AND deleted_at IS NULL AND deployed_at > now() - :failed_within
    ORDER BY deployed_at DESC, id DESC LIMIT :recent)
    UNION ALL
    (SELECT id, model_id, release_id, place, environment, status, deployed_at FROM deployments
    WHERE status = 'pending' AND deleted_at IS NULL ORDER BY deployed_at DESC, id DESC LIMIT :recent)
    UNION ALL
    (SELECT id, model_id, release_id, place, environment, status, deployed_at FROM deployments
    WHERE status = 'running' AND deleted_at IS NULL ORDER BY deployed_at DESC, id DESC LIMIT :recent)
) AS it
JOIN models AS model ON model.id = it.model_id AND model.deleted_at IS NULL
JOIN versions AS version ON version.id = it.release_id AND version.deleted_at IS NULL
JOIN environments ON environments.place = it.place AND environments.deleted_at IS NULL
WHERE NOT EXISTS (
    SELECT FROM deployments AS later WHERE later.model_id = it.model_id AND later.place = it.place
        AND later.deleted_at IS NULL AND later.status <> 'cancelled' AND (later.deployed_at, later.id) > (it.deployed_at, it.id)
)
UNION ALL
SELECT 'frozen', place, NULL, NULL, NULL, name, place, NULL, frozen_until, protected, NULL, NULL FROM environments
WHERE frozen AND deleted_at IS NULL AND frozen_until > now() AND frozen_until < now() + :ends_within
ORDER BY protected DESC, at DESC
"""  # noqa: S608 - a constant
)


def needs() -> list[Any]:
    """Return the newest deployment of a model to an environment where it runs or has failed, and the freezes that end soon.

    Protected environments come first. `kind` is `failed`, `under way`, `overdue` or `frozen`. The first three have
    `id model_id model_name version environment place status at` of the deployment (`at`: when it began), `deploy_within`,
    and `usual`, the median of the seconds that the last ones took, None if there were none. A freeze has its `environment`,
    and ends `at`.
    """
    limits = {"recent": RECENT, "last": runs.LAST, "failed_within": FAILED_WITHIN, "ends_within": ENDS_WITHIN}
    return list(db.session.execute(_NEEDS, limits))
