"""A registry to look at: half a year of a company's models, the same every time, up to now.

It is written at once and not by the actions, because each action gives its rows the current time.
"""

from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, insert, select, text

from catapult import audit
from catapult.actions import locks
from catapult.audit import CLI
from catapult.demo.plans import MODELS
from catapult.demo.rows import Registry
from catapult.errors import Conflict
from catapult.extensions import current_settings, db
from catapult.tables import RegisteredModel

TABLES = (
    *(
        "api_keys",
        "environments",
        "models",
        "versions",
        "metrics",
        "decisions",
        "deployments",
        "deployment_states",
        "gates",
        "comments",
        "audit_logs",
    ),
)
"""The tables that are filled, in an order that their foreign keys allow."""

STATES = """
UPDATE deployment_states SET at = coalesce(live_from, updated_at) FROM deployments
WHERE id = deployment_id AND deployment_states.status = deployments.status AND at <> coalesce(live_from, updated_at)
"""
"""SQL that sets when deployments reached their last state: the trigger took the time at which they began."""

# Until the transaction ends, nobody registers a model or fills the registry a second time.
_LOCK = text("LOCK TABLE models IN SHARE ROW EXCLUSIVE MODE")


def fill(now: datetime | None = None) -> dict[str, int]:
    """Fill the empty registry with the demo up to `now`, by default the database's time. Returns the counts of rows.

    Raises Conflict if the registry holds or ever held a model: the audit log keeps what is written into it for ever.
    """
    db.session.execute(_LOCK)
    if db.session.scalar(select(func.count()).select_from(RegisteredModel)):
        raise Conflict(
            "The demo fills only a registry that never held a model; set CATAPULT_HOME or DATABASE_URL to a new one."
        )
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for _, written in Registry(MODELS, (now or locks.now()).astimezone(UTC), current_settings().api_key_salt).events():
        for table, row in written:
            rows[table].append(row)
    used = {entry["api_key_id"]: entry["created_at"] for entry in rows["audit_logs"]}
    for key in rows["api_keys"]:
        key["last_used_at"] = used[key["id"]]
    for table in TABLES:
        db.session.execute(insert(db.metadata.tables[table]), rows[table])
    db.session.execute(text(STATES))
    counts = {table: len(rows[table]) for table in ("models", "versions", "deployments")}
    first = db.session.get_one(RegisteredModel, rows["models"][0]["id"])
    audit.commit(CLI, first, audit.entry("demo.fill", first, name=first.name, **counts))
    return counts
