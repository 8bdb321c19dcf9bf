"""Advice for a connection that failed because of a certificate or a proxy: a sentence after the reason.

A proxy's address is never shown with its user and password.
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Sequence
from urllib.parse import urlsplit

import requests
from requests.utils import get_environ_proxies, select_proxy

BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
"""The variables that name the trusted certificates, in the order in which they are read."""

PROXY = re.compile(
    r"(?:(?:https?|socks[45][ah]?)://)?(?:[^/?#@\s]*@)?(?P<host>(?:[\w.-]+|\[[\da-f:.]+\])(?::\d+)?)/?", re.IGNORECASE
)
FORM = "http://user:password@host:port, with special characters percent-encoded (%40 for @)"
MALFORMED = (
    *(requests.exceptions.InvalidProxyURL, requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema),
    UnicodeError,  # a password that Latin-1 lacks, which Basic authentication cannot hold
)

OTHER_NAME = (62, 63, 64)
OTHER_TIME = (9, 10)
"""Codes of OpenSSL's verification: the name or address differs; the certificate is not valid yet, or has expired."""


def own_bundle() -> str | bool:
    """Return the file in SSL_CERT_FILE, or True for the default certificates. requests reads the other variables."""
    return os.environ.get("SSL_CERT_FILE") or True


def remedy(reasons: Sequence[BaseException], url: str) -> str:
    """Return a sentence with a space before it; "" if neither a certificate nor a proxy failed.

    `reasons` is the exception with its causes, outermost first.
    """
    for fault in reasons:
        if isinstance(fault, ssl.SSLCertVerificationError):
            return _of_certificate(fault.verify_code)
    if _is_bundle(reasons):
        return _of_bundle()
    if any(isinstance(fault, ssl.SSLError) and fault.reason == "WRONG_VERSION_NUMBER" for fault in reasons):
        return " What answers there does not use TLS: check the https:// of base_url and of HTTPS_PROXY."
    return of_proxy(url, reasons)


def of_proxy(url: str, reasons: Sequence[BaseException] = ()) -> str:
    """Return a sentence about the proxy on the way to that address; "" if there is none."""
    proxy = select_proxy(url, get_environ_proxies(url, no_proxy=None))
    if not proxy:
        return ""
    name, match = _variable(url), PROXY.fullmatch(proxy)
    if match is None or any(isinstance(fault, MALFORMED) for fault in reasons):
        return f" {name} is not the address of a proxy: write {FORM}."
    if not reasons or is_unauthorized(reasons):
        refused = "refused the user and password" if "@" in proxy else "wants a user and password"
        return f" The proxy {match['host']} {refused} in {name}: write {FORM}."
    return f" {name} leads through the proxy {match['host']}; NO_PROXY names hosts that are reached without it."


def is_unauthorized(reasons: Sequence[BaseException]) -> bool:
    """Return whether a proxy refused the user and password, or requires them."""
    return any(isinstance(fault, OSError) and "Tunnel connection failed: 407" in str(fault) for fault in reasons)


def _of_certificate(code: int) -> str:
    if code in OTHER_NAME:
        return " The certificate is for another name: check base_url."
    if code in OTHER_TIME:
        return " Renew the certificate, or set the clock of this machine."
    now = "".join(f" {name} is {path} now." for name, path in _bundle())
    return f" Name the file with your CA's certificate in REQUESTS_CA_BUNDLE or SSL_CERT_FILE.{now}"


def _of_bundle() -> str:
    return "".join(
        f" {name} is {path}: name a file of certificates in PEM there, or unset it." for name, path in _bundle()
    )


def _is_bundle(reasons: Sequence[BaseException]) -> bool:
    """Return whether the file of the trusted certificates is missing or has none."""
    inner = reasons[-1]
    if isinstance(inner, ssl.SSLError):
        return inner.library == "X509"
    return isinstance(inner, OSError) and "TLS CA certificate bundle" in str(inner)


def _bundle() -> list[tuple[str, str]]:
    """Return the variable that is read and its value; nothing if none is set."""
    return [(name, os.environ[name]) for name in BUNDLES if os.environ.get(name)][:1]


def _variable(url: str) -> str:
    scheme = urlsplit(url).scheme
    names = (f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY")
    return next((name for name in names if os.environ.get(name)), f"{scheme.upper()}_PROXY")
