"""The last lines of a start: the address, and the first administrator's key if it was created just now."""

import os
import sys
from typing import Any

from catapult.version import VERSION

RULE = "-" * 78


class Banner:
    """Lines that are printed once, after the log lines of every worker's start.

    A pipe holds one byte for each worker. Each worker takes one; the worker that takes the last one prints.
    """

    def __init__(self, url: str, key: str | None, workers: int, public_url: str = "") -> None:
        self.address = [f"Catapult {VERSION} is running at {url}"]
        if public_url:  # pages and cookies are for this address alone
            self.address.append(f"Open it at {public_url}")
        note = "This is the first administrator's key, shown only once. Use it to sign in."
        self.key = [f"Key: {key}", note] if key else []  # no other line has `Key:`
        self.tickets, writer = os.pipe()
        os.write(writer, b"." * (workers - 1) + b"!")
        os.close(writer)

    def worker_started(self, _: Any) -> None:
        """Print the lines if this worker is the last; for `post_worker_init`. Workers that start later find no byte."""
        if os.read(self.tickets, 1) == b"!":
            self._print(*self.key, *[""] * bool(self.key), *self.address)

    def finish(self) -> None:
        """Print the key if the server ends before every worker has started, since nothing else would show it."""
        if b"!" in os.read(self.tickets, 1024) and self.key:
            self._print(*self.key)

    def _print(self, *lines: str) -> None:
        sys.stdout.write("\n".join(["", RULE, *lines, RULE, "", ""]))
        sys.stdout.flush()
