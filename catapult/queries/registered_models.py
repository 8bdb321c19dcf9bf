"""Models: one by its id or name, and lists of them."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    ScalarSelect,
    Text,
    Uuid,
    bindparam,
    func,
    literal_column,
    null,
    or_,
    select,
    text,
)

from catapult.errors import NotFound
from catapult.extensions import db
from catapult.filters import conditions as filters
from catapult.filters.metric_index import FEW
from catapult.filters.nouns import MODELS
from catapult.filters.operators import normalized
from catapult.queries.lists import prepared
from catapult.queries.lists.paging import Listing, Page, cached_query, in_order, newest_first
from catapult.queries.lists.raw_columns import shown
from catapult.queries.lists.sorting import not_rare
from catapult.rules.normal_text import normal
from catapult.tables import PULL_FROM, Deployment, ModelName, RegisteredModel, Version, VersionStatus, is_live

M: Any = RegisteredModel.__table__.c

NOT_DELETED = M.deleted_at.is_(None)
DESCRIPTION = normalized(M.description)
"""The description in the form that is searched. Names are ASCII and need no such form."""

N: Any = ModelName.__table__.c
V: Any = Version.__table__.c
D: Any = Deployment.__table__.c

_MODELS = Listing(
    select(
        *shown(M, "id name former_names storage_path repository description register_tags tags metadata"),
        *shown(M, "version_count latest_version created_at updated_at counter"),
    ).where(NOT_DELETED),
    newest_first(M.created_at, M.id),
)


def _newest_of(column: Any, *conditions: Any) -> Any:
    """Return that column of the model's newest version that meets the conditions, as a subquery."""
    rows = select(column).where(V.model_id == M.id, V.deleted_at.is_(None), *conditions)
    newest = rows.order_by(V.created_at.desc(), V.id.desc()).limit(1)
    return newest.correlate(RegisteredModel.__table__).scalar_subquery()


_RELEASE = _newest_of(V.version, V.released_at.is_not(None), V.status == VersionStatus.ACTIVE.value)
_LIVE_IN = select(D.environment).where(D.model_id == M.id, is_live()).order_by(D.environment).scalar_subquery()
_CARDS = Listing(
    select(
        *shown(M, "id name description tags version_count latest_version created_at updated_at"),
        func.lower(M.name).label("sort_name"),
        _RELEASE.label("latest_release"),
        func.coalesce(_newest_of(V.created_at), M.updated_at).label("moved_at"),
        func.array(_LIVE_IN, type_=ARRAY(Text)).label("live_in"),
    ).where(NOT_DELETED),
    newest_first(M.created_at, M.id),
)
_SORTED = {
    "newest": _CARDS,
    "updated": replace(_CARDS, keys=newest_first(M.updated_at, M.id)),
    "name": replace(_CARDS, keys=in_order(func.lower(M.name).label("sort_name"), M.id)),
}
SORTS = tuple(_SORTED)
CALLED = select(N.model_id).where(N.name == bindparam("name")).scalar_subquery()
"""The id of the model that has or had the name `name`, in lower case."""
_BY_NAME = _MODELS.rows.where(M.id == CALLED)
_BY_ID = _MODELS.rows.where(M.id == bindparam("model_id"))
_EXISTS = select(M.id).where(NOT_DELETED, M.id == bindparam("model_id"))


def get(model_id: UUID) -> Any:
    """Return the model as a plain row. Raises NotFound."""
    row = db.session.execute(_BY_ID, {"model_id": model_id}).one_or_none()
    if row is None:
        raise missing()
    return row


def called(name: str) -> Any:
    """Return the model that has or had that name, case ignored, as a plain row. Raises NotFound."""
    row = prepared.one_or_none(_BY_NAME, {"name": name.lower()})
    if row is None:
        raise NotFound(f"There is no model {name}, or it was deleted.")
    return row


def check(model_id: UUID) -> None:
    """Raise NotFound if there is no such model."""
    if db.session.scalar(_EXISTS, {"model_id": model_id}) is None:
        raise missing()


def registering(repositories: Collection[str]) -> Sequence[Any]:
    """Return `id name repository storage_path register_tags` of the models with these repositories that register pushes.

    The repositories include their hosts, in lower case. Walks ix_models_register_tags.
    """
    columns = select(*shown(M, "id name repository storage_path register_tags"))
    asking = columns.where(NOT_DELETED, M.register_tags.is_not(None), literal_column(PULL_FROM).in_(list(repositories)))
    return db.session.execute(asking).all()


