"""Clients of nginx that read nothing: the others get all of their answers, and none of them is in nginx's space."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest
import requests
from front import Nginx
from long_rows import LONG_LIST, LONG_LOG
from up import Start, Up, for_a_team, problem, until

pytestmark = pytest.mark.live
MANY = {"NGINX_RATE": "10000r/s", "NGINX_BURST": "10000"}
LIST = "/api/v1/versions?limit=1000"
SOON = 3.0


@pytest.fixture(scope="module")
def server(start: Start, make_database: Callable[[], str]) -> Up:
    server = start(**for_a_team(make_database()), TRUSTED_PROXIES="127.0.0.1").ready()
    server.make_keys()
    server.sql(LONG_LIST)
    server.sql(LONG_LOG)
    return server


@pytest.fixture(scope="module")
def front(nginx: Callable[..., Nginx], server: Up) -> Nginx:
    """nginx, for which X-Forwarded-For is who the client is."""
    return nginx(server.port, NGINX_TRUSTED_PROXIES="127.0.0.1", **MANY)


@contextmanager
def unread(front: Nginx, count: int, path: str, *headers: str) -> Iterator[list[socket.socket]]:
    """So many requests whose answers nobody reads."""
    text = "\r\n".join([f"GET {path} HTTP/1.1", "Host: x", *headers, "", ""]).encode()
    with ExitStack() as stack:
        connections = []
        for _ in range(count):
            connection = stack.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.settimeout(30)
            connection.connect(("127.0.0.1", front.port))
            connection.sendall(text)
            connections.append(connection)
        yield connections


def taken(front: Nginx) -> list[int]:
    """Return the sizes of nginx's temporary files, which have no name any more."""
    sizes = []
    for process in psutil.Process(front.process.pid).children():
        for file in Path(f"/proc/{process.pid}/fd").iterdir():
            if "_temp/" in os.readlink(file):
                sizes.append(file.stat().st_size)
    return sizes


def begins(connections: list[socket.socket], text: bytes) -> int:
    """Return how many answers begin so."""
    return sum(connection.recv(len(text), socket.MSG_PEEK) == text for connection in connections)


def test_one_client_may_have_few_requests_at_once_and_another_gets_all_of_its_answer(front: Nginx, server: Up) -> None:
    key = f"X-API-Key: {server.keys['viewer']}"
    with unread(front, 50, LIST, key, "X-Forwarded-For: 198.51.100.7") as connections:
        until(lambda: begins(connections[40:], b"HTTP/1.1 429 ") == 10, 30)
        time.sleep(2)
        headers = {"X-API-Key": server.keys["publisher"], "X-Forwarded-For": "198.51.100.8"}
        answer = front.get(LIST, headers=headers, timeout=60)
        assert answer.status_code == 200
        assert len(answer.content) > 7 * 1024 * 1024
        assert len(answer.json()) > 800
        assert taken(front) == []
        assert begins(connections, b"HTTP/1.1 429 ") == 50 - 32
        refused = front.get(LIST, headers={**headers, "X-API-Key": server.keys["viewer"]})
        assert problem(refused, "rate-limited")["detail"].startswith("Wait as many seconds as Retry-After says")
        assert front.get("/static/icon.svg", headers={"X-Forwarded-For": "198.51.100.7"}).status_code == 200


def test_when_bodies_fill_the_space_answers_are_whole(front: Nginx, server: Up) -> None:
    half = "x" * 500_000
    with ExitStack() as stack:
        for n in range(3):
            headers = ("Content-Length: 1000000", f"X-Forwarded-For: 198.51.100.{n}")
            for connection in stack.enter_context(unread(front, 30, "/login", *headers)):
                connection.sendall(half.encode())
        until(lambda: len(taken(front)) == 90)
        headers = {"X-API-Key": server.keys["publisher"], "X-Forwarded-For": "198.51.100.8"}
        assert len(front.get(LIST, headers=headers, timeout=60).json()) > 800
        assert max(taken(front)) <= 1024 * 1024


def test_slow_readers_of_exports_hold_up_nobody(front: Nginx, server: Up) -> None:
    with requests.Session() as session:
        signing_in = {"Sec-Fetch-Site": "same-origin"}
        session.post(f"{front.url}/login", data={"key": server.keys["viewer"]}, headers=signing_in)
        cookie = "; ".join(f"{each.name}={each.value}" for each in session.cookies)
        with unread(front, 20, "/audit/export.jsonl", f"Cookie: {cookie}") as connections:
            for _ in range(20):
                answer = front.get("/livez", headers={"X-Forwarded-For": "198.51.100.9"})
                assert (answer.status_code, answer.elapsed.total_seconds() < SOON) == (200, True)
                time.sleep(0.1)
            until(lambda: begins(connections, b"HTTP/1.1 503 ") >= 16)
            assert begins(connections, b"HTTP/1.1 200 ") >= 1
