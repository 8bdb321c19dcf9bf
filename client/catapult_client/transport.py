"""One request to the registry: the address, the key, time-outs and retries.

urllib3's `Retry` is not used: it cannot distinguish the two kinds of 409, has no time limit for all tries together, and
does not say whether a lost request may have succeeded.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import os
import platform
import random
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Union
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

from . import remedies
from .errors import ConnectionFailed, InvalidArgument, Redirected, RegistryError, TimedOut, UnexpectedAnswer, refusal
from .file_part import FilePart
from .record import moment

log = logging.getLogger("catapult")

FIRST_PAUSE = 0.5  # seconds before the second try; doubles with each further one
LONGEST_PAUSE = 8.0  # seconds
POOL_SIZE = 32  # connections kept open, for the threads that share a Registry

# Not `random` itself: forked workers share its state, so they would all retry at the same moment.
_random = random.SystemRandom()

TRANSIENT = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)

Timeout = Union[float, "tuple[float, float]"]


class Secret(str):
    """Text whose repr() is `'…'`, so that headers and a traceback's locals do not show it."""

    def __repr__(self) -> str:
        return "'…'"


class KeyHeader(AuthBase):
    """Adds the key to a request. Passed as `auth`, it also stops requests from adding a password from ~/.netrc."""

    def __init__(self, key: Secret) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["X-API-Key"] = self._key
        return request


@dataclass(frozen=True)
class Ask:
    """A request to send. `path` is below `/api`, with the query; `body` is JSON values (see `plain`), or `file` is the body.

    With `stream`, the caller reads and closes the answer, which may be a redirect, 307.
    """

    method: str
    path: str
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    file: FilePart | None = None
    stream: bool = False

    def __str__(self) -> str:
        return f"{self.method} /api{self.path.partition('?')[0]}"


