"""`/api/v1/jobs`: what the worker has to do, and what failed."""

from typing import Any
from uuid import UUID

from flask import g

from catapult.actions import jobs as actions
from catapult.api.wire.blueprint import Blueprint
from catapult.api.wire.parameters import PageQuery
from catapult.contract.webhooks import JobOut, NoFields
from catapult.errors import Conflict, NotFound
from catapult.queries import jobs
from catapult.queries.lists.paging import Listing
from catapult.tables import Job, Role

blp = Blueprint("jobs", __name__, url_prefix="/api/v1/jobs", description="What the worker has to do")


@blp.get("", Role.ADMIN)
@blp.arguments(PageQuery)
@blp.lists(JobOut)
def list_jobs(_: dict[str, Any]) -> Listing:
    """List jobs that wait, run or have failed, newest first"""
    return jobs.listing()


@blp.post("/<uuid:job_id>/retry", Role.ADMIN)
@blp.arguments(NoFields)
@blp.answers(201, JobOut, refuses=(NotFound, Conflict))
def retry_job(_: dict[str, Any], job_id: UUID) -> Job:
    """Try a job again that has failed for good"""
    return actions.retry(job_id, actor=g.actor)
