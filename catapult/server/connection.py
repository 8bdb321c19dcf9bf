"""One client's connection: the received part of its request, and the unsent part of its answer.

gunicorn's `Response` uses it as its socket. It waits for the client only with more than `MOST_UNSENT` bytes to send.
"""

import fcntl
import select
import socket
import struct
import termios
import time
from contextlib import suppress
from enum import Enum, auto
from typing import Any

from catapult.server.framing import Framing
from catapult.server.unsent import Unsent

PATIENCE = 10.0
"""Seconds for the headers of a request, for its body, and for any progress of its answer."""
TOGETHER = 64 * 1024
"""Bytes that are collected before they are sent: headers and a short answer are one packet."""
MOST_UNSENT = 32 * 1024 * 1024
"""The most bytes of an answer that are stored for its client. A page of a list has at most 8 MiB, an export may have more."""
PARTS = 32
"""The most parts that one call of `flush` sends."""


class State(Enum):
    """What a connection waits for."""

    RECEIVING = auto()  # the next request, or the rest of it
    WORKING = auto()  # a thread
    SENDING = auto()  # the client, to read the answer
    CLOSING = auto()  # the client, to close its end


class Connection:
    """A connection. It belongs to a thread while it is `WORKING`, else to the worker's loop."""

    def __init__(self, sock: socket.socket, client: Any, server: Any) -> None:
        self.sock, self.client, self.server = sock, client, server
        self.state = State.RECEIVING
        self.since = time.monotonic()
        """When the state began, or when the client last made progress in it."""
        self.received, self.framing = bytearray(), Framing()
        self.unsent = Unsent()
        self.in_flight = 0
        self.is_reusable = False
        """Whether an answer was sent, and the connection stays open for another request."""
        self.discarded = 0

    # --- for the worker

    def take_request(self) -> bytes:
        """Return the request, and begin the next one with what follows it."""
        end = self.framing.end
        request = bytes(self.received[:end])
        del self.received[:end]
        self.framing = Framing()
        return request

    def flush(self) -> bool:
        """Send as much as the client takes now. Returns whether nothing is left. Raises OSError if the client has gone."""
        for _ in range(PARTS):
            part = self.unsent.first()
            if not part:
                return True
            try:
                self.unsent.drop(self.sock.send(part))
            except BlockingIOError:
                return False
        return not self.unsent.size

    def has_progressed(self) -> bool:
        """Return whether the client has read anything since the last call."""
        before, self.in_flight = self.in_flight, self.unsent.size + _in_kernel(self.sock)
        return self.in_flight < before

    def reset(self) -> None:
        """Close at once and drop unsent bytes in the kernel."""
        with suppress(OSError):
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        self.unsent.clear()
        with suppress(OSError):
            self.sock.close()

    # --- for gunicorn

    def sendall(self, data: bytes) -> None:
        """Store the bytes and send what the client takes. Raises OSError if it has gone, or TimeoutError if it does not read."""
        rest = memoryview(data)
        if len(rest) >= TOGETHER and self.flush():  # a long part goes out first, and only the rest is stored
            with suppress(BlockingIOError):
                while rest:
                    rest = rest[self.sock.send(rest) :]
        self.unsent.add(rest)
        if self.unsent.size >= TOGETHER:
            self.flush()
            self._wait_for_client()

    def send(self, data: bytes) -> int:
        """Do nothing: gunicorn sends only `100 Continue` by this, which the worker has sent after reading the headers."""
        return len(data)

    def gettimeout(self) -> float:
        """Return 0, by which gunicorn recognizes a socket that does not block."""
        return 0.0

    def _wait_for_client(self) -> None:
        """Wait until the client has read enough of a very long answer."""
        deadline = time.monotonic() + PATIENCE
        poll = select.poll()
        poll.register(self.sock, select.POLLOUT)
        while self.unsent.size > MOST_UNSENT:
            poll.poll(1000)
            self.flush()
            if self.has_progressed():
                deadline = time.monotonic() + PATIENCE
            elif time.monotonic() >= deadline:
                raise TimeoutError("The client does not read its answer.")


def _in_kernel(sock: socket.socket) -> int:
    """Return how many bytes the client has not acknowledged; 0 if the kernel does not report it."""
    with suppress(OSError):
        (count,) = struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, b"\0" * 4))
        return int(count)
    return 0
