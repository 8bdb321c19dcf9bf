"""`/`: what is live, what is ready to promote, and the latest activity."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, g, request

from catapult.pages.parts import fragments, lists, verdicts
from catapult.pages.parts.page_request import page, requested_block
from catapult.queries import audit_logs, gates, live, metrics, rollbacks
from catapult.tables import RELEASE

blp = Blueprint("overview", __name__)
ENTRIES = 8
NEWER, READY, WAITING = 30, 6, 3
"""Versions ahead of their release: so many are judged, shown as ready, and shown as waiting for approvals."""

ROOM, CELL, EMPTY = 230_000, 340, 80
"""Characters of HTML for the matrix, for a cell without its texts, and for an empty cell."""


@blp.get("/")
@page()
def show() -> Response:
    """The overview. Its parts request themselves again every few seconds."""
    block = requested_block(*PARTS)
    parts = [PARTS[block]] if block else PARTS.values()
    context = {name: value for part in parts for name, value in part().items()}
    return fragments.whole_or(block, "overview/index.html", **context)


def matrix() -> dict[str, Any]:
    """Return what is live: one row a model, one column an environment."""
    found = live.matrix(live.ALL if "all" in request.args else live.MODELS)
    rows = lists.take_fitting_at_least_one(found.rows, ROOM, lambda row: _html_length(row, found.environments))
    if len(rows) < len(found.rows):
        found = found._replace(rows=rows, more=True)
    reasons = rollbacks.details(cell for row in rows for cell in row.values())
    return {"matrix": found, "rollbacks": reasons, "now": datetime.now(UTC), "last": found.last_stage}


def _html_length(row: dict[str, Any], environments: list[str]) -> int:
    """Return the characters of HTML of a row: up to two links a cell, and little for an empty one."""
    cells = sum(
        (CELL if cell.rollback_of is None else 3 * CELL)
        + len(cell.model_name)
        + 2 * lists.html_length(cell.version)
        + lists.html_length(cell.deployed_by)
        for cell in row.values()
    )
    empty = EMPTY * len(set(environments) - set(row)) + sum(map(len, environments))
    return CELL + 2 * len(next(iter(row.values())).model_name) + empty + cells


def ready() -> dict[str, Any]:
    """Return the newest versions ahead of their release that pass every gate, and how their main metric compares.

    `waiting` are a few versions that miss nothing but approvals.
    """
    newer = live.candidates(NEWER)
    judged = gates.verdicts([row.id for row in newer], RELEASE, g.actor.voice)
    panels = [(row, verdicts.panel(RELEASE, judged[UUID(row.id)])) for row in newer]
    candidates = [row for row, panel in panels if not panel.missing][:READY]
    return {
        "newer": newer,
        "candidates": candidates,
        "directions": {row.id: verdicts.directions(panel.verdicts) for row, panel in panels},
        "waiting": [(row, panel) for row, panel in panels if panel.waits_for_approval][:WAITING],
        "now": datetime.now(UTC),
        "mains": metrics.mains([(row.id, row.release_id) for row in candidates]),
    }


def activity() -> dict[str, Any]:
    """Return the latest entries of the audit log."""
    return {"entries": audit_logs.activity(ENTRIES)}


PARTS = {"live": matrix, "ready": ready, "activity": activity}
