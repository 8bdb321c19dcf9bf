"""A private certificate authority, and a proxy that asks for a password, for the peer behind them."""

from __future__ import annotations

import base64
import select
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

NEW = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
LEAF = ["-addext", "basicConstraints=critical,CA:FALSE"]


def authority(folder: Path) -> Path:
    """Write a private CA's certificate and key into the folder and return the certificate."""
    _openssl("-days", "1", "-subj", "/CN=a private CA", "-keyout", folder / "ca.key", "-out", folder / "ca.pem")
    return folder / "ca.pem"


def context_of(ca: Path, names: str = "DNS:localhost,IP:127.0.0.1") -> ssl.SSLContext:
    """Return a server's context with a certificate of that CA for these names."""
    cert, key = (ca.parent / f"leaf-{len(names)}.{end}" for end in ("pem", "key"))
    signed = ["-CA", ca, "-CAkey", ca.with_suffix(".key"), *LEAF, "-addext", f"subjectAltName={names}"]
    _openssl("-days", "1", "-subj", "/CN=registry", *signed, "-keyout", key, "-out", cert)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context


def _openssl(*arguments: object) -> None:
    subprocess.run([*NEW.split(), *map(str, arguments)], check=True, capture_output=True, timeout=60)


@contextmanager
def proxy(user: str, password: str) -> Iterator[tuple[str, list[str]]]:
    """Run a proxy that lets this user through alone. Yields its host and port, and what it has let through."""
    through: list[str] = []
    token = base64.b64encode(f"{user}:{password}".encode("latin-1")).decode()
    known = {"credentials": f"Basic {token}", "through": through}
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Proxy,), known))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}", through
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Proxy(BaseHTTPRequestHandler):
    credentials = ""
    through: list[str]

    def _pass(self) -> None:
        self.close_connection = True
        if self.headers.get("Proxy-Authorization") != self.credentials:
            self.send_response(407)
            self.send_header("Proxy-Authenticate", 'Basic realm="proxy"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.through.append(self.path)
        if self.command == "CONNECT":
            host, _, port = self.path.partition(":")
            self.send_response(200)
            self.end_headers()
            self._tunnel(host, int(port), b"")
        else:
            address = urlsplit(self.path)
            lines = [f"{self.command} {address.path} HTTP/1.1", f"Host: {address.netloc}", "Connection: close", "", ""]
            self._tunnel(str(address.hostname), int(address.port or 80), "\r\n".join(lines).encode())

    do_CONNECT = do_GET = _pass

    def _tunnel(self, host: str, port: int, first: bytes) -> None:
        with socket.create_connection((host, port), timeout=10) as upstream:
            upstream.sendall(first)
            ends = {self.connection: upstream, upstream: self.connection}
            while True:
                for end in select.select(list(ends), [], [], 10)[0]:
                    content = end.recv(65536)
                    if not content:
                        return
                    ends[end].sendall(content)

    def log_message(self, *_: object) -> None:
        """Do not log."""