def missing() -> NotFound:
    return NotFound("There is no such model, or it was deleted. GET /api/v1/models lists all models.")


@cached_query
def listing(
    *,
    search: str | None = None,
    name: str | None = None,
    tag: str | None = None,
    filter: str | None = None,
    sort: str | None = None,
) -> Listing:
    """Return models, newest first: `search` is anywhere in name or description, `name` is exact and present or former.

    Both ignore case.

    `filter` and `sort` are texts (`filters.nouns` has the fields). Raises Misread.
    """
    models = _narrowed(_MODELS, search, tag, filter)
    if name is not None:
        models = models.where(named(name))
    if sort is None:
        return models
    in_order = models.sorted_by(filters.sort_keys(MODELS, sort), _MODELS.rows)
    return replace(in_order, asked=in_order.asked or "sort")


@cached_query
def cards(
    *, search: str | None = None, tag: str | None = None, filter: str | None = None, sort: str = "newest"
) -> Listing:
    """Return models as pages list them: without metadata, with their latest release and where they are live.

    `sort` is one of `SORTS`, the others are as in `listing`. Raises Misread.
    """
    return _narrowed(_SORTED[sort], search, tag, filter)


def search(words: str, limit: int) -> list[Any]:
    """Return the best matches as rows of `cards`.

    First come names that begin with the words, by name; then other names, and last descriptions, with them, newest
    first.
    """
    words = normal(words)
    begins = func.lower(M.name).startswith(words.lower(), autoescape=True)
    by_prefix = text("lower(models.name) USING ~<~")  # the order of ix_models_name_prefix
    rows = list(db.session.execute(_CARDS.rows.where(begins).order_by(by_prefix).limit(limit)))
    in_name, in_description = _contains(M.name, words), _contains(DESCRIPTION, words)
    groups = (
        (_Containing(words, None), (in_name, ~begins)),
        (_Containing(words, M.description), (in_description, ~in_name)),
    )
    for containing, conditions in groups:
        if len(rows) < limit:
            rest = containing.choose_from(_CARDS, *conditions)
            rows += list(rest.page(Page(limit - len(rows) - 1)))
    return rows


def _narrowed(models: Listing, search: str | None, tag: str | None, filter: str | None) -> Listing:
    conditions: list[ColumnElement[bool]] = []
    if tag is not None:
        conditions.append(M.tags.contains([tag]))
    if filter is not None:
        conditions.append(filters.condition(MODELS, filters.parse(filter)))
        models = replace(models, asked="filter")
    if not search:
        return models.where(*conditions)
    models = replace(models, asked=models.asked or "search")
    search = normal(search)
    contains = or_(_contains(M.name, search), _contains(DESCRIPTION, search))
    return _Containing(search, M.description).choose_from(models, contains, *conditions)


def _contains(column: Any, search: str) -> ColumnElement[bool]:
    return not_rare(column.icontains(search, autoescape=True))


class _Containing:
    """The models that contain every run of one to three characters of a text in their name or in `description`.

    An index on `catapult_grams` finds them (docs/decisions/0030). Not for each row: the function is slow for a long
    text.
    """

    def __init__(self, search: str, description: Any) -> None:
        grams = func.catapult_grams(M.name, null() if description is None else description)
        # Shorter runs would say nothing new of a longer search, and many models contain them.
        searched = func.catapult_trigrams(search, null()) if len(search) >= 3 else func.catapult_grams(search, null())
        self.condition: ColumnElement[bool] = grams.op("@>")(searched)
        ids = select(M.id).where(NOT_DELETED, self.condition).limit(FEW).scalar_subquery()
        read = select(func.array(ids, type_=ARRAY(Uuid)).label("ids")).cte()
        self.few = select(read.c.ids).scalar_subquery()
        self.count = select(func.cardinality(read.c.ids)).scalar_subquery()

    def choose_from(self, models: Listing, *conditions: ColumnElement[bool]) -> Listing:
        """Return the models that meet the conditions. One of these has to be that they contain the text."""
        chosen = models.where(*conditions).sorted_by(models.keys, models.rows)
        return replace(chosen, candidates=(self,), counted=lambda: chosen.rows.where(self.condition))


def named(name: str) -> ColumnElement[bool]:
    """Return whether the model has or had this name, case ignored."""
    condition: ColumnElement[bool] = M.id == id_of(name)
    return condition


def id_of(name: str) -> ScalarSelect[UUID]:
    """Return a subquery for the id of the model that has or had that name. It runs once, and keeps index orders usable."""
    return select(N.model_id).where(N.name == name.lower()).scalar_subquery()
