"""The process for files: it alone does file I/O, so that a hanging mount blocks none of the registry's workers.

It answers the connections that the workers hand over, each in a thread, and closes them after one request.
"""

import fcntl
import io
import json
import os
import signal
import socket
import termios
import threading
import time
from array import array
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import structlog
from flask import Flask
from gunicorn import http, util
from gunicorn.http import wsgi

from catapult.errors import Unavailable
from catapult.extensions import MOUNT, STORAGE, current_settings, db, open_mount, open_storage
from catapult.server.answer import answer
from catapult.server.file_questions import FileQuestions, is_question, response
from catapult.server.file_watch import FileWatch
from catapult.server.handover import HandedOver, Handover
from catapult.storage import file_client

NAME = b"catapult-files"
TRANSFERS, ALONE = 4, 16
"""The most transfers at a time: beside the registry's workers, and for `flask files`."""
WAITING = 16
"""The most requests that wait for a transfer to end."""
PATIENCE = 10.0
"""Seconds for any progress of a transfer."""
LEAST, GRACE = 8 * 1024, 60.0
"""The fewest bytes a second that a client may send, after so many seconds: a slow client blocks one of few threads."""
LINGER = 2.0
"""Seconds in which a client may still read the last of its answer."""
STOP = 25.0
"""Seconds that transfers may still take after SIGTERM."""
PIECE = 256 * 1024
QUESTIONS = 8
"""The most questions of the registry at a time."""
QUEUE = 2.0
"""Seconds that a request waits for another to end: a card with ten images asks for all of them at once."""
BUSY = "As many files are on their way as may be at a time. Try again in a second."
log = structlog.get_logger("catapult")


class FileServer:
    """Answers the connections that are handed over, until `stop` is called or the process `parent` is gone."""

    def __init__(self, app: Flask, cfg: Any, handover: Handover, parent: int, transfers: int = TRANSFERS) -> None:
        self.app, self.cfg, self.handover, self.parent, self.transfers = app, cfg, handover, parent, transfers
        self.stopping = False
        self.watch = FileWatch(app.extensions[STORAGE])
        self.questions = FileQuestions(
            file_client.token(app.config["SECRET_KEY"]), self.watch, app.extensions[STORAGE], app.extensions.get(MOUNT)
        )
        self.free = threading.BoundedSemaphore(transfers)
        self.pool, self.waiting = ThreadPoolExecutor(transfers), ThreadPoolExecutor(WAITING)
        self.question_pool = ThreadPoolExecutor(QUESTIONS)

    def stop(self, *_: Any) -> None:
        """Handle a signal: take no more connections. It takes no lock, since it may interrupt itself."""
        self.stopping = True

    def run(self) -> None:
        """Take connections. At the end, wait for the transfers that run, unless the storage hangs."""
        self.watch.start()
        while not self.stopping and os.getppid() == self.parent:
            if taken := self.handover.take():
                taken.sock.settimeout(PATIENCE)
                self._begin(taken)
        deadline, ended = time.monotonic() + STOP, 0
        while ended < self.transfers and time.monotonic() < deadline and not self.watch.hangs():
            ended += self.free.acquire(timeout=0.1)

    def _begin(self, taken: HandedOver) -> None:
        """Let a thread answer, or refuse a transfer while the storage hangs."""
        if is_question(taken.received):
            self.question_pool.submit(self._serve, taken, self._answer_question)
        elif self.watch.hangs():
            self.waiting.submit(_end, taken.sock, _refusal(f"The storage of files {self.watch.state()['reason']}.", 5))
        elif self.free.acquire(blocking=False):
            self.pool.submit(self._serve, taken, self._transfer)
        else:
            self.waiting.submit(self._wait, taken)

    def _wait(self, taken: HandedOver) -> None:
        """Serve the request once another one has ended, or refuse it."""
        if self.free.acquire(timeout=QUEUE):
            self.pool.submit(self._serve, taken, self._transfer)
        else:
            _end(taken.sock, _refusal(BUSY, 1))

    def _serve(self, taken: HandedOver, answer: Callable[[HandedOver], None]) -> None:
        try:
            answer(taken)
        except (http.errors.NoMoreData, StopIteration, OSError) as error:
            log.debug("a client of files has gone", error=type(error).__name__)
        except http.errors.ParseException:  # the client's fault, so it is not logged as an error
            with suppress(OSError):
                util.write_error(taken.sock, 400, "Bad Request", "The request cannot be read.")
        except Exception:
            log.exception("a request for a file failed in the server")
        finally:
            _end(taken.sock)

    def _transfer(self, taken: HandedOver) -> None:
        try:
            self._answer(taken)
        finally:
            self.free.release()

    def _answer(self, taken: HandedOver) -> None:
        parser = http.get_parser(self.cfg, _pieces(taken), taken.client)
        response, environ = wsgi.create(next(parser), taken.sock, taken.client, taken.server, self.cfg)
        if "CONTENT_LENGTH" in environ and not environ.get("HTTP_TRANSFER_ENCODING"):
            environ["wsgi.input"] = Body(taken, int(environ["CONTENT_LENGTH"]))
        environ["wsgi.multithread"] = True
        response.force_close()
        answer(self.app, environ, response)

    def _answer_question(self, taken: HandedOver) -> None:
        request = next(http.get_parser(self.cfg, _pieces(taken), taken.client))
        authorization = dict(request.headers).get("AUTHORIZATION", "")
        taken.sock.sendall(response(*self.questions.answer(request.path, authorization, request.body.read())))


