"""Models: one by id, and lists of them."""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, ScalarSelect, bindparam, func, null, or_, select

from catapult.errors import NotFound
from catapult.extensions import db
from catapult.queries.paging import Listing
from catapult.queries.raw import as_text, raw
from catapult.tables import RegisteredModel

M: Any = RegisteredModel.__table__.c

TRIGRAM = 3
KEPT = M.deleted_at.is_(None)

_COLUMNS: tuple[Any, ...] = (
    as_text(M.id),
    M.name,
    M.storage_path,
    M.repository,
    M.description,
    M.tags,
    raw(M.metadata),
    M.version_count,
    M.latest_version,
    M.created_at,
    M.updated_at,
    M.counter,
)
_MODELS = Listing(
    select(*_COLUMNS).where(KEPT),
    M.created_at,
    M.id,
)
_BY_ID = _MODELS.rows.where(M.id == bindparam("model_id"))
_EXISTS = select(M.id).where(KEPT, M.id == bindparam("model_id"))


def get(model_id: UUID) -> Any:
    """That model, as a plain row. Raises NotFound."""
    row = db.session.execute(_BY_ID, {"model_id": model_id}).one_or_none()
    if row is None:
        raise missing()
    return row


def check(model_id: UUID) -> None:
    """Nothing, if there is such a model. Raises NotFound."""
    if db.session.scalar(_EXISTS, {"model_id": model_id}) is None:
        raise missing()


def missing() -> NotFound:
    return NotFound("There is no such model, or it was deleted. GET /api/v1/models lists those there are.")


def listing(*, search: str | None = None, name: str | None = None, tag: str | None = None) -> Listing:
    """Models newest first: `search` anywhere in name or description and `name` exact, both with case ignored."""
    conditions: list[ColumnElement[bool]] = []
    if search:
        conditions += _matches(search)
    if name is not None:
        conditions.append(named(name))
    if tag is not None:
        conditions.append(M.tags.contains([tag]))
    return _MODELS.where(*conditions)


def named(name: str) -> ColumnElement[bool]:
    """The condition that the model has this name, case ignored."""
    return func.lower(M.name) == name.lower()


def id_of(name: str) -> ScalarSelect[UUID]:
    """The id of the model of that name, looked up once within a larger query, whose index order it keeps usable."""
    return select(M.id).where(KEPT, named(name)).scalar_subquery()


def _matches(search: str) -> list[ColumnElement[bool]]:
    """The trigram index finds candidates, the pattern decides; one or two characters have no trigram to look up."""
    found = or_(
        M.name.icontains(search, autoescape=True),
        M.description.icontains(search, autoescape=True),
    )
    if len(search) < TRIGRAM:
        return [found]
    indexed = func.catapult_trigrams(M.name, M.description)
    return [indexed.op("@>")(func.catapult_trigrams(search, null())), found]
