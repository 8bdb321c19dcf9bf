"""Show the progress of an upload or download on standard error: by tqdm if installed, else on one line; only on a terminal."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any, Callable

EVERY = 0.1  # seconds between two changes of the line

Tell = Callable[[int], None]


@contextmanager
def shown(wanted: bool, title: str, total: int, unit: str = "B") -> Iterator[Tell]:
    """Show the progress during the block. Yields a function to call with the bytes done since its last call, from any thread.

    Without a `unit`, items are counted instead of bytes.
    """
    if not wanted or not sys.stderr or not sys.stderr.isatty():
        yield lambda count: None
        return
    bar, lock = _bar(title, total, unit), Lock()

    def tell(count: int) -> None:
        with lock:
            bar.update(count)

    try:
        yield tell
    finally:
        bar.close()


class Position:
    """The progress of one file. A new try may move it back."""

    def __init__(self, tell: Tell) -> None:
        self._tell, self._at = tell, 0

    def at(self, position: int) -> None:
        """Report that so many bytes of the file are done."""
        self._tell(position - self._at)
        self._at = position


class Line:
    """One line of progress, rewritten in place."""

    def __init__(self, title: str, total: int, unit: str = "B") -> None:
        self._title, self._total, self._done = title, total, 0
        self._text: Callable[[int], str] = size_text if unit else str
        self._written, self._width = 0.0, 0

    def update(self, count: int) -> None:
        self._done += count
        if time.monotonic() - self._written >= EVERY:
            self._write()

    def close(self) -> None:
        self._write("\n")

    def _write(self, end: str = "") -> None:
        share = 100 * self._done // self._total if self._total else 100
        text = f"{self._title}: {self._text(self._done)} of {self._text(self._total)}, {share} %"
        sys.stderr.write(f"\r{text.ljust(self._width)}{end}")
        sys.stderr.flush()
        self._written, self._width = time.monotonic(), len(text)


def size_text(count: int | None) -> str:
    """Return a number of bytes as people read it, such as 1.5 GiB."""
    size, unit = float(count or 0), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"


def _bar(title: str, total: int, unit: str) -> Any:
    try:
        tqdm = importlib.import_module("tqdm").tqdm
    except (ImportError, AttributeError):
        return Line(title, total, unit)
    scale = {"unit": unit, "unit_scale": True, "unit_divisor": 1024} if unit else {"unit": ""}
    return tqdm(desc=title, total=total, file=sys.stderr, **scale)
