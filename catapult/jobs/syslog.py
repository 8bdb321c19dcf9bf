"""Send messages to a syslog collector, by TLS (RFC 5425) or plain TCP (RFC 6587)."""

import fcntl
import os
import socket
import ssl
import struct
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

from catapult.egress.tls import client_context

DEFAULT_PORTS = {"tcp+tls": 6514, "tcp": 601}
SECONDS = 15
"""The most seconds of one connection. With `stream`'s own time it is less than a worker has after SIGTERM."""


def send(address: str, authorities: str, frames: bytes | bytearray) -> None:
    """Send the frames to `tcp+tls://host:6514` or `tcp://host:601` and return once the collector has read all of them.

    Syslog has no answers. But closing a connection with unread bytes, or before more arrive, resets it. So the collector has read
    everything if both sides have closed, each byte is acknowledged, and there was no reset. `authorities`, certificates in PEM, are
    trusted beside the public ones. Raises OSError.
    """
    deadline = time.monotonic() + SECONDS
    with _connection(address, authorities) as connection:
        connection.settimeout(_remaining(deadline))
        connection.sendall(frames)
        connection.settimeout(_remaining(deadline))
        if isinstance(connection, ssl.SSLSocket):
            with suppress(ssl.SSLEOFError):  # it may close the connection without closing TLS first
                connection.unwrap()
        connection.shutdown(socket.SHUT_WR)
        if connection.recv(1):
            raise OSError("it answered, which syslog does not know")
        while _unacknowledged(connection):
            _remaining(deadline)
            time.sleep(0.001)


def _remaining(deadline: float) -> float:
    """Return the seconds until the deadline. Raises TimeoutError."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError("timed out")
    return seconds


def _unacknowledged(connection: socket.socket) -> int:
    """Return how many bytes the other side's kernel has not acknowledged. Raises OSError after a reset."""
    if error := connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        raise OSError(error, os.strerror(error))
    (count,) = struct.unpack("i", fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4)))
    return int(count)


@contextmanager
def _connection(address: str, authorities: str) -> Iterator[socket.socket]:
    parts = urlsplit(address)
    host = parts.hostname or ""
    with socket.create_connection((host, parts.port or DEFAULT_PORTS[parts.scheme]), timeout=5) as plain:
        if parts.scheme == "tcp":
            yield plain
            return
        with client_context(cadata=authorities).wrap_socket(plain, server_hostname=host) as wrapped:
            yield wrapped
