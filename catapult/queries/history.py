"""What was live at a time, and what a rollback can go back to."""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Text, cast, func, literal_column, select
from sqlalchemy.orm import aliased

from catapult.extensions import db
from catapult.queries import environments
from catapult.queries.decisions import OF_DEPLOYMENT
from catapult.queries.deployments import COLUMNS
from catapult.queries.lists.paging import Listing, newest_first
from catapult.queries.lists.raw_columns import as_text
from catapult.tables import Deployment, RegisteredModel, Version, VersionStatus, is_live

M: Any = RegisteredModel.__table__.c
V: Any = Version.__table__.c
D: Any = Deployment.__table__.c

# Subqueries, which run for the rows of a page only. A join would run for all rows.
_NAMES = {
    "model_name": select(M.name).where(M.id == D.model_id).scalar_subquery().label("model_name"),
    "version": select(V.version).where(V.id == D.release_id).scalar_subquery().label("version"),
}
# History includes deleted models and versions.
_EVER_LIVE = (
    select(*(_NAMES.get(column.key, column) for column in COLUMNS), OF_DEPLOYMENT, as_text(D.model_id))
    .select_from(Deployment.__table__)
    .where(D.live_from.is_not(None))
)


class Steps(NamedTuple):
    """The deployment of a model that is live in an environment, and the one to go back to; None if there is none."""

    live: Any
    target: Any


def live(environment: str, at: datetime | None = None) -> Listing:
    """Return what is live in that environment, or was at that moment, newest first: one deployment for each model.

    A deployment is live from `live_from` until just before `ended_at`, to the microsecond.
    """
    lowered = environments.lookup_name(environment)
    if at is None:
        return Listing(_EVER_LIVE.where(is_live(), D.place == lowered), newest_first(D.deployed_at, D.id))
    there = func.catapult_place(D.place, D.place, literal_column("'[]'")).op("@>")(cast(lowered, Text))
    then = func.tstzrange(D.live_from, D.ended_at).op("@>")(at)
    return Listing(_EVER_LIVE.where(there, then), newest_first(D.deployed_at, D.id))


def steps_back(model_id: UUID, environment: str, to: UUID | None) -> Steps:
    """Return what is live there, and the newest earlier deployment to go back to, or the one with the id `to` if it
    was live.

    Excludes the live version, versions rolled back from since the last ordinary deployment, and archived or deleted
    ones.
    """
    there = (D.model_id == model_id, D.place == environment, D.live_from.is_not(None))
    columns = (D.id, D.release_id, V.version, D.metadata.label("metadata_"), D.endpoint_url, D.live_from)
    past = select(*columns).join_from(Deployment.__table__, Version.__table__, V.id == D.release_id).where(*there)
    live = db.session.execute(past.where(D.ended_at.is_(None))).one_or_none()
    if live is None:
        return Steps(None, None)
    if to is not None:
        chosen = past.where(D.id == to, D.release_id != live.release_id, V.deleted_at.is_(None))
        return Steps(live, db.session.execute(chosen).one_or_none())
    usable = (V.deleted_at.is_(None), V.status == VersionStatus.ACTIVE.value, D.release_id != live.release_id)
    earlier = past.where(*usable, D.release_id.not_in(_rolled_back_from(model_id, environment)))
    return Steps(live, db.session.execute(earlier.order_by(D.live_from.desc()).limit(1)).one_or_none())


def _rolled_back_from(model_id: UUID, environment: str) -> Any:
    """Return the versions rolled back from there since the last deployment without `rollback_of`."""
    back, former = aliased(Deployment.__table__), aliased(Deployment.__table__)
    b, f = back.c, former.c
    there = (D.model_id == model_id, D.place == environment, D.live_from.is_not(None))
    ordinary = select(func.max(D.live_from)).where(*there, D.rollback_of.is_(None)).scalar_subquery()
    since = (b.model_id == model_id, b.place == environment, b.live_from > ordinary)
    return select(f.release_id).join_from(back, former, f.id == b.rollback_of).where(*since)
