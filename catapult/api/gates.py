"""`/api/v1/gates`, and the verdicts and approvals of a version."""

from typing import Any
from uuid import UUID

from flask import g

from catapult.actions import approvals
from catapult.actions import gates as actions
from catapult.api.wire import etags
from catapult.api.wire.blueprint import Blueprint
from catapult.api.wire.parameters import PageQuery, TargetQuery
from catapult.contract.control import ApprovalIn, ApprovalOut, GateEdit, GateIn, GateOut, VerdictOut
from catapult.errors import Conflict, Forbidden, NotFound, PreconditionFailed
from catapult.queries import environments, gates, versions
from catapult.queries.lists.paging import Listing
from catapult.rules.gates import Verdict
from catapult.tables import Approval, Gate, Role

blp = Blueprint("gates", __name__, url_prefix="/api/v1", description="Rules on the way to a target, and approvals")


@blp.get("/gates", Role.VIEWER)
@blp.arguments(PageQuery)
@blp.lists(GateOut)
def list_gates(_: dict[str, Any]) -> Listing:
    """List gates, newest first"""
    return gates.listing()


@blp.post("/gates", Role.ADMIN)
@blp.arguments(GateIn)
@blp.answers(201, GateOut, etag=True, location="/api/v1/gates/{id}")
def create_gate(body: dict[str, Any]) -> Gate:
    """Create a gate"""
    return actions.create(actor=g.actor, **body)


@blp.put("/gates/<uuid:gate_id>", Role.ADMIN)
@blp.arguments(GateEdit)
@blp.answers(200, GateOut, etag=True, refuses=(NotFound, PreconditionFailed))
def edit_gate(body: dict[str, Any], gate_id: UUID) -> Gate:
    """Change a gate"""
    return actions.edit(gate_id, body, actor=g.actor, expected=etags.expected())


@blp.delete("/gates/<uuid:gate_id>", Role.ADMIN)
@blp.deletes(refuses=(NotFound, PreconditionFailed))
def delete_gate(gate_id: UUID) -> None:
    """Delete a gate"""
    actions.delete(gate_id, actor=g.actor, expected=etags.expected())


@blp.get("/versions/<uuid:version_id>/gates", Role.VIEWER)
@blp.arguments(TargetQuery)
@blp.answers_each(VerdictOut, refuses=(NotFound,))
def list_verdicts(query: dict[str, Any], version_id: UUID) -> list[Verdict]:
    """List the verdicts of the gates on a version for a target"""
    versions.check(version_id)
    environments.check_target(query["target"].lower())
    return gates.verdicts([version_id], query["target"].lower(), g.actor.voice)[version_id]


@blp.post("/versions/<uuid:version_id>/approvals", Role.PUBLISHER)
@blp.arguments(ApprovalIn)
@blp.answers(201, ApprovalOut, refuses=(NotFound, Conflict))
def approve(body: dict[str, Any], version_id: UUID) -> Approval:
    """Approve a version for a target"""
    return approvals.create(version_id, actor=g.actor, **body)


@blp.delete("/versions/<uuid:version_id>/approvals/<uuid:approval_id>", Role.PUBLISHER)
@blp.deletes(refuses=(NotFound, Forbidden))
def withdraw_approval(version_id: UUID, approval_id: UUID) -> None:
    """Withdraw an approval"""
    approvals.withdraw(version_id, approval_id, actor=g.actor)
