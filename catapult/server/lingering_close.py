"""The end of a connection: the client is given a while to read its answer and close its end, and nobody waits for that."""

import socket
import time
from collections import deque
from contextlib import suppress
from functools import partial
from selectors import EVENT_READ
from typing import Any

from gunicorn import util
from gunicorn.workers.gthread import ThreadWorker

LINGER = 2.0
MOST = 64 * 1024


class PartingWorker(ThreadWorker):  # type: ignore[misc]
    """gunicorn's worker of threads, which closes connections beside its work.

    gunicorn's own waits in its loop, up to two seconds for each client that leaves its end open: twenty such clients, with
    `Connection: close` or with what is no HTTP, and nobody is served for half a minute.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.parting: deque[Any] = deque()

    def finish_request(self, conn: Any, fs: Any) -> None:
        """The request is answered; the connection is kept, or begins to end."""
        conn.close = partial(self._close, conn)
        super().finish_request(conn, fs)

    def murder_keepalived(self, force: bool = False) -> None:
        """Connections whose time is over are closed, those that end too; all of them by force."""
        super().murder_keepalived(force)
        while self.parting and (force or self.parting[0].timeout < time.monotonic()):
            self._forget(self.parting[0])

    def _close(self, conn: Any, graceful: bool = False) -> None:
        if not graceful or not _is_open(conn):
            util.close(conn.sock)
            return
        if len(self.parting) >= self.cfg.threads // 2:  # few, so that a full worker takes others in
            self._forget(self.parting[0])
        self.nr_conns += 1  # until it is closed, and a worker that ends waits for it
        conn.timeout = time.monotonic() + LINGER
        self.parting.append(conn)
        self.poller.register(conn.sock, EVENT_READ, partial(self._look, conn))

    def _look(self, conn: Any, _: Any) -> None:
        if conn in self.parting and not _drain(conn):  # else it was closed for another one earlier in this round
            self._forget(conn)

    def _forget(self, conn: Any) -> None:
        self.parting.remove(conn)
        with suppress(OSError, KeyError, ValueError):
            self.poller.unregister(conn.sock)
        self.nr_conns -= 1
        util.close(conn.sock)


def _is_open(conn: Any) -> bool:
    """Whether the client still has its end open, once ours is closed. What it sends is read: else the answer could be cut."""
    conn.drained = 0
    try:
        conn.sock.setblocking(False)
        conn.sock.shutdown(socket.SHUT_WR)
    except OSError:
        return False
    return _drain(conn)


def _drain(conn: Any) -> bool:
    """What was sent so far is read. False if that was the last, or too much."""
    try:
        while conn.drained < MOST:
            read = len(conn.sock.recv(MOST))
            if not read:
                return False
            conn.drained += read
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False
