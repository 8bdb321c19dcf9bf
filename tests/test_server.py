"""What Catapult overrides in gunicorn is still there, with the same arguments."""

import inspect
import random
import re
import selectors
import socket
from contextlib import ExitStack
from ipaddress import ip_network
from pathlib import Path
from types import SimpleNamespace

import gunicorn.arbiter
import pytest
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.workers import base

from catapult.config import Settings
from catapult.server import startup
from catapult.server.arbiter import Arbiter
from catapult.server.framing import LONGEST_LINE, MOST_CHUNKED, Framing
from catapult.server.gunicorn_server import Log
from catapult.server.handover import is_of_files
from catapult.server.unsent import IN_MEMORY, Unsent
from catapult.server.worker import Worker

OVERRIDES = [
    (ours, theirs, name)
    for ours, theirs in ((Arbiter, gunicorn.arbiter.Arbiter), (Log, Logger))
    for name in vars(ours)
    if not name.startswith("_") and callable(getattr(ours, name))
]


@pytest.mark.parametrize(("ours", "theirs", "name"), OVERRIDES, ids=lambda part: getattr(part, "__name__", part))
def test_an_overridden_method_exists_in_gunicorn_and_says_when_it_can_go(ours, theirs, name):
    override, original = getattr(ours, name), getattr(theirs, name)
    assert list(inspect.signature(override).parameters) == list(inspect.signature(original).parameters)
    assert re.search(r"Overrides \w+\.\w+.* Can\s+go\s+when ", " ".join(override.__doc__.split()))


def test_the_worker_overrides_only_what_gunicorn_s_base_class_leaves_to_it():
    assert {name for name in vars(Worker) if not name.startswith("_") and name in dir(base.Worker)} == {"run"}


def test_of_connections_that_arrive_at_once_a_worker_takes_one_and_leaves_the_next_to_another():
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        selectors.DefaultSelector() as poller,
        ExitStack() as stack,
    ):
        for _ in range(2):
            stack.enter_context(socket.create_connection(listener.getsockname()))
        worker = Worker(0, 0, [listener], None, 30, Config(), None)
        worker.tmp.close()
        worker.poller, worker.connections, worker.accept_after = poller, set(), 0.0
        worker._accept(listener)
        assert (len(worker.connections), worker._may_accept()) == (1, False)
        while not worker._may_accept():
            pass
        worker._accept(listener)
        assert len(worker.connections) == 2
        for connection in worker.connections:
            connection.close()


# --- where a request ends

GET = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /login HTTP/1.1\r\nHost: x\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
COMPLETE = {
    "no body": GET,
    "after an empty line": b"\r\n" + GET,
    "length": POST + b"Content-Length: 7\r\n\r\na=b\r\n\r\n",
    "length of 0": POST + b"content-length:0\r\n\r\n",
    "body that looks like an end": POST + b"Content-Length: 9\r\n\r\n0\r\n\r\n0\r\n\r",
    "chunks": CHUNKED + b"3\r\na=b\r\n00A\r\n0\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n",
    "chunks with extensions and trailers": CHUNKED + b'3 ;a="b"\r\na=b\r\n000;x\r\nA: b\r\nC: d\r\n\r\n',
}


@pytest.mark.parametrize("name", list(COMPLETE))
@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_a_request_is_complete_at_its_end_however_it_arrives(name, size):
    request, following = COMPLETE[name], GET[:30]
    received, framing = bytearray(), Framing()
    stream = request + following
    for start in range(0, len(stream), size):
        received += stream[start : start + size]
        assert framing.is_complete(received) == (len(received) >= len(request))
        if len(received) >= len(request):
            break
    assert (framing.end, framing.is_cut) == (len(request), False)


