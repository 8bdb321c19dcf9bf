"""The states of a deployment and the times at which it is live. Nothing here audits or commits; the verbs do."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, and_, func, or_, select, true, tuple_, update

from catapult.audit import Actor, Script
from catapult.errors import Conflict
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

NOT_REACHED = (DeploymentStatus.FAILED, DeploymentStatus.CANCELLED)
"""A deployment recorded with one of these did not reach its environment, so neither gates nor a freeze apply to it."""
INSTANT = timedelta(microseconds=1)
_D: Any = Deployment.__table__
UNFINISHED: ColumnElement[bool] = and_(_D.c.status.in_([str(status) for status in NEXT]), _D.c.deleted_at.is_(None))


class Previous(NamedTuple):
    """The deployments of a model to an environment before this one: `id live_from ended_at` of the last that went live, or
    None, and the ids of older unfinished ones."""

    last: Any
    older: list[UUID]

    @property
    def live(self) -> UUID | None:
        """The id of the deployment that is live; None if the last has ended."""
        return self.last.id if self.last is not None and self.last.ended_at is None else None


END_PREVIOUS = """
UPDATE deployments SET ended_at = {time}, superseded_by = CAST({successor} AS uuid), counter = counter + 1, updated_at = {time}
{rows}
"""
_END_PREVIOUS = END_PREVIOUS.format(time=":live_from", successor=":successor", rows="WHERE id = :previous")
CANCEL_OLDER = """
UPDATE deployments SET status = 'cancelled', counter = counter + 1, updated_at = statement_timestamp() WHERE id = ANY(:older)
"""


def go_live(deployment: Deployment, now: datetime, previous: Previous) -> Script:
    """Set `live_from`, and return the script that ends the previous deployment and cancels older unfinished ones.

    `now` and `previous` were read after locking the model. The script must be sent before the deployment is written: the partial
    unique index allows one live deployment. `live_from` is later than all earlier times, even if the clock was set back.
    """
    times = [previous.last.live_from, previous.last.ended_at] if previous.last is not None else []
    deployment.live_from = max([now, *(time + INSTANT for time in times if time)])
    script = Script()
    if previous.live is not None:
        values = {"live_from": deployment.live_from, "successor": deployment.id, "previous": previous.live}
        script.add(_END_PREVIOUS, **values)
    if previous.older:
        script.add(CANCEL_OLDER, older=previous.older)
    return script


def ended(previous: Previous) -> dict[str, Any]:
    """Return the deployments that end when another goes live, for an audit entry."""
    return {
        "ended_deployment": str(previous.live) if previous.live else None,
        "cancelled_deployments": sorted(str(deployment_id) for deployment_id in previous.older) or None,
    }


def check_step(deployment: Deployment, fields: dict[str, Any]) -> None:
    """Raise Conflict if the status in `fields` may not follow the present one."""
    present, wanted = deployment.status, fields.get("status", deployment.status)
    following = NEXT.get(present, ())
    if wanted != present and wanted not in following:
        allowed = f"It can become {', '.join(following)}." if following else "That state is final."
        raise Conflict(f"The deployment is {present} and can't become {wanted}. {allowed}")


def check_bounds(actor: Actor, condition: ColumnElement[bool]) -> None:
    """Raise Forbidden if one of these deployments is live or unfinished in an environment beyond the actor's bounds."""
    if actor.bounds.environments is None:
        return
    names = select(_D.c.place).where(condition, or_(is_live(), UNFINISHED)).distinct().order_by(_D.c.place)
    for name in db.session.scalars(names):
        actor.bounds.check_environment(name)


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


def previous(deployment: Deployment) -> Previous:
    """Return the earlier deployments of the same model to the same environment."""
    same = (_D.c.model_id == deployment.model_id, _D.c.place == deployment.environment.lower())
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
    return Previous(row if row.id is not None else None, row.older)
