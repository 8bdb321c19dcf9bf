"""The head of a model's page, in one statement: its release, live versions, candidate, and two counts."""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text

from catapult.extensions import KEEP_PLAN, db

MOST_LIVE = 6
"""The most environments of which the head shows what is live."""

MOST_DEPLOYMENTS = 1_000


class Release(NamedTuple):
    """The newest release that is not archived, and who promoted it; `person` is None if that was a service."""

    version: str
    at: datetime
    by: str
    override: bool
    person: str | None


class Live(NamedTuple):
    """What is live in an environment, and since when. `is_first` is of the environment, by rank."""

    environment: str
    is_first: bool
    protected: bool
    version: str
    at: datetime
    deployment_id: str


class Candidate(NamedTuple):
    """The newest version, if it is newer than the release and not archived."""

    id: str
    version: str
    at: datetime
    by: str


class Head(NamedTuple):
    """`live` is in the order of the environments, one more than `MOST_LIVE` at most. Deployments are counted up to 1,000."""

    release_count: int
    deployment_count: int
    release: Release | None
    live: list[Live]
    candidate: Candidate | None


# The newest version is the end of ix_versions_model or ix_versions_active, the release that of ix_versions_model_releases.
# Deployments are counted in the order of ix_deployments_model, also where most of them are of this model.
_HEAD = text(
    f"""
SELECT
    (SELECT count(*) FROM versions WHERE model_id = :id AND deleted_at IS NULL AND released_at IS NOT NULL) AS releases,
    (SELECT count(*) FROM (
        SELECT 1 FROM deployments WHERE model_id = :id AND deleted_at IS NULL ORDER BY deployed_at LIMIT {MOST_DEPLOYMENTS}
    ) AS newest) AS deployments,
    (SELECT jsonb_build_object('version', release.version, 'at', release.released_at, 'by', release.released_by,
                               'override', release.override, 'person', decisions.by_person_id)
     FROM (
        SELECT version, released_at, released_by, override, decision_id FROM versions
        WHERE model_id = :id AND deleted_at IS NULL AND released_at IS NOT NULL AND status = 'active'
        ORDER BY created_at DESC, id DESC LIMIT 1
     ) AS release LEFT JOIN decisions ON decisions.id = release.decision_id) AS release,
    (SELECT jsonb_agg(to_jsonb(live)) FROM (
        SELECT environments.name AS environment, environments.protected, versions.version, deployments.live_from AS at,
            deployments.id AS deployment_id, environments.place = (
                SELECT place FROM environments WHERE deleted_at IS NULL ORDER BY rank, place LIMIT 1
            ) AS is_first
        FROM deployments
        JOIN versions ON versions.id = deployments.release_id
        JOIN environments ON environments.place = deployments.place
        WHERE deployments.model_id = :id AND deployments.live_from IS NOT NULL AND deployments.ended_at IS NULL
        ORDER BY environments.rank, environments.place LIMIT {MOST_LIVE + 1}
    ) AS live) AS live,
    (SELECT jsonb_build_object('id', newest.id, 'version', newest.version, 'at', newest.created_at, 'by', newest.created_by)
     FROM (
        SELECT id, version, created_at, created_by, released_at FROM versions
        WHERE model_id = :id AND deleted_at IS NULL AND status = 'active' ORDER BY created_at DESC, id DESC LIMIT 1
     ) AS newest WHERE newest.released_at IS NULL) AS candidate
"""  # noqa: S608 - built from constants
).execution_options(**KEEP_PLAN)


def read(model_id: UUID) -> Head:
    """Return the head of the model with that id."""
    row = db.session.execute(_HEAD, {"id": model_id}).one()
    live = [Live(**_timed(each)) for each in row.live or []]
    return Head(
        row.releases,
        row.deployments,
        row.release and Release(**_timed(row.release)),
        live,
        row.candidate and Candidate(**_timed(row.candidate)),
    )


def _timed(columns: dict[str, Any]) -> dict[str, Any]:
    """Return the columns with their time as a time; JSON has it as text."""
    return {**columns, "at": datetime.fromisoformat(columns["at"])}
