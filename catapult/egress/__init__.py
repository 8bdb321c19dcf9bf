"""The only way out to the network: requests to URLs that people chose, such as those of webhooks.

A URL is checked when it is saved (`Policy.check`) and again when a connection is opened (`send`). Public addresses are reached by
https; all others, and `http://`, only if EGRESS_ALLOW names them. A name is resolved once, all its addresses are checked, and the
connection goes to one of them; `Host`, SNI and the certificate are those of the name.

A URL may be a secret. Errors, reprs and logs have only its host and port. So nothing is logged here, and answers are read with
`http.client`, which logs nothing, follows no redirects, retries nothing and reads no environment variables.
"""

import os
import re
import socket
import ssl
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from http.client import HTTPException, HTTPResponse
from typing import cast
from urllib.parse import unquote, urlsplit

import certifi

from catapult.egress.judging import NotHttp, Policy, SocketAddress, Target, Unsent, allowed_addresses, host_of, resolved
from catapult.egress.tls import client_context
from catapult.egress.wire import HEAD_LIMIT, Pool, Wire
from catapult.version import VERSION

__all__ = ["Answer", "NotHttp", "Policy", "Target", "Unsent", "host_of", "send"]

HEADER_NAME, HEADER_VALUE = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"), re.compile(r"[\t\x20-\x7e\x80-\xff]*")


@dataclass(frozen=True)
class Answer:
    """An answer of any status, redirects too. Names of headers are in lower case; `body` has at most `answer_limit` bytes."""

    status: int
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    truncated: bool
    milliseconds: int


def send(
    policy: Policy,
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    connect_timeout: float = 5,
    total: float = 15,
    answer_limit: int = 64 * 1024,
) -> Answer:
    """Send one request, once, and return its answer. Raises Unsent.

    `connect_timeout` is for resolving, connecting and TLS together, `total` for everything, in seconds.
    """
    started = time.monotonic()
    target = Target.of(url)
    request = _request(policy, method, target, headers, body)
    key = (os.getpid(), policy, target.scheme, target.host, target.port)  # a forked process has connections of its own
    wire = _pool.take(key) or _open(policy, target, min(connect_timeout, total))
    wire.deadline, wire.budget = started + total, HEAD_LIMIT + 6 * answer_limit  # 6: chunks of one byte
    is_reusable = False
    try:
        with suppress(BrokenPipeError, ConnectionResetError):  # there may be an answer that explains it
            wire.sendall(request)
        response = HTTPResponse(cast(socket.socket, wire), method=method)
        with response:
            response.begin()
            if wire.has_ended:  # http.client reads the end of the connection as the end of the headers
                raise ConnectionResetError
            content = response.read(answer_limit + 1)
            truncated = len(content) > answer_limit
            if not truncated and response.length:
                raise ConnectionResetError
            is_reusable = response.isclosed() and not response.will_close and response.status >= 200
    except (OSError, HTTPException, ValueError) as error:
        raise _fault(error, target.authority, total) from None
    finally:
        if is_reusable:
            _pool.put(key, wire)
        else:
            wire.close()
    names = {name.lower(): value for name, value in response.headers.items()}
    return Answer(response.status, names, content[:answer_limit], truncated, round((time.monotonic() - started) * 1000))


_pool = Pool()


def _open(policy: Policy, target: Target, timeout: float) -> Wire:
    """Return a new connection to the checked target, with TLS and through the proxy if there is one. Raises Unsent."""
    deadline = time.monotonic() + timeout
    addresses = allowed_addresses(policy, target, deadline)
    peer, wire = target.authority, None
    try:
        if policy.proxy:
            peer, proxy = "The proxy of EGRESS_PROXY", urlsplit(policy.proxy)
            addresses = resolved(str(proxy.hostname), int(proxy.port or 0), deadline)
        wire = Wire(_connect(addresses, deadline), deadline)
        if target.scheme == "https":
            if policy.proxy:
                _tunnel(wire, target, policy.proxy)
            peer = target.authority
            wire.secure(_context(policy.ca), target.host)
    except (OSError, HTTPException, ValueError, Unsent) as error:
        if wire:
            wire.close()
        raise (error if isinstance(error, Unsent) else _fault(error, peer, timeout)) from None
    return wire


def _connect(addresses: Sequence[SocketAddress], deadline: float) -> socket.socket:
    """Return a connection to the first address that accepts one. Each has an equal share of the time. Raises OSError."""
    fault = OSError()
    for index, (family, address) in enumerate(addresses):
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.settimeout(max((deadline - time.monotonic()) / (len(addresses) - index), 0.001))
            connection.connect(address)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            connection.close()
            fault = error
        else:
            return connection
    raise fault


@lru_cache(maxsize=8)
def _context(ca: str) -> ssl.SSLContext:
    """Return a context that trusts public authorities and these. Environment variables do not change it."""
    return client_context(certifi.where(), ca)


def _tunnel(wire: Wire, target: Target, proxy: str) -> None:
    """Ask the proxy for a connection to the target."""
    host = f"[{target.host}]" if ":" in target.host else target.host
    lines = [f"CONNECT {host}:{target.port} HTTP/1.1", f"Host: {host}:{target.port}", *_credentials(proxy)]
    wire.sendall("\r\n".join([*lines, "", ""]).encode("ascii"))
    with HTTPResponse(cast(socket.socket, wire), method="CONNECT") as response:
        response.begin()
        if not 200 <= response.status < 300:
            raise Unsent(f"The proxy of EGRESS_PROXY answered {response.status} for {target.host}:{target.port}.")


def _credentials(proxy: str) -> Iterator[str]:
    parts = urlsplit(proxy)
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        yield f"Proxy-Authorization: Basic {b64encode(pair.encode()).decode()}"


def _request(policy: Policy, method: str, target: Target, headers: Mapping[str, str], body: bytes) -> bytes:
    """Return the request as it is sent. Raises Unsent for a header with invalid characters."""
    is_forwarded = bool(policy.proxy) and target.scheme == "http"
    path = f"http://{target.authority}{target.path}" if is_forwarded else target.path
    every = {"User-Agent": f"Catapult/{VERSION}", **headers}
    every |= {"Host": target.authority, "Content-Length": str(len(body)), "Accept-Encoding": "identity"}
    for name, value in every.items():
        if not HEADER_NAME.fullmatch(name) or not HEADER_VALUE.fullmatch(value):
            raise Unsent(f"The header {name!r} has characters that no header may have.")
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in every.items())]
    lines += _credentials(policy.proxy) if is_forwarded else ()
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def _fault(error: Exception, peer: str, seconds: float) -> Unsent:
    """Return the error with a sentence. Texts of libraries are left out, since they may repeat what a receiver sent."""
    match error:
        case ssl.SSLCertVerificationError():
            message = error.verify_message.rstrip(".")
            reason = f"The certificate of {peer} was refused: {message}. EGRESS_CA can name a private authority."
        case ssl.SSLError() if not isinstance(error, ssl.SSLEOFError):
            reason = f"No TLS with {peer}: {error.reason or 'unknown error'}."
        case TimeoutError():
            reason = f"{peer} did not answer completely within {seconds:g} s."
        case ConnectionRefusedError():
            reason = f"{peer} accepts no connection."
        case ConnectionError() | ssl.SSLEOFError():  # HTTPResponse raises a ConnectionError where nothing was received
            reason = f"{peer} closed the connection before its answer was complete."
        case OSError():
            reason = f"The connection to {peer} failed: {error.strerror or 'network error'}."
        case _:
            return NotHttp(f"{peer} answered with something that is not HTTP, or with too much of it.")
    return Unsent(reason)