class Deadline:
    """The moment by which a call, with all its tries, must end."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def remaining(self) -> float:
        """Return the remaining seconds; negative after the deadline."""
        return self._end - time.monotonic()


class Transport:
    """Sends requests, retries them where that is safe, and raises the answer's error.

    `timeout` is (connect, read) in seconds, `retries` the number of tries after the first. Threads may share it: the
    pool is urllib3's, and cookies are refused. After a fork the child opens connections of its own.
    """

    def __init__(
        self, root: str, key: Secret, timeout: tuple[float, float], retries: int, session: requests.Session | None
    ) -> None:
        self.root = root
        self._key = key
        self._timeout = timeout
        self._retries = retries
        self._is_callers = session is not None
        self._session = session or _open()
        self._process = os.getpid()
        self._warned_end: str | None = None

    def close(self) -> None:
        """Close the connections; a session passed by the caller stays open."""
        if not self._is_callers:
            self._session.close()

    def send(self, ask: Ask, deadline: Deadline, retries: int | None = None) -> requests.Response:
        """Return the answer, which is 2xx. Raises RegistryError for any other, and for none.

        Retries lost requests, 429, 500, 502, 503, 504 and a first try that is still running, if `Retry-After` ends
        before the deadline. That is safe for every method: a POST has an idempotency key, a PUT sets the same values,
        and for a DELETE or a PUT with If-Match the caller checks `maybe_applied`.
        """
        tries = 1 + (self._retries if retries is None else retries)
        content = json.dumps(ask.body, allow_nan=False).encode() if ask.body is not None else None
        maybe_applied = False
        for number in itertools.count(1):
            outcome = self._try(ask, content, deadline)
            if isinstance(outcome, requests.Response):
                return outcome
            outcome.maybe_applied = maybe_applied = ask.method != "GET" and (maybe_applied or outcome.maybe_applied)
            seconds = pause(number, outcome.retry_after)
            if number >= tries or not outcome.transient or seconds >= deadline.remaining():
                raise outcome
            log.debug("%s: try %d of %d failed, next in %.1f s: %s", ask, number, tries, seconds, outcome)
            time.sleep(seconds)
        raise AssertionError("unreachable")

    def _try(self, ask: Ask, content: bytes | None, deadline: Deadline) -> requests.Response | RegistryError:
        """Return the answer or its error. The error is not raised here, so that its `__context__` stays empty.

        An exception of requests refers to the request and so to the key, and `raise … from None` would keep it.
        """
        remaining = deadline.remaining()
        if remaining <= 0:
            return TimedOut(f"{ask}: the time limit of this call has passed.")
        headers = {"Accept": "application/json", "User-Agent": USER_AGENT, **ask.headers}
        if content is not None:
            headers["Content-Type"] = "application/json"
        try:
            with ask.file.open() if ask.file else contextlib.nullcontext(content) as data:
                response = self._own_session().request(
                    ask.method,
                    self.root + ask.path,
                    data=data,
                    headers=headers,
                    auth=KeyHeader(self._key),
                    timeout=(min(self._timeout[0], remaining), min(self._timeout[1], remaining)),
                    allow_redirects=False,
                    stream=ask.stream,
                )
        # RequestException and a missing CA bundle are OSErrors; a proxy without a host is a TypeError of requests.
        except (OSError, ValueError, TypeError) as fault:
            return self._no_answer(ask, fault)
        self._warn_of_end(response)
        if 200 <= response.status_code < 300 or (ask.stream and response.status_code == 307):
            return response
        return self._refused(ask, response)

    def fetch(self, url: str, headers: Mapping[str, str]) -> requests.Response:
        """Return the answer of another server that the registry names, without sending the key. Raises the errors of requests."""
        # A function as `auth` adds nothing, and stops requests from adding a password from ~/.netrc.
        response = self._own_session().get(
            url, headers=dict(headers), auth=lambda request: request, timeout=self._timeout, stream=True
        )
        response.raise_for_status()
        return response

    def _warn_of_end(self, response: requests.Response) -> None:
        """Log once that the key soon expires: the registry says so in each answer from seven days before."""
        end = response.headers.get("Catapult-Key-Expires")
        if end is None or end == self._warned_end:
            return
        self._warned_end = end
        with contextlib.suppress(ValueError):  # not a time, so not from a registry
            log.warning(
                "This registry's key expires at %s UTC. Rotate it before that: registry.rotate_api_key(key_id), "
                "POST /api/v1/api-keys/{id}/rotate or `flask keys rotate`.",
                f"{moment(end):%Y-%m-%d %H:%M}",
            )

    def _own_session(self) -> requests.Session:
        """Return the session; a new one in a forked child, because two processes cannot share a connection."""
        if self._process != os.getpid():
            if self._is_callers:
                raise InvalidArgument("Your session cannot be used after a fork: create the Registry in the worker.")
            self._session, self._process = _open(), os.getpid()
        return self._session

    def _no_answer(self, ask: Ask, fault: Exception) -> RegistryError:
        if isinstance(fault, RegistryError):
            return fault
        kind = TimedOut if isinstance(fault, requests.Timeout) else ConnectionFailed
        is_transient, reasons = isinstance(fault, TRANSIENT), _reasons(fault)
        lasts = isinstance(fault, requests.exceptions.SSLError) or remedies.is_unauthorized(reasons)
        cause, remedy = _cause(fault).rstrip("."), remedies.remedy(reasons, self.root)
        return kind(
            f"{ask}: no answer from {self.root}: {self._hide(cause)}.{self._hide(remedy)}",
            transient=is_transient and not lasts,
            maybe_applied=is_transient and not _never_sent(fault),
        )

    def _refused(self, ask: Ask, response: requests.Response) -> RegistryError:
        if 300 <= response.status_code < 400:
            return self._redirected(ask, response)
        if response.status_code == 407:
            return ConnectionFailed(
                f"{ask}: no answer from {self.root}: a proxy refused.{remedies.of_proxy(self.root)}"
            )
        try:
            body = json.loads(self._hide(response.content.decode("utf-8", "replace")))
        except (ValueError, RecursionError):
            body = None
        return refusal(str(ask), response.status_code, body, response.headers)

    def _redirected(self, ask: Ask, response: requests.Response) -> RegistryError:
        to = urlsplit(urljoin(self.root + "/", response.headers.get("Location", "")))
        host = to.netloc.rpartition("@")[2]  # without a user and password
        target, suffix = f"{to.scheme}://{host}{to.path}", ask.path.partition("?")[0]
        remedy = f"set base_url to {target[: -len(suffix)]}" if target.endswith(suffix) else "check base_url"
        return Redirected(
            f"{ask}: {self.root} redirects to {self._hide(target):.200}, which the SDK does not follow; {remedy}.",
            status=response.status_code,
        )

    def _hide(self, text: str) -> str:
        """Return the text without the key, in case a proxy repeats it."""
        return text.replace(str(self._key), "…")


def decoded(ask: Ask, response: requests.Response) -> Any:
    """Return the decoded JSON of an answer. Raises UnexpectedAnswer if it is not JSON."""
    try:
        return json.loads(response.content)
    except (ValueError, RecursionError):
        pass  # raised below, so that the error does not refer to the text of the answer
    content_type = response.headers.get("Content-Type", "").partition(";")[0] or "an empty answer"
    raise UnexpectedAnswer(
        f"{ask}: {response.status_code}, expected JSON but got {content_type}. Check that base_url is the registry's.",
        status=response.status_code,
        maybe_applied=ask.method != "GET",
    )


def _open() -> requests.Session:
    session = requests.Session()
    session.verify = remedies.own_bundle()
    session.cookies.set_policy(
        DefaultCookiePolicy(allowed_domains=[])
    )  # threads share the session, so it keeps no cookies
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=POOL_SIZE))
    return session


def pause(number: int, retry_after: float | None) -> float:
    """Return the seconds before the next try: a doubling time, half of it random, but not less than `Retry-After`."""
    step = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (number - 1))
    if retry_after is not None:
        return retry_after + _random.uniform(0, FIRST_PAUSE)
    return _random.uniform(step / 2, step)


def _reasons(fault: BaseException) -> list[BaseException]:
    """Return the exception and its causes, outermost first; urllib3 stores some of them in `reason`."""
    chain: list[BaseException] = []
    inner: Any = fault
    while isinstance(inner, BaseException) and inner not in chain:
        chain.append(inner)
        first = inner.args[0] if inner.args else None
        inner = inner.__cause__ or inner.__context__ or getattr(inner, "reason", None) or first
    return chain


def _cause(fault: BaseException) -> str:
    """Return the system's message (`Connection refused`); requests' own has whole URLs and object addresses."""
    for inner in reversed(_reasons(fault)):
        if isinstance(inner, OSError) and not isinstance(inner, requests.RequestException):
            return (inner.strerror or str(inner) or type(inner).__name__)[:200]
    return type(fault).__name__


def _never_sent(fault: BaseException) -> bool:
    """Return whether no connection was established, so that the registry cannot have acted."""
    if isinstance(fault, (requests.ConnectTimeout, requests.exceptions.ProxyError, requests.exceptions.SSLError)):
        return True
    # By name, because urllib3 moves its modules and the SDK does not import them.
    return any(kind.__name__ == "NewConnectionError" for inner in _reasons(fault) for kind in type(inner).__mro__)


def api_root(base_url: str) -> str:
    """Return `https://host/prefix/api` for an address with or without `/api` or `/api/v1`. Raises InvalidArgument."""
    if not isinstance(base_url, str):
        raise InvalidArgument(f"base_url is a {type(base_url).__name__}: pass text such as http://localhost:8000/api.")
    try:
        parts = urlsplit(base_url.strip())
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise InvalidArgument("base_url is not an address: write it as http://localhost:8000/api.") from None
    if parts.scheme not in ("http", "https") or not host:
        raise InvalidArgument("base_url must start with http:// or https:// and a host, as http://localhost:8000/api.")
    if "@" in parts.netloc or parts.query or parts.fragment:  # not in the message: it may be a password
        raise InvalidArgument("base_url must not contain a user, password, query or fragment.")
    path = re.sub(r"/api(/v1)?$", "", parts.path.rstrip("/")).rstrip("/")
    return f"{parts.scheme}://{parts.netloc}{path}/api"


def secret(api_key: str) -> Secret:
    """Return the key without surrounding white space. Raises InvalidArgument, which does not show it."""
    key = api_key.strip() if isinstance(api_key, str) else ""
    if not re.fullmatch(r"[\x21-\x7e]+", key):
        raise InvalidArgument("api_key must be visible ASCII characters without spaces or line breaks.")
    return Secret(key)


def checked_timeout(timeout: Timeout) -> tuple[float, float]:
    """Return (connect, read) in seconds, given both or one number. Raises InvalidArgument."""
    both = timeout if isinstance(timeout, tuple) else (timeout, timeout)
    if len(both) != 2 or not all(isinstance(part, (int, float)) and 0 < part < float("inf") for part in both):
        raise InvalidArgument("timeout must be seconds greater than 0, or two such numbers: (connect, read).")
    return float(both[0]), float(both[1])


def _installed() -> str:
    try:
        return version("catapult-sdk")
    except PackageNotFoundError:  # a checkout that is not installed
        return "0"


RELEASE = _installed()
USER_AGENT = f"catapult-sdk/{RELEASE} python/{platform.python_version()}"
