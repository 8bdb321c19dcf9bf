"""The worker: a process that claims jobs from the queue and runs several at once, each in a thread."""

import os
import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar
from uuid import UUID

import structlog
from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from catapult import audit, reachability
from catapult.errors import Refusal
from catapult.extensions import THREADS, db
from catapult.jobs import queue
from catapult.jobs.kinds import KINDS
from catapult.jobs.queue import ClaimedJob, JobFailed

POLL = 0.25
"""Seconds between two polls of an empty queue."""
RENEW = queue.LEASE / 3
STOP = 25.0
"""Seconds that jobs may take after SIGTERM; longer ones are given back."""
DATABASE_PAUSE = 2.0
OFTEN = 60.0
"""Repeated jobs with at most this interval are run by `drain` even if they are not due."""
R = TypeVar("R")
log = structlog.get_logger("catapult")


class Worker:
    """Runs the jobs of these kinds until `stop` is called, or until the process `parent`, whose child it is, has ended."""

    def __init__(
        self,
        app: Flask,
        kinds: Collection[str] = tuple(KINDS),
        threads: int = THREADS - 1,
        parent: int | None = None,
    ) -> None:
        # One connection of the pool is left for the loop itself.
        self.app, self.kinds, self.threads = app, [kind for kind in KINDS if kind in kinds], threads
        self.parent = parent
        self.running: dict[UUID, ClaimedJob] = {}
        self.woken, self.stopping = threading.Event(), threading.Event()

    def stop(self) -> None:
        """Claim no more jobs. `run` returns when the running ones have ended, or after `STOP` seconds."""
        self.stopping.set()
        self.woken.set()

    def run(self) -> bool:
        """Work until `stop`. Return whether every job has ended. Others are given back and must not continue."""
        threading.Thread(target=self._watch, daemon=True).start()
        executor = ThreadPoolExecutor(self.threads, thread_name_prefix="job")
        renew_at = 0.0
        with self.app.app_context():
            self._retry(self._repeat)
            while not self.stopping.is_set() and self.parent in (None, os.getppid()):
                if time.monotonic() >= renew_at:
                    self._retry(lambda: queue.renew(list(self.running)))
                    renew_at = time.monotonic() + RENEW
                claimed = self._retry(self._claim) if len(self.running) < self.threads else None
                for job in claimed or ():
                    self.running[job.id] = job
                    executor.submit(self._run_in_thread, job)
                if not claimed:
                    self.woken.wait(POLL)
                    self.woken.clear()
            executor.shutdown(wait=False)
            return self._finish()

    def _watch(self) -> None:
        while not self.stopping.wait(1):
            reachability.end_silent_waits()

    def drain(self) -> None:
        """Run every due job, kind by kind, and each frequently repeated job once."""
        with self.app.app_context():
            for kind in self.kinds:
                self._make_due(kind)
                while due := queue.claim([kind], self.threads):
                    for job in due:
                        self._work(job)
                    if KINDS[kind].every is not None:
                        break

    def _make_due(self, kind: str) -> None:
        """Make a frequently repeated job due now. Other repeated jobs are added and run when they are due."""
        every = KINDS[kind].every
        if every is not None and every <= OFTEN:
            with audit.bookkeeping():
                queue.add(kind, [queue.REPEATED])
        elif every is not None:
            queue.repeat(kind)

    def _claim(self) -> list[ClaimedJob]:
        free = self.threads - len(self.running)
        claimed = queue.claim([kind for kind in self.kinds if KINDS[kind].at_once is None], free, self.running)
        for kind in self.kinds:
            at_once, free_now = KINDS[kind].at_once, free - len(claimed)
            if at_once is not None and free_now > 0:
                most = min(at_once - sum(job.kind == kind for job in list(self.running.values())), free_now)
                claimed += queue.claim([kind], most, self.running) if most > 0 else []
        return claimed

    def _repeat(self) -> None:
        for kind in self.kinds:
            if KINDS[kind].every is not None:
                queue.repeat(kind)

    def _retry(self, step: Callable[[], R]) -> R | None:
        """Return what the step returns; None, after a pause, if the database does not answer."""
        try:
            return step()
        except SQLAlchemyError as error:
            log.warning("the worker waits for the database", error=type(error).__name__)
            self.stopping.wait(DATABASE_PAUSE)
            return None
        finally:
            db.session.remove()

    def _run_in_thread(self, job: ClaimedJob) -> None:
        with self.app.app_context():
            self._work(job)
        del self.running[job.id]
        self.woken.set()

    def _work(self, job: ClaimedJob) -> None:
        """Run the job and record the result. If the database does not answer, the lease simply ends."""
        kind, began = KINDS[job.kind], time.monotonic()
        try:
            try:
                seconds = kind.run(job.key, job.payload)
            except Exception as error:
                db.session.rollback()
                self._record_failure(job, error)
            else:
                pause = kind.every if seconds is None else seconds
                queue.done(job) if pause is None else queue.again(job, pause)
        except SQLAlchemyError as error:
            log.warning("the end of a job was not recorded", kind=job.kind, error=type(error).__name__)
        finally:
            db.session.remove()
        log.debug("job", kind=job.kind, seconds=round(time.monotonic() - began, 3))

    def _record_failure(self, job: ClaimedJob, error: Exception) -> None:
        expected = isinstance(error, JobFailed | Refusal)
        message = str(error) if expected else type(error).__name__
        log.warning("a job failed", kind=job.kind, attempt=job.attempts, reason=message, exc_info=not expected)
        queue.failed(job, message, for_good=KINDS[job.kind].every is None and job.attempts >= queue.ATTEMPTS)

    def _finish(self) -> bool:
        """Wait for running jobs and give back those that take too long. Return True if all have ended."""
        deadline = time.monotonic() + STOP
        while self.running and time.monotonic() < deadline:
            self.woken.wait(POLL)
            self.woken.clear()
        late = list(self.running.values())
        for job in late:
            self._retry(partial(queue.give_back, job))
        return not late
