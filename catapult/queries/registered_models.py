"""Models: one by id, and lists of them."""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, ScalarSelect, bindparam, func, null, or_, select

from catapult.errors import NotFound
from catapult.extensions import db
from catapult.queries.paging import Listing
from catapult.tables import RegisteredModel

TRIGRAM = 3
KEPT = RegisteredModel.deleted_at.is_(None)

_COLUMNS: tuple[Any, ...] = (
    RegisteredModel.id,
    RegisteredModel.name,
    RegisteredModel.storage_path,
    RegisteredModel.repository,
    RegisteredModel.description,
    RegisteredModel.tags,
    RegisteredModel.metadata_,
    RegisteredModel.version_count,
    RegisteredModel.latest_version,
    RegisteredModel.created_at,
    RegisteredModel.updated_at,
    RegisteredModel.counter,
)
_MODELS = Listing(
    select(*_COLUMNS).where(KEPT),
    RegisteredModel.created_at,
    RegisteredModel.id,
)
_BY_ID = _MODELS.rows.where(RegisteredModel.id == bindparam("model_id"))
_EXISTS = select(RegisteredModel.id).where(KEPT, RegisteredModel.id == bindparam("model_id"))


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
        conditions.append(RegisteredModel.tags.contains([tag]))
    return _MODELS.where(*conditions)


def named(name: str) -> ColumnElement[bool]:
    """The condition that the model has this name, case ignored."""
    return func.lower(RegisteredModel.name) == name.lower()


def id_of(name: str) -> ScalarSelect[UUID]:
    """The id of the model of that name, looked up once within a larger query, whose index order it keeps usable."""
    return select(RegisteredModel.id).where(KEPT, named(name)).scalar_subquery()


def _matches(search: str) -> list[ColumnElement[bool]]:
    """The trigram index finds candidates, the pattern decides; one or two characters have no trigram to look up."""
    found = or_(
        RegisteredModel.name.icontains(search, autoescape=True),
        RegisteredModel.description.icontains(search, autoescape=True),
    )
    if len(search) < TRIGRAM:
        return [found]
    indexed = func.catapult_trigrams(RegisteredModel.name, RegisteredModel.description)
    return [indexed.op("@>")(func.catapult_trigrams(search, null())), found]
