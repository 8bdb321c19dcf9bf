"""Malformed requests to the server without nginx. Behind nginx: `tests/infrastructure/test_faults_behind.py`."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from urllib.parse import quote

import pytest
from malformed import ALIVE, cut_short, dribble, malformed, speak
from up import Start, Up, at_once, for_a_team

pytestmark = pytest.mark.live
KEY = "cat_00000000_" + "0" * 49
SOON = 1.0
UNKNOWN_ENCODING = {("encoding nobody knows", 501), ("key as an encoding", 501)}


@pytest.fixture(scope="module")
def bare(start: Start, make_database: Callable[[], str]) -> Up:
    server = start(**for_a_team(make_database())).ready()
    server.make_keys()
    return server


@pytest.fixture
def well(bare: Up) -> Iterator[Up]:
    """That server; after the test it answers at once with the same workers, and has logged no error and no key."""
    workers = bare.workers()
    yield bare
    with bare.caller() as anybody:
        answer = anybody.get("/livez")
    assert answer.status_code == 200
    assert answer.elapsed.total_seconds() < SOON
    assert bare.workers() == workers
    assert [line for line in bare.lines() if line["level"] in ("error", "critical")] == []
    assert bare.keys["publisher"][12:] not in bare.log.read_text()
    assert bare.sql("SELECT count(*) FROM models") == [(0,)]


@pytest.mark.parametrize("name", list(malformed(KEY)))
def test_a_malformed_request_is_refused_and_nothing_after_it_is_read(well: Up, name: str) -> None:
    got = speak(well.port, malformed(well.keys["publisher"])[name])
    (status,) = got.statuses
    assert 400 <= status < 500 or (name, status) in UNKNOWN_ENCODING
    assert ALIVE not in got.text
    assert name.startswith("key ") or well.keys["publisher"][12:].encode() not in got.text


@pytest.mark.parametrize("name", list(cut_short(KEY)))
def test_a_request_that_is_cut_short_is_refused_or_closed(well: Up, name: str) -> None:
    got = speak(well.port, cut_short(well.keys["publisher"])[name], done=True)
    assert got.closed
    assert got.statuses in ([], [400], [422])


def test_http_0_9_is_refused(well: Up) -> None:
    assert speak(well.port, f"GET /livez?key={well.keys['publisher']}\r\n".encode()).statuses == [400]


def test_a_header_that_comes_slowly_delays_no_other_client(well: Up) -> None:
    slow = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with well.by("viewer") as viewer:
        *answers, _ = at_once(
            *[partial(viewer.get, "/api/v1/models")] * 8, partial(dribble, well.port, slow, pause=0.01, seconds=10)
        )
    assert all(answer.status_code == 200 for answer in answers if not isinstance(answer, float))
    assert all(answer.elapsed.total_seconds() < SOON for answer in answers if not isinstance(answer, float))


def test_clients_that_do_not_close_their_end_delay_no_other_client(well: Up) -> None:
    last = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with ExitStack() as left_open, well.caller() as anybody:
        for text in [last, malformed(KEY)["no request"]] * 20:
            connection = left_open.enter_context(socket.create_connection(("127.0.0.1", well.port), 10))
            connection.sendall(text)
            assert connection.recv(65536).startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 400 "))
        for _ in range(4):
            answer = anybody.get("/livez")
            assert answer.status_code == 200
            assert answer.elapsed.total_seconds() < SOON


def test_the_longest_filter_fits_into_a_request_line(well: Up) -> None:
    words = f'tag = "{" " * 1_990}"'
    address = f"/api/v1/versions?filter={quote(words)}"
    assert (len(words), len(address)) > (1_990, 5_900)
    with well.by("viewer") as viewer:
        assert viewer.get(address).json() == []
