"""`/`: what is live, what is ready to promote, what happened."""

from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, request

from catapult.pages import fragments
from catapult.pages.door import asked, page
from catapult.queries import audit_logs, live, metrics

blp = Blueprint("overview", __name__)
ENTRIES = 8


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
    return {"matrix": found, "now": datetime.now(UTC), "last": found.environments[-1] if found.environments else None}


def ready() -> dict[str, Any]:
    """The newest versions that are ahead of their model's release, with their main number beside the release's."""
    candidates = live.candidates()
    return {
        "candidates": candidates,
        "now": datetime.now(UTC),
        "mains": metrics.mains([(row.id, row.release_id) for row in candidates]),
    }


def activity() -> dict[str, Any]:
    """The last things that happened."""
    return {"entries": audit_logs.activity(ENTRIES)}


PARTS = {"live": matrix, "ready": ready, "activity": activity}
