"""`/api/v1/audit-logs`."""

from typing import Any

from catapult.api.wire.blueprint import Blueprint
from catapult.api.wire.parameters import AuditQuery
from catapult.contract.service import AuditOut
from catapult.queries import audit_logs
from catapult.queries.lists.paging import Listing
from catapult.tables import Role

blp = Blueprint(
    "audit-logs", __name__, url_prefix="/api/v1/audit-logs", description="Who did what, when and from where"
)


@blp.get("", Role.VIEWER)
@blp.arguments(AuditQuery)
@blp.lists(AuditOut)
def list_audit_logs(filters: dict[str, Any]) -> Listing:
    """List audit entries, newest first"""
    return audit_logs.listing(**filters)
