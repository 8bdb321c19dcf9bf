"""The part of an answer that its client has not read: the beginning in memory, the rest in a temporary file."""

import os
import tempfile
from collections import deque
from contextlib import suppress
from typing import IO

IN_MEMORY = 128 * 1024
"""The most bytes that stay in memory."""
PART = 64 * 1024
"""Bytes that are read from the file at once."""


class Unsent:
    """A queue of `size` bytes."""

    def __init__(self) -> None:
        self.size = 0
        self._parts = deque[memoryview]()
        self._file: IO[bytes] | None = None
        self._written = self._read = 0

    def add(self, data: memoryview) -> None:
        """Append bytes. Raises RuntimeError if they cannot be stored: an OSError would look like the client's."""
        if not data:
            return  # an empty part would look like the end
        if self._file is None and self.size + len(data) <= IN_MEMORY:
            self._parts.append(data)
        else:
            try:
                self._write(data)
            except OSError as error:
                raise RuntimeError(f"no space for an answer in {tempfile.gettempdir()}: {error.strerror}") from error
        self.size += len(data)

    def first(self) -> memoryview:
        """Return the next bytes to send, empty if there are none."""
        if not self._parts and self._file is not None:
            self._parts.append(memoryview(os.pread(self._file.fileno(), PART, self._read)))
            self._read += len(self._parts[0])
            if self._read == self._written:
                self._close_file()
        if len(self._parts) > 1:  # headers and a short answer leave in one packet
            self._parts = deque([memoryview(b"".join(self._parts))])
        return self._parts[0] if self._parts else memoryview(b"")

    def drop(self, count: int) -> None:
        """Forget the first bytes, which were sent; `count` is at most the length of `first()`."""
        self.size -= count
        self._parts[0] = self._parts[0][count:]
        if not self._parts[0]:
            self._parts.popleft()

    def clear(self) -> None:
        """Forget all of it."""
        self.size = 0
        self._parts.clear()
        self._close_file()

    def _write(self, rest: memoryview) -> None:
        if self._file is None:
            self._file, self._written, self._read = _temporary_file(), 0, 0
        while rest:
            written = os.pwrite(self._file.fileno(), rest, self._written)
            self._written, rest = self._written + written, rest[written:]

    def _close_file(self) -> None:
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            self._file = None


def _temporary_file() -> IO[bytes]:
    return tempfile.TemporaryFile(buffering=0)
