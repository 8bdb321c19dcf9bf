"""A server on 127.0.0.1 that gives a test's answers, for faults that a working registry does not have."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "cat_AbCd1234_not-to-be-seen-anywhere"  # what the tests send to it
MODEL, DIGEST = "org/held", "sha256:" + "0123456789abcdef" * 4
PROBLEM = "application/problem+json"


@dataclass
class Asked:
    """One request that arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any


@dataclass
class Answer:
    """An answer. `drop`: close the connection without it; `hold`: seconds to wait first; `trickle`: 0.1 s between bytes."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    drop: bool = False
    hold: float = 0
    trickle: bool = False


def problem(status: int, kind: str, **more: Any) -> Answer:
    """Return an error in the registry's form."""
    headers = more.pop("headers", {})
    title = kind.replace("-", " ").capitalize()
    body = {"type": f"/docs/errors/{kind}", "title": title, "status": status, **more}
    return Answer(status, body, {"Content-Type": PROBLEM, **headers})


class Peer:
    """Gives its `answers` in order, the last one forever; `asked` is what arrived."""

    def __init__(self) -> None:
        self.answers: list[Answer | Callable[[Asked], Answer]] = []
        self.asked: list[Asked] = []
        self.url = ""
        self.over = threading.Event()
        self._lock = threading.Lock()

    def next(self, asked: Asked) -> Answer:
        with self._lock:
            self.asked.append(asked)
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return answer(asked) if callable(answer) else answer


@contextmanager
def running(tls: ssl.SSLContext | None = None) -> Iterator[Peer]:
    """Run a peer until the block ends, over TLS with such a context."""
    peer = Peer()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"peer": peer}))
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that refuses our certificate
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    peer.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield peer
    finally:
        peer.over.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    peer: Peer
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        content = self.rfile.read(length)
        is_file = "octet-stream" in self.headers.get("Content-Type", "")
        body = content if is_file else json.loads(content) if content else None
        answer = self.peer.next(Asked(self.command, self.path, dict(self.headers), body))
        self.peer.over.wait(answer.hold)
        self.close_connection = True
        if not answer.drop:
            self._write(answer)

    do_GET = do_POST = do_PUT = do_DELETE = _answer

    def _write(self, answer: Answer) -> None:
        content = answer.body.encode() if isinstance(answer.body, str) else json.dumps(answer.body).encode()
        content = b"" if answer.status == 204 else content
        self.send_response(answer.status)
        headers = {"Content-Type": "application/json", "Connection": "close", **answer.headers}
        if answer.status != 204:
            headers["Content-Length"] = str(len(content))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self._send(content, slowly=answer.trickle)

    def _send(self, content: bytes, slowly: bool) -> None:
        try:
            for at in range(len(content)) if slowly else ():
                self.wfile.write(content[at : at + 1])
                self.peer.over.wait(0.1)
            if not slowly:
                self.wfile.write(content)
        except OSError:
            pass  # the client has gone: some tests are about that

    def log_message(self, *_: Any) -> None:
        """Do not log."""
