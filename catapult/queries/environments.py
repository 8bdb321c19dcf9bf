"""Environments: one by name, all of them by rank."""

from typing import Any

from sqlalchemy import Text, bindparam, cast, func, or_, select, text

from catapult.errors import Invalid, NotFound
from catapult.extensions import db
from catapult.queries.lists.paging import Listing
from catapult.queries.lists.raw_columns import as_text
from catapult.tables import NOW, OPEN, RELEASE, Deployment, Environment, is_live

E: Any = Environment.__table__.c
D: Any = Deployment.__table__.c
KEPT = E.deleted_at.is_(None)
FROZEN = E.frozen & or_(E.frozen_until.is_(None), E.frozen_until > NOW)
LISTED = 50
"""So many names are named in an error."""

# One text to page by: the ranks of two environments may be the same.
_IN_ORDER = func.concat(func.lpad(cast(E.rank, Text), 10, "0"), " ", E.place).label("in_order")
_COLUMNS: tuple[Any, ...] = (
    as_text(E.id),
    E.name,
    E.place,
    E.rank,
    E.protected,
    FROZEN.label("frozen"),
    E.frozen_reason,
    E.frozen_until,
    E.description,
    E.created_by,
    E.created_at,
    E.updated_at,
    E.counter,
    _IN_ORDER,
)
_ENVIRONMENTS = Listing(select(*_COLUMNS).where(KEPT), _IN_ORDER, E.id, rising=True)
_NAMED = _ENVIRONMENTS.rows.where(E.place == bindparam("place"))
_EVER = select(*_COLUMNS, E.deleted_at).where(E.place == bindparam("place"))


def place_of(name: str) -> str:
    """What it is looked up by. U+0000, of which PostgreSQL takes no parameter, is in no name and may stand in an address."""
    return name.lower().replace("\0", "?")


def listing() -> Listing:
    """Every environment, in order of rank."""
    return _ENVIRONMENTS


def named(name: str) -> Any:
    """That environment, as a plain row. Raises NotFound."""
    row = find(name)
    if row is None:
        raise missing(name)
    return row


def find(name: str) -> Any | None:
    """That environment, as a plain row; None if there is none."""
    return db.session.execute(_NAMED, {"place": place_of(name)}).one_or_none()


def ever(name: str) -> Any:
    """That environment, as a plain row, also if it was deleted since: its history is still there. Raises NotFound."""
    row = db.session.execute(_EVER, {"place": place_of(name)}).one_or_none()
    if row is None:
        raise missing(name)
    return row


def stages() -> dict[str, bool]:
    """Return `{environment in lower case: whether it is protected}` of all of them, in order of rank."""
    rows = db.session.execute(select(E.place, E.protected).where(KEPT).order_by(E.rank, E.place))
    return {row.place: row.protected for row in rows}


def bound_to(place: str) -> Any:
    """What deleting an environment would end: how many deployments are `live` there, and how many are `on_their_way`."""
    there = select(func.count()).select_from(Deployment).where(D.place == place)
    live, open_ = there.where(is_live()), there.where(text(OPEN))
    return db.session.execute(
        select(live.scalar_subquery().label("live"), open_.scalar_subquery().label("on_their_way"))
    ).one()


def check_ever(name: str) -> None:
    """Nothing, if there is such an environment, or was one: its history is still there. Raises NotFound."""
    if db.session.scalar(select(E.id).where(E.place == place_of(name))) is None:
        raise missing(name)


def missing(name: str) -> NotFound:
    return NotFound(f"There is no environment {name}. GET /api/v1/environments lists those there are.")


def check(name: str, field: str = "environment") -> None:
    """Nothing, if there is such an environment. Raises Invalid, which names those there are."""
    if find(name) is None:
        raise unknown(name, field)


def check_target(target: str) -> None:
    """Nothing, if it is `release` or an environment. Raises Invalid, which names those there are."""
    if target != RELEASE:
        check(target, "target")


def unknown(name: str, field: str) -> Invalid:
    """What names the environments that there are."""
    places = list(db.session.scalars(select(E.name).where(KEPT).order_by(E.rank, E.place).limit(LISTED)))
    known = ", ".join([RELEASE, *places] if field == "target" else places) or "none yet"
    said = f"There is no environment {name}; there is {known}." if len(places) < 2 else f"Has to be one of {known}."
    return Invalid(f"{field} names no environment that there is: {said}", errors={field: [said]})
