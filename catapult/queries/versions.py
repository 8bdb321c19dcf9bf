"""Versions: one by its id, the latest of a model, and lists of them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Text, any_, bindparam, func, literal, literal_column, select

from catapult.errors import NotFound
from catapult.extensions import db
from catapult.filters import conditions as filters
from catapult.filters import nouns
from catapult.filters.fields import has_any
from catapult.filters.tree import Node
from catapult.queries import aliases, artifacts, image_checks
from catapult.queries.lists import prepared
from catapult.queries.lists.paging import Listing, cached_query, newest_first
from catapult.queries.lists.raw_columns import shown
from catapult.queries.registered_models import CALLED, id_of
from catapult.tables import Deployment, RegisteredModel, Version, VersionStatus, is_live

M: Any = RegisteredModel.__table__.c
V: Any = Version.__table__.c
D: Any = Deployment.__table__.c

NOT_DELETED = V.deleted_at.is_(None)
LIVE_IN: ColumnElement[Any] = func.array(
    select(D.environment)
    .where(D.release_id == V.id, is_live())
    .order_by(D.environment)
    .correlate(Version.__table__)
    .scalar_subquery(),
    type_=ARRAY(Text),
).label("live_in")
"""The environments where a version is live, by name."""

_LISTED: tuple[Any, ...] = (
    *shown(V, "id model_id"),
    *(M[name].label(f"model_{name}") for name in ("name", "repository", "storage_path")),
    *shown(V, "version number tag tags digest source size_bytes platform quantization ceph_path status"),
    *shown(V, "released_at released_by decision_id override"),
    V.released_at.is_not(None).label("is_release"),
    LIVE_IN,
    aliases.OF_VERSION,
    image_checks.OF_VERSION,
    *shown(V, "created_by created_at updated_at counter"),
)
_WITH_MODEL = (
    select(*_LISTED).join_from(Version.__table__, RegisteredModel.__table__, M.id == V.model_id).where(NOT_DELETED)
)
_VERSIONS = Listing(_WITH_MODEL.add_columns(*shown(V, "metadata release_notes")), newest_first(V.created_at, V.id))
_SHORT = replace(_VERSIONS, rows=_WITH_MODEL)
_BY_ID = _VERSIONS.rows.where(V.id == bindparam("version_id"))
_OF_MODEL = _VERSIONS.rows.where(V.model_id == CALLED)
_EXISTS = select(V.id).where(NOT_DELETED, V.id == bindparam("version_id"))

Order = Literal["created", "semver"]


def get(version_id: UUID) -> Any:
    """Return the version as a plain row. Raises NotFound."""
    row = prepared.one_or_none(_BY_ID, {"version_id": version_id})
    if row is None:
        raise missing()
    return row


def of_ids(version_ids: Sequence[UUID]) -> list[Any]:
    """Return these versions as plain rows, in the same order. Raises NotFound, which names a missing one."""
    rows = {row.id: row for row in db.session.execute(_VERSIONS.rows.where(V.id.in_(list(version_ids))))}
    if lost := next((version_id for version_id in version_ids if str(version_id) not in rows), None):
        raise NotFound(f"There is no version with the id {lost}, or it was deleted.")
    return [rows[str(version_id)] for version_id in version_ids]


def named(model_name: str, version: str) -> Any:
    """Return this version of this model as a plain row, with its `files` for `artifacts.read`. Raises NotFound."""
    query = _OF_MODEL.where(V.version == version).add_columns(artifacts.OF_PAGE)
    row = db.session.execute(query, {"name": model_name.lower()}).one_or_none()
    if row is None:
        raise missing_named(model_name, version)
    return row


def identify(model_name: str, version: str) -> Any:
    """Return `id status is_release` of this version of this model. Raises NotFound."""
    columns = (V.id, V.status, V.released_at.is_not(None).label("is_release"))
    query = select(*columns).where(NOT_DELETED, V.model_id == id_of(model_name), V.version == version)
    row = db.session.execute(query).one_or_none()
    if row is None:
        raise missing_named(model_name, version)
    return row


def is_there(model_id: UUID, version: str) -> bool:
    """Return whether the model has this version."""
    query = select(V.id).where(NOT_DELETED, V.model_id == model_id, V.version == version)
    return db.session.scalar(query) is not None


def missing_named(model_name: str, version: str) -> NotFound:
    return NotFound(f"There is no version {version} of {model_name}, or it was deleted.")


def compared(model_name: str, names: Sequence[str]) -> list[Any]:
    """Return these versions of the model in the same order, as whole rows with metadata. Missing ones are left out."""
    query = _OF_MODEL.where(V.version.in_(list(names)))
    rows = {row.version: row for row in db.session.execute(query, {"name": model_name.lower()})}
    return [rows[name] for name in dict.fromkeys(names) if name in rows]


def released(model_id: Any) -> Any | None:
    """Return the model's newest release that is not archived, as a plain row; None if it has none."""
    query = _VERSIONS.rows.where(V.model_id == model_id, _released(True), V.status == VersionStatus.ACTIVE.value)
    return db.session.execute(query.order_by(*_SHORT.order()).limit(1)).one_or_none()


def check(version_id: UUID) -> None:
    """Raise NotFound if there is no such version."""
    if db.session.scalar(_EXISTS, {"version_id": version_id}) is None:
        raise missing()


def missing() -> NotFound:
    return NotFound("There is no such version, or it was deleted. GET /api/v1/versions lists all versions.")


