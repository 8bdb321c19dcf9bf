"""Connections with a deadline for every step, and a pool of idle ones."""

import io
import select
import socket
import ssl
import time
from http.client import HTTPException
from threading import Lock
from typing import Any, Protocol, cast

PIECE = 16_384
HEAD_LIMIT = 256 * 1024
POOL_SECONDS, POOL_SIZE = 30, 64
"""How long a connection is used after its addresses were checked, and the most idle connections.

Resolving the name for each request would cost more than the request. The address of a connection stays allowed, because the policy
of a process does not change. The limit lets a name move to another address.
"""


class Connection(Protocol):
    """The methods that `socket.socket` and `ssl.SSLSocket` share here."""

    def settimeout(self, value: float) -> None: ...
    def sendall(self, data: bytes) -> None: ...
    def recv_into(self, buffer: memoryview) -> int: ...
    def fileno(self) -> int: ...
    def close(self) -> None: ...


class Wire:
    """A connection on which everything that is sent and received ends by `deadline`, and is at most `budget` bytes.

    A socket's own time limit is for each read, so that a slow sender could keep it busy for ever.
    """

    def __init__(self, connection: Connection, deadline: float) -> None:
        self.connection = connection
        self.deadline, self.budget, self.born, self.has_ended = deadline, HEAD_LIMIT, time.monotonic(), False

    def arm(self) -> None:
        """Limit the next step to the remaining time. Raises TimeoutError."""
        remaining = self.deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError
        self.connection.settimeout(remaining)

    def sendall(self, data: bytes) -> None:
        """Send the data, in pieces because TLS has a time limit for each."""
        for start in range(0, len(data), PIECE):
            self.arm()
            self.connection.sendall(data[start : start + PIECE])

    def secure(self, context: ssl.SSLContext, host: str) -> None:
        """Begin TLS with this host."""
        plain = cast(socket.socket, self.connection)
        secured = context.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
        self.connection = secured
        self.arm()
        secured.do_handshake()

    def makefile(self, mode: str) -> io.BufferedReader:
        """Return a file to read from, as HTTPResponse asks for it."""
        return io.BufferedReader(_Incoming(self))

    def is_usable(self) -> bool:
        """Return whether the connection is young, and the other side has neither closed it nor sent unexpected bytes."""
        poller = select.poll()
        poller.register(self.connection.fileno(), select.POLLIN)
        return time.monotonic() - self.born < POOL_SECONDS and not poller.poll(0)

    def close(self) -> None:
        self.connection.close()


class _Incoming(io.RawIOBase):
    """The bytes that arrive on a wire."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self.wire.arm()
        count = self.wire.connection.recv_into(buffer)
        self.wire.budget -= count
        self.wire.has_ended = not count
        if self.wire.budget < 0:
            raise HTTPException
        return count


class Pool:
    """Connections that wait for the next request to the same host, the newest last."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._wires: list[tuple[object, Wire]] = []

    def take(self, key: object) -> Wire | None:
        """Return the newest usable connection of this key, or None."""
        while True:
            with self._lock:
                index = next((i for i in reversed(range(len(self._wires))) if self._wires[i][0] == key), None)
                wire = None if index is None else self._wires.pop(index)[1]
            if wire is None or wire.is_usable():
                return wire
            wire.close()

    def put(self, key: object, wire: Wire) -> None:
        """Add the connection, and close those that are too old or too many."""
        oldest = time.monotonic() - POOL_SECONDS
        with self._lock:
            young = [pair for pair in [*self._wires, (key, wire)] if pair[1].born > oldest]
            ended = [pair for pair in self._wires if pair[1].born <= oldest] + young[:-POOL_SIZE]
            self._wires = young[-POOL_SIZE:]
        for _, each in ended:
            each.close()

    def close(self) -> None:
        """Close all of them."""
        with self._lock:
            ended, self._wires = self._wires, []
        for _, wire in ended:
            wire.close()
