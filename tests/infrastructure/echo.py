"""A backend that answers with the headers it got, or keeps silent."""

import json
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        if self.path.endswith("/silent"):
            threading.Event().wait(5)
        got = [[name.lower(), value] for name, value in self.headers.items()]
        body = json.dumps({"headers": got, "port": self.client_address[1], "path": self.path}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(ConnectionError):  # nginx no longer waits for what kept silent
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Echo(ThreadingHTTPServer):
    """Runs within `with`, at `port`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.port: int = self.server_address[1]

    def __enter__(self) -> "Echo":
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()
