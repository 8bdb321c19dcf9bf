"""`/api/v1/audit-logs`."""

from typing import Any
from uuid import UUID

from catapult.api.wire.blueprint import Blueprint
from catapult.api.wire.parameters import AuditQuery, ConsistencyQuery
from catapult.contract.service import AuditOut, CheckpointOut, ConsistencyOut, ProofOut, SigningKeyOut
from catapult.errors import Conflict, NotFound
from catapult.queries import audit_logs, audit_seals
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


@blp.get("/checkpoint", Role.VIEWER)
@blp.answers(200, CheckpointOut, refuses=(NotFound,))
def get_checkpoint() -> Any:
    """Get the newest checkpoint of the sealed log"""
    return audit_seals.checkpoint()


@blp.get("/key", Role.VIEWER)
@blp.answers(200, SigningKeyOut, refuses=(NotFound,))
def get_signing_key() -> Any:
    """Get the public key of the checkpoints"""
    return audit_seals.key()


@blp.get("/<uuid:entry_id>/proof", Role.VIEWER)
@blp.answers(200, ProofOut, refuses=(NotFound, Conflict))
def get_proof(entry_id: UUID) -> Any:
    """Prove that the newest checkpoint contains an entry"""
    return audit_seals.proof(entry_id)


@blp.get("/consistency", Role.VIEWER)
@blp.arguments(ConsistencyQuery)
@blp.answers(200, ConsistencyOut, refuses=(NotFound, Conflict))
def get_consistency(query: dict[str, int]) -> Any:
    """Prove that the log begins with an earlier state of it"""
    return audit_seals.consistency(query["from"], query["to"])
