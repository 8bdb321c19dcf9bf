"""Values in the registry, to complete a filter that somebody types."""

from typing import Any

from sqlalchemy import func, select, text

from catapult.extensions import db
from catapult.tables import RegisteredModel, Version

V: Any = Version.__table__.c
M: Any = RegisteredModel.__table__.c


def beginning(field: str, start: str, most: int) -> list[str]:
    """Return values of this field of versions that begin with `start`; none if no index finds them."""
    if field == "model_name":
        named = select(M.name).where(
            M.deleted_at.is_(None), func.lower(M.name).startswith(start.lower(), autoescape=True)
        )
        return list(db.session.scalars(named.order_by(text("lower(models.name) USING ~<~")).limit(most)))
    if field not in ("version", "tag", "digest") or not start:
        return []
    column = V[field]
    rows = select(column).where(V.deleted_at.is_(None), column.startswith(start, autoescape=True))
    rows = rows.order_by(text(f"versions.{field} USING ~<~")).limit(most * 10)
    return list(dict.fromkeys(db.session.scalars(rows)))[:most]
