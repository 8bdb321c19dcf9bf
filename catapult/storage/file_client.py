"""Requests of the registry's own processes to the process for files; only that process touches the storage.

They go to `/internal/files/…` with a token that is derived from SECRET_KEY. nginx does not forward this address.
"""

import hmac
import json
import socket
import time
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPException, HTTPResponse
from typing import Any

from catapult.storage import StorageDown

PLACE = "the process for files"
PATIENCE = 2.0
"""Seconds for an answer."""
SILENCE = 5.0
"""Seconds without further requests after one that was not answered."""


class Refused(Exception):
    """The mount does not allow the request. The message is a sentence for the user."""


def token(secret_key: str) -> str:
    return hmac.digest(secret_key.encode(), b"the process for files", "sha256").hex()


class Files:
    """The process for files. `send` sends it a request and returns the socket of the answer."""

    def __init__(self, send: Callable[[bytes], socket.socket], secret_key: str) -> None:
        self.send, self._token, self.silent_until = send, token(secret_key), 0.0

    def ask(self, question: str, **values: Any) -> Any:
        """Return the answer. Raises Refused, and StorageDown if the process hangs or is gone, or its storage failed."""
        if time.monotonic() < self.silent_until:
            raise StorageDown(PLACE, "does not answer")
        body = json.dumps(values).encode()
        head = (
            f"POST /internal/files/{question} HTTP/1.1\r\nHost: files\r\nAuthorization: Bearer {self._token}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        try:
            status, answer = self._exchange(head.encode() + body)
        except (OSError, HTTPException, ValueError):
            self.silent_until = time.monotonic() + SILENCE
            raise StorageDown(PLACE, "does not answer") from None
        if status == 422:
            raise Refused(answer["refused"])
        if status != 200:
            raise StorageDown(answer["place"], answer["reason"])
        return answer

    def _exchange(self, request: bytes) -> tuple[int, Any]:
        with closing(self.send(request)) as sock:
            sock.settimeout(PATIENCE)
            with closing(HTTPResponse(sock, method="POST")) as response:
                response.begin()
                return response.status, json.loads(response.read())


def over_tcp(host: str, port: int) -> Callable[[bytes], socket.socket]:
    """Return a function that sends a request to the `flask files` at that address."""

    def send(request: bytes) -> socket.socket:
        sock = socket.create_connection((host, port), timeout=PATIENCE)
        sock.sendall(request)
        return sock

    return send
