"""The only way out to the network: requests to URLs that people chose, such as those of webhooks.

A URL is judged when it is saved (`Policy.check`) and again when a connection is opened (`send`). Public addresses are reached by
https; all others, and `http://`, only if EGRESS_ALLOW names them. A name is resolved once, each of its addresses is judged, and the
connection goes to one of those; `Host`, SNI and the certificate are those of the name.

A URL may be a secret. No error, repr or log has more of it than host and port; so nothing here is logged, and `http.client`, which
logs nothing, follows no redirects, repeats nothing and reads no environment, is all that is used of HTTP: to read an answer.
"""

import io
import os
import re
import select
import socket
import ssl
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from http.client import HTTPException, HTTPResponse
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any, Protocol, cast
from urllib.parse import unquote, urlsplit

import certifi

from catapult.config import Allowed, Settings
from catapult.config.forms import HOST_NAME
from catapult.errors import Invalid
from catapult.version import VERSION

Address = IPv4Address | IPv6Address
SocketAddress = tuple[int, tuple[Any, ...]]
"""A family of addresses, and what `socket.connect` takes."""

URL = re.compile(
    r'(https?)://(?:\[([0-9a-f:.]+)\]|([a-z0-9_.-]+))(?::([0-9]{1,5}))?([/?][!"$-\[\]-~]*)?', re.IGNORECASE | re.ASCII
)
"""Visible ASCII without `#` and backslash. No user and no `%` in the host, so that no other reader finds another host in it."""
HEADER_NAME, HEADER_VALUE = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"), re.compile(r"[\t\x20-\x7e\x80-\xff]*")
PORTS = {"http": 80, "https": 443}
PIECE = 16_384
HEAD_LIMIT = 256 * 1024
POOL_SECONDS, POOL_SIZE = 30, 64
"""How long a connection is used after the addresses of its name were judged, and how many wait for the next request.

To resolve the name for each request costs more than the request. What a connection leads to stays allowed, because the policy of a
process does not change; the limit lets a name move to another address, and a refusal take effect.
"""

LINK_LOCAL, METADATA, EMBEDDED = "link-local", "cloud metadata", "IPv4-in-IPv6"
SPECIAL = {
    "loopback": ("127.0.0.0/8", "::1"),
    "unspecified": ("0.0.0.0/8", "::"),
    LINK_LOCAL: ("169.254.0.0/16", "fe80::/10"),
    METADATA: ("fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16", "192.0.0.192"),
    "private": ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"),
    "shared (CGNAT)": ("100.64.0.0/10",),
    "multicast": ("224.0.0.0/4", "ff00::/8"),
    EMBEDDED: ("::/96", "::ffff:0:0/96", "2002::/16", "2001::/32", "64:ff9b::/96", "64:ff9b:1::/48"),
    "reserved": (
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
        *("240.0.0.0/4", "2001::/23", "2001:db8::/32", "3fff::/20", "::/3", "4000::/2", "8000::/1"),
    ),
}
"""Networks that are not public, by kind; the first one counts. It is a list of ours, as Python's differs between its versions.

Sources: the special-purpose registries of IANA, and where clouds give their machines credentials.
"""
_SPECIAL = [(ip_network(text), kind) for kind, texts in SPECIAL.items() for text in texts]
_NO_URL = (
    "This is not an address that requests can be sent to. Use the form https://hooks.example.com/path, in visible ASCII characters "
    "(a name in other letters as xn--…), without user, password, fragment and backslash. An IP address is written as 203.0.113.7 "
    "or [2001:db8::7]."
)


