"""A database that does not answer: every wait for it ends, and few threads wait.

libpq looks up a name for as long as the system's resolver takes, which may be half a minute, and it waits for ever for a server
that has stopped while its machine acknowledges what it is sent. docs/decisions/0046 has the measurements.
"""

import math
import os
import socket
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from threading import Event, Lock, Thread, get_ident
from typing import Any, NamedTuple
from weakref import WeakSet

from psycopg2 import Error, OperationalError
from sqlalchemy import Engine, event
from sqlalchemy.exc import DisconnectionError

SLOW = 1.0
"""Seconds after which a failure has held its thread for long. Quick ones, such as a refused connection, are no danger."""
EACH = 1.0
"""Seconds until another request tries while one waits. When that one fails, the next tries at once."""
GRACE = 0.2
"""Seconds that the others wait for the one that tries, before they are refused: most often it is answered at once."""
LOOK_UP = 2.0
"""Seconds for looking up the name of the database's host, as many as for connecting."""
STATEMENT = 17.0
"""Seconds for a statement. PostgreSQL ends it after 15, unless it has stopped."""
PING = 4.0
"""Seconds for the test of an idle connection. PgBouncer takes 3 if PostgreSQL is away."""
IDLE = 1.0
"""Seconds without use after which a connection is tested before it is used again. Under load none is tested."""
NO_ANSWER = "The database did not answer a moment ago."

_watched = WeakSet["Reachability"]()


def end_silent_waits() -> None:
    """Break the connections on which PostgreSQL has not answered in time. The worker's loop calls it every second."""
    for each in list(_watched):
        each.end_silent_waits()


class Wait(NamedTuple):
    """A thread that waits for an answer on that connection."""

    connection: Any
    began: float
    give_up: float


class Reachability:
    """Whether the database of that engine answers. After a slow failure, one request tries and the others are refused."""

    def __init__(self, engine: Engine) -> None:
        self.is_down, self.next_try, self.trier = False, 0.0, 0
        self.waits: dict[int, Wait] = {}
        self.lock, self.names, self.answered = Lock(), Names(), Event()
        for name in ("do_connect", "checkout", "checkin", "commit", "rollback", "before_cursor_execute"):
            event.listen(engine, name, getattr(self, f"_{name}"))
        event.listen(engine, "after_cursor_execute", self._after_cursor_execute)
        event.listen(engine, "handle_error", self._handle_error)
        _watched.add(self)

    def end_silent_waits(self) -> None:
        now = time.monotonic()
        for thread, wait in list(self.waits.items()):
            if now > wait.give_up and self.waits.pop(thread, None) is wait:
                _break(wait.connection)

    def check(self) -> None:
        """Raise OperationalError while the database does not answer, unless it is this thread's turn to try."""
        if not self.is_down:
            return
        with self.lock:
            now = time.monotonic()
            if not self.is_down or self.trier == get_ident():
                return
            if now >= self.next_try:
                self.next_try, self.trier = now + EACH, get_ident()
                return
            began = self.next_try - EACH
        if not self.answered.wait(max(0.0, began + GRACE - now)):
            raise OperationalError(NO_ANSWER)

    def _answered(self) -> None:
        if self.is_down:
            self.is_down, self.trier = False, 0
            self.answered.set()

    def _failed(self, began: float) -> bool:
        """Note a failure, and return whether it was slow."""
        now = time.monotonic()
        if now - began < SLOW:
            return False
        with self.lock:
            self.is_down, self.next_try = True, now
            self.answered.clear()
            self.trier = 0 if self.trier == get_ident() else self.trier
        return True

    @contextmanager
    def _waiting(self, connection: Any, seconds: float) -> Iterator[float]:
        now = time.monotonic()
        self.waits[get_ident()] = Wait(connection, now, now + seconds)
        try:
            yield now
        finally:
            self.waits.pop(get_ident(), None)

    # --- what SQLAlchemy reports

    def _do_connect(self, dialect: Any, record: Any, arguments: Any, parameters: dict[str, Any]) -> Any:
        self.check()
        began = time.monotonic()
        try:
            return dialect.connect(*arguments, **{**parameters, **self.names.addresses(parameters)})
        except Error:
            self._failed(began)
            raise

    def _checkout(self, connection: Any, record: Any, proxy: Any) -> None:
        """Raise DisconnectionError for a dead connection, so that the pool opens another; its own error if that took long."""
        self.check()
        if time.monotonic() - record.info.get("used", math.inf) < IDLE:
            return
        with self._waiting(connection, PING) as began:
            try:
                proxy._pool._dialect.do_ping(connection)
            except Error as error:
                if self._failed(began):  # the next connection would wait as long
                    raise
                raise DisconnectionError from error

    def _checkin(self, connection: Any, record: Any) -> None:
        self.waits.pop(get_ident(), None)
        if connection is not None:  # None: it broke and was discarded
            record.info["used"] = time.monotonic()

    def _before_cursor_execute(self, connection: Any, cursor: Any, *_: Any) -> None:
        now = time.monotonic()
        self.waits[get_ident()] = Wait(cursor.connection, now, now + STATEMENT)

    def _after_cursor_execute(self, *_: Any) -> None:
        self.waits.pop(get_ident(), None)
        self._answered()

    def _commit(self, connection: Any) -> None:
        """Wait for the end of a transaction, until the connection is back in the pool."""
        if not (connection.closed or connection.invalidated):
            now = time.monotonic()
            self.waits[get_ident()] = Wait(connection.connection.dbapi_connection, now, now + STATEMENT)

    _rollback = _commit

    def _handle_error(self, context: Any) -> None:
        if context.connection is None:  # no connection was made, which `_do_connect` has noted
            return
        wait = self.waits.pop(get_ident(), None)
        if context.is_disconnect:
            self._failed(wait.began if wait else -math.inf)
        else:
            self._answered()


