"""The data of the frame around every page, in one statement."""

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Select, Uuid, bindparam, func, literal_column, select, text

from catapult.audit import Actor
from catapult.queries import inbox, registry, saved_views
from catapult.queries.environments import FROZEN, NOT_DELETED, E
from catapult.queries.lists import prepared
from catapult.tables import RegisteredModel, Role, SavedView


class Frozen(NamedTuple):
    """A frozen environment. Without `until` it stays frozen until somebody ends that."""

    name: str
    until: datetime | None


class View(NamedTuple):
    """A view that the actor has saved."""

    id: str
    name: str
    address: str


class Frame(NamedTuple):
    """The number of models, the frozen environments by rank, how many versions wait for the actor's approval, and their views."""

    models: int
    frozen: list[Frozen]
    waiting: int
    views: list[View]


_FROZEN = (
    select(E.name, E.frozen_until.label("until"))
    .where(NOT_DELETED, FROZEN)
    .order_by(E.rank, E.place)
    .subquery("frozen")
)


_S: Any = SavedView.__table__.c
_VIEWS = (
    select(_S.id, _S.name, _S.address)
    .where(bindparam("voice", type_=Uuid) == saved_views.HOLDER)
    .order_by(func.lower(_S.name))
    .subquery("views")
)


def _query(waiting: str) -> Select[Any]:
    """Return the statement; `waiting` is SQL for `inbox.count`."""
    frozen = select(func.coalesce(func.jsonb_agg(literal_column("to_jsonb(frozen)")), literal_column("'[]'")))
    views = select(func.coalesce(func.jsonb_agg(literal_column("to_jsonb(views)")), literal_column("'[]'")))
    return select(
        registry.counted(RegisteredModel).label("models"),
        frozen.select_from(_FROZEN).scalar_subquery().label("frozen"),
        text(waiting),
        views.select_from(_VIEWS).scalar_subquery().label("views"),
    )


_FOR_VIEWERS, _FOR_APPROVERS = _query("CAST('[]' AS jsonb)"), _query(inbox.FACTS)


def read(actor: Actor) -> Frame:
    """Return the frame's data for this actor. `waiting` is 0 for a role that cannot approve."""
    may_approve = actor.role.holds(Role.PUBLISHER)
    query = _FOR_APPROVERS if may_approve else _FOR_VIEWERS
    models, frozen, waiting, views = prepared.one_or_none(query, {"voice": actor.voice})  # type: ignore[misc]
    rows = [Frozen(row["name"], row["until"] and datetime.fromisoformat(row["until"])) for row in frozen]
    return Frame(models, rows, inbox.count(actor, waiting), [View(**view) for view in views])
