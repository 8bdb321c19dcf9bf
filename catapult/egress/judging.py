"""Whether requests may be sent to a URL: its form, its addresses, and what EGRESS_ALLOW names."""

import re
import socket
import time
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from catapult.config import Allowed, Settings
from catapult.config.forms import HOST_NAME
from catapult.errors import Invalid

Address = IPv4Address | IPv6Address
SocketAddress = tuple[int, tuple[Any, ...]]
"""An address family, and the argument of `socket.connect`."""

URL = re.compile(
    r'(https?)://(?:\[([0-9a-f:.]+)\]|([a-z0-9_.-]+))(?::([0-9]{1,5}))?([/?][!"$-\[\]-~]*)?', re.IGNORECASE | re.ASCII
)
"""Visible ASCII without `#` and backslash. No user and no `%` in the host, so that no other parser reads another host."""
PORTS = {"http": 80, "https": 443}

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


class NotHttp(Unsent):
    """The answer is not HTTP, or is too large."""


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
            allowed_addresses(self, Target.of(url), time.monotonic() + timeout)
        except Unsent as fault:
            raise Invalid(fault.reason, errors={field: [fault.reason]}) from None


@dataclass(frozen=True)
class Target:
    """The parts of a URL. `address` is set where the host is one."""

    scheme: str
    host: str
    port: int
    path: str = field(repr=False)
    address: Address | None

    @classmethod
    def of(cls, url: str) -> "Target":
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


def special_kind(address: Address) -> str:
    """Return the kind of an address that is not public, or ""."""
    return next((kind for network, kind in _SPECIAL if address in network), "")


def _embedded(address: Address) -> tuple[IPv4Address, ...]:
    """Return the IPv4 addresses to which packets for this one may be passed on."""
    if address.version == 4 or special_kind(address) != EMBEDDED:
        return ()
    return address.teredo or (address.sixtofour or IPv4Address(int(address) & 0xFFFF_FFFF),)


def _refusal(policy: Policy, target: Target, address: Address) -> str:
    """Return why nothing may be sent to this address of the target, and what to do; or ""."""
    entries = [entry for entry in policy.allow if entry.port in (None, target.port)]
    is_named = any(entry.host == target.host for entry in entries)
    for each in (address, *_embedded(address)):
        networks = [entry.network for entry in entries if entry.network and each in entry.network]
        kind = special_kind(each)
        if kind in (LINK_LOCAL, METADATA):  # a name or a network that contains one by mistake must not allow it
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


def _unencrypted(target: Target) -> str:
    return (
        f"http:// is not encrypted, and only for what EGRESS_ALLOW names. Use https://, or let whoever runs this registry name "
        f"{target.host}:{target.port} there."
    )


def allowed_addresses(policy: Policy, target: Target, deadline: float) -> list[SocketAddress]:
    """Return the target's addresses. Raises Unsent if any of them is refused. With a proxy, the proxy resolves and checks names."""
    if policy.proxy and target.address is None:
        entries = [entry for entry in policy.allow if entry.host == target.host and entry.port in (None, target.port)]
        if target.scheme == "http" and not entries:
            raise Unsent(_unencrypted(target))
        return []
    addresses = resolved(target.host, target.port, deadline)
    for _, (address, *_) in addresses:
        if fault := _refusal(policy, target, ip_address(address.partition("%")[0])):
            raise Unsent(fault)
    return addresses


def resolved(host: str, port: int, deadline: float) -> list[SocketAddress]:
    """Return the addresses of the host. Raises Unsent.

    The resolver has no time limit, and the owner of a name decides how long it takes, so it is called in a thread.
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


def host_of(url: str) -> str:
    """Return the host of a URL that passes `Policy.check`."""
    return Target.of(url).host