class Unsent(Exception):
    """No complete answer was received. `reason` is a sentence for people; it never has the path or the query of the URL."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Answer:
    """An answer of any status, redirects too. Names of headers are in lower case; `body` has at most `answer_limit` bytes."""

    status: int
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    truncated: bool
    milliseconds: int


@dataclass(frozen=True)
class Policy:
    """Where requests may go, through which proxy, and which authorities are trusted beside the public ones (in PEM)."""

    allow: tuple[Allowed, ...] = ()
    proxy: str = field(default="", repr=False)
    ca: str = field(default="", repr=False)

    @classmethod
    def of(cls, settings: Settings) -> "Policy":
        """Return the policy of these settings."""
        return cls(settings.egress_allow, settings.egress_proxy, settings.egress_ca)

    def check(self, url: str, field: str = "url", timeout: float = 5) -> None:
        """Raise Invalid, which names this field, unless requests may be sent to the URL. Names are resolved."""
        try:
            _judged(self, _Target.of(url), time.monotonic() + timeout)
        except Unsent as fault:
            raise Invalid(fault.reason, errors={field: [fault.reason]}) from None


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
    target = _Target.of(url)
    request = _request(policy, method, target, headers, body)
    key = (os.getpid(), policy, target.scheme, target.host, target.port)  # a forked process has connections of its own
    wire = _pool.take(key) or _open(policy, target, min(connect_timeout, total))
    wire.deadline, wire.budget = started + total, HEAD_LIMIT + 6 * answer_limit  # 6: chunks of one byte
    is_reusable = False
    try:
        with suppress(BrokenPipeError, ConnectionResetError):  # an answer may be there that explains it
            wire.sendall(request)
        response = HTTPResponse(cast(socket.socket, wire), method=method)
        with response:
            response.begin()
            if wire.has_ended:  # http.client takes the end for that of the headers
                raise ConnectionResetError
            content = response.read(answer_limit + 1)
            truncated = len(content) > answer_limit
            if not truncated and response.length:
                raise ConnectionResetError
            is_reusable = response.isclosed() and not response.will_close and response.status >= 200
    except (OSError, HTTPException, ValueError) as error:
        raise Unsent(_fault(error, target.authority, total)) from None
    finally:
        if is_reusable:
            _pool.put(key, wire)
        else:
            wire.close()
    names = {name.lower(): value for name, value in response.headers.items()}
    return Answer(response.status, names, content[:answer_limit], truncated, round((time.monotonic() - started) * 1000))


@dataclass(frozen=True)
class _Target:
    """The parts of a URL. `address` is set where the host is one."""

    scheme: str
    host: str
    port: int
    path: str = field(repr=False)
    address: Address | None

    @classmethod
    def of(cls, url: str) -> "_Target":
        """Return the parts. Raises Unsent."""
        match = URL.fullmatch(url)
        if match is None:
            raise Unsent(_NO_URL)
        scheme, bracketed, plain = match[1].lower(), (match[2] or "").lower(), (match[3] or "").lower()
        port, address = int(match[4] or PORTS[scheme]), _address(bracketed or plain)
        is_host = address.version == 6 if bracketed and address else address or HOST_NAME.fullmatch(plain)
        if not is_host or not 0 < port < 65_536:
            raise Unsent(_NO_URL)
        path = match[5] or "/"
        return cls(scheme, bracketed or plain, port, path if path[0] == "/" else f"/{path}", address)

    @property
    def authority(self) -> str:
        """The host, and the port unless it is the scheme's, as the header `Host` has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


