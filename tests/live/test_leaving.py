"""How clients see the end of a server: it answers every connection that it accepted, and refuses the others."""

import re
import signal
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from up import Start, at_work, for_a_team, until

pytestmark = pytest.mark.live
linux = pytest.mark.skipif(sys.platform != "linux", reason="the filter and /proc are Linux's")
THREADS = 12
REQUEST = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def one_request(port: int) -> str:
    """Send a request on a new connection. Returns how it ended; a refused one may be sent to another server."""
    try:
        connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    except OSError as error:
        return type(error).__name__
    with connection:
        try:
            connection.sendall(REQUEST)
            answer = connection.makefile("rb").read()
        except OSError as error:
            return f"lost: {type(error).__name__}"
        return "answered" if answer.startswith(b"HTTP/1.1 200 ") else f"lost: {answer[:40]!r}"


@linux
def test_connections_that_wait_when_the_server_ends_are_answered_and_no_other_comes_in(
    start: Start, make_database
) -> None:
    server = start(**for_a_team(make_database())).ready()
    workers = server.workers()
    for worker in workers:
        worker.suspend()
    with ThreadPoolExecutor(THREADS) as pool:
        waiting = [pool.submit(one_request, server.port) for _ in range(THREADS)]
        until(lambda: established(server.port) == THREADS)
        server.process.terminate()
        until(lambda: all(is_told_to_end(worker) for worker in workers))
        with pytest.raises(TimeoutError):
            socket.create_connection(("127.0.0.1", server.port), timeout=0.2)
        for worker in workers:
            worker.resume()
        assert [each.result(20) for each in waiting] == ["answered"] * THREADS
    assert server.process.wait(20) == 0


def established(port: int) -> int:
    """Return how many connections to this port are open, whether accepted or not."""
    connections = psutil.net_connections("tcp")
    return sum(each.laddr.port == port and each.status == psutil.CONN_ESTABLISHED for each in connections)


def is_told_to_end(process: psutil.Process) -> bool:
    """Return whether SIGTERM waits for a suspended process."""
    (mask,) = re.findall(r"^ShdPnd:\s*(\w+)$", Path(f"/proc/{process.pid}/status").read_text(), re.MULTILINE)
    return bool(int(mask, 16) & 1 << signal.SIGTERM - 1)


def test_every_connection_is_answered_or_refused_while_the_server_ends(start: Start, make_database) -> None:
    server = start(**for_a_team(make_database())).ready()
    outcomes, ended = list[str](), threading.Event()

    def ask() -> None:
        outcome = ""
        while not ended.is_set() and outcome != "ConnectionRefusedError":
            outcome = one_request(server.port)
            outcomes.append(outcome)

    with at_work([ask] * THREADS, lambda: until(lambda: len(outcomes) > 4 * THREADS), ended):
        assert server.end() == 0
    assert set(outcomes) == {"answered", "ConnectionRefusedError"}
    assert "Exception in worker process" not in server.log.read_text()


def test_a_connection_that_is_kept_open_is_answered_once_more_and_told_to_close(start: Start, make_database) -> None:
    server = start(**for_a_team(make_database()), WEB_CONCURRENCY="1").ready()
    (worker,) = server.workers()
    with server.caller() as anybody:
        assert anybody.get("/livez").headers["Connection"] == "keep-alive"
        server.process.terminate()
        until(lambda: psutil.CONN_LISTEN not in {each.status for each in worker.net_connections()})
        last = anybody.get("/livez")
        assert (last.status_code, last.headers["Connection"]) == (200, "close")
    assert server.process.wait(20) == 0
