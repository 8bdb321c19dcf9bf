"""A gunicorn worker whose threads wait for no client. docs/decisions/0040 says why it is not gunicorn's own `gthread`.

One loop accepts connections, reads requests and sends answers, with a deadline for each. A request is handed to a thread
once it has arrived completely. The thread parses it with gunicorn's parser, runs the application and stores what the client
does not read at once. Of gunicorn it uses the base class of workers, the parser, and `gunicorn.http.wsgi`; it overrides
`run` alone. setup.cfg pins the version.
"""

import errno
import os
import select
import selectors
import socket
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import structlog
from gunicorn import http, util
from gunicorn.http import wsgi
from gunicorn.workers import base

from catapult import reachability
from catapult.server.answer import answer
from catapult.server.connection import PATIENCE, Connection, State
from catapult.server.framing import MOST_HEAD
from catapult.server.handover import is_of_files
from catapult.web import metrics

TURN = 0.001
"""Seconds without accept() after each connection, so that another worker takes the next one of several that arrive at once."""
PAUSE = 1.0
"""Seconds without accept() after the worker ran out of file descriptors."""
QUIET = 0.05
"""Seconds without a new connection after which the last one has arrived: a handshake takes a round trip."""
LAST_ACCEPT = 1.0
"""Seconds for which a stopping worker accepts at most."""
BEAT = 1.0
"""Seconds between two heartbeats and two looks at the deadlines; gunicorn kills a worker after 60 without a heartbeat."""
LINGER = 2.0
"""Seconds in which a client may read the last answer and close its end, and in which a stopping worker accepts requests."""
MOST_DISCARDED = 16 * 1024 * 1024
"""The most bytes that are read from a client after its last answer, so that it gets that answer and not a reset."""
MOST_RECEIVED, LARGE = 64 * 1024 * 1024, 64 * 1024
"""The most bytes of incomplete requests; above it, the oldest large one is refused."""
ALL_UNSENT, LEAST_UNSENT = 192 * 1024 * 1024, 48 * 1024 * 1024
"""The most bytes of answers that all workers store for slow clients, and what each may store at least."""
IN_KERNEL = 256 * 1024
"""Bytes that the kernel stores for a client. By itself it stores up to 4 MiB, which nothing here counts."""
READ = 64 * 1024
log = structlog.get_logger("catapult")


def _in_large_parts(file: Any, _: int) -> wsgi.FileWrapper:
    """Return the file's content in parts of 256 KiB, where Werkzeug asks for 8: each part takes the interpreter's lock."""
    return wsgi.FileWrapper(file, 256 * 1024)


