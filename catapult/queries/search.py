"""The search at the top of every page: models by any part, and versions, tags and digests by their beginning."""

import re
from typing import Any, NamedTuple

from sqlalchemy import Select, select, text

from catapult.extensions import db
from catapult.queries import registered_models
from catapult.queries.lists.raw_columns import as_text
from catapult.tables import RegisteredModel, Version

M: Any = RegisteredModel.__table__.c
V: Any = Version.__table__.c

EACH = 8
"""The most hits of each kind."""

BARE_DIGEST = re.compile(r"[0-9a-f]{4,64}")
_VERSIONS: Select[Any] = (
    select(as_text(V.id), M.name.label("model_name"), V.version, V.tag, V.digest, V.released_at, V.created_at)
    .join_from(Version.__table__, RegisteredModel.__table__, M.id == V.model_id)
    .where(V.deleted_at.is_(None))
    .limit(EACH)
)


class Hits(NamedTuple):
    """Rows that match, by kind."""

    models: list[Any]
    versions: list[Any]
    tags: list[Any]
    digests: list[Any]

    @property
    def any(self) -> bool:
        return any(self)


def search(words: str) -> Hits:
    """Return up to `EACH` hits of each kind, none for an empty text. A digest matches with and without `sha256:`."""
    if not words:
        return Hits([], [], [], [])
    models = registered_models.search(words, EACH)
    bare = f"sha256:{words.lower()}" if BARE_DIGEST.fullmatch(words.lower()) else words
    return Hits(models, _beginning(V.version, words), _beginning(V.tag, words), _beginning(V.digest, bare))


def _beginning(column: Any, words: str) -> list[Any]:
    """Return versions in the order of the index that finds them. An order by time would sort all that match."""
    query = _VERSIONS.where(column.startswith(words, autoescape=True)).order_by(
        text(f"versions.{column.name} USING ~<~")
    )
    return list(db.session.execute(query))
