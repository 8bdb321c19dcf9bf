"""Stop new connections before a listening socket is closed.

When the last process closes a listening socket, Linux resets the connections that nobody has accepted, with the requests
on them. A proxy must not send such a request to another server, because it may have been read. After a refused connection it may.
"""

import ctypes
import socket
import struct
from contextlib import suppress

SO_ATTACH_FILTER = 26  # Linux; Python has no name for it
SYN = 0x02
DROP_SYN = (
    (0x30, 0, 0, 13),  # load the byte with the TCP flags
    (0x45, 0, 1, SYN),
    (0x06, 0, 0, 0),  # drop the packet
    (0x06, 0, 0, 0xFFFFFFFF),  # pass it
)


def refuse_new_connections(listener: socket.socket) -> None:
    """Drop every SYN packet that reaches the socket: the client tries again a second later, and is refused once it is closed.

    Connections that are already open or waiting stay. Does nothing where the kernel has no such filter (it is Linux's).
    """
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in DROP_SYN))
    with suppress(OSError):
        listener.setsockopt(
            socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", len(DROP_SYN), ctypes.addressof(program))
        )
