"""Versions: one by id, the latest of a model, and lists of them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache, lru_cache
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Text, any_, bindparam, func, literal, literal_column, select

from catapult.errors import NotFound
from catapult.extensions import db
from catapult.filters import conditions as filters
from catapult.filters.nouns import VERSIONS
from catapult.queries.lists import prepared
from catapult.queries.lists.paging import KEPT as KEPT_LISTS
from catapult.queries.lists.paging import Listing
from catapult.queries.lists.raw_columns import as_text, raw
from catapult.queries.registered_models import id_of
from catapult.tables import Deployment, RegisteredModel, Version, VersionStatus, is_live

M: Any = RegisteredModel.__table__.c
V: Any = Version.__table__.c
D: Any = Deployment.__table__.c

KEPT = V.deleted_at.is_(None)
LIVE_IN: ColumnElement[Any] = func.array(
    select(D.environment)
    .where(D.release_id == V.id, is_live())
    .order_by(D.environment)
    .correlate(Version.__table__)
    .scalar_subquery(),
    type_=ARRAY(Text),
).label("live_in")
"""The environments a version is live in, in order of name."""

_COLUMNS: tuple[Any, ...] = (
    as_text(V.id),
    as_text(V.model_id),
    M.name.label("model_name"),
    M.repository.label("model_repository"),
    M.storage_path.label("model_storage_path"),
    V.version,
    V.tag,
    V.digest,
    V.size_bytes,
    V.platform,
    V.quantization,
    V.release_notes,
    V.ceph_path,
    raw(V.metadata),
    V.status,
    V.released_at.is_not(None).label("is_release"),
    V.released_at,
    V.released_by,
    LIVE_IN,
    V.created_by,
    V.created_at,
    V.updated_at,
    V.counter,
)
_VERSIONS = Listing(
    select(*_COLUMNS).join_from(Version.__table__, RegisteredModel.__table__, M.id == V.model_id).where(KEPT),
    V.created_at,
    V.id,
)
_LISTED = (
    select(*(column for column in _COLUMNS if column.key not in ("metadata_", "release_notes")))
    .join_from(Version.__table__, RegisteredModel.__table__, M.id == V.model_id)
    .where(KEPT)
)
_BY_ID = _VERSIONS.rows.where(V.id == bindparam("version_id"))
_BY_NAME = _VERSIONS.rows.where(
    V.model_id == select(M.id).where(M.deleted_at.is_(None), func.lower(M.name) == bindparam("name")).scalar_subquery(),
)
_EXISTS = select(V.id).where(KEPT, V.id == bindparam("version_id"))

Order = Literal["created", "semver"]
NEWEST_FIRST = "-created_at"


def get(version_id: UUID) -> Any:
    """That version, as a plain row. Raises NotFound."""
    row = prepared.one_or_none(_BY_ID, {"version_id": version_id})
    if row is None:
        raise missing()
    return row


def of_ids(version_ids: Sequence[UUID]) -> list[Any]:
    """Those versions, as plain rows, in the order they are named in. Raises NotFound, naming one that is not there."""
    found = {row.id: row for row in db.session.execute(_VERSIONS.rows.where(V.id.in_(list(version_ids))))}
    if gone_one := next((one for one in version_ids if str(one) not in found), None):
        raise NotFound(f"There is no version with the id {gone_one}, or it was deleted.")
    return [found[str(one)] for one in version_ids]


def named(model_name: str, version: str) -> Any:
    """That version of that model, as a plain row. Raises NotFound."""
    rows = compared(model_name, [version])
    if not rows:
        raise gone(model_name, version)
    return rows[0]


def identify(model_name: str, version: str) -> Any:
    """`id status is_release` of that version of that model. Raises NotFound."""
    columns = (V.id, V.status, V.released_at.is_not(None).label("is_release"))
    query = select(*columns).where(KEPT, V.model_id == id_of(model_name), V.version == version)
    found = db.session.execute(query).one_or_none()
    if found is None:
        raise gone(model_name, version)
    return found


def gone(model_name: str, version: str) -> NotFound:
    return NotFound(f"There is no version {version} of {model_name}, or it was deleted.")


def release_count(model_id: Any) -> int:
    """How many releases the model has."""
    return db.session.scalar(select(func.count()).where(KEPT, V.model_id == model_id, _released(True))) or 0


def compared(model_name: str, names: Sequence[str]) -> list[Any]:
    """Those of these versions that the model has, in the order they are named in; whole rows, metadata too."""
    query = _BY_NAME.where(V.version.in_(list(names)))
    found = {row.version: row for row in db.session.execute(query, {"name": model_name.lower()})}
    return [found[name] for name in dict.fromkeys(names) if name in found]


def released(model_id: Any) -> Any | None:
    """The model's newest release that is not archived, as a plain row without metadata; None if it has none."""
    query = _LISTED.where(V.model_id == model_id, _released(True), V.status == VersionStatus.ACTIVE.value)
    return db.session.execute(query.order_by(V.created_at.desc(), V.id.desc()).limit(1)).one_or_none()


