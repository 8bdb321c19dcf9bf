"""A child of the arbiter beside gunicorn's workers, which is restarted if it dies."""

import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog

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
"""The signals that gunicorn's arbiter handles and a child must not."""
ENDING = (signal.SIGTERM, signal.SIGINT)
"""The signals that end a child at once, until it has handlers of its own. Those of the arbiter would only note them."""
STUCK = 1.0
"""Seconds after which a process that has exited but still exists is stuck in the kernel."""
log = structlog.get_logger("catapult")


class ChildProcess:
    """A process that `ps` and `top` show by that name; its command line is that of `flask up`.

    `run` gets the arbiter's process id, and returns after SIGTERM, or once the arbiter is gone.
    """

    def __init__(self, name: bytes, run: Callable[[int], None], patience: float) -> None:
        self.name, self.run, self.patience, self.pid = name, run, patience, 0

    def keep_running(self, listeners: Iterable[Any]) -> None:
        """Start the process unless it runs. `listeners` are sockets that it must not hold open."""
        if self._runs():
            return
        if self.pid:
            log.error(f"{self.name.decode()} died; starting it again", pid=self.pid)
        owner = os.getpid()
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)  # one that arrives in between waits, and is not noted
        self.pid = os.fork()
        if self.pid:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
            return
        try:
            for number in ENDING:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
            for listener in listeners:
                listener.close()
            if hasattr(ctypes.CDLL(None), "prctl"):
                ctypes.CDLL(None).prctl(PR_SET_NAME, self.name)
            for number in SIGNALS:
                signal.signal(number, signal.SIG_DFL if number == signal.SIGQUIT else signal.SIG_IGN)
            self.run(owner)
        finally:
            os._exit(0)

    def stop(self) -> None:
        """Ask the process to end."""
        with suppress(ProcessLookupError):
            if self.pid:
                os.kill(self.pid, signal.SIGTERM)

    def join(self) -> None:
        """Wait for the process to end; kill it after `patience` seconds, and do not wait then: a hanging mount may block it."""
        deadline = time.monotonic() + self.patience
        while self._runs():
            if self._has_exited():  # except for threads, which end at once unless stuck in the kernel
                deadline = min(deadline, time.monotonic() + STUCK)
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
                return
            time.sleep(0.02)

    def _has_exited(self) -> bool:
        """Return whether the main thread has ended. False on systems other than Linux."""
        with suppress(OSError):
            return Path(f"/proc/{self.pid}/stat").read_text().rpartition(") ")[2].startswith("Z")
        return False

    def _runs(self) -> bool:
        with suppress(ChildProcessError):  # gunicorn reaps every child of this process
            return bool(self.pid) and os.waitpid(self.pid, os.WNOHANG) == (0, 0)
        return False
