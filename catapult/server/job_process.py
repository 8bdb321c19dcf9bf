"""The worker that runs beside gunicorn's workers with the embedded database, in one process of its own."""

import ctypes
import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import structlog
from flask import Flask

from catapult.extensions import db
from catapult.jobs.worker import STOP, Worker

NAME = b"catapult-jobs"
"""As `ps` and `top` show the process, which has the command line of `flask up`."""
PR_SET_NAME = 15  # Linux; Python has no name for it
SIGNALS = (
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGWINCH,
    signal.SIGTTIN,
    signal.SIGTTOU,
)
"""What gunicorn's arbiter handles, and this process must not."""
log = structlog.get_logger("catapult")


class JobProcess:
    """A child of the arbiter that runs jobs, and is started again if it dies."""

    def __init__(self, app: Flask) -> None:
        self.app, self.pid = app, 0

    def keep_running(self, listeners: Iterable[Any]) -> None:
        """Start the process unless it runs. `listeners` are sockets that it must not hold open."""
        if self._runs():
            return
        if self.pid:
            log.error("the worker died; starting it again", pid=self.pid)
        owner = os.getpid()
        self.pid = os.fork()
        if self.pid:
            return
        try:
            for listener in listeners:
                listener.close()
            if hasattr(ctypes.CDLL(None), "prctl"):
                ctypes.CDLL(None).prctl(PR_SET_NAME, NAME)
            serve(self.app, owner)
        finally:
            os._exit(0)

    def stop(self) -> None:
        """Ask the process to end."""
        with suppress(ProcessLookupError):
            if self.pid:
                os.kill(self.pid, signal.SIGTERM)

    def join(self) -> None:
        """Wait for the process to end; kill it if it takes too long."""
        give_up = time.monotonic() + STOP + 3
        while self._runs():
            if time.monotonic() > give_up:
                os.kill(self.pid, signal.SIGKILL)
            time.sleep(0.02)

    def _runs(self) -> bool:
        with suppress(ChildProcessError):  # gunicorn reaps every child of this process
            return bool(self.pid) and os.waitpid(self.pid, os.WNOHANG) == (0, 0)
        return False


def serve(app: Flask, parent: int | None = None, kinds: Iterable[str] | None = None) -> None:
    """Run jobs until SIGTERM or Ctrl-C, or until the process `parent`, whose child this is, is gone."""
    with app.app_context():
        db.engine.dispose(close=False)
    worker = Worker(app, parent=parent) if kinds is None else Worker(app, tuple(kinds), parent=parent)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop())
    for number in SIGNALS if parent else ():
        signal.signal(number, signal.SIG_DFL if number == signal.SIGQUIT else signal.SIG_IGN)
    if not worker.run():
        os._exit(0)  # what still runs was given back, and its threads would keep this process