def serve(app: Flask, cfg: Any, handover: Handover, transfers: int, parent: int) -> None:
    """Serve files until SIGTERM or Ctrl-C, or until the process `parent`, whose child this is, is gone."""
    with app.app_context():
        db.engine.dispose(close=False)
        app.extensions[STORAGE] = open_storage(current_settings())
        app.extensions[MOUNT] = open_mount(current_settings())
    server = FileServer(app, cfg, handover, parent, transfers)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, server.stop)
    server.run()
    os._exit(0)  # a thread may be stuck on a mount


class Body(io.RawIOBase):
    """The body of a request whose length is known, read into the caller's own memory. gunicorn copies a body five times."""

    def __init__(self, taken: HandedOver, length: int) -> None:
        self.buffered = memoryview(taken.received.partition(b"\r\n\r\n")[2])[:length]
        self.remaining, self.arriving = length, _Arriving(taken.sock)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer with received bytes and return their number: 0 at the end, or if the client has gone."""
        size = min(len(buffer), self.remaining)
        if self.buffered:
            size = min(size, len(self.buffered))
            buffer[:size], self.buffered = self.buffered[:size], self.buffered[size:]
        elif size:
            size = self.arriving.into(memoryview(buffer)[:size])
        self.remaining -= size
        return size

    def has_arrived(self) -> bool:
        """Return whether the rest can be read without a wait for the client."""
        waiting = array("i", [0])
        fcntl.ioctl(self.arriving.sock, termios.FIONREAD, waiting)
        return len(self.buffered) + waiting[0] >= self.remaining


class _Arriving:
    """The bytes that a client sends. Raises TimeoutError if it sends nothing for a while, or too slowly."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock, self.began, self.count = sock, time.monotonic(), 0

    def into(self, view: memoryview) -> int:
        size = self.sock.recv_into(view)
        self.count += size
        if time.monotonic() - self.began > GRACE + self.count / LEAST:
            raise TimeoutError
        return size


def _pieces(taken: HandedOver) -> Iterator[bytes]:
    """Yield the bytes that have arrived, then those that arrive. Raises TimeoutError as `_Arriving` does."""
    yield taken.received
    arriving, buffer = _Arriving(taken.sock), bytearray(PIECE)
    while size := arriving.into(memoryview(buffer)):
        yield bytes(buffer[:size])


def _refusal(detail: str, seconds: int) -> bytes:
    """Return a 503 with `Retry-After`."""
    body = json.dumps({"type": "/docs/errors/unavailable", "title": Unavailable.title, "status": 503, "detail": detail})
    return (
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\nConnection: close\r\n"
        f"Retry-After: {seconds}\r\n\r\n{body}"
    ).encode()


def _end(sock: socket.socket, answer: bytes = b"") -> None:
    """Send the last bytes and close our end. Then wait briefly for the client's end, so that it gets the answer and not a reset."""
    deadline = time.monotonic() + LINGER
    with suppress(OSError), sock:
        sock.sendall(answer)
        sock.shutdown(socket.SHUT_WR)
        sock.settimeout(LINGER)
        while sock.recv(PIECE) and time.monotonic() < deadline:
            pass
