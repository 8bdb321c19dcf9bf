"""Requests that are not HTTP, or that two parsers may read differently, as bytes."""

import socket
import time
from contextlib import suppress
from typing import NamedTuple

SMUGGLED = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
ALIVE = b'"status":"ok"'
"""What the answer to the smuggled request contains."""


class Got(NamedTuple):
    """The status of each answer, all bytes received, and whether the server closed the connection."""

    statuses: list[int]
    text: bytes
    closed: bool


def speak(port: int, text: bytes, done: bool = False, seconds: float = 5.0) -> Got:
    """Send these bytes, and with `done` close our end. Reads until the server closes, or is silent after an answer."""
    got, closed = b"", False
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection, suppress(TimeoutError):
        try:
            connection.sendall(text)
            if done:
                connection.shutdown(socket.SHUT_WR)
            while more := connection.recv(65536):
                got += more
                connection.settimeout(0.3)
        except ConnectionError:
            pass
        closed = True
    answers = [part.split(b" ", 1)[0] for part in got.split(b"HTTP/1.1 ")[1:]]
    return Got([int(status) for status in answers], got, closed)


def dribble(port: int, text: bytes, pause: float, seconds: float) -> float:
    """Send these bytes one by one. Returns after how many seconds the server closed the connection."""
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=pause) as connection:
        for byte in text:
            with suppress(TimeoutError):
                try:
                    connection.sendall(bytes([byte]))
                    if not connection.recv(65536):
                        break
                except ConnectionError:
                    break
            assert time.monotonic() - began < seconds, "the server did not close the connection"
    return time.monotonic() - began


def malformed(key: str) -> dict[str, bytes]:
    """Return malformed requests by name, all with a key that may register models."""
    to = f"Host: x\r\nX-API-Key: {key}\r\n".encode()
    get = b"GET /api/v1/models HTTP/1.1\r\n" + to
    post = b"POST /api/v1/models HTTP/1.1\r\n" + to + b"Content-Type: application/json\r\n"
    chunked = post + b"Transfer-Encoding: chunked\r\n\r\n"
    secret = key.encode()
    return {
        "key alone": secret + b"\r\n\r\n",
        "key in a line of version 9": b"GET /api/v1/models?key=" + secret + b" HTTP/9.1\r\nHost: x\r\n\r\n",
        "key without a colon": b"GET /api/v1/models HTTP/1.1\r\nHost: x\r\nX-API-Key " + secret + b"\r\n\r\n",
        "key before NUL": b"GET /api/v1/models HTTP/1.1\r\nHost: x\r\nX-API-Key: " + secret + b"\x00\r\n\r\n",
        "key as an encoding": post + b"Transfer-Encoding: " + secret + b"\r\n\r\n",
        "key as a length": post + b"Content-Length: " + secret + b"\r\n\r\n",
        "key as a chunk's size": chunked + secret + b"\r\n{}",
        "key in a chunk": chunked + b"5\r\n" + secret + b"\r\n0\r\n\r\n",
        "noise": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        "no request": b"NONSENSE\r\n\r\n",
        "version 3": b"GET /livez HTTP/3.0\r\n" + to + b"\r\n",
        "version 9": b"GET /livez HTTP/9.9\r\n" + to + b"\r\n",
        "HTTP/2 unasked": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "method of no letters": b"G@T\x01 /livez HTTP/1.1\r\n" + to + b"\r\n",
        "no path": b"GET * HTTP/1.1\r\n" + to + b"\r\n",
        "NUL in the line": b"GET /li\x00vez HTTP/1.1\r\n" + to + b"\r\n",
        "bytes in the line": b"GET /\xff\xfe HTTP/1.1\r\n" + to + b"\r\n",
        "NUL in a header": get + b"X-A: a\x00b\r\n\r\n",
        "carriage return in a header": get + b"X-A: a\rb\r\n\r\n",
        "blank before the colon": get + b"X-A : b\r\n\r\n",
        "folded header": get + b"X-A: b\r\n c\r\n\r\n",
        "two hosts": get + b"Host: y\r\n\r\n",
        "huge header": get + b"X-A: " + b"x" * 17_000 + b"\r\n\r\n",
        "huge header without an end": get + b"X-A: " + b"x" * 2_000_000,
        "very many headers": get + b"".join(b"X-A-%d: b\r\n" % n for n in range(200)) + b"\r\n",
        "huge line": b"GET /" + b"x" * 17_000 + b" HTTP/1.1\r\n" + to + b"\r\n",
        "PROXY protocol": b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + SMUGGLED,
        "two lengths": post + b"Content-Length: 2\r\nContent-Length: 5\r\n\r\n{}",
        "two lengths in one": post + b"Content-Length: 2, 2\r\n\r\n{}",
        "negative length": post + b"Content-Length: -1\r\n\r\n{}",
        "length with a sign": post + b"Content-Length: +2\r\n\r\n{}",
        "length in hexadecimal": post + b"Content-Length: 0x2\r\n\r\n{}",
        "empty length": post + b"Content-Length: \r\n\r\n{}",
        "blank before the length's colon": post + b"Content-Length : 2\r\n\r\n{}",
        "length of 24 digits": post + b"Content-Length: " + b"9" * 24 + b"\r\n\r\n{}",
        "length of 5000 digits": post + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n{}",
        "length of two gibibytes": post + b"Content-Length: 2147483648\r\n\r\n{}",
        "length, then chunks": post + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        "chunks, then a length": post + b"Transfer-Encoding: chunked\r\nContent-Length: 50\r\n\r\n0\r\n\r\n" + SMUGGLED,
        "chunks twice": post + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        "chunks, then none": post
        + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n"
        + SMUGGLED,
        "encoding hidden by a tabulator": post + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        "encoding nobody knows": post + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        "compressed without chunks": post + b"Transfer-Encoding: gzip\r\n\r\n" + SMUGGLED,
        "chunks of HTTP/1.0": post.replace(b"HTTP/1.1", b"HTTP/1.0")
        + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        + SMUGGLED,
        "chunk of no size": chunked + b"zz\r\n{}\r\n0\r\n\r\n",
        "chunk of a negative size": chunked + b"-1\r\n{}\r\n0\r\n\r\n",
        "chunk longer than said": chunked + b"2\r\n{}XX0\r\n\r\n" + SMUGGLED,
    }


def cut_short(key: str) -> dict[str, bytes]:
    """Return valid requests that end in the middle, by name."""
    head = f"POST /api/v1/models HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\nContent-Type: application/json\r\n".encode()
    return {
        "nothing": b"",
        "half a line": b"GET /li",
        "half a header": head + b"X-A: ",
        "half a body": head + b'Content-Length: 100\r\n\r\n{"name":',
        "half a chunk": head + b'Transfer-Encoding: chunked\r\n\r\n40\r\n{"name":',
        "chunk of a huge size": head + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}",
    }
