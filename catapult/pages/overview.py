"""`/`: what is live, what is ready to promote, what happened."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, g, request

from catapult.pages.parts import fragments, lists, verdicts
from catapult.pages.parts.page_request import asked, page
from catapult.queries import audit_logs, gates, live, metrics, rollbacks
from catapult.tables import RELEASE

blp = Blueprint("overview", __name__)
ENTRIES = 8
NEWER, READY, WAITING = 30, 6, 3
"""Versions ahead of their model's release: so many are asked about, shown as ready, and shown as missing approvals alone."""

ROOM, CELL, NONE = 230_000, 340, 80
"""Characters of HTML for what is live, for a cell beside its texts, and for one without anything."""


@blp.get("/")
@page()
def show() -> Response:
    """The overview, whose parts ask for themselves again every few seconds."""
    part = asked(*PARTS)
    said = PARTS[part]() if part else {name: value for make in PARTS.values() for name, value in make().items()}
    return fragments.whole_or(part, "overview/index.html", **said)


def matrix() -> dict[str, Any]:
    """What is live, a row a model and a column an environment."""
    found = live.matrix(live.ALL if "all" in request.args else live.MODELS)
    rows = list(lists.within(found.rows, ROOM, lambda row: _letters(row, found.environments))) or found.rows[:1]
    if len(rows) < len(found.rows):
        found = found._replace(rows=rows, more=True)
    told = rollbacks.told(it for row in found.rows for it in row.values())
    return {"matrix": found, "told": told, "now": datetime.now(UTC), "last": found.end}


def _letters(row: dict[str, Any], places: list[str]) -> int:
    """What a row of the matrix takes: two links a cell at most, and little where nothing is."""
    cells = sum(
        (CELL if it.rollback_of is None else 3 * CELL)
        + len(it.model_name)
        + 2 * lists.text_letters(it.version)
        + lists.text_letters(it.deployed_by)
        for it in row.values()
    )
    empty = NONE * len(set(places) - set(row)) + sum(map(len, places))
    return CELL + 2 * len(next(iter(row.values())).model_name) + empty + cells


def ready() -> dict[str, Any]:
    """The newest versions that are ahead of their model's release and pass every gate, with their main number beside its.

    And a few of those that miss nothing but approvals, `waiting`.
    """
    newer = live.candidates(NEWER)
    said = gates.verdicts([row.id for row in newer], RELEASE, g.actor.key_id)
    panels = [(row, verdicts.panel(RELEASE, said[UUID(row.id)])) for row in newer]
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
    """The last things that happened."""
    return {"entries": audit_logs.activity(ENTRIES)}


PARTS = {"live": matrix, "ready": ready, "activity": activity}
