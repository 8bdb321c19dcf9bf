"""The audit log, newest first."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from unicodedata import normalize
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Text, Uuid, cast, func, lateral, literal, select, text, true, union_all

from catapult.extensions import db
from catapult.queries.lists.paging import Listing, Page, newest_first
from catapult.queries.lists.raw_columns import shown
from catapult.queries.lists.sorting import not_rare
from catapult.tables import Action, Approval, Artifact, AuditLog, Comment, Deployment, Kind, Version

A: Any = AuditLog.__table__.c
V: Any = Version.__table__.c
D: Any = Deployment.__table__.c
P: Any = Approval.__table__.c
C: Any = Comment.__table__.c
F: Any = Artifact.__table__.c

DAYS, MOST_A_DAY = 30, 500
"""The days that `counts_by_day` returns, and up to how many entries it counts of each."""

REMOVED = 1_000
"""The newest removals of files that `about_version` searches: only their entries name the file's version."""

QUIET = ("api_key.", "audit_key.", "audit_log.", "session.", "auth.", "demo.")
ACTIVITY = tuple(action for action in Action if not action.startswith(QUIET))
"""The actions that the overview's activity shows: what people did, without keys, sessions and refusals."""

COLUMNS = (
    "id action resource_type resource_id api_key_id api_key_name person_id person_name details ip_address request_id"
    " created_at"
)
_ENTRIES = Listing(select(*shown(A, COLUMNS)), newest_first(A.created_at, A.id))


def listing(
    *,
    action: str | None = None,
    resource_type: str | None = None,
    resource_id: UUID | None = None,
    api_key_name: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Listing:
    """Return entries, newest first, from `since` on and before `until`."""
    names = [] if api_key_name is None else _stored_names(api_key_name)
    most_selective_first = (
        (A.resource_id, resource_id),
        (A.api_key_name, names[0] if len(names) == 1 else None),
        (A.action, action),
        (A.resource_type, resource_type),
    )
    equal = [(column, value) for column, value in most_selective_first if value is not None]
    conditions: list[ColumnElement[bool]] = [column == value for column, value in equal[1:]]
    if len(names) > 1:
        conditions.append(A.api_key_name.in_(names))
    if since is not None:
        conditions.append(A.created_at >= since)
    if until is not None:
        conditions.append(A.created_at < until)
    return (_ENTRIES.with_leading_column(*equal[0]) if equal else _ENTRIES).where(*conditions)


def _stored_names(name: str) -> list[str]:
    """Return the key's name in the Unicode forms that entries have it in; unchanged if none has it.

    The index has names as they were sent, and sorts the entries of each name by time.
    """
    forms = list(dict.fromkeys([name, *(normalize(form, name) for form in ("NFC", "NFD"))]))
    if len(forms) == 1:
        return forms
    form = func.unnest(cast(forms, ARRAY(A.api_key_name.type))).column_valued("form")
    stored = select(form).where(select(A.id).where(A.api_key_name == form).exists())
    return list(db.session.scalars(stored)) or [name]


_BY_DAY = text(
    """
SELECT day::date, (
    SELECT count(*) FROM (
        SELECT FROM audit_logs WHERE created_at >= day AND created_at < day + interval '1 day' LIMIT :most
    ) AS counted
)
FROM generate_series(
    date_trunc('day', now(), 'UTC') - make_interval(days => :days - 1), now(), interval '1 day'
) AS day
ORDER BY day
"""
).bindparams(days=DAYS, most=MOST_A_DAY)


def counts_by_day() -> list[tuple[date, int]]:
    """Return the last `DAYS` days in UTC, oldest first, each with its number of entries, counted up to `MOST_A_DAY`."""
    return [(day, count) for day, count in db.session.execute(_BY_DAY)]


def about(model_id: UUID, names: Sequence[str]) -> Listing:
    """Return the entries about the model, by all its names, about its versions and what belongs to them, deleted ones too."""
    # A deleted model may have had the same name, so the entry's resource must belong to this model.
    model_of_version = select(V.model_id).where(V.id == A.resource_id).scalar_subquery()
    model_of_deployment = select(D.model_id).where(D.id == A.resource_id).scalar_subquery()
    approved = select(V.model_id).join(Approval.__table__, P.version_id == V.id).where(P.id == A.resource_id)
    model_of_approval = approved.scalar_subquery()
    commented = select(V.model_id).join(Comment.__table__, C.version_id == V.id).where(C.id == A.resource_id)
    model_of_comment = commented.scalar_subquery()
    version_of_file = cast(A.details["version_id"].astext, Uuid)  # the file itself may be gone
    model_of_file = (
        select(V.model_id).where(A.resource_type == Kind.ARTIFACT, V.id == version_of_file).scalar_subquery()
    )
    owners = (model_of_version, model_of_deployment, model_of_approval, model_of_comment, model_of_file)
    owner = func.coalesce(*owners, A.resource_id)
    model_name = func.catapult_entry_model(A.resource_type, A.details, type_=Text())
    if len(names) == 1:
        return _ENTRIES.with_leading_column(model_name, names[0]).where(not_rare(owner == model_id))
    return _ENTRIES.where(model_name.in_(names), owner == model_id)  # reads all entries of a model that was renamed


def about_version(version_id: UUID, limit: int) -> Sequence[Any]:
    """Return the newest entries about the version and its files, also removed ones if they are among the last `REMOVED`."""
    files = select(F.id).where(F.version_id == version_id).order_by(F.created_at.desc()).limit(limit)
    removals = select(A.resource_id, A.details["version_id"].astext.label("version_id"))
    last = removals.where(A.action == Action.ARTIFACT_DELETE).order_by(A.created_at.desc(), A.id.desc())
    removed = last.limit(REMOVED).subquery()
    gone = select(removed.c.resource_id).where(removed.c.version_id == str(version_id)).limit(limit)
    about = union_all(select(literal(version_id)), files, gone).subquery(name="about")
    newest = lateral(_ENTRIES.with_leading_column(A.resource_id, about.c[0]).query(Page(limit - 1))).alias("newest")
    query = select(newest).select_from(about).join(newest, true())
    return db.session.execute(query.order_by(newest.c.created_at.desc(), newest.c.id.desc()).limit(limit)).all()


def last_actor(resource_id: UUID) -> str:
    """Return who changed the resource last."""
    newest = (
        select(func.coalesce(A.person_name, A.api_key_name))
        .where(A.resource_id == resource_id)
        .order_by(*_ENTRIES.order())
    )
    return db.session.scalar(newest.limit(1)) or "somebody"


def activity(limit: int) -> Sequence[Any]:
    """Return the newest entries of `ACTIVITY`: what people did, without sign-ins and refusals.

    The newest of each action are read by an index, however many other entries are newer.
    """
    action = func.unnest(cast(list(ACTIVITY), ARRAY(A.action.type))).table_valued("name", name="activity")
    newest = lateral(_ENTRIES.with_leading_column(A.action, action.c.name).query(Page(limit - 1))).alias("newest")
    query = select(newest).select_from(action).join(newest, true())
    return db.session.execute(query.order_by(newest.c.created_at.desc(), newest.c.id.desc()).limit(limit)).all()