@pytest.mark.parametrize(
    "text",
    [
        b"GET /livez\r\n",
        b"\x16\x03\x01\x02\r\n",
        b"GET /" + b"x" * LONGEST_LINE,
        POST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\n",
        POST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        POST + b"Content-Length: +1\r\n\r\n",
        POST + b"Content-Length: 1048577\r\n\r\n",
        POST + b"Transfer-Encoding: gzip\r\n\r\n",
        CHUNKED + b"zz\r\n",
        CHUNKED + b"2\r\n{}XX",
        CHUNKED + b"1" * (LONGEST_LINE + 1),
        CHUNKED + b"1\r\nx\r\n" * (MOST_CHUNKED // 6 + 1),
    ],
    ids=lambda text: text[-20:].decode("latin-1"),
)
def test_what_cannot_become_a_request_is_not_waited_for(text):
    framing = Framing()
    assert framing.is_complete(bytearray(text))
    assert (framing.is_cut, framing.end) == (True, len(text))


def test_what_a_client_has_not_read_leaves_in_order_and_its_file_goes():
    dice, unsent = random.Random(7), Unsent()
    came, left = bytearray(), bytearray()
    sizes = [0, 1, 100, 3000, IN_MEMORY // 2, 3 * IN_MEMORY]
    filed = 0
    for _ in range(400):
        part = dice.randbytes(dice.choice(sizes) if len(came) - len(left) < 8 * IN_MEMORY else 1)
        came += part
        unsent.add(memoryview(part))
        filed += unsent._file is not None
        for _ in range(dice.randrange(6)):
            first = unsent.first()
            if first:
                count = dice.randrange(1, len(first) + 1)
                left += first[:count]
                unsent.drop(count)
        assert unsent.size == len(came) - len(left)
    while first := unsent.first():
        left += first
        unsent.drop(len(first))
    assert left == came
    assert filed > 10
    assert (unsent.size, unsent._file) == (0, None)


@pytest.mark.parametrize(
    ("host", "proxies", "warns"),
    [
        ("0.0.0.0", (), True),
        ("192.0.2.1", (), True),
        ("::", (), True),
        ("ml.example.com", (), True),
        ("0.0.0.0", (ip_network("10.0.0.5"),), False),
        ("127.0.0.1", (), False),
        ("127.0.0.2", (), False),
        ("::1", (), False),
        ("localhost", (), False),
    ],
)
def test_a_server_that_others_reach_without_a_proxy_says_so_at_its_start(monkeypatch, host, proxies, warns):
    settings, logged = Settings(Path("/nowhere"), False, "", "", "", host=host, trusted_proxies=proxies), []
    log = SimpleNamespace(warning=lambda event, **values: logged.append((event, values)))
    monkeypatch.setattr(startup, "log", log)
    startup.check_host(settings)
    assert [values for _, values in logged] == [{"host": host}] * warns
    assert all("put nginx in front of it" in event for event, _ in logged)


ID = "019ab2f0-7c1e-7d52-a1f3-2b7c9d0e4f11"


@pytest.mark.parametrize(
    ("request_line", "expected"),
    [
        (f"PUT /api/v1/versions/{ID}/artifacts/a/b.bin", True),
        (f"GET /api/v1/artifacts/{ID}/content", True),
        (f"HEAD /mounted/api/v1/artifacts/{ID}/content?x=y", True),
        (f"GET /artifacts/{ID}/preview", True),
        (f"GET /mounted/artifacts/{ID}/preview?theme=dark", True),
        (f"GET http://catapult.test/artifacts/{ID}/preview", True),
        (f"POST /artifacts/{ID}/preview", False),
        ("POST /models/org/bert/versions/1.0.0/-/files", True),
        ("POST /mounted/models/a/b/c/versions/1.0.0%2B1/-/files?x=1", True),
        ("GET /models/org/bert/versions/1.0.0/-/files", False),
        ("POST /models/org/bert/versions/1.0.0/-/mount", False),
        ("POST /models/org/bert/versions/1.0.0/-/comment?next=/-/files", False),
        (f"GET /artifacts/{ID}/preview/", False),
        (f"GET /artifacts/{ID}/previews", False),
        ("GET /models/artifacts/x/preview", False),
        (f"GET /models?next=/artifacts/{ID}/preview", False),
        (f"GET /api/v1/artifacts/{ID}", False),
        (f"GET /api/v1/versions/{ID}/artifacts", False),
        ("GET /models/org/bert/-/card", False),
    ],
)
def test_what_takes_file_io_is_for_the_process_for_files(request_line, expected):
    assert is_of_files(f"{request_line} HTTP/1.1\r\nHost: x\r\n\r\n".encode()) == expected
