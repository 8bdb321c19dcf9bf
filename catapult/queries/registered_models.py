"""Models: one by id, and lists of them."""

from dataclasses import replace
from operator import attrgetter
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, ScalarSelect, Text, bindparam, func, literal, null, or_, select, union_all

from catapult.errors import NotFound
from catapult.extensions import db
from catapult.filters import conditions as filters
from catapult.filters.nouns import MODELS
from catapult.queries.lists.paging import Listing
from catapult.queries.lists.raw_columns import as_text, raw
from catapult.tables import Deployment, RegisteredModel, Version, VersionStatus, is_live

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
_V: Any = Version.__table__.c
_D: Any = Deployment.__table__.c


def _newest_of(column: Any, *conditions: Any) -> Any:
    """That column of the model's newest version that meets the conditions."""
    rows = select(column).where(_V.model_id == M.id, _V.deleted_at.is_(None), *conditions)
    return (
        rows.order_by(_V.created_at.desc(), _V.id.desc())
        .limit(1)
        .correlate(RegisteredModel.__table__)
        .scalar_subquery()
    )


_CARDS = Listing(
    select(
        as_text(M.id),
        M.name,
        func.lower(M.name).label("sort_name"),
        M.description,
        M.tags,
        M.version_count,
        M.latest_version,
        M.created_at,
        M.updated_at,
        _newest_of(_V.version, _V.released_at.is_not(None), _V.status == VersionStatus.ACTIVE.value).label(
            "latest_release"
        ),
        func.coalesce(_newest_of(_V.created_at), M.updated_at).label("moved_at"),
        func.array(
            select(_D.environment).where(_D.model_id == M.id, is_live()).order_by(_D.environment).scalar_subquery(),
            type_=ARRAY(Text),
        ).label("live_in"),
    ).where(KEPT),
    M.created_at,
    M.id,
)
_SORTED = {
    "newest": _CARDS,
    "updated": replace(_CARDS, by=M.updated_at),
    "name": replace(_CARDS, by=func.lower(M.name).label("sort_name"), rising=True),
}
SORTS = tuple(_SORTED)
_BY_NAME = _MODELS.rows.where(func.lower(M.name) == bindparam("name"))
_BY_ID = _MODELS.rows.where(M.id == bindparam("model_id"))
_EXISTS = select(M.id).where(KEPT, M.id == bindparam("model_id"))


def get(model_id: UUID) -> Any:
    """That model, as a plain row. Raises NotFound."""
    row = db.session.execute(_BY_ID, {"model_id": model_id}).one_or_none()
    if row is None:
        raise missing()
    return row


def called(name: str) -> Any:
    """The model of that name, case ignored, as a plain row. Raises NotFound."""
    row = db.session.execute(_BY_NAME, {"name": name.lower()}).one_or_none()
    if row is None:
        raise NotFound(f"There is no model {name}, or it was deleted.")
    return row


def check(model_id: UUID) -> None:
    """Nothing, if there is such a model. Raises NotFound."""
    if db.session.scalar(_EXISTS, {"model_id": model_id}) is None:
        raise missing()


def missing() -> NotFound:
    return NotFound("There is no such model, or it was deleted. GET /api/v1/models lists those there are.")


def listing(
    *,
    search: str | None = None,
    name: str | None = None,
    tag: str | None = None,
    filter: str | None = None,
    sort: str | None = None,
) -> Listing:
    """Models newest first: `search` anywhere in name or description and `name` exact, both with case ignored.

    `filter` and `sort` are texts as people write them (`filters.nouns` has the fields). Raises Misread, which is Invalid.
    """
    conditions = _conditions(search, tag)
    if name is not None:
        conditions.append(named(name))
    if filter is not None:
        conditions.append(filters.of(MODELS, filter))
    found = _MODELS.where(*conditions)
    return found if sort is None else found.sorted_by(filters.order(MODELS, sort), _MODELS.rows)


def cards(
    *, search: str | None = None, tag: str | None = None, filter: str | None = None, sort: str = "newest"
) -> Listing:
    """Models as a list for people shows them, without metadata: their latest release, and where they are live.

    `filter` is as in `listing`, `sort` one of `SORTS`. Raises Misread.
    """
    chosen = [filters.of(MODELS, filter)] if filter is not None else []
    return _SORTED[sort].where(*_conditions(search, tag), *chosen)


def found(words: str, most: int) -> list[Any]:
    """So many of `cards`: names that begin so, by name; then those that hold it elsewhere and, last, descriptions, newest first."""
    begins = func.lower(M.name).startswith(words.lower(), autoescape=True)
    holds, told = M.name.icontains(words, autoescape=True), M.description.icontains(words, autoescape=True)
    newest, candidates = (M.created_at.desc(), M.id.desc()), _candidates(words)
    groups = [
        ([begins], [func.lower(M.name)]),
        ([*candidates, holds, ~begins], newest),
        ([*candidates, told, ~holds], newest),
    ]
    query = union_all(
        *(
            _CARDS.rows.add_columns(literal(place).label("place")).where(*conditions).order_by(*order).limit(most)
            for place, (conditions, order) in enumerate(groups)
        )
    )
    return sorted(db.session.execute(query), key=attrgetter("place"))[:most]


def _conditions(search: str | None, tag: str | None) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = _matches(search) if search else []
    if tag is not None:
        conditions.append(M.tags.contains([tag]))
    return conditions


def named(name: str) -> ColumnElement[bool]:
    """The condition that the model has this name, case ignored."""
    return func.lower(M.name) == name.lower()


def id_of(name: str) -> ScalarSelect[UUID]:
    """The id of the model of that name, looked up once within a larger query, whose index order it keeps usable."""
    return select(M.id).where(KEPT, named(name)).scalar_subquery()


def _matches(search: str) -> list[ColumnElement[bool]]:
    """The trigram index finds candidates, the pattern decides."""
    holds = or_(
        M.name.icontains(search, autoescape=True),
        M.description.icontains(search, autoescape=True),
    )
    return [*_candidates(search), holds]


def _candidates(search: str) -> list[ColumnElement[bool]]:
    """What the trigram index finds; one or two characters have no trigram to look up."""
    if len(search) < TRIGRAM:
        return []
    indexed = func.catapult_trigrams(M.name, M.description)
    return [indexed.op("@>")(func.catapult_trigrams(search, null()))]
