"""`/jobs`: what the worker has to do, and what failed."""

from uuid import UUID

from flask import Blueprint, Response, g, url_for

from catapult.actions import jobs as actions
from catapult.pages.parts import fragments, lists
from catapult.pages.parts.page_request import page, requested_block
from catapult.queries import jobs
from catapult.tables import Role

blp = Blueprint("jobs", __name__)
LIST = "jobs/index.html"
KINDS = {
    "thaw": "End freezes whose time is over",
    "ask": "Tell who waits for approvals",
    "dispatch": "Write the deliveries of new events",
    "deliver": "Send events to a receiver",
    "seal": "Seal the audit log",
    "checkpoint": "Tell the newest checkpoint of the audit log",
    "sweep": "Delete what is over",
}


@blp.get("/jobs")
@page(Role.ADMIN)
def index() -> Response:
    """Every job that waits, runs or has failed, newest first."""
    part = lists.part(jobs.listing())
    return fragments.whole_or(requested_block("list", "more"), LIST, part=part, depth=jobs.depth(), kinds=KINDS)


@blp.post("/jobs/<uuid:job_id>/-/retry")
@page(Role.ADMIN)
def retry(job_id: UUID) -> Response:
    """Try a job again that failed for good."""
    actions.retry(job_id, actor=g.actor)
    return fragments.go(url_for(".index"), "It is tried again.")