class Names:
    """Look up names in threads of their own: the resolver has no time limit. One thread a name, however many wait for it."""

    def __init__(self) -> None:
        self.running: dict[tuple[int, str], Future[list[str]]] = {}
        self.lock = Lock()

    def addresses(self, parameters: dict[str, Any]) -> dict[str, str]:
        """Return host, hostaddr and port with which libpq looks up nothing. Raises OperationalError if no name is found in time."""
        hosts, ports = (str(parameters.get(name) or "").split(",") for name in ("host", "port"))
        if "hostaddr" in parameters or not any(_is_name(host) for host in hosts) or len(ports) not in (1, len(hosts)):
            return {}
        ports = ports * len(hosts) if len(ports) == 1 else ports
        give_up, rows, reason = time.monotonic() + LOOK_UP, list[tuple[str, str, str]](), ""
        for host, port in zip(hosts, ports, strict=True):
            try:
                rows += [(host, address, port) for address in self._look_up(host, give_up)]
            except (OSError, UnicodeError) as error:
                reason = f'could not translate host name "{host}" to address: {str(error) or f"no answer in {LOOK_UP:.0f} s"}'
        if not rows:
            raise OperationalError(reason)
        return dict(zip(("host", "hostaddr", "port"), map(",".join, zip(*rows, strict=True)), strict=True))

    def _look_up(self, host: str, give_up: float) -> list[str]:
        if not _is_name(host):
            return [""]
        with self.lock:
            key = os.getpid(), host  # a forked process has none of the threads
            future = self.running.get(key)
            if future is None:
                future = self.running[key] = Future()
                Thread(target=self._run, args=(key, future), daemon=True, name=f"look up {host}").start()
        return future.result(max(0.0, give_up - time.monotonic()))

    def _run(self, key: tuple[int, str], future: "Future[list[str]]") -> None:
        try:
            results = socket.getaddrinfo(key[1], None, type=socket.SOCK_STREAM)
            future.set_result(list(dict.fromkeys(str(address[0]) for *_, address in results)))
        except BaseException as error:
            future.set_exception(error)
        finally:
            with self.lock:
                del self.running[key]


def _is_name(host: str) -> bool:
    """Whether it has to be looked up: a path is a socket, and libpq knows an address."""
    if not host or host.startswith(("/", "@")):
        return False
    for family in (socket.AF_INET, socket.AF_INET6):
        with suppress(OSError):
            socket.inet_pton(family, host.partition("%")[0])
            return False
    return True


def _break(connection: Any) -> None:
    """End both directions, which wakes the thread that waits: libpq then reports that the server has closed the connection."""
    with suppress(OSError, Error), socket.socket(fileno=os.dup(connection.fileno())) as opened:
        opened.shutdown(socket.SHUT_RDWR)
