"""What the frame around every page shows, in one statement."""

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Select, func, literal_column, select, text

from catapult.audit import Actor
from catapult.queries import inbox, registry
from catapult.queries.environments import FROZEN, NOT_DELETED, E
from catapult.queries.lists import prepared
from catapult.tables import RegisteredModel, Role


class Frozen(NamedTuple):
    """An environment that takes no deployments, without `until` for as long as nobody thaws it."""

    name: str
    until: datetime | None


class Frame(NamedTuple):
    """The number of models, the frozen environments by rank, and how many versions wait for the actor's approval."""

    models: int
    frozen: list[Frozen]
    waiting: int


_FROZEN = (
    select(E.name, E.frozen_until.label("until"))
    .where(NOT_DELETED, FROZEN)
    .order_by(E.rank, E.place)
    .subquery("frozen")
)


def _query(waiting: str) -> Select[Any]:
    """Return the statement; `waiting` is SQL for `inbox.count`."""
    frozen = select(func.coalesce(func.jsonb_agg(literal_column("to_jsonb(frozen)")), literal_column("'[]'")))
    return select(
        registry.counted(RegisteredModel).label("models"),
        frozen.select_from(_FROZEN).scalar_subquery().label("frozen"),
        text(waiting),
    )


_FOR_VIEWERS, _FOR_APPROVERS = _query("CAST('[]' AS jsonb)"), _query(inbox.FACTS)


def read(actor: Actor) -> Frame:
    """Return what the frame shows to this actor. Nothing waits for those who cannot approve anything."""
    may_approve = actor.role.holds(Role.PUBLISHER)
    query, values = (_FOR_APPROVERS, {"voice": actor.voice}) if may_approve else (_FOR_VIEWERS, {})
    models, frozen, waiting = prepared.one_or_none(query, values)  # type: ignore[misc]
    rows = [Frozen(row["name"], row["until"] and datetime.fromisoformat(row["until"])) for row in frozen]
    return Frame(models, rows, inbox.count(actor, waiting))
