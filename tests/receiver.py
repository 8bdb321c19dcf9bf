"""A receiver of webhooks: a real HTTP server that keeps what it got, and answers as a test wants."""

import json
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Got(NamedTuple):
    """A request: its path, headers and body, and when it came."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Receiver:
    """`behaviour` is a function of the request that returns a status, or the name of how not to answer:

    `hang`, `drip`, `redirect`, `close`, `garbage`.
    """

    def __init__(self) -> None:
        self.got: list[Got] = []
        self.behaviour: Any = lambda got: 204
        self.headers: dict[str, str] = {}
        self.body = b""
        self.released = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                got = Got(self.path, headers, body, time.monotonic())
                receiver.got.append(got)
                receiver.answer(self, receiver.behaviour(got))

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, handler: BaseHTTPRequestHandler, how: int | str) -> None:
        if how == "hang":
            self.released.wait(60)
        elif how == "drip":
            with suppress(OSError):
                for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 500:
                    handler.wfile.write(bytes([byte]))
                    if self.released.wait(0.2):
                        break
        elif how == "garbage":
            handler.wfile.write(b"\x00\x01 hello\r\n\r\n")
        elif how == "redirect":
            self._send(handler, 302, {"Location": f"{self.url}/elsewhere"})
        if isinstance(how, int):
            self._send(handler, how, self.headers)
        else:
            handler.close_connection = True

    def _send(self, handler: BaseHTTPRequestHandler, status: int, headers: dict[str, str]) -> None:
        with suppress(OSError):
            handler.send_response(status)
            for name, value in headers.items():
                handler.send_header(name, value)
            if status != 204:
                handler.send_header("Content-Length", str(len(self.body)))
            handler.end_headers()
            if status != 204:
                handler.wfile.write(self.body)

    def close(self) -> None:
        self.released.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
