"""Errors of the embedded PostgreSQL."""

from pathlib import Path


class EmbeddedError(Exception):
    """What happened and what to do, with the last lines of PostgreSQL's log where they help."""


class AlreadyServing(EmbeddedError):
    """Another `flask up` uses this home. `pid` is None until it has signed its lock; `command` is its command line."""

    def __init__(self, home: Path, pid: int | None, command: str) -> None:
        process = f"Process {pid} ({command})" if pid else "Another process"
        super().__init__(f"{process} already serves {home}. Stop it, or set CATAPULT_HOME to another folder.")
        self.pid, self.command = pid, command
