"""gunicorn's arbiter, the process that starts and stops the workers.

It also starts the processes for files and, with the embedded PostgreSQL, the worker of jobs, and each again if it dies.
"""

import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import structlog
from gunicorn import arbiter

from catapult.embedded import Embedded
from catapult.jobs.worker import STOP
from catapult.server import file_process, job_process
from catapult.server.child_process import ChildProcess
from catapult.server.drain import refuse_new_connections
from catapult.server.handover import Handover

RETRY = 1.0
"""Seconds after a failed start of PostgreSQL before the next."""
log = structlog.get_logger("catapult")


class Arbiter(arbiter.Arbiter):  # type: ignore[misc]
    """An arbiter with a database. Each method says which method of gunicorn it overrides, why, and when it can go."""

    def __init__(
        self, app: Any, database: Embedded | None, handover: Handover | None, transfers: Sequence[int]
    ) -> None:
        """`transfers` has, for each process for files, how many files it may transfer at a time."""
        super().__init__(app)
        self.database = database
        self.restart_pid = 0
        self.children: list[ChildProcess] = []
        if database:
            jobs = partial(job_process.serve, app.app)
            self.children.append(ChildProcess(job_process.NAME, jobs, STOP + 3))
        if not handover:
            return
        for most in transfers:
            files = partial(file_process.serve, app.app, self.cfg, handover, most)
            self.children.append(ChildProcess(file_process.NAME, files, file_process.STOP + 3))

    def stop(self, graceful: bool = True) -> None:
        """Refuse new connections before the workers stop, give up a restart of PostgreSQL, and stop the other children.

        Overrides Arbiter.stop: connections that arrive between the workers' last accept() and the close of the socket are
        reset (tests/live/test_leaving.py). Can go when gunicorn loses no connection in a graceful stop.
        """
        if graceful and not (self.systemd or self.reexec_pid or self.master_pid):  # no other process listens there
            for listener in self.LISTENERS:
                refuse_new_connections(listener)
        if self._is_restarting():
            os.kill(self.restart_pid, signal.SIGTERM)
        for process in self.children:
            process.stop()
        super().stop(graceful)
        for process in self.children:
            process.join()

    def murder_workers(self) -> None:
        """Restart PostgreSQL and the other children if they died.

        Overrides Arbiter.murder_workers, which gunicorn calls at each turn of its loop, at least once a second. Can go
        when gunicorn has a hook for that.
        """
        super().murder_workers()
        if self.database and not self._is_restarting() and not self.database.alive():
            log.error("the embedded PostgreSQL died; starting it again")
            self._restart(self.database)
        for process in self.children:
            process.keep_running(self.LISTENERS)

    def _restart(self, database: Embedded) -> None:
        """Start PostgreSQL in a child process, which may take a minute; the loop goes on and replaces workers meanwhile.

        Not in a thread: a worker that is forked while a thread holds a lock inherits that lock and waits for it for ever.
        """
        self.restart_pid = os.fork()
        if self.restart_pid:
            return
        try:
            signal.signal(signal.SIGTERM, lambda *_: sys.exit())
            for listener in self.LISTENERS:
                listener.close()
            database.start()
        except Exception as error:  # whatever it is, this process must not return into the arbiter's loop
            log.warning("the embedded PostgreSQL did not start; trying again", reason=str(error))
            time.sleep(RETRY)
        finally:
            os._exit(0)

    def _is_restarting(self) -> bool:
        with suppress(ChildProcessError):  # gunicorn reaps every child of this process
            if self.restart_pid and os.waitpid(self.restart_pid, os.WNOHANG) == (0, 0):
                return True
        self.restart_pid = 0
        return False
