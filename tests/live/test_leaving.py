"""The end of a server, seen by clients: what it took it answers, and what it does not answer it refused before."""

import socket
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from up import Start, for_a_team

from catapult.server.drain import take_no_more

pytestmark = pytest.mark.live
THREADS = 12
REQUEST = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def one_request(port: int) -> str:
    """How it ended, on a connection of its own. What is refused before it was sent may be sent elsewhere."""
    try:
        connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    except OSError as error:
        return type(error).__name__
    with connection:
        got = b""
        try:
            connection.sendall(REQUEST)
            while more := connection.recv(4096):
                got += more
        except OSError as error:
            return f"lost: {type(error).__name__}"
        return "answered" if got.startswith(b"HTTP/1.1 200 ") else f"lost: {got[:40]!r}"


@pytest.mark.skipif(sys.platform != "linux", reason="the filter is Linux's")
def test_a_socket_that_takes_no_more_keeps_what_it_has_and_then_refuses() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        with socket.create_connection(address) as before:
            take_no_more(listener)
            with pytest.raises(TimeoutError):
                socket.create_connection(address, timeout=0.2)
            taken, _ = listener.accept()
            with taken:
                before.sendall(b"there")
                assert taken.recv(10) == b"there"
                taken.sendall(b"and back")
                assert before.recv(10) == b"and back"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=5)


def test_every_connection_is_answered_or_refused_while_the_server_ends(start: Start, make_database) -> None:
    server = start(**for_a_team(make_database())).ready()
    ended = threading.Event()

    def ask() -> Counter[str]:
        seen: Counter[str] = Counter()
        while not ended.is_set() and not seen["ConnectionRefusedError"]:
            seen[one_request(server.port)] += 1
        return seen

    with ThreadPoolExecutor(THREADS) as pool:
        asking = [pool.submit(ask) for _ in range(THREADS)]
        time.sleep(0.5)
        status = server.end()
        ended.set()
    seen = sum((each.result(0) for each in asking), Counter())
    assert status == 0
    assert set(seen) == {"answered", "ConnectionRefusedError"}
    assert seen["answered"] > THREADS
    assert "Exception in worker process" not in server.log.read_text()


def test_a_connection_that_is_kept_open_is_answered_once_more_and_told_to_close(start: Start, make_database) -> None:
    server = start(**for_a_team(make_database())).ready()
    with server.caller() as anybody:
        assert anybody.get("/livez").headers["Connection"] == "keep-alive"
        server.process.terminate()
        time.sleep(0.5)
        last = anybody.get("/livez")
        assert (last.status_code, last.headers["Connection"]) == (200, "close")
    assert server.process.wait(20) == 0
