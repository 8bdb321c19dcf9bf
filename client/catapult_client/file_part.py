"""A part of a file as the body of a request, read as it is sent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Callable

from .errors import InvalidArgument


@dataclass(frozen=True)
class FilePart:
    """The `size` bytes of the file from `start` on. `at` is called with the position in the file while they are read."""

    path: Path
    start: int
    size: int
    at: Callable[[int], None]

    @contextmanager
    def open(self) -> Iterator[Body]:
        """Open the file for one try of the request."""
        with self.path.open("rb") as file:
            file.seek(self.start)
            yield Body(self, file)


class Body:
    """The body for requests, which sends the length as Content-Length and iterates over it as a stream."""

    def __init__(self, part: FilePart, file: IO[bytes]) -> None:
        self._part, self._file, self._sent = part, file, 0

    def __len__(self) -> int:
        return self._part.size

    def __iter__(self) -> Iterator[bytes]:
        while piece := self.read(1024 * 1024):
            yield piece

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes. Raises InvalidArgument if the file has become too short."""
        remaining = self._part.size - self._sent
        piece = self._file.read(remaining if size < 0 else min(size, remaining))
        if remaining and size and not piece:
            raise InvalidArgument(f"{self._part.path} became shorter while it was sent. Upload it again.")
        self._sent += len(piece)
        self._part.at(self._part.start + self._sent)
        return piece
