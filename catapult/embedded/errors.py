"""What can go wrong with the embedded PostgreSQL."""

from pathlib import Path


class EmbeddedError(Exception):
    """What happened, what to do, and the last lines of PostgreSQL's log where they help."""


class AlreadyServing(EmbeddedError):
    """Another `flask up` has this folder. `pid` is None in the instant before it has signed; `what` is its command."""

    def __init__(self, home: Path, pid: int | None, what: str) -> None:
        who = f"Process {pid} ({what})" if pid else "Another process"
        super().__init__(f"{who} serves {home} already. Stop that one, or set CATAPULT_HOME to another folder.")
        self.pid, self.what = pid, what