class Worker(base.Worker):  # type: ignore[misc]
    """A worker with threads. `connections` has every connection that it accepted and that is open."""

    alive: bool
    sockets: list[Any]

    def run(self) -> None:
        """Serve until `alive` is false, then answer what has been accepted, for `graceful_timeout` at most."""
        self.connections: set[Connection] = set()
        self.finished = deque[tuple[Connection, bool]]()
        self.pool = ThreadPoolExecutor(self.cfg.threads)
        self.poller = selectors.DefaultSelector()
        self.poller.register(self.PIPE[0], selectors.EVENT_READ, self._collect)
        self.accept_after = self.beat_after = 0.0
        self.is_accepting, self.keepalive = False, float(self.cfg.keepalive)
        self.most_unsent = max(LEAST_UNSENT, ALL_UNSENT // self.cfg.workers)
        while self.alive and self.ppid == os.getppid():
            self._set_accepting(self._may_accept())
            self._turn(max(0.0, self.accept_after - time.monotonic()) or BEAT)
        self.alive = False
        self._stop()

    def _turn(self, seconds: float) -> None:
        """Wait for events, at most so long, and handle them."""
        now = time.monotonic()
        if now >= self.beat_after:
            self.beat_after = now + BEAT
            self.notify()
            metrics.sample(self.app.app)
            reachability.end_silent_waits()
            self._end_overdue(now)
        for key, _ in self.poller.select(min(seconds, BEAT)):
            if not isinstance(key.data, Connection):
                key.data(key.fileobj)
            elif key.data in self.connections:  # not closed earlier in this turn
                self._continue(key.data)

    def _continue(self, connection: Connection) -> None:
        if connection.state is State.SENDING:
            self._send(connection)
        elif connection.state is State.CLOSING:
            self._discard(connection)
        else:
            self._receive(connection)

    # --- accept

    def _may_accept(self) -> bool:
        """Return whether there is room for a connection, or one that can be reset."""
        if time.monotonic() < self.accept_after:
            return False
        has_room = len(self.connections) < self.cfg.worker_connections
        return has_room or any(each.state is not State.WORKING for each in self.connections)

    def _set_accepting(self, wanted: bool) -> None:
        if wanted == self.is_accepting:
            return
        for listener in self.sockets:
            if wanted:
                listener.setblocking(False)
                self.poller.register(listener, selectors.EVENT_READ, self._accept)
            else:
                self.poller.unregister(listener)
        self.is_accepting = wanted

    def _accept(self, listener: Any) -> None:
        """Accept a connection and leave the next one to another worker. Pause for a second when no file descriptor is left."""
        pause = TURN
        try:
            self._take(listener)
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            log.warning("no more connections: raise the limit of open files", connections=len(self.connections))
            pause = PAUSE
        self.accept_after = time.monotonic() + pause

    def _take(self, listener: Any) -> None:
        """Accept a connection. If there are too many, reset the one that has waited longest for its client."""
        try:
            sock, client = listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # another worker took it, or the client has gone
        if len(self.connections) >= self.cfg.worker_connections:
            waiting = [each for each in self.connections if each.state is not State.WORKING]
            if waiting:
                self._reset(min(waiting, key=lambda each: each.since))
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, IN_KERNEL)
        connection = Connection(sock, client, listener.getsockname())
        self.connections.add(connection)
        self.poller.register(sock, selectors.EVENT_READ, connection)

    # --- read a request

    def _receive(self, connection: Connection) -> None:
        try:
            data = connection.sock.recv(READ)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
            connection.received.clear()
        if data:
            if not connection.received:
                connection.since = time.monotonic()
            connection.received += data
            self._dispatch(connection)
        elif connection.received:  # the parser says what is wrong with it
            connection.framing.is_cut, connection.framing.end = True, len(connection.received)
            self._work(connection)
        else:
            self._close(connection)

    def _dispatch(self, connection: Connection) -> None:
        """Hand the request to a thread if it is complete; otherwise wait for the rest."""
        framing, had_head = connection.framing, connection.framing.body_at
        if len(connection.received) > LARGE and self._refuse_oldest_large() is connection:
            return
        is_complete = framing.is_complete(connection.received)
        if framing.body_at and self.app.handover and is_of_files(connection.received):
            self._hand_over(connection)
        elif is_complete:
            self._work(connection)
        elif framing.body_at and not had_head:
            connection.since = time.monotonic()  # the body has a deadline of its own
            if framing.expects_continue:
                with suppress(OSError):
                    connection.sock.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        elif not framing.body_at and len(connection.received) > MOST_HEAD:
            self._refuse(connection, 431, "Request Header Fields Too Large", "The headers have more than 64 KiB.")

    def _hand_over(self, connection: Connection) -> None:
        """Let the process for files answer. Its end of the connection stays open when this one is closed."""
        if self.app.handover.give(connection):
            self._close(connection)
        else:
            self._refuse(
                connection, 503, "Service Unavailable", "Files are not served at present. Try again in a few seconds."
            )

    def _refuse_oldest_large(self) -> Connection | None:
        """Refuse the oldest incomplete large request if all requests together are too large."""
        if sum(len(each.received) for each in self.connections) <= MOST_RECEIVED:
            return None
        large = (each for each in self.connections if len(each.received) > LARGE and each.state is State.RECEIVING)
        oldest = min(large, key=lambda each: each.since)
        self._refuse(oldest, 503, "Service Unavailable", "Too many large requests. Send it again in a second.")
        return oldest

    def _refuse(self, connection: Connection, status: int, reason: str, message: str) -> None:
        """Answer a request that is not complete, and end the connection."""
        connection.is_reusable = False
        connection.received.clear()
        util.write_error(connection, status, reason, message)
        self._send(connection)

    # --- answer it, in a thread

    def _work(self, connection: Connection) -> None:
        connection.state = State.WORKING
        self.poller.unregister(connection.sock)
        self.pool.submit(self._answer, connection)

    def _answer(self, connection: Connection) -> None:
        is_reusable = False
        try:
            is_reusable = self._run_application(connection)
            connection.flush()
        except (http.errors.NoMoreData, StopIteration, OSError) as error:
            self.log.debug("The client has gone: %s", error)
        except Exception:
            log.exception("a request failed in the server")
        finally:
            self.finished.append((connection, is_reusable))
            with suppress(BlockingIOError):  # full of wake-ups already
                os.write(self.PIPE[1], b".")

    def _run_application(self, connection: Connection) -> bool:
        """Run the application. Returns whether the connection may have another request."""
        is_cut = connection.framing.is_cut
        request = response = None
        try:
            parser = http.get_parser(self.cfg, [connection.take_request()], connection.client)
            request = next(parser)
            response, environ = wsgi.create(request, connection, connection.client, connection.server, self.cfg)
            environ["wsgi.multithread"] = True
            environ["wsgi.file_wrapper"] = _in_large_parts
            if is_cut or not self.alive:
                response.force_close()
            answer(self.wsgi, environ, response)
            # Bytes that the parser left over mean that it and `Framing` disagree: no other request is read.
            return not response.should_close() and parser.finish_body() and not parser.unreader.take_buffered()
        except (http.errors.NoMoreData, StopIteration, OSError):
            raise
        except Exception as error:
            if response and response.headers_sent:
                log.exception("an answer broke off")
            else:
                self.handle_error(request, connection, connection.client, error)
            return False

    def _collect(self, pipe: int) -> None:
        """Take connections back from the threads. Signals wake the loop by the same pipe."""
        with suppress(BlockingIOError):
            os.read(pipe, 4096)
        while self.finished:
            connection, is_reusable = self.finished.popleft()
            connection.is_reusable = is_reusable
            self._send(connection)

    # --- send the answer

    def _send(self, connection: Connection) -> None:
        """Send what the client takes, then wait for it to take more, for its next request, or for its end."""
        try:
            is_sent = connection.flush()
        except OSError:
            self._close(connection)
            return
        if not is_sent:
            if connection.state is not State.SENDING:
                self._wait(connection, State.SENDING)
                connection.has_progressed()
                self._limit_unsent()
        elif connection.is_reusable:
            self._wait(connection, State.RECEIVING)
            if connection.received:  # sent ahead, after the request before
                self._dispatch(connection)
        else:
            self._end(connection)

    def _limit_unsent(self) -> None:
        """Reset the connections that have waited longest while the answers of all clients are too long together."""
        sending = sorted(
            (each for each in self.connections if each.state is State.SENDING), key=lambda each: each.since
        )
        unsent = sum(each.unsent.size for each in sending)
        for each in sending:
            if unsent <= self.most_unsent:
                return
            unsent -= each.unsent.size
            self._reset(each)

    # --- end a connection

    def _end(self, connection: Connection) -> None:
        """Close our end, then wait briefly for the client's, so that it gets the answer and not a reset."""
        try:
            connection.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._close(connection)
        else:
            self._wait(connection, State.CLOSING)

    def _discard(self, connection: Connection) -> None:
        try:
            data = connection.sock.recv(READ)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        connection.discarded += len(data)
        if not data or connection.discarded > MOST_DISCARDED:
            self._close(connection)

    def _end_overdue(self, now: float) -> None:
        """End the connections whose client is too slow."""
        for connection in list(self.connections):
            state, is_idle = connection.state, not connection.received
            if state is State.SENDING and connection.has_progressed():
                connection.since = now
            if now < connection.since + self._patience(connection) or state is State.WORKING:
                continue
            if state is State.SENDING:
                self._reset(connection)
            elif state is State.CLOSING or is_idle:
                self._close(connection)
            else:
                self._refuse(connection, 408, "Request Timeout", f"The request took more than {PATIENCE:.0f} s.")

    def _patience(self, connection: Connection) -> float:
        if connection.state is State.CLOSING:
            return LINGER
        if connection.state is State.RECEIVING and not connection.received:
            return self.keepalive if connection.is_reusable else min(PATIENCE, self.keepalive)
        return PATIENCE

    def _wait(self, connection: Connection, state: State) -> None:
        event = selectors.EVENT_WRITE if state is State.SENDING else selectors.EVENT_READ
        is_watched = connection.state is not State.WORKING
        (self.poller.modify if is_watched else self.poller.register)(connection.sock, event, connection)
        connection.state, connection.since = state, time.monotonic()

    def _reset(self, connection: Connection) -> None:
        self._forget(connection)
        connection.reset()

    def _close(self, connection: Connection) -> None:
        self._forget(connection)
        connection.close()

    def _forget(self, connection: Connection) -> None:
        self.connections.discard(connection)
        if connection.state is not State.WORKING:
            self.poller.unregister(connection.sock)

    # --- stop

    def _stop(self) -> None:
        """Accept waiting connections, close the listening sockets, and answer the accepted requests.

        Connections that nobody has accepted are reset when the last process closes the socket.
        """
        self._set_accepting(False)
        deadline = time.monotonic() + LAST_ACCEPT
        for listener in self.sockets:
            with suppress(OSError):  # no file descriptor is left
                while time.monotonic() < deadline and self._is_ready(listener):
                    self._take(listener)
            listener.close()
        self.sockets = []
        now = time.monotonic()
        for connection in self.connections:
            if connection.state is State.RECEIVING and not connection.received:
                connection.since = now
        self.keepalive = LINGER
        deadline = now + self.cfg.graceful_timeout
        while self.connections and time.monotonic() < deadline:
            self._turn(BEAT / 4)
        self.pool.shutdown(wait=False)

    def _is_ready(self, listener: Any) -> bool:
        """Return whether a connection waits to be accepted, or arrives in a moment."""
        poll = select.poll()
        poll.register(listener, select.POLLIN)
        return bool(poll.poll(QUIET * 1000))
