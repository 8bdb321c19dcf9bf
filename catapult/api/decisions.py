"""`/api/v1/decisions`."""

from typing import Any
from uuid import UUID

from catapult.api.wire.blueprint import Blueprint
from catapult.contract.control import DecisionOut
from catapult.errors import NotFound
from catapult.queries import decisions
from catapult.tables import Role

blp = Blueprint(
    "decisions", __name__, url_prefix="/api/v1/decisions", description="What let releases and deployments through"
)


@blp.get("/<uuid:decision_id>", Role.VIEWER)
@blp.answers(200, DecisionOut, refuses=(NotFound,))
def get_decision(decision_id: UUID) -> Any:
    """Get a decision"""
    return decisions.get(decision_id)
