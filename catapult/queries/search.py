"""The search at the top of every page.

Models match by any part of name or description; versions, tags and digests by their beginning; a model and a version
together, `bert 2.5`; environments and keys by any part of their name. Each part reads only the rows that it shows, except for
the few environments and the newest keys.
"""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Select, lateral, literal, literal_column, or_, select, text, true, union_all

from catapult.extensions import db
from catapult.filters.operators import normalized
from catapult.queries import environments, registered_models
from catapult.queries.lists.paging import Page
from catapult.queries.lists.raw_columns import as_text
from catapult.rules.normal_text import normal
from catapult.rules.semver import semver_prefix
from catapult.tables import ApiKey, RegisteredModel, Version, VersionStatus

M: Any = RegisteredModel.__table__.c
V: Any = Version.__table__.c
K: Any = ApiKey.__table__.c

EACH = 8
"""The most hits of each kind."""

NEWEST_KEYS = 300
"""The keys whose names are searched: there is no index for a part of a name."""

BARE_DIGEST = re.compile(r"[0-9a-f]{4,64}")
MODEL_AND_VERSION = re.compile(r"(.*\S)(?:\s+|\s*[:@]\s*)(?:[vV](?=\d))?(\S*\d\S*)")
_COLUMNS = (as_text(V.id), V.version, V.tag, V.digest, V.released_at.is_not(None).label("is_release"))
_VERSIONS: Select[Any] = (
    select(*_COLUMNS, M.name.label("model_name"))
    .join_from(Version.__table__, RegisteredModel.__table__, M.id == V.model_id)
    .where(V.deleted_at.is_(None))
    .limit(EACH)
)


class Hits(NamedTuple):
    """Rows that match, by kind."""

    models: Sequence[Any] = ()
    versions: Sequence[Any] = ()
    tags: Sequence[Any] = ()
    digests: Sequence[Any] = ()
    environments: Sequence[Any] = ()
    keys: Sequence[Any] = ()


def search(words: str, with_keys: bool = False) -> Hits:
    """Return up to `EACH` hits of each kind, none for an empty text. A digest matches with and without `sha256:`.

    If a model and a version are named together, the hits are its versions, without the model.
    """
    if not words:
        return Hits()
    words = normal(words)
    keys = _keys(words) if with_keys else ()
    both = MODEL_AND_VERSION.fullmatch(words)
    if both and (versions := _of_models(_models(both[1]), both[2])):
        return Hits(versions=versions, keys=keys)
    models = registered_models.search(words, EACH)
    if " " in words:
        return Hits(models, keys=keys)
    return Hits(models, *_beginning(words), _environments(words), keys)


def _models(words: str) -> list[Any]:
    """Return the models that match. Exact matches come first, with or without the part before a slash."""
    exact = words.lower()
    return sorted(
        registered_models.search(words, EACH), key=lambda row: not f"/{row.name.lower()}".endswith(f"/{exact}")
    )


def _beginning(words: str) -> tuple[list[Any], list[Any], list[Any]]:
    """Return the versions whose name, tag or digest begins with the words, each in the order of its index.

    An order by time would have to sort all matches.
    """
    bare = f"sha256:{words.lower()}" if BARE_DIGEST.fullmatch(words.lower()) else words
    kinds = {"version": words, "tag": words, "digest": bare}
    parts = [
        _VERSIONS.add_columns(literal(name).label("kind"))
        .where(V[name].startswith(prefix, autoescape=True))
        .order_by(text(f"versions.{name} USING ~<~"))
        for name, prefix in kinds.items()
    ]
    rows = db.session.execute(union_all(*(part.subquery().select() for part in parts))).all()
    versions, tags, digests = ([row for row in rows if row.kind == name] for name in kinds)
    return versions, tags, digests


def _of_models(models: Sequence[Any], version: str) -> list[Any]:
    """Return the versions of these models with that name, or active SemVer versions that begin with it, the highest first.

    A `v` before it is ignored. Walks the indexes of a model's versions by name and by SemVer.
    """
    if not models:
        return []
    named = or_(V.version == version, V.version == f"v{version}")
    parts = [_columns_of_model().where(named).limit(2)]
    prefix = semver_prefix(version)
    if prefix:
        begins = or_(*(V.version.startswith(start, autoescape=True) for start in (version, f"v{version}")))
        active = V.status == literal_column(f"'{VersionStatus.ACTIVE.value}'")
        in_range = _columns_of_model().where(active, V.semver_key.startswith(prefix), begins, ~named)
        highest = (V.semver_key.desc().nulls_last(), V.created_at.desc(), V.id.desc())
        parts.append(in_range.order_by(*highest).limit(EACH))
    matches = lateral(union_all(*(part.subquery().select() for part in parts))).alias("matches")
    query = select(M.name.label("model_name"), *matches.c).join_from(RegisteredModel.__table__, matches, true())
    rows = db.session.execute(query.where(M.id.in_([UUID(model.id) for model in models])))
    order = {model.name: position for position, model in enumerate(models)}
    return sorted(rows, key=lambda row: order[row.model_name])[:EACH]


def _columns_of_model() -> Select[Any]:
    return select(*_COLUMNS).where(V.deleted_at.is_(None), V.model_id == M.id).correlate(RegisteredModel.__table__)


def _environments(words: str) -> list[Any]:
    named = environments.listing().where(environments.E.place.contains(words.lower(), autoescape=True))
    return list(named.page(Page(EACH)))[:EACH]


def _keys(words: str) -> list[Any]:
    """Return the keys, among the newest, whose name contains the words."""
    newest = select(as_text(K.id), K.name, K.prefix, K.role, K.created_at).order_by(K.created_at.desc(), K.id.desc())
    rows = newest.limit(NEWEST_KEYS).subquery()
    named = or_(
        normalized(rows.c.name).icontains(words, autoescape=True), rows.c.prefix.startswith(words, autoescape=True)
    )
    return list(db.session.execute(select(rows).where(named).order_by(rows.c.created_at.desc()).limit(EACH)))
