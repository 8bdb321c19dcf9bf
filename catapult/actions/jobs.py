"""Try a job again that failed for good."""

from uuid import UUID

from sqlalchemy import select

from catapult import audit
from catapult.actions import locks
from catapult.audit import Actor
from catapult.errors import Conflict
from catapult.extensions import db
from catapult.queries import jobs
from catapult.tables import Job, JobState, Role


def retry(job_id: UUID, *, actor: Actor) -> Job:
    """Make the job due now, with as many attempts as a new one. Raises NotFound, Forbidden, and Conflict unless it has failed."""
    actor.needs(Role.ADMIN)
    actor.bounds.check_everything("jobs")
    query = select(Job).where(Job.id == job_id)
    job = db.session.scalar(query.with_for_update().execution_options(populate_existing=True))
    if job is None:
        raise jobs.missing()
    if job.state != JobState.FAILED:
        raise Conflict("This job is tried again by itself.")
    job.state, job.attempts, job.run_at = JobState.OPEN, 0, locks.now()
    return audit.commit(actor, job, audit.entry("job.retry", job, name=job.kind_, key=job.key))
