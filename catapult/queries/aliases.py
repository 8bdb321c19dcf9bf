"""Aliases of a model, now or at a time, and of a version."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Text, any_, func, or_, select

from catapult.errors import NotFound
from catapult.extensions import db
from catapult.queries.lists.paging import Listing, in_order
from catapult.queries.lists.raw_columns import shown
from catapult.rules import targets
from catapult.tables import Alias, RegisteredModel, Version

A: Any = Alias.__table__.c
V: Any = Version.__table__.c
M: Any = RegisteredModel.__table__.c

CURRENT = A.until.is_(None)
_FOLDED: Any = func.lower(A.name)
_IN_ORDER = _FOLDED.label("in_order")
OF_VERSION: ColumnElement[Any] = func.array(
    select(A.name)
    .where(A.version_id == V.id, CURRENT)
    .order_by(_FOLDED)
    .correlate(Version.__table__)
    .scalar_subquery(),
    type_=ARRAY(Text),
).label("aliases")
"""The aliases that point at a version, by name."""

_ALIASES = Listing(
    select(
        *shown(A, "id model_id"),
        M.name.label("model_name"),
        *shown(A, "name version_id"),
        V.version,
        *shown(A, "since until set_by reason override decision_id"),
        _IN_ORDER,
    )
    .join_from(Alias.__table__, Version.__table__, V.id == A.version_id)
    .join(RegisteredModel.__table__, M.id == A.model_id),
    in_order(_IN_ORDER, A.id),
)


def of_model(model_id: UUID, at: datetime | None = None) -> Listing:
    """Return the model's aliases by name, as they are now or were at that time. Past ones include those of deleted versions."""
    return _ALIASES.where(
        A.model_id == model_id, *((CURRENT,) if at is None else (A.since <= at, or_(A.until.is_(None), A.until > at)))
    )


def newest(model_id: UUID, name: str) -> Alias | None:
    """Return the newest row of the alias, current or ended, with its `version`; None if there never was such an alias."""
    query = select(Alias, V.version).join(Version.__table__, V.id == A.version_id)
    of_name = query.where(A.model_id == model_id, name.lower() == _FOLDED)
    row = db.session.execute(of_name.order_by(A.since.desc(), A.id.desc()).limit(1)).one_or_none()
    if row is None:
        return None
    alias: Alias = row[0]
    alias.version = row[1]
    return alias


def of_name(model_id: UUID, name: str) -> Any:
    """Return the model's alias as a plain row. Raises NotFound."""
    rows = _ALIASES.rows.where(A.model_id == model_id, name.lower() == _FOLDED, CURRENT)
    row = db.session.execute(rows).one_or_none() if targets.is_alias(name) else None
    if row is None:
        raise missing(name)
    return row


def count(model_id: UUID) -> int:
    """Return how many aliases the model has."""
    return db.session.scalar(select(func.count()).where(A.model_id == model_id, CURRENT)) or 0


def decided(version_id: UUID) -> list[str]:
    """Return the aliases, as targets, that point at the version by a decision."""
    rows = select(func.concat("@", A.name)).where(A.version_id == version_id, CURRENT, A.decision_id.is_not(None))
    return list(db.session.scalars(rows.order_by(_FOLDED)))


def is_pointed_at(alias: Any, model: Any) -> ColumnElement[bool]:
    """Return whether the alias of the model points at the version, by an array of ids that is read first."""
    pointed_at = select(A.version_id).where(A.model_id == model, func.lower(alias) == _FOLDED, CURRENT)
    condition: ColumnElement[bool] = V.id == any_(func.array(pointed_at.scalar_subquery(), type_=ARRAY(V.id.type)))
    return condition


def missing(name: str) -> NotFound:
    return NotFound(f"The model has no alias {name}. GET /api/v1/models/{{id}}/aliases lists its aliases.")
