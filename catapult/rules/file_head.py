"""The head of a file, read in few pieces up to a limit, and its texts in the form that is stored.

Each piece is a request where files are stored on S3. The first is small, since most heads are; the others are as large as
memory should hold at once.
"""

import json
from collections.abc import Callable
from typing import Any

FIRST_PIECE = 64 * 1024
PIECE = 1024 * 1024
MOST_READ = 10_000_000
"""The most bytes of a file that are read after the first 8, which are a length or a magic number."""

LONGEST_NAME = 65_535
"""The most bytes of a name, as GGUF has it for keys."""

LONGEST_TEXT = 1_000
"""The most characters of a text that are stored."""

Read = Callable[[int, int], bytes]
"""Returns the bytes of a file from a position on and before another; fewer at the end of the file."""

Facts = dict[str, Any]


class Unreadable(ValueError):
    """The file does not follow its format, or exceeds a limit. The message completes "could not be read: "."""


class Head:
    """A file that is read from its first byte on. `position` is the next byte, and may jump forward."""

    def __init__(self, size: int, read: Read) -> None:
        self.size, self._read = size, read
        self.piece, self.index, self._start, self._left = b"", 0, 0, MOST_READ + 8

    @property
    def position(self) -> int:
        """Return how many bytes lie before the next one."""
        return self._start + self.index

    def take(self, count: int) -> bytes:
        """Return the next bytes. Raise Unreadable if the file or the limit ends before."""
        while len(self.piece) - self.index < count:
            self._extend()
        self.index += count
        return self.piece[self.index - count : self.index]

    def skip(self, count: int) -> None:
        """Go past the next bytes without reading them. Raise Unreadable if the file ends before."""
        if count > self.size - self.position:
            raise Unreadable("the file ends too early")
        self.index += count

    def first_piece(self) -> bytes:
        """Return the first piece, and stay at its first byte; empty if the file is."""
        try:
            if not self.piece:
                self._extend()
        except Unreadable:
            return b""
        return self.piece

    def _extend(self) -> None:
        """Read a piece more, and drop what lies before the next byte."""
        rest = self.piece[self.index :]
        start = max(self._start + len(self.piece), self.position)
        stop = min(start + (PIECE if self._start or self.piece else FIRST_PIECE), self.size)
        if start >= stop:
            raise Unreadable("the file ends too early")
        if not self._left:
            raise Unreadable(f"what comes before the weights is longer than {MOST_READ:,} bytes")
        stop = min(stop, start + self._left)
        more = self._read(start, stop)[: stop - start]
        if not more:
            raise Unreadable("the file ends too early")
        self._left -= len(more)
        self.piece, self._start, self.index = rest + more, self.position, 0


def storable(text: str) -> str:
    """Return the text as it is stored: cut, and without NUL, which PostgreSQL refuses. Whoever shows it must escape it."""
    return text[:LONGEST_TEXT].replace("\0", "\ufffd")


def quoted(name: str | bytes) -> str:
    """Return the name for a message: short, with escapes for characters that cannot be printed. Bytes are UTF-8."""
    text = name[:240].decode(errors="ignore") if isinstance(name, bytes) else name
    return repr(text[:60])


class Budget:
    """A limit on the number of items in the answer and on their bytes as JSON."""

    def __init__(self, items: int, size: int = 100_000) -> None:
        self._items, self._size = items, size

    def count_if_fits(self, item: Any) -> bool:
        """Count the item, and return whether it fits. After the first item that does not fit, none does."""
        if not self._items:
            return False
        self._size -= len(json.dumps(item)) + len(", ")
        self._items = self._items - 1 if self._size >= 0 else 0
        return self._size >= 0
