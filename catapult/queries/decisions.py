"""Decisions: one by its id, those about a version, and the newest about a release or a deployment."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, literal_column, select

from catapult.errors import NotFound
from catapult.extensions import db
from catapult.queries.lists.paging import Listing, newest_first
from catapult.queries.lists.raw_columns import as_json
from catapult.tables import Decision

D: Any = Decision.__table__.c

_NAMES = {"kind": "kind_", "freeze_reason": "freeze"}
_COLUMNS = [column.label(_NAMES.get(column.name, column.name)) for column in Decision.__table__.columns]
_DECISIONS = Listing(select(*_COLUMNS), newest_first(D.at, D.id))

_DOCUMENT = """jsonb_build_object(
    'id', decision.id, 'kind', decision.kind, 'at', to_char(decision.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    'by', decision.by, 'by_key_id', decision.by_key_id, 'by_person_id', decision.by_person_id,
    'version_id', decision.version_id, 'model_name', decision.model_name, 'version', decision.version,
    'target', decision.target, 'content', decision.content, 'reason', decision.reason, 'override', decision.override,
    'override_by_registrant', decision.override_by_registrant,
    'verdicts', decision.verdicts, 'approvals', decision.approvals, 'freeze', decision.freeze_reason)"""
HASHED = f"""
SELECT document, encode(sha256(convert_to(CAST(document AS text), 'UTF8')), 'hex') AS sha256
FROM {{decisions}} AS decision CROSS JOIN LATERAL (SELECT {_DOCUMENT} AS document) AS documents
"""  # noqa: S608 - built from constants
"""The document and the hash of each row of `decisions`, which has the columns of that table."""
AS_JSON = "document || jsonb_build_object('sha256', sha256)"
"""What `HASHED` selects, as `GET /decisions/{id}` answers it."""
_OF_DEPLOYMENT = f"{HASHED.format(decisions='decisions')} WHERE decision.id = deployments.decision_id"
OF_DEPLOYMENT: ColumnElement[Any] = as_json(
    literal_column(f"(SELECT {AS_JSON} FROM ({_OF_DEPLOYMENT}) AS hashed)")  # noqa: S608 - built from constants
).label("decision")
"""The whole decision of a deployment as JSON, as `GET /decisions/{id}` answers it; looked up for the rows of a page."""


def get(decision_id: UUID) -> Any:
    """Return the decision as a plain row. Raises NotFound."""
    row = of_ids([decision_id]).get(decision_id)
    if row is None:
        raise NotFound("There is no such decision. GET /api/v1/versions/{id}/decisions lists those about a version.")
    return row


def of_ids(decision_ids: Iterable[Any]) -> dict[UUID, Any]:
    """Return `{id: decision}` of those of these ids that exist; None and repeated ids are left out."""
    ids = {UUID(str(decision_id)) for decision_id in decision_ids if decision_id is not None}
    if not ids:
        return {}
    return {row.id: row for row in db.session.execute(_DECISIONS.rows.where(D.id.in_(list(ids))))}


def of_version(version_id: UUID) -> Listing:
    """Return the decisions about the version, newest first."""
    return _DECISIONS.where(D.version_id == version_id)
