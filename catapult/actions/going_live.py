"""The statement that makes a version live in an environment without gates.

Deployments of one model wait for each other, so its model's lock is held for one round trip. What the decision depends on was
looked at before, without a lock. The statement takes the locks, and writes nothing unless that is still so.
"""

from functools import cache
from typing import Any

from catapult import audit
from catapult.actions import locks
from catapult.actions.deployment_states import END_PREVIOUS
from catapult.extensions import SEPARATOR
from catapult.queries.decisions import AS_JSON, HASHED
from catapult.rules.json_text import JsonText
from catapult.tables import OPEN, Decision, Deployment


class NotLive(Exception):
    """Nothing was written: what was looked at has changed, or has to be decided under the locks."""


class GoingLive:
    """An `audit.Statement` that writes the deployment, with its decision, and ends the one that was live before.

    `evidence` is what `locks.look` returned. Without `ends_last`, the entry says that nobody asked for that end. `finish` raises
    NotLive.
    """

    def __init__(self, deployment: Deployment, decision: Decision, evidence: str, ends_last: bool) -> None:
        self.deployment = deployment
        self.values: dict[str, Any] = {
            **audit.parameters(deployment),
            **audit.parameters(decision),
            "version": deployment.release_id,
            "target": decision.target,
            "evidence": evidence,
            "unasked": not ends_last,
        }

    def sql(self, entries: str) -> str:
        return _statement(entries)

    def finish(self, result: Any) -> None:
        """Give the deployment its times and its decision."""
        row = result.one_or_none()
        if row is None:
            raise NotLive
        deployment = self.deployment
        deployment.live_from = deployment.deployed_at = deployment.updated_at = row.live_from
        deployment.decision = JsonText(row.decision)


@cache
def _statement(entries: str) -> str:
    end_previous = END_PREVIOUS.format(
        time="seen.live_from", successor=":deployments_id", rows="FROM seen WHERE deployments.id = seen.previous"
    )
    after_the_end = "(SELECT live_from AS now FROM seen) AS seen CROSS JOIN (SELECT count(*) FROM ended) AS done"
    written = f"""
        {locks.LOCKED_TARGET}, seen AS MATERIALIZED (
            SELECT clock.now, CASE WHEN last.ended_at IS NULL THEN last.id END AS previous, greatest(
                clock.now, last.live_from + interval '1 microsecond', last.ended_at + interval '1 microsecond'
            ) AS live_from
            FROM (SELECT clock_timestamp() AS now) AS clock CROSS JOIN target CROSS JOIN {locks.VERSION_FOR}
            AND {locks.EVIDENCE} = :evidence
            AND NOT EXISTS (SELECT FROM gates WHERE target = :target AND deleted_at IS NULL)
            AND NOT EXISTS (SELECT FROM deployments WHERE model_id = version.model_id AND place = :target AND {OPEN})
        ), ended AS ({end_previous} RETURNING deployments.id),
        deployed AS ({audit.insertion(Deployment, after_the_end, ("deployed_at", "updated_at", "live_from"))}),
        decided AS ({audit.insertion(Decision, "seen", ("at",))} RETURNING *),
        hashed AS MATERIALIZED ({HASHED.format(decisions="decided")}),
        moment AS MATERIALIZED (
            SELECT now, CAST('{{}}' AS jsonb) AS data, jsonb_strip_nulls(jsonb_build_object(
                'ended_deployment', previous, 'decision_sha256', sha256,
                'ended_unasked', CASE WHEN CAST(:unasked AS boolean) AND previous IS NOT NULL THEN true END
            )) AS details FROM seen CROSS JOIN hashed
        ), {entries}
        SELECT live_from, CAST({AS_JSON} AS text) AS decision FROM seen CROSS JOIN hashed
    """  # noqa: S608 - built from constants and the tables' own names
    return SEPARATOR.join([*locks.LOCKS, written])