def check(version_id: UUID) -> None:
    """Nothing, if there is such a version. Raises NotFound."""
    if db.session.scalar(_EXISTS, {"version_id": version_id}) is None:
        raise missing()


def missing() -> NotFound:
    return NotFound("There is no such version, or it was deleted. GET /api/v1/versions lists those there are.")


@lru_cache(maxsize=KEPT_LISTS)
def listing(
    *,
    whole: bool = True,
    model_id: UUID | None = None,
    model_name: str | None = None,
    version: str | None = None,
    tag: str | None = None,
    digest: str | None = None,
    is_release: bool | None = None,
    status: str | None = None,
    environment: str | None = None,
    created_after: datetime | None = None,
    created_before: datetime | None = None,
    filter: str | None = None,
    sort: str | None = None,
) -> Listing:
    """Versions newest first; `environment` is one they are live in, the two times are exclusive.

    `filter` and `sort` are texts as people write them (`filters.nouns` has the fields). Not `whole`: without metadata and
    notes, which a list for people does not show. Kept for what is asked again, since a filter takes long to build. Raises
    Misread, which is Invalid, for a filter or an order.
    """
    equal: dict[Any, Any] = {
        V.model_id: model_id,
        V.version: version,
        V.tag: tag,
        V.digest: digest,
        V.status: status,
    }
    conditions: list[ColumnElement[bool]] = [column == value for column, value in equal.items() if value is not None]
    if model_name is not None:
        conditions.append(V.model_id == id_of(model_name))
    if is_release is not None:
        conditions.append(_released(is_release))
    if environment is not None:
        conditions.append(_live_in(environment, model_id if model_name is None else id_of(model_name)))
    if created_after is not None:
        conditions.append(V.created_at > created_after)
    if created_before is not None:
        conditions.append(V.created_at < created_before)
    versions = _VERSIONS if whole else replace(_VERSIONS, rows=_LISTED)
    found = versions.where(*conditions)
    if filter is not None:
        model = model_id if model_id is not None else id_of(model_name) if model_name is not None else None
        found = _filtered(found, filter, model, walked=sort in (None, NEWEST_FIRST))
    if filter is None and sort is None:
        return found
    return found.sorted_by(filters.order(VERSIONS, NEWEST_FIRST if sort is None else sort), versions.rows)


def _filtered(found: Listing, text: str, model: Any, walked: bool) -> Listing:
    """The part that the filter chooses. Only a list that is walked along its index gains by the choice's condition."""
    choice = filters.choice(text, model)
    if not walked:
        return replace(found.where(filters.of(VERSIONS, text)), few=choice.few)

    def counted() -> Any:
        return found.rows.where(filters.of(VERSIONS, text))

    return replace(found.where(choice.condition), few=choice.few, counted=counted)


def latest(
    model_name: str,
    *,
    environment: str | None = None,
    is_release: bool | None = None,
    order: Order = "created",
) -> Any:
    """The newest version of that model that is not archived, or the highest by SemVer. Raises NotFound."""
    query = _latest(environment is not None, is_release, order)
    row = prepared.one_or_none(query, {"name": model_name.lower(), "environment": environment})
    if row is None:
        raise NotFound(
            f"No version of a model {model_name!r} matches; archived ones are left out. "
            "GET /api/v1/versions?model_name=… lists what there is."
        )
    return row


@cache
def _latest(in_environment: bool, is_release: bool | None, order: Order) -> Any:
    """The query for `name` and `environment`; there are twelve, built once each: every deploy script asks for the latest."""
    kept = (M.deleted_at.is_(None), func.lower(M.name) == bindparam("name"))
    # What never changes is written out: a plan for any limit would not be worth keeping.
    active = literal(VersionStatus.ACTIVE.value, literal_execute=True)
    model = select(M.id).where(*kept).scalar_subquery()
    conditions = [V.model_id == model, V.status == active]
    if in_environment:
        conditions.append(_live_in(bindparam("environment"), model))
    if is_release is not None:
        conditions.append(_released(is_release))
    highest = (V.semver_key.desc().nulls_last(),) if order == "semver" else ()
    return (
        _VERSIONS.where(*conditions)
        .rows.order_by(*highest, V.created_at.desc(), V.id.desc())
        .limit(literal_column("1"))
    )


def _released(wanted: bool) -> ColumnElement[bool]:
    released: ColumnElement[bool] = V.released_at.is_not(None)
    return released if wanted else ~released


def _live_in(environment: Any, model: Any) -> ColumnElement[bool]:
    """An array, found first: at most one version a model, where a join might walk every version for them.

    Of one model, if there is one, it is one row, however many models are live there.
    """
    live = select(D.release_id).where(D.place == func.lower(environment), is_live())
    live = live if model is None else live.where(D.model_id == model)
    found: ColumnElement[bool] = V.id == any_(func.array(live.scalar_subquery(), type_=ARRAY(V.id.type)))
    return found
