"""How far deployments come, and what is live from when to when. Neither audits nor commits: the verbs do."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, and_, func, select, true, tuple_, update

from catapult.extensions import db
from catapult.tables import NOW, Deployment, DeploymentStatus, is_live

AFTER: dict[str, tuple[DeploymentStatus, ...]] = {
    DeploymentStatus.PENDING: (
        DeploymentStatus.RUNNING,
        DeploymentStatus.SUCCESS,
        DeploymentStatus.FAILED,
        DeploymentStatus.CANCELLED,
    ),
    DeploymentStatus.RUNNING: (DeploymentStatus.SUCCESS, DeploymentStatus.FAILED, DeploymentStatus.CANCELLED),
}
"""What may follow a state; nothing follows one that is not named."""

INSTANT = timedelta(microseconds=1)
_D: Any = Deployment.__table__
ON_THEIR_WAY: ColumnElement[bool] = and_(_D.c.status.in_([str(status) for status in AFTER]), _D.c.deleted_at.is_(None))


class Ended(NamedTuple):
    """What ended because another deployment went live: the one that was live, and those still on their way."""

    live: UUID | None
    cancelled: list[UUID]

    def said(self) -> dict[str, Any]:
        """For the audit entry of the verb that did it."""
        return {
            "ended_deployment": str(self.live) if self.live else None,
            "cancelled_deployments": [str(one) for one in self.cancelled] or None,
        }


def go_live(deployment: Deployment, now: datetime) -> Ended:
    """It is live, from just when the one before it ends; older ones that are still on their way are cancelled.

    `now` was taken with the model's lock held. Times never run backwards here, not even where the clock was set back.
    """
    there = (_D.c.model_id == deployment.model_id, _D.c.place == deployment.environment.lower())
    with db.session.no_autoflush:  # the one before has to leave the partial unique index before this one enters it
        last, older = _before(deployment, *there)
        times = [last.live_from, last.ended_at] if last is not None else []
        now = max([now, *(time + INSTANT for time in times if time)])
        live = last.id if last is not None and last.ended_at is None else None
        if live is not None:
            values = {"ended_at": now, "superseded_by": deployment.id, "counter": _D.c.counter + 1, "updated_at": now}
            db.session.execute(update(_D).where(_D.c.id == live).values(values))
        cancelled = cancel(_D.c.id.in_(older)) if older else []
    deployment.live_from = now
    return Ended(live, cancelled)


def cancel(condition: ColumnElement[bool]) -> list[UUID]:
    """The deployments that meet the condition and are still on their way are cancelled; their ids."""
    values = {"status": DeploymentStatus.CANCELLED.value, "counter": _D.c.counter + 1, "updated_at": NOW}
    return sorted(db.session.scalars(update(_D).where(condition, ON_THEIR_WAY).values(values).returning(_D.c.id)))


def end_live(condition: ColumnElement[bool]) -> list[dict[str, str]]:
    """What is live and meets the condition has ended, with nothing in its place; `id environment` of each."""
    # Never before it began, not even where the clock was set back.
    values = {"ended_at": func.greatest(NOW, _D.c.live_from + INSTANT), "counter": _D.c.counter + 1, "updated_at": NOW}
    ended = update(_D).where(condition, is_live()).values(values).returning(_D.c.id, _D.c.environment)
    return [{"id": str(row.id), "environment": row.environment} for row in db.session.execute(ended)]


def _before(deployment: Deployment, *there: ColumnElement[bool]) -> tuple[Any, list[UUID]]:
    """`id live_from ended_at` of what was live there last, or still is, or None; and what is older and still on its way there."""
    last = (
        select(_D.c.id, _D.c.live_from, _D.c.ended_at)
        .where(*there, _D.c.live_from.is_not(None))
        .order_by(_D.c.live_from.desc())
        .limit(1)
        .subquery()
    )
    others = and_(*there, _D.c.id != deployment.id, ON_THEIR_WAY)
    if deployment.deployed_at is not None:  # else it is not in the database yet: all others are older
        others &= tuple_(_D.c.deployed_at, _D.c.id) < tuple_(deployment.deployed_at, deployment.id)
    older = func.array(select(_D.c.id).where(others).scalar_subquery(), type_=ARRAY(_D.c.id.type)).label("older")
    one = select(older).subquery()
    row = db.session.execute(select(one.c.older, last).select_from(one).outerjoin(last, true())).one()
    return (row if row.id is not None else None), row.older
