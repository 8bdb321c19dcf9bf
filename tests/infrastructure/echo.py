"""A backend that answers with the headers it received, or not at all."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        if self.path.endswith("/silent"):
            threading.Event().wait(5)
        headers = {name.lower(): self.headers.get_all(name) for name in self.headers}
        body = json.dumps({"headers": headers, "port": self.client_address[1], "path": self.path}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(ConnectionError):  # nginx has given up waiting
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def echoing() -> Iterator[int]:
    """Yield the port of the backend, which runs inside the block."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()
