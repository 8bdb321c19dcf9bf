"""Environments: one by its name, and all by rank."""

from typing import Any

from sqlalchemy import Text, bindparam, cast, func, or_, select, text

from catapult.errors import Invalid, NotFound
from catapult.extensions import db
from catapult.queries.lists.paging import Listing, in_order
from catapult.queries.lists.raw_columns import shown
from catapult.rules import targets
from catapult.tables import NOW, OPEN, RELEASE, Deployment, Environment, is_live

E: Any = Environment.__table__.c
D: Any = Deployment.__table__.c
NOT_DELETED = E.deleted_at.is_(None)
FROZEN = E.frozen & or_(E.frozen_until.is_(None), E.frozen_until > NOW)
LISTED = 50
"""The most names in an error message."""

# A single text to page by, because two environments may have the same rank.
_IN_ORDER = func.concat(func.lpad(cast(E.rank, Text), 10, "0"), " ", E.place).label("in_order")
_COLUMNS: tuple[Any, ...] = (
    *shown(
        E,
        "id name place rank protected frozen_reason frozen_until description deploy_within created_by created_at updated_at"
        " counter",
    ),
    FROZEN.label("frozen"),
    _IN_ORDER,
)
_ENVIRONMENTS = Listing(select(*_COLUMNS).where(NOT_DELETED), in_order(_IN_ORDER, E.id))
_NAMED = _ENVIRONMENTS.rows.where(E.place == bindparam("place"))
_FREEZE = (FROZEN.label("frozen"), E.frozen_reason, E.frozen_until)
_STAGES = select(E.place, E.name, E.protected, E.deploy_within, *_FREEZE).where(NOT_DELETED).order_by(E.rank, E.place)
_INCLUDING_DELETED = select(*_COLUMNS, E.deleted_at).where(E.place == bindparam("place"))


def lookup_name(name: str) -> str:
    """Return the name in lower case, for `place`. A URL may contain U+0000, which PostgreSQL refuses in parameters."""
    return name.lower().replace("\0", "?")


def listing() -> Listing:
    """Return every environment, by rank."""
    return _ENVIRONMENTS


def named(name: str) -> Any:
    """Return the environment as a plain row. Raises NotFound."""
    row = find(name)
    if row is None:
        raise missing(name)
    return row


def find(name: str) -> Any | None:
    """Return the environment as a plain row; None if there is none."""
    return db.session.execute(_NAMED, {"place": lookup_name(name)}).one_or_none()


def get_including_deleted(name: str) -> Any:
    """Return the environment as a plain row, also if it was deleted, because its history remains. Raises NotFound."""
    row = db.session.execute(_INCLUDING_DELETED, {"place": lookup_name(name)}).one_or_none()
    if row is None:
        raise missing(name)
    return row


def stages() -> dict[str, Any]:
    """Return every environment by its name in lower case, in order of rank: its protection, limit and freeze."""
    return {row.place: row for row in db.session.execute(_STAGES)}


def live_and_unfinished_counts(environment: str) -> Any:
    """Return how many deployments deleting an environment would end: those `live` and those `unfinished`."""
    deployments = select(func.count()).select_from(Deployment).where(D.place == environment)
    live, open_ = deployments.where(is_live()), deployments.where(text(OPEN))
    counts = select(live.scalar_subquery().label("live"), open_.scalar_subquery().label("unfinished"))
    return db.session.execute(counts).one()


def check_existed(name: str) -> None:
    """Raise NotFound if there is no such environment and never was one."""
    if db.session.scalar(select(E.id).where(E.place == lookup_name(name))) is None:
        raise missing(name)


def missing(name: str) -> NotFound:
    return NotFound(f"There is no environment {name}. GET /api/v1/environments lists all environments.")


def check(name: str, field: str = "environment") -> None:
    """Raise Invalid, with the names of all environments, if there is no such environment."""
    if find(name) is None:
        raise unknown(name, field)


def check_target(target: str) -> None:
    """Raise Invalid, with the names of all environments, if the target is neither `release`, an environment nor an alias.

    An alias need not point at anything yet.
    """
    alias = targets.alias_of(target)
    if alias is not None and not targets.is_alias(alias):
        raise Invalid("That cannot be the name of an alias.", errors={"target": [f"After @: {targets.ALIAS_RULE}"]})
    if targets.is_environment(target):
        check(target, "target")


def unknown(name: str, field: str) -> Invalid:
    """Return the error for an unknown environment, with the names of all."""
    names = list(db.session.scalars(select(E.name).where(NOT_DELETED).order_by(E.rank, E.place).limit(LISTED)))
    known = ", ".join([RELEASE, *names] if field == "target" else names)
    message = f"There is no environment {name}. Valid values: {known}." if known else "There is no environment yet."
    message += " An alias has @ before it: @champion." if field == "target" else ""
    return Invalid(f"{field} is not an environment: {message}", errors={field: [message]})
