"""Events for versions that wait for approvals. They alone have no audit entry: no action causes them."""

import json

from sqlalchemy import text
from uuid_utils.compat import uuid7

from catapult import audit
from catapult.extensions import db
from catapult.queries import inbox
from catapult.tables import EventType

_WRITE = text(
    f"""
    WITH asked AS (
        INSERT INTO approval_requests (version_id, target)
        SELECT * FROM unnest(CAST(:versions AS uuid[]), CAST(:targets AS varchar[])) ON CONFLICT DO NOTHING
        RETURNING version_id, target
    )
    INSERT INTO events (id, type, data) SELECT event.id, '{EventType.APPROVAL_WANTED}', CAST(event.data AS jsonb)
    FROM unnest(CAST(:versions AS uuid[]), CAST(:targets AS varchar[]), CAST(:ids AS uuid[]), CAST(:data AS text[]))
        AS event (version_id, target, id, data) JOIN asked USING (version_id, target)
    """  # noqa: S608 - built from an enum
)


def write() -> None:
    """Write an event for each version and target that waits for approvals, unless it was written before."""
    if not inbox.any_gate_needs_approval():
        return
    waiting = inbox.waiting_for_anybody()
    data = [
        {
            "model": it.model_name,
            "version": it.version,
            "version_id": str(it.id),
            "target": it.target,
            "by": it.created_by,
        }
        for it in waiting
    ]
    values = {
        "versions": [it.id for it in waiting],
        "targets": [it.target for it in waiting],
        "ids": [uuid7() for _ in waiting],
        "data": [json.dumps(each) for each in data],
    }
    if waiting:
        with audit.bookkeeping():
            db.session.execute(_WRITE, values)
