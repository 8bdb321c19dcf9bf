"""Clients that send or read slowly, or not at all, to the server without nginx: nobody else waits for them."""

import resource
import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial

import pytest
from long_rows import LONG_LIST
from malformed import dribble
from up import Start, Up, at_once, for_a_team

pytestmark = pytest.mark.live
SOON = 3.0
"""Seconds for a request among slow clients: a busy machine needs some, and a server that waits for them needs 10 or more."""
DEADLINE, LATEST = 10.0, 16.0
HALF = b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Le"
UNFINISHED = HALF + b"ngth: 100\r\n\r\nkey=cat_"
LARGE_FILE = "/static/swagger-ui-5.35.0/swagger-ui-bundle.js"


@pytest.fixture(scope="module")
def bare(start: Start, make_database: Callable[[], str]) -> Up:
    server = start(**for_a_team(make_database())).ready()
    server.make_keys()
    server.sql(LONG_LIST)
    return server


@pytest.fixture
def well(bare: Up) -> Iterator[Up]:
    """That server; after the test it has the same workers and has logged no error."""
    workers = bare.workers()
    yield bare
    assert bare.workers() == workers
    assert [line for line in bare.lines() if line["level"] in ("error", "critical")] == []


@contextmanager
def opened(server: Up, count: int, text: bytes) -> Iterator[list[socket.socket]]:
    """So many connections on which this was sent, and of which nothing is read."""
    soft, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(most, count + 500)), most))
    with ExitStack() as stack:
        connections = []
        for _ in range(count):
            connections.append(stack.enter_context(socket.create_connection(("127.0.0.1", server.port), 30)))
            connections[-1].sendall(text)
        yield connections


def assert_others_are_answered(server: Up) -> None:
    """Check that requests on new connections, and on one that is kept, are answered soon."""
    for role in ("viewer", "publisher"):
        for _ in range(3):
            with server.by(role) as caller:
                for path in ("/livez", "/api/v1/models", "/login"):
                    answer = caller.get(path, timeout=LATEST)
                    assert (answer.status_code, answer.elapsed.total_seconds() < SOON) == (200, True), path


def test_a_thousand_clients_that_keep_their_connections_delay_no_other(well: Up) -> None:
    with opened(well, 1_000, get("/livez")) as kept:
        assert all(each.recv(65536).startswith(b"HTTP/1.1 200 ") for each in kept)
        assert_others_are_answered(well)
        for each in kept[-20:]:
            each.sendall(get("/livez"))
            assert each.recv(65536).startswith(b"HTTP/1.1 200 ")


