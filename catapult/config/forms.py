"""The forms that settings take."""

import re
import ssl
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import NamedTuple

SALT_LENGTH = 32
RATE = r"[1-9]\d{0,8} ?(?:per|/) ?(?:[1-9]\d{0,5} ?)?(?:second|minute|hour|day)s?"
RATES = re.compile(rf"{RATE}(?: ?[;,] ?{RATE})*")
STORAGES = ("redis://", "rediss://", "redis+unix://", "memory://")
ENVIRONMENT_ROLES = ("publisher", "releaser", "admin")
MOUNT = re.compile(r"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~-]+)*")
"""The path below which a proxy shows this application: "" or `/catapult`. No segment leads up, and none is empty."""
PUBLIC_URL = re.compile(
    rf"(?i:https?://(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\]))(?::[1-9][0-9]{{0,4}})?{MOUNT.pattern}/?"
)
SMTP = re.compile(r"smtps?://[^/?#\s]+/?")
STORAGE = re.compile(r"file:///[^?#\s]*|s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9!_.*'()/-]*)?")
FILES = re.compile(r"http://(?P<host>[A-Za-z0-9._-]+):(?P<port>[1-9][0-9]{0,4})/?")
UNITS = ("", "KiB", "MiB", "GiB", "TiB", "PiB")
SIZE = re.compile(rf"[1-9][0-9]{{0,14}}({'|'.join(UNITS)})")
SYSLOG = re.compile(r"tcp(\+tls)?://[^/?#@\s]+/?")
_LABEL = "(?!-)[a-z0-9_-]{1,63}(?<!-)"
HOST_NAME = re.compile(rf"(?!.{{254}})(?!(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\Z){_LABEL}(?:\.{_LABEL})*")
"""A host name in lower case. If its last part were a number, `127.1` or `0x7f000001`, resolvers would take it for an address."""
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class ConfigError(Exception):
    """Settings are missing or invalid. Each of `problems` names a setting, what is wrong and what to do."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Allowed(NamedTuple):
    """An entry of EGRESS_ALLOW: a host name or a network, with one port or, if that is None, all of them."""

    host: str
    network: IPv4Network | IPv6Network | None
    port: int | None

    @classmethod
    def of(cls, text: str) -> "Allowed":
        """Return the entry as it is written: `10.0.0.0/8`, `hooks.corp`, `127.0.0.1:9000`, `[fd00::1]:9000`. Raises ValueError."""
        match = re.fullmatch(r"(?:\[([^\[\]%]+)\]|([^\[\]:]+))(?::([0-9]{1,5}))?|([^\[\]%]+)", text.lower())
        if not match or (match[3] and not 0 < int(match[3]) < 65536):
            raise ValueError("neither a network nor a host name, with a port from 1 to 65535 or without")
        port = int(match[3]) if match[3] else None
        if match[2] and HOST_NAME.fullmatch(match[2]):
            return cls(match[2], None, port)
        network = ip_network(match[1] or match[2] or match[4])
        if network.is_link_local and network.num_addresses > 1:
            raise ValueError("link-local addresses have to be named one by one")
        return cls("", network, port)


def bytes_of(size: str) -> int:
    """Return the bytes of a size such as 10GiB, which `SIZE` matches."""
    number = size.rstrip("KMGTPiB")
    return int(int(number) * 1024 ** UNITS.index(size.removeprefix(number)))


def certificates(setting: str) -> str:
    """Return the certificates in PEM that EGRESS_CA names, or holds, as it does from EGRESS_CA_FILE. Raises OSError, ValueError."""
    if not setting:
        return ""
    text = setting if "-----BEGIN" in setting else Path(setting).read_text("ascii", "ignore")
    certificates = text.encode("ascii", "ignore").decode()  # names beside them may have other characters
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=certificates)
    return certificates
