"""Check the host name of a request, and the site that made a browser send it."""

import re
from urllib.parse import urlsplit

from flask import request

from catapult.errors import BadRequest, Forbidden
from catapult.extensions import current_settings
from catapult.web import forwarded

PROBES = ("/livez", "/readyz", "/metrics", "/api/health")
"""Paths for monitoring, which are exempt from the check of `Host` and from rate limits."""

SAFE = ("GET", "HEAD")
HOST = re.compile(r"([a-z0-9_.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")


def check_host() -> None:
    """For `before_request`. Raises BadRequest if `Host` is not one of TRUSTED_HOSTS; probes are exempt."""
    trusted = current_settings().trusted_hosts
    if trusted and request.path not in PROBES and not _is_trusted(trusted):
        raise BadRequest("This server does not answer to that host name. Send one of TRUSTED_HOSTS as `Host`.")


def _is_trusted(trusted: tuple[str, ...]) -> bool:
    match = HOST.fullmatch(request.environ[forwarded.REQUESTED_HOST].lower())
    name = match[1].removesuffix(".") if match else ""
    return any(name == host or (host.startswith(".") and f".{name}".endswith(host)) for host in trusted)


def check_same_origin() -> None:
    """Raise Forbidden if another site made the browser send this request.

    Source: the rule of Go 1.25's `net/http.CrossOriginProtection`, without its list of trusted origins.
    """
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    by_host = origin is not None and _host(origin) == request.host.lower()
    if not (by_host if site is None else site in ("same-origin", "none")):
        raise Forbidden("Another site sent this request, so nothing was changed. Open Catapult and try again there.")


def is_read_by_own_page() -> bool:
    """Return whether one of our own pages made the browser send this request, which only reads.

    Stricter than `check_same_origin`: a typed address (`none`) is not a page of ours, the scheme counts, and a request without
    any of these headers does not pass. Browsers send `Sec-Fetch-Site` on https and to this machine only; otherwise `Referer`
    names the page of a read.
    """
    site, origin, referer = (request.headers.get(name) for name in ("Sec-Fetch-Site", "Origin", "Referer"))
    if request.method not in SAFE or (
        origin is not None and not _is_ours(origin)
    ):  # CORS applies, whatever else is sent
        return False
    if site is not None:
        return site == "same-origin"
    return _is_ours(referer) if referer is not None else origin is not None


def _is_ours(address: str) -> bool:
    return _origin(address) == request.host_url.lower()


def _origin(address: str) -> str | None:
    """Return scheme and host of an address as `request.host_url` has them, or None if it has none."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    return f"{parts.scheme}://{parts.netloc}/".lower()


def _host(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None
