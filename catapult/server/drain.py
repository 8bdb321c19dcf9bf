"""The end of a server without the loss of a request: what reached its socket is answered, and nothing reaches it any more.

When the last process closes a socket, Linux resets the connections that nobody has taken yet, with the requests on them. A
proxy may not send those elsewhere, for it cannot know that nobody read them; a connection that was refused it may.
"""

import ctypes
import socket
import struct
import time
from contextlib import suppress
from select import select
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

MOMENT = 0.05
"""Seconds in which a connection that was begun before comes to its end, with some to spare: a round trip."""
LONGEST = 1.0
SO_ATTACH_FILTER = 26  # Linux's; Python has no name for it
SYN = 0x02
NO_SYN = (
    (0x30, 0, 0, 13),  # the byte with TCP's flags
    (0x45, 0, 1, SYN),
    (0x06, 0, 0, 0),  # drop it
    (0x06, 0, 0, 0xFFFFFFFF),  # keep it
)


def take_no_more(listener: Any) -> None:
    """No new connection reaches the socket; whoever tries does so again after a second, and is refused once it is closed.

    Where there is no such filter the socket stays as it is.
    """
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in NO_SYN))
    with suppress(OSError):
        listener.setsockopt(
            socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", len(NO_SYN), ctypes.addressof(program))
        )


class LeavingWorker(ThreadWorker):  # type: ignore[misc]
    """gunicorn's worker of threads, which takes what waits at the socket when it is told to end, and closes the socket at once.

    gunicorn's own leaves it open until the last request is done: connections come in and are never looked at.
    """

    sockets: list[Any]

    def set_accept_enabled(self, enabled: bool) -> None:
        """The socket is looked at or not; gunicorn asks for the latter once more when the worker is told to end."""
        super().set_accept_enabled(enabled and self.alive)
        if not self.alive:
            self._take_the_rest()

    def _take_the_rest(self) -> None:
        with suppress(OSError):  # no file is left for one more
            self._take(time.monotonic() + LONGEST)
        for listener in self.sockets:
            listener.close()
        self.sockets = []

    def _take(self, give_up: float) -> None:
        """Until nothing has come for a moment, or nobody keeps others from coming."""
        while self.sockets and time.monotonic() < give_up:
            waiting, _, _ = select(self.sockets, [], [], MOMENT)
            for listener in waiting:
                ThreadWorker.accept(self, listener)
            if not waiting:
                return
