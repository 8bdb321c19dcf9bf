"""A server that answers as a test wants, such as no registry should, and keeps what it was asked."""

import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from image_layouts import MANIFEST, digest_of, image
from image_registry import LOCAL, PASSWORD, USER, asking

from catapult import egress
from catapult.egress import Policy
from catapult.oci import Access, Image, RegistryError
from catapult.rules.image_reference import ImageName

CONTENT = image(labels={"a": "b"})
ACCESS = Access(True, "", USER, PASSWORD)
BASIC = f"Basic {b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}"
TYPE = {"Content-Type": MANIFEST}
OTHER = digest_of(b"other")


@dataclass
class Got:
    """A request."""

    method: str
    path: str
    authorization: str
    accept: str


@dataclass
class Hostile:
    """`answer` is a function of the request: a status, headers and a body, or bytes to send as they are, or `hang` or `drip`."""

    answer: Callable[[Got], Any]
    host: str = ""
    got: list[Got] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def respond(self, handler: BaseHTTPRequestHandler) -> None:
        names = ("Authorization", "Accept")
        got = Got(handler.command, handler.path, *(handler.headers.get(name, "") for name in names))
        self.got.append(got)
        answer = self.answer(got)
        handler.close_connection = isinstance(answer, bytes | str)
        if answer == "hang":
            self.over.wait(60)
        elif answer == "drip":
            self._drip(handler)
        elif isinstance(answer, bytes):
            handler.wfile.write(answer)
        else:
            status, headers, body = answer
            handler.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                handler.send_header(name, value)
            handler.end_headers()
            if handler.command != "HEAD":
                handler.wfile.write(body)

    def _drip(self, handler: BaseHTTPRequestHandler) -> None:
        for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 10_000:
            handler.wfile.write(bytes([byte]))
            if self.over.wait(0.1):
                break


@contextmanager
def hostile(answer: Callable[[Got], Any], host: str = "localhost", tls: Any = None) -> Iterator[Hostile]:
    """Run such a server on 127.0.0.1; `host` is how it is called."""
    state = Hostile(answer)

    class Handler(BaseHTTPRequestHandler):
        protocol_version, disable_nagle_algorithm = "HTTP/1.1", True

        def do_GET(self) -> None:
            with suppress(OSError):
                state.respond(self)

        do_HEAD = do_GET

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    state.host = f"{host}:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield state
    finally:
        state.over.set()
        egress._pool.close()
        server.shutdown()
        thread.join()
        server.server_close()


def serve(got: Got, headers: dict[str, str] = TYPE) -> tuple[int, dict[str, str], bytes]:
    """Answer as a registry with one image would."""
    kind, _, reference = got.path.rpartition("/")
    if kind.endswith("manifests"):
        return 200, headers, CONTENT.manifest
    return 200, {}, next((blob for blob in CONTENT.blobs if digest_of(blob) == reference), b"")


def resolve(server: Hostile, reference: str = "v1", access: Access = ACCESS, policy: Policy = LOCAL) -> Image:
    """What the image is, by a tag or a digest."""
    digest = reference if ":" in reference else None
    return asking(server.host, access, policy).resolve(ImageName(server.host, "a", "v1", digest))


def fault_of(answer: Callable[[Got], Any], ask: Callable[..., Any] = resolve, **more: Any) -> RegistryError:
    """The error that comes of a server that answers so."""
    with hostile(answer) as server:
        return error_of(lambda: ask(server, **more))


def error_of(ask: Callable[[], Any]) -> RegistryError:
    """The error, which tells no secret and nothing that the server wrote."""
    with pytest.raises(RegistryError) as error:
        ask()
    assert PASSWORD not in f"{error.value!r} {error.value.__cause__} {error.value.__context__!r}"
    assert "secret words" not in error.value.reason
    return error.value