def get(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: x", *headers, "", ""]).encode()


def long_list(server: Up) -> bytes:
    return get("/api/v1/versions?limit=1000", f"X-API-Key: {server.keys['viewer']}")


@pytest.mark.parametrize(
    ("count", "text"),
    [(100, b""), (100, HALF), (100, UNFINISHED), (60, get(LARGE_FILE, "Accept-Encoding: identity") * 3)],
    ids=["nothing", "half a header", "half a body", "three large files, unread"],
)
def test_slow_clients_delay_no_other(well: Up, count: int, text: bytes) -> None:
    with opened(well, count, text):
        time.sleep(0.5)
        assert_others_are_answered(well)


def test_clients_that_do_not_read_their_lists_delay_no_other_and_are_bounded(well: Up) -> None:
    with opened(well, 30, long_list(well)):
        time.sleep(4)  # the lists are made: that takes a thread each, as it has to
        assert_others_are_answered(well)


def test_headers_a_body_and_an_answer_each_have_a_deadline_and_steady_clients_none(well: Up) -> None:
    """All at once, since each takes the deadline's ten seconds."""
    stalled, dripped, both, read = at_once(
        partial(seconds_until_stalled_ones_end, well),
        partial(dribble, well.port, HALF * 9, pause=0.1, seconds=LATEST),
        partial(dribble, well.port, UNFINISHED + b"x" * 99, pause=0.1, seconds=2 * LATEST),
        partial(read_slowly, well, long_list(well)),
    )
    assert all(DEADLINE - 0.5 < seconds < LATEST for seconds in stalled), stalled
    assert DEADLINE - 0.5 < dripped < LATEST  # the same for a header that goes on byte by byte
    assert both > DEADLINE - 0.5  # the body has ten seconds of its own, after those of the headers
    assert read > 7 * 1024 * 1024


def seconds_until_stalled_ones_end(server: Up) -> list[float]:
    """Stop amid headers, amid a body, without reading an answer, and before anything. Returns when each connection ended."""
    began = time.monotonic()
    with (
        opened(server, 1, HALF) as (header,),
        opened(server, 1, UNFINISHED) as (body,),
        opened(server, 1, long_list(server)) as (answer,),
        opened(server, 1, b"") as (silent,),
    ):
        ended, texts = dict[socket.socket, float](), {header: b"", body: b"", silent: b""}
        while len(ended) < 4 and time.monotonic() < began + LATEST + 4:
            for each in select.select([each for each in texts if each not in ended], [], [], 0.2)[0]:
                texts[each] += (more := each.recv(65536))
                if not more:
                    ended[each] = time.monotonic() - began
            if answer not in ended and is_reset(answer):
                ended[answer] = time.monotonic() - began
        assert {header, body, answer, silent} == set(ended)
        assert (texts[header][:13], texts[body][:13], texts[silent]) == (b"HTTP/1.1 408 ", b"HTTP/1.1 408 ", b"")
        return list(ended.values())


def is_reset(connection: socket.socket) -> bool:
    """Return whether the other end has reset the connection, without reading from it."""
    poll = select.poll()
    poll.register(connection, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def read_slowly(server: Up, text: bytes) -> int:
    """Read a whole answer, for longer than the deadline. Returns how long its body is."""
    with opened(server, 1, text.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")) as (slow,):
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        got, began = bytearray(), time.monotonic()
        while part := slow.recv(64 * 1024):
            got += part
            time.sleep(0.1 if time.monotonic() < began + DEADLINE + 3 else 0)
    head, _, body = bytes(got).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    (length,) = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    assert len(body) == int(length.split(b":")[1])
    return len(body)


def test_requests_that_are_sent_ahead_are_answered_in_order(well: Up) -> None:
    texts = [get("/livez"), get("/nowhere"), get("/livez"), get("/api/v1/models", "Connection: close")]
    with opened(well, 1, b"".join(texts)) as (ahead,):
        got = ahead.makefile("rb").read()
    assert [part[:3] for part in got.split(b"HTTP/1.1 ")[1:]] == [b"200", b"404", b"200", b"401"]


def test_a_client_that_asks_whether_to_go_on_is_told_so_before_its_body(well: Up) -> None:
    body = b'{"name": "org/continued", "storage_path": "s3://x"}'
    head = f"X-API-Key: {well.keys['publisher']}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    text = b"POST /api/v1/models HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n" + head.encode() + b"\r\n"
    with opened(well, 1, text) as (asking,):
        assert asking.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        asking.sendall(body)
        assert asking.recv(100).startswith(b"HTTP/1.1 201 ")


def test_more_connections_than_a_worker_may_have_push_out_those_that_have_waited_longest(
    start: Start, make_database: Callable[[], str]
) -> None:
    server = start(**for_a_team(make_database()), WEB_CONCURRENCY="1")
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (160, 4096))
    server.ready()
    with opened(server, 150, HALF) as waiting, server.caller() as anybody:
        answer = anybody.get("/livez", timeout=LATEST)
        assert (answer.status_code, answer.elapsed.total_seconds() < SOON) == (200, True)
        waiting[0].settimeout(1)
        with suppress(ConnectionError):
            assert waiting[0].recv(1) == b""
        assert not select.select([waiting[-1]], [], [], 0)[0]
    assert server.lines("no more connections: raise the limit of open files") == []
