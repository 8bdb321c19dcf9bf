"""gunicorn's thread worker, corrected where gunicorn 27.0 fails the tests named below. setup.cfg pins that version."""

import errno
import select
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from threading import Semaphore
from typing import Any

import structlog
from gunicorn import util
from gunicorn.workers.gthread import ThreadWorker

from catapult.web import metrics

TURN = 0.001
"""Seconds without accept() after each connection, so that another worker takes the next one of several that arrive at once."""
PAUSE = 1.0
"""Seconds without accept() after the worker ran out of file descriptors."""
LINGERING = 8
"""Connections that may wait for their client to close, each in a thread; further ones are closed at once."""
QUIET = 0.05
"""Seconds without a new connection after which the last one has arrived: a handshake takes a round trip."""
LAST_ACCEPT = 1.0
"""Seconds for which a stopping worker accepts at most."""
BEAT = 1.0
"""Seconds between two heartbeats; gunicorn kills a worker after 60 without one."""
log = structlog.get_logger("catapult")


class Worker(ThreadWorker):  # type: ignore[misc]
    """A gthread worker that keeps its loop free and loses no connection.

    Each method says which method of gunicorn it overrides, why, and when it can go.
    """

    sockets: list[Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.accept_after = self.beat_after = 0.0
        self.lingering = Semaphore(LINGERING)
        self.closers = ThreadPoolExecutor(LINGERING)  # starts its threads when it is used, after the fork

    def accept(self, listener: Any) -> None:
        """Leave the next connection to another worker, and pause for a second when no file descriptor is left.

        Overrides ThreadWorker.accept: there, the worker that wakes first takes every connection that waits, and EMFILE ends the
        worker and all requests in progress (tests/live/test_faults.py). Can go when gunicorn's loop survives EMFILE and
        ENFILE, and its workers share what arrives at once.
        """
        pause = TURN
        try:
            super().accept(listener)
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            log.warning("no more connections: raise the limit of open files", connections=self.nr_conns)
            pause = PAUSE
        self.accept_after = time.monotonic() + pause
        self.set_accept_enabled(False)

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Wait no longer than until connections are accepted again.

        Overrides ThreadWorker.wait_for_and_dispatch_events, which knows no pause. Can go when `accept` does.
        """
        pause = self.accept_after - time.monotonic()
        super().wait_for_and_dispatch_events(min(timeout, pause) if pause > 0 else timeout)

    def set_accept_enabled(self, enabled: bool) -> None:
        """Keep accept() off during a pause. When the worker stops, accept pending connections and close the listening sockets.

        Overrides ThreadWorker.set_accept_enabled: a stopping worker keeps the socket open without reading from it, so
        connections that arrive are reset at the end (tests/live/test_leaving.py). Can go when a stopping worker of
        gunicorn accepts what waits, then closes its sockets before it waits for requests in progress.
        """
        super().set_accept_enabled(enabled and self.alive and time.monotonic() >= self.accept_after)
        if not self.alive:
            self._accept_rest()

    def finish_request(self, conn: Any, fs: Any) -> None:
        """Close connections in another thread, so that the event loop does not wait.

        Overrides ThreadWorker.finish_request: it closes in the loop, and waits there up to 2 seconds for each client that
        leaves its end open (tests/live/test_malformed.py). Can go when gunicorn does not wait in its loop.
        """
        conn.close = partial(self._close, conn.sock)
        super().finish_request(conn, fs)

    def handle_quit(self, sig: int, frame: Any) -> None:
        """End at once, by SIGQUIT or Ctrl-C.

        Overrides ThreadWorker.handle_quit: it takes a lock of the thread pool, which the interrupted code may hold, for instance
        a first handler of the same signal. The worker then hangs until it is killed (tests/test_server.py). Can go when gunicorn
        takes no lock in a signal handler.
        """
        super(ThreadWorker, self).handle_quit(sig, frame)

    def notify(self) -> None:
        """Send the heartbeat and the number of database connections in use, once a second.

        Overrides Worker.notify: gunicorn calls it at each turn of the loop, several times a request. Can go when gunicorn has
        a hook that workers call at an interval.
        """
        if time.monotonic() >= self.beat_after:
            self.beat_after = time.monotonic() + BEAT
            super().notify()
            metrics.sample(self.app.app)

    def _accept_rest(self) -> None:
        give_up = time.monotonic() + LAST_ACCEPT
        for listener in self.sockets:
            with suppress(OSError):  # no file descriptor is left
                while time.monotonic() < give_up and select.select([listener], [], [], QUIET)[0]:
                    super().accept(listener)
            listener.close()
        self.sockets = []

    def _close(self, sock: Any, graceful: bool = False) -> None:
        """Close the connection; gracefully, wait up to 2 seconds for the client to read the answer and close its end.

        Without the wait, input that was not read resets the connection, and the end of the answer is lost.
        """
        if graceful and self.lingering.acquire(blocking=False):
            self.closers.submit(util.close_graceful, sock).add_done_callback(lambda _: self.lingering.release())
        else:
            util.close(sock)
