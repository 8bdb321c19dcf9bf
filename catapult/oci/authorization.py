"""The `Authorization` for a registry: none, a password, or a token of its token server.

Source: "Token Authentication Specification" of CNCF Distribution. The registry chooses its token server, so that
address is checked like every other, and credentials are sent to it only encrypted.
"""

import re
import time
from base64 import b64encode
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from catapult.egress import Answer, Target, Unsent
from catapult.rules.sigstore_bundle import MALFORMED, parsed

SECONDS, LONGEST = 60, 24 * 60 * 60
"""The default and the maximum validity of a token."""
MARGIN = 10
"""Seconds before its end from which a token is not used."""
_SCHEME = re.compile(r"(?:^|,)\s*(Bearer|Basic)(?:\s+|$)", re.IGNORECASE)
_PARAMETER = re.compile(r'([A-Za-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_TOKEN = re.compile(r"[!-~]{1,16384}")


@dataclass(frozen=True)
class Access:
    """The access to one registry. `ca` has the authorities, in PEM, that are trusted beside the public ones.

    They are also trusted for its token server and its store of blobs. With `allow_http` all of these may be
    reached by http, without encryption.
    """

    allow_http: bool = False
    ca: str = field(default="", repr=False)
    username: str = ""
    secret: str = field(default="", repr=False)

    @property
    def basic(self) -> str:
        """The value of `Authorization` with username and secret, or "" without."""
        if not (self.username or self.secret):
            return ""
        return f"Basic {b64encode(f'{self.username}:{self.secret}'.encode()).decode()}"


@dataclass(frozen=True)
class Token:
    """A token for a scope, and until when it is used, by the clock of `time.monotonic`."""

    value: str = field(repr=False)
    until: float

    @classmethod
    def of(cls, answer: Answer, asked_at: float) -> "Token":
        """Return the token of a token server's answer. Raises ValueError."""
        try:
            fields = parsed(answer.body)
            value, seconds = fields.get("token") or fields.get("access_token"), fields.get("expires_in")
            if not _TOKEN.fullmatch(value):
                raise ValueError
        except MALFORMED:
            raise ValueError from None
        seconds = min(seconds, LONGEST) if type(seconds) in (int, float) and seconds > 0 else SECONDS
        return cls(value, asked_at + max(seconds - MARGIN, seconds / 2))

    @property
    def is_usable(self) -> bool:
        """Whether it is still to be used."""
        return time.monotonic() < self.until


class Challenge:
    """The challenge in a registry's 401: `scheme` is `bearer`, `basic`, or "" for others."""

    def __init__(self, header: str) -> None:
        starts = {match[1].lower(): match for match in reversed(list(_SCHEME.finditer(header)))}
        self.scheme = next((scheme for scheme in ("bearer", "basic") if scheme in starts), "")
        self.parameters: dict[str, Any] = {}
        if self.scheme:
            ends = [match.start() for match in starts.values() if match.start() > starts[self.scheme].start()]
            text = header[starts[self.scheme].end() : min(ends, default=None)]
            for name, quoted, plain in _PARAMETER.findall(text):
                self.parameters[name.lower()] = re.sub(r"\\(.)", r"\1", quoted) or plain

    def token_url(self, scope: str) -> str:
        """Return the URL to get a token from; for this scope, if the challenge has none. Raises Unsent if it is not a URL."""
        realm = self.parameters.get("realm", "")
        Target.of(realm)
        parameters = {"service": self.parameters.get("service"), "scope": self.parameters.get("scope") or scope}
        query = urlencode({name: value for name, value in parameters.items() if value})
        return f"{realm}{'&' if '?' in realm else '?'}{query}"


def may_send_secrets(url: str, access: Access) -> bool:
    """Return whether secrets may be sent to this address: it is encrypted, on this machine, or allowed."""
    try:
        target = Target.of(url)
    except Unsent:
        return False
    is_here = target.host == "localhost" or (target.address is not None and target.address.is_loopback)
    return target.scheme == "https" or is_here or access.allow_http
