"""The states of a deployment, and from when to when it is live. Nothing here audits or commits; the verbs do."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, and_, func, select, true, tuple_, update

from catapult.extensions import db
from catapult.tables import NOW, Deployment, DeploymentStatus, is_live

NEXT: dict[str, tuple[DeploymentStatus, ...]] = {
    DeploymentStatus.PENDING: (
        DeploymentStatus.RUNNING,
        DeploymentStatus.SUCCESS,
        DeploymentStatus.FAILED,
        DeploymentStatus.CANCELLED,
    ),
    DeploymentStatus.RUNNING: (DeploymentStatus.SUCCESS, DeploymentStatus.FAILED, DeploymentStatus.CANCELLED),
}
"""The states that may follow each state. A state that is not a key is final."""

INSTANT = timedelta(microseconds=1)
_D: Any = Deployment.__table__
UNFINISHED: ColumnElement[bool] = and_(_D.c.status.in_([str(status) for status in NEXT]), _D.c.deleted_at.is_(None))


class Ended(NamedTuple):
    """What ended when a deployment went live: the deployment that was live, and older ones that were unfinished."""

    previous_live: UUID | None
    cancelled: list[UUID]

    def details(self) -> dict[str, Any]:
        """Return this for an audit entry."""
        return {
            "ended_deployment": str(self.previous_live) if self.previous_live else None,
            "cancelled_deployments": [str(deployment_id) for deployment_id in self.cancelled] or None,
        }


def go_live(deployment: Deployment, now: datetime) -> Ended:
    """Make the deployment live from the moment the one before it ends, and cancel older unfinished ones.

    `now` was read after locking the model. `live_from` is always later than earlier times, even if the clock was set back.
    """
    same = (_D.c.model_id == deployment.model_id, _D.c.place == deployment.environment.lower())
    # End the previous deployment first: the partial unique index allows one live deployment.
    with db.session.no_autoflush:
        last, older = _previous(deployment, *same)
        times = [last.live_from, last.ended_at] if last is not None else []
        now = max([now, *(time + INSTANT for time in times if time)])
        previous_live = last.id if last is not None and last.ended_at is None else None
        if previous_live is not None:
            values = {"ended_at": now, "superseded_by": deployment.id, "counter": _D.c.counter + 1, "updated_at": now}
            db.session.execute(update(_D).where(_D.c.id == previous_live).values(values))
        cancelled = cancel(_D.c.id.in_(older)) if older else []
    deployment.live_from = now
    return Ended(previous_live, cancelled)


def cancel(condition: ColumnElement[bool]) -> list[UUID]:
    """Cancel the unfinished deployments that meet the condition and return their ids."""
    values = {"status": DeploymentStatus.CANCELLED.value, "counter": _D.c.counter + 1, "updated_at": NOW}
    return sorted(db.session.scalars(update(_D).where(condition, UNFINISHED).values(values).returning(_D.c.id)))


def end_live(condition: ColumnElement[bool]) -> list[dict[str, str]]:
    """End the live deployments that meet the condition, with no successor, and return the `id environment` of each."""
    # Never before it began, even if the clock was set back.
    values = {"ended_at": func.greatest(NOW, _D.c.live_from + INSTANT), "counter": _D.c.counter + 1, "updated_at": NOW}
    ended = update(_D).where(condition, is_live()).values(values).returning(_D.c.id, _D.c.environment)
    return [{"id": str(row.id), "environment": row.environment} for row in db.session.execute(ended)]


def _previous(deployment: Deployment, *same: ColumnElement[bool]) -> tuple[Any, list[UUID]]:
    """Return the deployment that went live last, even if it has ended, or None; and the ids of older unfinished ones.

    `same` are the conditions for the same model and environment.
    """
    last = (
        select(_D.c.id, _D.c.live_from, _D.c.ended_at)
        .where(*same, _D.c.live_from.is_not(None))
        .order_by(_D.c.live_from.desc())
        .limit(1)
        .subquery()
    )
    others = and_(*same, _D.c.id != deployment.id, UNFINISHED)
    if deployment.deployed_at is not None:  # else it is not in the database yet, and all others are older
        others &= tuple_(_D.c.deployed_at, _D.c.id) < tuple_(deployment.deployed_at, deployment.id)
    older = func.array(select(_D.c.id).where(others).scalar_subquery(), type_=ARRAY(_D.c.id.type)).label("older")
    single = select(older).subquery()
    row = db.session.execute(select(single.c.older, last).select_from(single).outerjoin(last, true())).one()
    return (row if row.id is not None else None), row.older