@cached_query
def listing(*, whole: bool = True, filter: str | None = None, sort: str | None = None, **narrowed: Any) -> Listing:
    """Return versions, newest first. `narrowed` is as in `_conditions`.

    `filter` and `sort` are texts (`filters.nouns` has the fields). Without `whole`, rows lack metadata and notes.
    Raises Misread.
    """
    versions = _VERSIONS if whole else _SHORT
    listing = versions.where(*_conditions(**narrowed))
    if filter is None and sort is None:
        return listing
    model = _model(narrowed.get("model_id"), narrowed.get("model_name"))
    node = None if filter is None else filters.parse(filter)
    if model is None and node is not None:
        model = filters.named_model(node)
    keys = versions.keys if sort is None else filters.sort_keys(nouns.versions(model), sort)
    sorted_rows = listing.sorted_by(keys, versions.rows)
    if node is None:
        return replace(sorted_rows, asked="sort")
    return replace(_filtered(sorted_rows, node, model), asked="filter")


def _conditions(
    *,
    model_id: UUID | None = None,
    model_name: str | None = None,
    version: str | None = None,
    tag: str | None = None,
    tags: str | None = None,
    digest: str | None = None,
    is_release: bool | None = None,
    status: str | None = None,
    environment: str | None = None,
    created_after: datetime | None = None,
    created_before: datetime | None = None,
) -> list[ColumnElement[bool]]:
    """Return the conditions. `tags` is one label, `environment` is where a version is live, and both times are exclusive."""
    equal = {V.model_id: model_id, V.version: version, V.tag: tag, V.digest: digest, V.status: status}
    conditions: list[ColumnElement[bool]] = [column == value for column, value in equal.items() if value is not None]
    if tags is not None:
        conditions.append(has_any(V.tags, [tags]))
    if model_name is not None:
        conditions.append(V.model_id == id_of(model_name))
    if is_release is not None:
        conditions.append(_released(is_release))
    if environment is not None:
        conditions.append(_live_in(environment, _model(model_id, model_name)))
    if created_after is not None:
        conditions.append(V.created_at > created_after)
    if created_before is not None:
        conditions.append(V.created_at < created_before)
    return conditions


def _model(model_id: UUID | None, model_name: str | None) -> Any:
    return id_of(model_name) if model_id is None and model_name is not None else model_id


def _filtered(listing: Listing, node: Node, model: Any) -> Listing:
    """Return the part of a sorted list that passes the filter."""
    in_order = listing.keys[0].expression is V.created_at  # then the page follows an index and ends early
    noun = nouns.versions(model, in_order)
    chosen = listing.where(filters.condition(noun, node))

    def counted() -> Any:
        return listing.rows.where(filters.condition(nouns.versions(model), node))

    return replace(chosen, candidates=filters.candidates(noun, node), counted=counted if in_order else None)


def latest(
    model_name: str,
    *,
    environment: str | None = None,
    alias: str | None = None,
    is_release: bool | None = None,
    order: Order = "created",
) -> Any:
    """Return the model's newest version that is not archived, or the highest by number. Raises NotFound.

    At most one version has an alias, or is live in an environment.
    """
    query = _latest(environment is not None, alias is not None, is_release, order)
    values = {"name": model_name.lower(), "environment": environment, "alias": alias}
    row = prepared.one_or_none(query, values)
    if row is None and alias is not None:
        raise NotFound(f"No version of a model {model_name!r} matches that has the alias {alias}.")
    if row is None:
        raise NotFound(
            f"No version of a model {model_name!r} matches; archived ones are left out. "
            "GET /api/v1/versions?model_name=… lists its versions."
        )
    return row


def set_aside(
    model_name: str, *, environment: str | None = None, alias: str | None = None, is_release: bool | None = None
) -> int:
    """Return how many versions `latest` by number ignores because their names are not numbers; 1,000 at most."""
    query = _set_aside(environment is not None, alias is not None, is_release)
    return int(db.session.scalar(query, {"name": model_name.lower(), "environment": environment, "alias": alias}))


@cache
def _latest(in_environment: bool, by_alias: bool, is_release: bool | None, order: Order) -> Any:
    """Return the query for `name`, `environment` and `alias`. Each variant is built once: deploy scripts ask often."""
    highest = (V.semver_key.desc().nulls_last(),) if order == "semver" else ()
    conditions = _considered(in_environment, by_alias, is_release)
    return _OF_MODEL.where(*conditions).order_by(*highest, *_VERSIONS.order()).limit(literal_column("1"))


@cache
def _set_aside(in_environment: bool, by_alias: bool, is_release: bool | None) -> Any:
    conditions = _considered(in_environment, by_alias, is_release)
    rows = select(V.id).where(V.model_id == CALLED, NOT_DELETED, V.semver_key.is_(None), *conditions)
    return select(func.count()).select_from(rows.limit(literal_column("1000")).subquery())


def _considered(in_environment: bool, by_alias: bool, is_release: bool | None) -> list[ColumnElement[bool]]:
    # The status and the limits are literals, so that one prepared plan fits.
    conditions: list[ColumnElement[bool]] = [V.status == literal(VersionStatus.ACTIVE.value, literal_execute=True)]
    if in_environment:
        conditions.append(_live_in(bindparam("environment"), CALLED))
    if by_alias:
        conditions.append(aliases.is_pointed_at(bindparam("alias"), CALLED))
    if is_release is not None:
        conditions.append(_released(is_release))
    return conditions


def _released(wanted: bool) -> ColumnElement[bool]:
    released: ColumnElement[bool] = V.released_at.is_not(None)
    return released if wanted else ~released


def _live_in(environment: Any, model: Any) -> ColumnElement[bool]:
    """Return whether the version is live there, by an array of ids that is read first. A join might read every version.

    With a model the array has at most one id.
    """
    live = select(D.release_id).where(D.place == func.lower(environment), is_live())
    live = live if model is None else live.where(D.model_id == model)
    condition: ColumnElement[bool] = V.id == any_(func.array(live.scalar_subquery(), type_=ARRAY(V.id.type)))
    return condition
