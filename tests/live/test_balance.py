"""Which worker has the connections that are kept open: each as many as the other, and either all when the other is not there."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from http.client import HTTPConnection
from time import monotonic

import psutil
import pytest
from up import Start, Up, at_once, for_a_team, until

pytestmark = pytest.mark.live
Stay = Callable[[], float]


@pytest.fixture(scope="module")
def server(start: Start, make_database: Callable[[], str]) -> Up:
    return start(**for_a_team(make_database())).ready()


@pytest.fixture
def workers(server: Up) -> list[psutil.Process]:
    """Its two workers, which answer and hold nothing."""
    workers = server.workers()
    with asking(server) as ask:
        until(lambda: ask() and all(held(server, worker) for worker in workers))
    until(lambda: not any(held(server, worker) for worker in workers))
    return workers


@pytest.fixture
def stay(server: Up) -> Iterator[Stay]:
    with asking(server) as ask:
        yield ask


@contextmanager
def asking(server: Up) -> Iterator[Stay]:
    """A function that asks once over a connection that stays open, and says how many seconds the answer took."""
    with ExitStack() as connections:

        def ask() -> float:
            connection = connections.enter_context(closing(HTTPConnection("127.0.0.1", server.port, timeout=10)))
            before = monotonic()
            connection.request("GET", "/livez")
            with connection.getresponse() as answer:
                answer.read()
            assert answer.status == 200
            return monotonic() - before

        yield ask


def held(server: Up, worker: psutil.Process) -> int:
    """How many of the server's connections this worker has."""
    return sum(
        connection.laddr.port == server.port and connection.status == psutil.CONN_ESTABLISHED
        for connection in worker.net_connections("tcp")
    )


def apart(server: Up, one: psutil.Process, other: psutil.Process) -> int:
    """How many more the one has."""
    return held(server, one) - held(server, other)


def catches_up(server: Up, behind: psutil.Process, other: psutil.Process, stay: Stay) -> None:
    """From its first connection on, the worker that is behind is given nearly all, until it has as many."""
    until(lambda: stay() and held(server, behind))
    before = held(server, other)
    until(lambda: stay() and apart(server, other, behind) <= 2)
    assert held(server, other) <= before + 8


@contextmanager
def stopped(worker: psutil.Process) -> Iterator[None]:
    """It does nothing meanwhile, and nobody is told."""
    worker.suspend()
    try:
        yield
    finally:
        worker.resume()


def test_connections_opened_one_by_one_are_shared_evenly(server: Up, workers: list[psutil.Process], stay: Stay) -> None:
    for _ in range(32):
        stay()
    assert sum(held(server, worker) for worker in workers) == 32
    assert abs(apart(server, *workers)) <= 2


def test_connections_opened_at_once_are_shared_evenly(server: Up, workers: list[psutil.Process], stay: Stay) -> None:
    at_once(*[stay] * 32)
    assert sum(held(server, worker) for worker in workers) == 32
    assert abs(apart(server, *workers)) <= 4


def test_a_worker_that_stands_still_keeps_nobody_waiting_and_catches_up_after(
    server: Up, workers: list[psutil.Process], stay: Stay
) -> None:
    still, awake = workers
    with stopped(still):
        assert max(stay() for _ in range(32)) < 1
        assert (held(server, still), held(server, awake)) == (0, 32)
    catches_up(server, still, awake, stay)


def test_the_worker_that_follows_a_killed_one_is_given_connections_until_it_has_as_many(
    server: Up, workers: list[psutil.Process], stay: Stay
) -> None:
    for _ in range(64):
        stay()
    killed, old = workers
    killed.kill()
    until(lambda: set(server.workers()) - set(workers))
    (new,) = set(server.workers()) - set(workers)
    catches_up(server, new, old, stay)


def test_one_worker_alone_takes_every_connection(start: Start, make_database: Callable[[], str]) -> None:
    server = start(**for_a_team(make_database()), WEB_CONCURRENCY="1").ready()
    with server.caller() as anybody:
        assert {answer.status_code for answer in at_once(*[partial(anybody.get, "/livez")] * 16)} == {200}
    assert server.end() == 0
