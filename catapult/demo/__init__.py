"""A registry to look at: half a year of a company's models, the same every time, up to now.

It is written as the actions would have written it, but at once: each of them gives its rows the time of the moment.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, insert, select, text

from catapult import audit
from catapult.actions import locks
from catapult.audit import CLI
from catapult.demo.rows import rows
from catapult.errors import Conflict
from catapult.extensions import db
from catapult.tables import AuditLog, Deployment, Environment, Gate, Metric, RegisteredModel, Version

# Nobody registers a model, nor fills the registry a second time, between the look at it and the end of this.
_LOCK = text("LOCK TABLE models IN SHARE ROW EXCLUSIVE MODE")


def fill(now: datetime | None = None) -> dict[str, int]:
    """The empty registry holds the demo, up to `now` (by default the database's); returns how many rows of what.

    Raises Conflict where there is a model, or was one: what is written into the audit log stays there for ever.
    """
    db.session.execute(_LOCK)
    if db.session.scalar(select(func.count()).select_from(RegisteredModel)):
        raise Conflict(
            "The demo fills only a registry that never held a model; set CATAPULT_HOME or DATABASE_URL to a new one."
        )
    made = rows((now or locks.now()).astimezone(UTC))
    _insert(RegisteredModel, made.models)
    _insert(Version, made.versions)
    _insert(Metric, made.metrics)
    _insert(Environment, made.environments)
    _insert(Deployment, made.deployments)
    _insert(Gate, made.gates)
    _insert(AuditLog, made.entries)
    counts = {"models": len(made.models), "versions": len(made.versions), "deployments": len(made.deployments)}
    first = db.session.get_one(RegisteredModel, made.models[0]["id"])
    audit.commit(CLI, first, audit.entry("demo.fill", first, name=first.name, **counts))
    return counts


def _insert(table: Any, values: list[dict[str, Any]]) -> None:
    """The rows as they are: through the tables, so that no default of the ORM replaces a time."""
    db.session.execute(insert(table.__table__), values)
