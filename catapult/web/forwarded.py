"""The client's address, and the scheme, host and path that it sees, as PUBLIC_URL or trusted proxies report them.

A WSGI middleware outside Flask, so that everything that reads them from the request (the audit log, sign-in limits,
`Secure`, HSTS, links, `Location` and `Link`, the cookies' path, the same-origin check) sees the same values.
"""

import re
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any
from urllib.parse import urlsplit

from catapult.config.forms import MOUNT

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Environ = dict[str, Any]

PEER = "catapult.peer"
"""The environ's key for the address at the other end of the socket."""

REQUESTED_HOST = "catapult.asked"
"""The environ's key for the host in the client's request, which PUBLIC_URL does not change."""

FORWARDING = (
    *("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_X_FORWARDED_PROTO", "HTTP_VIA"),
    *("HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_PORT", "HTTP_X_FORWARDED_PREFIX"),
)
STANDARD_PORTS = ("80", "443")


class Proxies:
    """The application behind proxies in these networks. Forwarding headers of any other peer are ignored.

    `public_url` is its address for browsers, whatever the headers say.
    """

    def __init__(self, app: Callable[..., Iterable[bytes]], trusted: tuple[Network, ...], public_url: str = "") -> None:
        self.app, self.trusted = app, trusted
        scheme, host, mount, *_ = urlsplit(public_url)
        self.public = {"wsgi.url_scheme": scheme, "HTTP_HOST": host, "SCRIPT_NAME": mount} if public_url else {}

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        environ[PEER] = environ.get("REMOTE_ADDR", "")
        if self._trusts(parsed(environ[PEER])):
            self._apply(environ)
        environ[REQUESTED_HOST] = environ.get("HTTP_HOST") or environ.get("SERVER_NAME", "")  # HTTP/1.0 names none
        environ.update(self.public)
        return self.app(environ, start_response)

    def _apply(self, environ: Environ) -> None:
        client, hops = self._walk(environ[PEER], entries(environ, "FOR"))
        environ["REMOTE_ADDR"] = client
        scheme, host = reported(environ, "PROTO", hops).lower(), reported(environ, "HOST", hops)
        if scheme in ("http", "https"):
            environ["wsgi.url_scheme"] = scheme
        if host:
            environ["HTTP_HOST"] = host
        port, mount = reported(environ, "PORT", hops), reported(environ, "PREFIX", hops)
        if re.fullmatch("[1-9][0-9]{0,4}", port) and port not in STANDARD_PORTS:
            environ["HTTP_HOST"] = with_port(environ.get("HTTP_HOST", ""), port)
        if mount and MOUNT.fullmatch(mount):
            environ["SCRIPT_NAME"] = mount

    def _walk(self, peer: str, chain: list[str]) -> tuple[str, int]:
        """Return the client and its position from the right: entries further left may be forged."""
        client = peer
        for hops, entry in enumerate(reversed(chain), 1):
            address = parsed(entry)
            if address is None:
                return client, hops
            client = str(address)
            if not self._trusts(address):
                return client, hops
        return client, len(chain)

    def _trusts(self, address: Address | None) -> bool:
        return address is not None and any(address in network for network in self.trusted)


def is_loopback(environ: Environ) -> bool:
    """Return whether a process on this machine sent the request itself, not as a proxy for others."""
    peer = parsed(environ.get(PEER) or "")
    return peer is not None and peer.is_loopback and not any(name in environ for name in FORWARDING)


def entries(environ: Environ, what: str) -> list[str]:
    """Return the entries of that `X-Forwarded-…` header; each proxy appends its own."""
    return [entry.strip() for entry in environ.get(f"HTTP_X_FORWARDED_{what}", "").split(",") if entry.strip()]


def reported(environ: Environ, what: str, hops: int) -> str:
    """Return what the proxy next to the client reported, at the same position as the address; "" if nothing."""
    values = entries(environ, what)
    return values[-min(max(hops, 1), len(values))] if values else ""


def with_port(host: str, port: str) -> str:
    """Return the host with this port, unless it has one already: a browser sends the port that it sees."""
    return host if not host or re.search(r":\d+$", host) else f"{host}:{port}"


def parsed(text: str) -> Address | None:
    """Return the address without the port that some proxies add, or None if it is not an address."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
