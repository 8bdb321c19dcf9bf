"""`/`: what is live, what is ready to promote, and the latest activity."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import structlog
from flask import Blueprint, Response, g, request
from sqlalchemy.exc import SQLAlchemyError

from catapult.actions import week_figures as actions
from catapult.extensions import db
from catapult.pages.parts import figures as drawn
from catapult.pages.parts import first_steps, fragments, pipeline, verdicts
from catapult.pages.parts.days import by_day
from catapult.pages.parts.needs import Need, most_urgent
from catapult.pages.parts.page_request import page, requested_block
from catapult.queries import audit_logs, gates, inbox, live, needs, week_figures
from catapult.queries import first_steps as steps_so_far
from catapult.tables import RELEASE, Role
from catapult.web import auth

log = structlog.get_logger("catapult")
blp = Blueprint("overview", __name__)
ENTRIES = 8
NEWER, WAITING = 30, 3
"""Versions ahead of their release: so many are judged, and shown as waiting for somebody else's approvals."""


@blp.get("/")
@page()
def show() -> Response:
    """The overview. Its parts request themselves again every few seconds."""
    block = requested_block(*PARTS)
    parts = [PARTS[block]] if block else PARTS.values()
    context = {name: value for part in parts for name, value in part().items()}
    response = fragments.whole_or(block, "overview/index.html", **context)
    if "counted" in context:
        _keep(context["counted"])
    return response


def _keep(counted: week_figures.Figures) -> None:
    """Keep the weeks that are over. A failure, as of a database that is read-only, is logged and does not fail the page."""
    try:
        actions.save(counted)
    except SQLAlchemyError as error:
        db.session.rollback()
        log.warning("a week's figures were not kept", error=type(error).__name__, request_id=auth.request_id())


def figures() -> dict[str, Any]:
    """Return the figures of twelve weeks."""
    counted = week_figures.recent()
    return {"counted": counted, "figures": drawn.figures(counted)}


def matrix() -> dict[str, Any]:
    """Return the pipeline: one row a model, one column an environment, with what is live, under way and failed."""
    live_now = live.matrix(live.ALL if "all" in request.args else live.MODELS)
    attempts = {(it.model_id, it.place): it for it in _needs() if it.kind != "frozen"}
    start = {} if live_now.rows else first_release()
    return {"matrix": live_now, "pipeline": pipeline.rows(live_now, attempts), "now": datetime.now(UTC), **start}


def first_release() -> dict[str, Any]:
    """Return the steps to the first release; none once something was live, even if a step was left out."""
    done = steps_so_far.done(g.actor.key_id)
    if done.deployment:
        return {}
    language = first_steps.language(request.args.get("language"))
    steps = first_steps.steps(done, request.root_url + "api", language)
    return {"steps": steps, "language": language, "languages": first_steps.LANGUAGES}


def ready() -> dict[str, Any]:
    """Return what waits for the person who looks: approvals, promotions, failed and overdue deployments, ends of freezes.

    `waiting` are a few versions that miss nothing but approvals which this person cannot give.
    """
    newer = live.candidates(NEWER)
    asked = inbox.candidates(g.actor) if g.actor.role.holds(Role.PUBLISHER) else []
    ids = dict.fromkeys([*(UUID(row.id) for row in newer), *(row.id for row in asked)])
    judged = gates.verdicts_everywhere(ids, g.actor.voice)
    panels = [(row, verdicts.panel(RELEASE, judged[UUID(row.id)].get(RELEASE, []))) for row in newer]
    approvals = inbox.of_candidates(g.actor, asked, judged)
    mine = {str(row.id) for row in approvals if row.target == RELEASE}
    everything = [
        *(Need(row.kind, row) for row in _needs() if row.kind != "under way"),
        *(Need("approve", row, verdicts.panel(row.target, row.verdicts)) for row in approvals),
        *(Need("promote", row, panel) for row, panel in panels if not panel.missing and may_promote()),
    ]
    shown = most_urgent(everything)
    waiting = [(row, panel) for row, panel in panels if panel.waits_for_approval and row.id not in mine]
    return {
        "held": sum(bool(panel.missing) for _, panel in panels),
        "needs": shown,
        "needed": len(everything),
        "waiting": waiting[:WAITING],
        "now": datetime.now(UTC),
    }


def _needs() -> list[Any]:
    """Return `needs.needs`, read once a request."""
    if "needs" not in g:
        g.needs = needs.needs()
    rows: list[Any] = g.needs
    return rows


def may_promote() -> bool:
    """Return whether the person who looks may promote versions."""
    return bool(g.actor.role.holds(Role.RELEASER))


def activity() -> dict[str, Any]:
    """Return the latest entries of the audit log, by day."""
    return {"days": by_day(audit_logs.activity(ENTRIES))}


PARTS = {"figures": figures, "live": matrix, "ready": ready, "activity": activity}
