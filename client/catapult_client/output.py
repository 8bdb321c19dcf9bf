"""The output of the command line: results to standard output, messages to standard error."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import sys
from collections.abc import Sequence
from typing import Any, TextIO

from .errors import Blocked, RegistryError
from .gate_records import Verdict
from .record import as_json

KEY = re.compile(r"cat_[A-Za-z0-9]{8}_[A-Za-z0-9]+")
SHORTEST = 8  # characters of the shortest key that is hidden; shorter text may be part of other words
COLOURS = {"green": "32", "red": "31"}


class Output:
    """The output of a command. With `as_json` results are JSON documents; `secrets` are never written."""

    def __init__(self) -> None:
        self.as_json = False
        self.secrets: list[str] = []
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):  # escape characters that the terminal's encoding lacks
                stream.reconfigure(errors="backslashreplace")

    def result(self, value: Any, *lines: str) -> None:
        """Write the value as JSON, or these lines. Raises OSError."""
        if self.as_json:
            self._write(sys.stdout, json.dumps(as_json(value), indent=2))
            return
        for line in lines:
            self._write(sys.stdout, visible(line))

    def verdicts(self, verdicts: Sequence[Verdict]) -> None:
        """Write verdicts, a line each. Raises OSError."""
        if self.as_json:
            self.result(verdicts)
            return
        for row in _rows(verdicts, sys.stdout):
            self._write(sys.stdout, row)

    def tell(self, text: str) -> None:
        """Write a message. Errors of standard error are ignored."""
        with contextlib.suppress(OSError, ValueError):
            self._write(sys.stderr, f"catapult: {visible(text)}")

    def refused(self, fault: Exception) -> None:
        """Write why a command failed, with the verdicts if a gate blocked it. Raises OSError."""
        gates = fault.gates if isinstance(fault, Blocked) else []
        if self.as_json:
            self._write(sys.stdout, json.dumps(_failure(fault, gates), indent=2))
        self.tell(str(fault) or type(fault).__name__)
        for row in _rows(gates, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                self._write(sys.stderr, row)

    def flush(self) -> None:
        """Flush standard output. Raises OSError."""
        if sys.stdout is not None:
            sys.stdout.flush()

    def give_up(self) -> None:
        """Discard unwritten output, so that Python does not report it again at exit."""
        with contextlib.suppress(OSError, ValueError, AttributeError):  # there may be no standard output
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def _write(self, stream: TextIO | None, text: str) -> None:
        if stream is None:  # closed by the parent process
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        stream.write(self.hidden(text) + "\n")

    def hidden(self, text: str) -> str:
        """Return the text without keys."""
        for secret in self.secrets:
            if len(secret) >= SHORTEST:
                text = text.replace(secret, "…")
        return KEY.sub("cat_…", text)


def visible(text: str) -> str:
    """Return the text with control characters escaped, so that a terminal does not act on them."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the rows as lines with aligned columns."""
    shown = [[visible(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*shown)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in shown]


def _rows(verdicts: Sequence[Verdict], stream: TextIO | None) -> list[str]:
    """Return lines such as `PASS  metric  accuracy is 0.95; it must be >= 0.9`."""
    results = [("PASS", "green") if verdict.passed else ("FAIL", "red") for verdict in verdicts]
    rest = columns([(verdict.gate.kind, verdict.detail) for verdict in verdicts])
    return [f"{_painted(result, colour, stream)}  {row}" for (result, colour), row in zip(results, rest)]


def _painted(text: str, colour: str, stream: TextIO | None) -> str:
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    if plain or stream is None or not stream.isatty():
        return text
    return f"\x1b[{COLOURS[colour]}m{text}\x1b[0m"


def _failure(fault: Exception, gates: Sequence[Verdict]) -> dict[str, Any]:
    known = isinstance(fault, RegistryError)
    return {
        "error": (getattr(fault, "type", None) if known else None) or "failed",
        "detail": (getattr(fault, "detail", None) if known else None) or str(fault),
        "request_id": getattr(fault, "request_id", None),
        "gates": as_json(gates),
    }
