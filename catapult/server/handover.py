"""Hand a connection, with the received part of its request, from a worker to the process for files.

The open socket itself is passed, so that a long transfer uses no thread and no memory of a worker.
"""

import json
import re
import socket
import struct
from typing import Any, NamedTuple

LARGEST = 512 * 1024
"""The most bytes of a message: headers of 64 KiB, and the body's first bytes."""
WAIT = 0.5
"""Seconds that a process waits for a connection before it looks whether it is to end."""
DESCRIPTOR = struct.Struct("@i")
REQUEST = re.compile(
    rb"(?:PUT|GET|HEAD) [^ ?]*"
    rb"(?:/api/v1/versions/[^/ ?]+/artifacts/[^ ?]+|/api/v1/artifacts/[^/ ?]+/content|/artifacts/[0-9a-f-]{36}/preview)"
    rb"(?:\?[^ ]*)? HTTP/|POST [^ ?]*/models/[^ ?]+/versions/[^/ ?]+/-/files(?:\?[^ ]*)? HTTP/"
    rb"|[A-Z]+ [^ ?]*/api/v1/uploads[/ ?]|POST /internal/files/"
)
"""The requests that need file I/O, and the registry's own questions about files."""


class HandedOver(NamedTuple):
    """A connection, and the received part of its request. `client` and `server` are its addresses."""

    sock: socket.socket
    received: bytes
    client: Any
    server: Any


class Handover:
    """A pair of sockets, created before both sides start: the workers write to one end, the processes for files read the other."""

    def __init__(self) -> None:
        self.reading, self.writing = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.writing.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * LARGEST)
        self.writing.setblocking(False)
        # In the kernel, which wakes of several waiting processes the one that waited longest. Python's own time limit wakes all.
        self.reading.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", 0, int(WAIT * 1_000_000)))
        self.buffer = bytearray(LARGEST)

    def give(self, connection: Any) -> bool:
        """Hand the connection over. Return False if the queue is full."""
        addresses = json.dumps([connection.client, connection.server]).encode()
        message = b"%s\n%s" % (addresses, connection.received)
        try:
            socket.send_fds(self.writing, [message], [connection.sock.fileno()])
        except OSError:
            return False
        return True

    def ask(self, request: bytes) -> socket.socket:
        """Send a request of this process, and return the socket of its answer. Raises OSError if the queue is full."""
        ours, theirs = socket.socketpair()
        with theirs:
            if not self.give(HandedOver(theirs, request, ["", 0], ["", 0])):
                ours.close()
                raise OSError("the queue of the process for files is full")
        return ours

    def take(self) -> HandedOver | None:
        """Wait for a connection and return it; None if none comes within `WAIT`. One thread of a process may call it."""
        try:
            size, ancillary, *_ = self.reading.recvmsg_into([self.buffer], socket.CMSG_SPACE(DESCRIPTOR.size))
        except BlockingIOError:
            return None
        if not ancillary:
            return None
        (descriptor,) = DESCRIPTOR.unpack(ancillary[0][2])
        addresses, _, received = bytes(memoryview(self.buffer)[:size]).partition(b"\n")
        client, server = json.loads(addresses)
        return HandedOver(socket.socket(fileno=descriptor), received, _address(client), _address(server))


def _address(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def is_of_files(received: bytes | bytearray) -> bool:
    """Return whether the request, whose headers have arrived, is for the process for files."""
    return REQUEST.match(received) is not None
