"""The database's host by its name, while no name server answers. The server has a resolv.conf of its own, by a mount namespace."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from load import SOON
from pool import PgBouncer
from up import Up, at_once, for_a_team, statuses, until

from catapult.embedded import Embedded
from catapult.extensions import THREADS

pytestmark = [pytest.mark.live, pytest.mark.skipif(sys.platform != "linux", reason="namespaces are Linux's")]
ADDRESS = "127.7.7.53"
HOST = "database.catapult.test"
WITHIN = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'
A = 1
OTHERS = 2
"""Threads of a worker beside those for requests: its loop, and the look-up."""


class NameServer:
    """Answers every question for an address with 127.0.0.1, and none while it is silent."""

    def __init__(self) -> None:
        self.silent, self.asked = False, 0
        self.socket = socket.socket(type=socket.SOCK_DGRAM)
        self.socket.bind((ADDRESS, 53))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                question, client = self.socket.recvfrom(512)
                if not question:  # the end
                    return
                self.asked += 1
                if not self.silent:
                    self.socket.sendto(_answer(question), client)

    def close(self) -> None:
        with suppress(OSError):  # wakes the thread, then says that it was not connected
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def _answer(message: bytes) -> bytes:
    end = message.index(b"\0", 12) + 5
    found = int.from_bytes(message[end - 4 : end - 2]) == A
    row = b"\xc0\x0c" + b"\0\1\0\1" + b"\0\0\0\0" + b"\0\4" + socket.inet_aton("127.0.0.1")
    return message[:2] + b"\x81\x80" + b"\0\1" + bytes([0, found]) + b"\0\0\0\0" + message[12:end] + row * found


class Namespaced(Up):
    """A server that asks our name server."""

    def __init__(self, folder: Path, **settings: str) -> None:
        file = folder / "resolv.conf"
        file.write_text(f"nameserver {ADDRESS}\n")  # with the system's time-out of 5 s and its two attempts
        self.within = ("unshare", "--mount", "sh", "-c", WITHIN, str(file))
        super().__init__(folder, **settings)


@pytest.fixture
def names() -> Iterator[NameServer]:
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
        assert not os.environ.get("CI"), "CI has to run this as root that may mount"
        pytest.skip("needs to be root, and allowed to mount")
    names = NameServer()
    yield names
    names.close()


@pytest.fixture
def pooler(needs: Callable[[str], str], make_folder: Callable[[], Path], cluster: Embedded) -> Iterator[PgBouncer]:
    """What makes PostgreSQL reachable by a name: its own socket has none."""
    pooler = PgBouncer(needs("pgbouncer"), make_folder(), cluster)
    try:
        yield pooler.ready()
    finally:
        pooler.close()


def test_while_no_name_server_answers_requests_are_refused_soon_and_no_thread_stays(
    names: NameServer, pooler: PgBouncer, make_folder: Callable[[], Path], make_database: Callable[[], str]
) -> None:
    database = make_database()
    name = database.partition("?")[0].rpartition("/")[2]
    server = Namespaced(make_folder(), **for_a_team(pooler.url(name).replace("127.0.0.1", HOST)))
    try:
        server.ready()
        with server.caller(server.key) as admin:
            ask = partial(admin.get, "/api/v1/models")
            assert statuses(at_once(*[ask] * 16)) == {200: 16}
            names.silent = True
            asked = names.asked
            pooler.process.kill()  # the connections are lost, and each new one has to look up the name
            pooler.process.wait(10)
            pooler.start()
            pooler.ready()
            for _ in range(2):
                *answers, alive = at_once(*[ask] * 32, partial(admin.get, "/livez"))
                assert statuses(answers) == {503: 32}
                assert {answer.headers["Retry-After"] for answer in answers} == {"2"}
                assert max(answer.elapsed.total_seconds() for answer in answers) < 2 * SOON
                assert (alive.status_code, alive.elapsed.total_seconds() < 2 * SOON) == (200, True)
            assert names.asked > asked
            assert all(worker.num_threads() <= THREADS + OTHERS for worker in server.workers())
            names.silent = False
            until(lambda: statuses(at_once(*[ask] * 16)) == {200: 16})
        assert server.lines("fault") == []
        assert server.end() == 0
    finally:
        server.close()