def _address(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _kind(address: Address) -> str:
    """Return what kind of address it is that is not public, or ""."""
    return next((kind for network, kind in _SPECIAL if address in network), "")


def _embedded(address: Address) -> tuple[IPv4Address, ...]:
    """Return the IPv4 addresses to which packets for this one may be passed on."""
    if address.version == 4 or _kind(address) != EMBEDDED:
        return ()
    return address.teredo or (address.sixtofour or IPv4Address(int(address) & 0xFFFF_FFFF),)


def _refusal(policy: Policy, target: _Target, address: Address) -> str:
    """Return why nothing may be sent to this address of the target, and what to do; or ""."""
    entries = [entry for entry in policy.allow if entry.port in (None, target.port)]
    is_named = any(entry.host == target.host for entry in entries)
    for each in (address, *_embedded(address)):
        networks = [entry.network for entry in entries if entry.network and each in entry.network]
        kind = _kind(each)
        if kind in (LINK_LOCAL, METADATA):  # a name or a network that holds one by mistake must not open it
            is_allowed = any(network.num_addresses == 1 for network in networks)
        else:
            is_allowed = not kind or is_named or bool(networks)
        if not is_allowed:
            which = target.host if each == target.address else f"{target.host} leads to {each}, which"
            return (
                f"{which} is not a public address ({kind}). Use another one, or let whoever runs this registry name it in "
                "EGRESS_ALLOW."
            )
        if each is address and target.scheme == "http" and not (is_named or networks):
            return _unencrypted(target)
    return ""


def _unencrypted(target: _Target) -> str:
    return (
        f"http:// is not encrypted, and only for what EGRESS_ALLOW names. Use https://, or let whoever runs this registry name "
        f"{target.host}:{target.port} there."
    )


def _judged(policy: Policy, target: _Target, deadline: float) -> list[SocketAddress]:
    """Return the target's addresses. Raises Unsent if any of them is refused. With a proxy, the proxy judges those of a name."""
    if policy.proxy and target.address is None:
        entries = [entry for entry in policy.allow if entry.host == target.host and entry.port in (None, target.port)]
        if target.scheme == "http" and not entries:
            raise Unsent(_unencrypted(target))
        return []
    addresses = _resolved(target.host, target.port, deadline)
    for _, (address, *_) in addresses:
        if fault := _refusal(policy, target, ip_address(address.partition("%")[0])):
            raise Unsent(fault)
    return addresses


def _resolved(host: str, port: int, deadline: float) -> list[SocketAddress]:
    """Return the addresses of the host. Raises Unsent.

    The resolver takes no time limit, and whoever owns a name decides how long it takes; so it is called in a thread.
    """
    if address := _address(host):
        return [(socket.AF_INET if address.version == 4 else socket.AF_INET6, (host, port))]
    answers: SimpleQueue[list[SocketAddress]] = SimpleQueue()

    def resolve() -> None:
        with suppress(OSError, UnicodeError):
            infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answers.put([(family, tuple(address)) for family, _, _, _, address in infos])
            return
        answers.put([])

    Thread(target=resolve, daemon=True).start()
    with suppress(Empty):
        if addresses := answers.get(timeout=max(deadline - time.monotonic(), 0)):
            return addresses
    raise Unsent(f"The name {host} has no address now. Check its spelling; if it is right, try again later.")


class _Connection(Protocol):
    """What is used of `socket.socket` and `ssl.SSLSocket`."""

    def settimeout(self, value: float) -> None: ...
    def sendall(self, data: bytes) -> None: ...
    def recv_into(self, buffer: memoryview) -> int: ...
    def fileno(self) -> int: ...
    def close(self) -> None: ...


class _Wire:
    """A connection on which everything that is sent and received ends by `deadline`, and is at most `budget` bytes.

    A time limit of a socket is for each read, so that whoever drips could hold it forever.
    """

    def __init__(self, connection: _Connection, deadline: float) -> None:
        self.connection = connection
        self.deadline, self.budget, self.born, self.has_ended = deadline, HEAD_LIMIT, time.monotonic(), False

    def arm(self) -> None:
        """Limit the next step to the time that is left. Raises TimeoutError."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self.connection.settimeout(left)

    def sendall(self, data: bytes) -> None:
        """Send the data, in pieces because TLS has a time limit for each."""
        for start in range(0, len(data), PIECE):
            self.arm()
            self.connection.sendall(data[start : start + PIECE])

    def secure(self, context: ssl.SSLContext, host: str) -> None:
        """Begin TLS with this host."""
        plain = cast(socket.socket, self.connection)
        secured = context.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
        self.connection = secured
        self.arm()
        secured.do_handshake()

    def makefile(self, mode: str) -> io.BufferedReader:
        """Return a file to read from, as HTTPResponse asks for it."""
        return io.BufferedReader(_Incoming(self))

    def is_usable(self) -> bool:
        """Return whether it is young, and the other side has neither closed it nor sent anything that nobody asked for."""
        poller = select.poll()
        poller.register(self.connection.fileno(), select.POLLIN)
        return time.monotonic() - self.born < POOL_SECONDS and not poller.poll(0)

    def close(self) -> None:
        self.connection.close()


class _Incoming(io.RawIOBase):
    """The bytes that arrive on a wire."""

    def __init__(self, wire: _Wire) -> None:
        self.wire = wire

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self.wire.arm()
        count = self.wire.connection.recv_into(buffer)
        self.wire.budget -= count
        self.wire.has_ended = not count
        if self.wire.budget < 0:
            raise HTTPException
        return count


class _Pool:
    """Connections that wait for the next request to the same host, the newest last."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._wires: list[tuple[object, _Wire]] = []

    def take(self, key: object) -> _Wire | None:
        """Return the newest usable connection of this key, or None."""
        while True:
            with self._lock:
                index = next((i for i in reversed(range(len(self._wires))) if self._wires[i][0] == key), None)
                wire = None if index is None else self._wires.pop(index)[1]
            if wire is None or wire.is_usable():
                return wire
            wire.close()

    def put(self, key: object, wire: _Wire) -> None:
        """Keep the connection, and close those that are too old or too many."""
        oldest = time.monotonic() - POOL_SECONDS
        with self._lock:
            young = [pair for pair in [*self._wires, (key, wire)] if pair[1].born > oldest]
            ended = [pair for pair in self._wires if pair[1].born <= oldest] + young[:-POOL_SIZE]
            self._wires = young[-POOL_SIZE:]
        for _, each in ended:
            each.close()

    def close(self) -> None:
        """Close all of them."""
        with self._lock:
            ended, self._wires = self._wires, []
        for _, wire in ended:
            wire.close()


_pool = _Pool()


def _open(policy: Policy, target: _Target, timeout: float) -> _Wire:
    """Return a new connection to the target, judged, by TLS and through the proxy if there is one. Raises Unsent."""
    deadline = time.monotonic() + timeout
    addresses = _judged(policy, target, deadline)
    peer, wire = target.authority, None
    try:
        if policy.proxy:
            peer, proxy = "The proxy of EGRESS_PROXY", urlsplit(policy.proxy)
            addresses = _resolved(str(proxy.hostname), int(proxy.port or 0), deadline)
        wire = _Wire(_connected(addresses, deadline), deadline)
        if target.scheme == "https":
            if policy.proxy:
                _tunnel(wire, target, policy.proxy)
            peer = target.authority
            wire.secure(_context(policy.ca), target.host)
    except (OSError, HTTPException, ValueError, Unsent) as error:
        if wire:
            wire.close()
        raise (error if isinstance(error, Unsent) else Unsent(_fault(error, peer, timeout))) from None
    return wire


def _connected(addresses: Sequence[SocketAddress], deadline: float) -> socket.socket:
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
    """Return the trust in public authorities and these. No variable of the environment changes it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cafile=certifi.where())
    if ca:
        context.load_verify_locations(cadata=ca)
    return context


def _tunnel(wire: _Wire, target: _Target, proxy: str) -> None:
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


def _request(policy: Policy, method: str, target: _Target, headers: Mapping[str, str], body: bytes) -> bytes:
    """Return the request as it is sent. Raises Unsent if a header would be read as something else."""
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


def _fault(error: Exception, peer: str, seconds: float) -> str:
    """Return the error as a sentence. Texts of libraries may repeat what a receiver sent, and are left out."""
    match error:
        case ssl.SSLCertVerificationError():
            message = error.verify_message.rstrip(".")
            return f"The certificate of {peer} was refused: {message}. EGRESS_CA can name a private authority."
        case ssl.SSLError() if not isinstance(error, ssl.SSLEOFError):
            return f"No TLS with {peer}: {error.reason or 'unknown error'}."
        case TimeoutError():
            return f"{peer} did not answer completely within {seconds:g} s."
        case ConnectionRefusedError():
            return f"{peer} accepts no connection."
        case ConnectionError() | ssl.SSLEOFError():  # HTTPResponse raises a ConnectionError where nothing was received
            return f"{peer} closed the connection before its answer was complete."
        case OSError():
            return f"The connection to {peer} failed: {error.strerror or 'network error'}."
        case _:
            return f"{peer} answered with something that is not HTTP, or with too much of it."


def host_of(url: str) -> str:
    """Return the host of a URL that `Policy.check` lets pass."""
    return _Target.of(url).host
