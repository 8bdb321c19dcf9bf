"""What Catapult overrides in gunicorn is still there, with the same arguments."""

import inspect
import re
import selectors
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from threading import Thread
from types import SimpleNamespace

import gunicorn.arbiter
import pytest
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.workers.gthread import ThreadWorker

from catapult.server.arbiter import Arbiter
from catapult.server.gunicorn_server import Log
from catapult.server.worker import Worker

OVERRIDES = [
    (ours, theirs, name)
    for ours, theirs in ((Arbiter, gunicorn.arbiter.Arbiter), (Worker, ThreadWorker), (Log, Logger))
    for name in vars(ours)
    if not name.startswith("_") and callable(getattr(ours, name))
]


@pytest.mark.parametrize(("ours", "theirs", "name"), OVERRIDES, ids=lambda part: getattr(part, "__name__", part))
def test_an_overridden_method_exists_in_gunicorn_and_says_when_it_can_go(ours, theirs, name):
    override, original = getattr(ours, name), getattr(theirs, name)
    assert list(inspect.signature(override).parameters) == list(inspect.signature(original).parameters)
    assert re.search(r"Overrides \w+\.\w+.* Can\s+go\s+when ", " ".join(override.__doc__.split()))


def test_of_connections_that_arrive_at_once_a_worker_takes_one_and_leaves_the_next_to_another():
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        selectors.DefaultSelector() as poller,
        ExitStack() as stack,
    ):
        for _ in range(2):
            stack.enter_context(socket.create_connection(listener.getsockname()))
        worker = Worker(0, 0, [listener], None, 30, Config(), None)
        worker.poller, taken = poller, []
        worker.tmp.close()
        worker.enqueue_req = taken.append
        worker.set_accept_enabled(True)
        worker.wait_for_and_dispatch_events(5)
        worker.set_accept_enabled(True)
        worker.wait_for_and_dispatch_events(5)  # returns after the pause, in which the other worker takes it
        assert len(taken) == 1
        worker.set_accept_enabled(True)
        worker.wait_for_and_dispatch_events(5)
        assert len(taken) == 2
        for connection in taken:
            connection.close()


def test_a_worker_ends_by_ctrl_c_while_its_thread_pool_is_locked():
    """The signal interrupts the main thread anywhere, for instance while it hands a request to the pool."""
    worker = object.__new__(Worker)
    worker.cfg = SimpleNamespace(worker_int=lambda _: None)
    worker.tpool = ThreadPoolExecutor(1)
    ended = []

    def interrupted():
        with worker.tpool._shutdown_lock, suppress(SystemExit):
            worker.handle_quit(signal.SIGINT, None)
        ended.append(not worker.alive)

    thread = Thread(target=interrupted, daemon=True)
    thread.start()
    thread.join(5)
    assert ended == [True]
