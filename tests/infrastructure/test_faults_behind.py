"""Attacks and shutdowns behind nginx: malformed requests, forged headers, half-open connections, SIGTERM."""

import resource
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from functools import partial

import psycopg2
import pytest
from front import Nginx
from load import SOON, assert_kept, load
from malformed import ALIVE, cut_short, malformed, speak
from up import Start, Up, a_version, at_once, for_a_team, statuses, until

pytestmark = pytest.mark.live
KEY = "cat_00000000_" + "0" * 49
FAST = {"NGINX_RATE": "10000r/s", "NGINX_BURST": "10000"}
GUNICORN_REFUSES = ("bytes in the line", "very many headers")
"""Malformed requests that nginx passes on. gunicorn refuses them in HTML of its own."""
HALF_OPEN = 600
HEADER_TIMEOUT = 10  # seconds, of nginx


@pytest.fixture(scope="module")
def server(start: Start, make_database: Callable[[], str]) -> Up:
    trust = {"TRUSTED_PROXIES": "127.0.0.1", "TRUSTED_HOSTS": "127.0.0.1,x"}
    server = start(**for_a_team(make_database()), **trust).ready()
    server.make_keys()
    return server


@pytest.fixture(scope="module")
def front(nginx: Callable[..., Nginx], server: Up) -> Nginx:
    return nginx(server.port, **FAST)


@pytest.fixture
def well(server: Up, front: Nginx) -> Iterator[Nginx]:
    """nginx in front of the server. After the test both answer, the workers are the same, and no error was logged."""
    workers = server.workers()
    yield front
    assert front.get("/livez").json() == {"status": "ok"}
    assert server.workers() == workers
    assert [line for line in server.lines() if line["level"] in ("error", "critical")] == []


# --- malformed requests


@pytest.mark.parametrize("name", list(malformed(KEY)))
def test_a_malformed_request_is_refused_and_nothing_after_it_is_read(well: Nginx, server: Up, name: str) -> None:
    received = speak(well.port, malformed(server.keys["publisher"])[name])
    (status,) = received.statuses
    assert 400 <= status < 500
    assert ALIVE not in received.text
    assert b"nginx/" not in received.text
    assert b"<html>" not in received.text or name in GUNICORN_REFUSES
    kind = b"too-large" if status == 413 else b"bad-request"
    assert b"problem+json" not in received.text or b'"type":"/docs/errors/%s"' % kind in received.text
    assert server.sql("SELECT count(*) FROM models") == [(0,)]


@pytest.mark.parametrize("name", list(cut_short(KEY)))
def test_a_truncated_request_is_refused_or_dropped(well: Nginx, server: Up, name: str) -> None:
    received = speak(well.port, cut_short(server.keys["publisher"])[name], done=True)
    assert received.closed
    assert received.statuses in ([], [400])
    assert server.sql("SELECT count(*) FROM models") == [(0,)]


def test_a_request_of_http_0_9_has_no_key(well: Nginx) -> None:
    received = speak(well.port, b"GET /api/v1/models\r\n")
    assert received.closed
    assert b"/docs/errors/unauthenticated" in received.text


# --- half-open connections


@pytest.fixture(scope="module")
def half_open(front: Nginx, server: Up) -> Iterator[list[socket.socket]]:
    """Six hundred connections of another client that sent part of a request and no more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4 * HALF_OPEN)), hard))
    halves = list(cut_short(server.keys["publisher"]).values())
    with ExitStack() as opened:
        connections = []
        for number in range(HALF_OPEN):
            connection = socket.create_connection(("127.0.0.1", front.port), 10, source_address=("127.0.0.2", 0))
            connections.append(opened.enter_context(connection))
            connections[-1].sendall(halves[number % len(halves)])
        yield connections
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_half_open_connections_delay_nobody(well: Nginx, server: Up, half_open: list[socket.socket]) -> None:
    answers = [well.get("/api/v1/models", headers={"X-API-Key": server.keys["viewer"]}) for _ in range(40)]
    assert statuses(answers) == {200: 40}
    assert max(answer.elapsed.total_seconds() for answer in answers) < SOON
    assert sum(len(worker.net_connections()) for worker in server.workers()) < 40


# --- SIGTERM


def test_no_request_fails_when_one_of_two_servers_shuts_down(
    nginx: Callable[..., Nginx], start: Start, server: Up
) -> None:
    """Small requests keep coming. Six with large bodies wait for a lock at the time of SIGTERM, some at that server."""
    other = start(**{name: value for name, value in server.settings.items() if name not in ("PORT", "CATAPULT_HOME")})
    front = nginx(other.ready().port, server.port, **FAST)
    metadata = {f"key-{n}": "x" * 2_000 for n in range(30)}
    with server.by("admin") as admin, load(server, "behind/term", url=front.url) as writes:
        model = admin.model("behind/slow")
        key = {"X-API-Key": server.keys["publisher"], "X-Request-ID": "behind-slow"}
        bodies = [a_version(model, f"1.0.{n}", metadata=metadata) for n in range(6)]
        slow = [partial(front.post, "/api/v1/versions", json=body, headers=key) for body in bodies]
        with closing(psycopg2.connect(server.database_url)) as holder:
            holder.cursor().execute("SELECT FROM models WHERE id = %s FOR UPDATE", [model["id"]])

            def shut_down() -> None:
                try:
                    until(lambda: waiting_for_locks(server) >= 6, 4)
                    other.process.terminate()
                    until(lambda: not listens(other.port), 4)
                finally:
                    holder.rollback()

            *answers, _ = at_once(*slow, shut_down)
        assert other.process.wait(30) == 0
        writes.goes_on()
    assert [answer and answer.status_code for answer in answers] == [201] * 6
    assert (writes.lost, writes.refused) == (0, [])
    assert_kept(server, writes)
    assert other.lines("fault") == []
    lines = [line for line in front.lines() if line["request_id"] == "behind-slow"]
    assert f"127.0.0.1:{other.port}" in {line["upstream"] for line in lines}
    served = {line["upstream"].split(", ")[-1] for line in front.lines()[-20:]}  # the last one that nginx tried
    assert served == {f"127.0.0.1:{server.port}"}


def listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def waiting_for_locks(server: Up) -> int:
    waiting = "wait_event_type = 'Lock' AND datname = current_database()"
    [(number,)] = server.sql(f"SELECT count(*) FROM pg_stat_activity WHERE {waiting}")
    return int(number)


def test_half_open_connections_are_closed(well: Nginx, half_open: list[socket.socket]) -> None:
    """The last test, because nginx takes its time."""
    give_up = time.monotonic() + HEADER_TIMEOUT + 10
    for connection in half_open:
        connection.settimeout(max(0.01, give_up - time.monotonic()))
        with suppress(ConnectionError):
            while connection.recv(65536):
                pass
