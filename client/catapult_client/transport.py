"""One request to the registry: the address, the key, time-outs, tries.

urllib3's `Retry`, which comes with requests, is not used: it cannot tell the two kinds of 409 apart, has no bound over
all tries together, and forgets whether a lost answer may have been a yes. The loop below does, in a page.
"""

from __future__ import annotations

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

from .errors import ConnectionFailed, InvalidArgument, Redirected, RegistryError, TimedOut, UnexpectedAnswer, refusal

log = logging.getLogger("catapult")

FIRST_PAUSE = 0.5  # seconds before the second try; doubles with each further one
LONGEST_PAUSE = 8.0
POOL_SIZE = 32  # connections kept open: as many as threads that are likely to share one Registry

# Forked workers share the state of `random`, so they would all come back at the same moment.
_dice = random.SystemRandom()

PASSING = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)

Timeout = Union[float, "tuple[float, float]"]


class Secret(str):
    """Text that does not show itself: its repr(), and so that of headers and of a traceback's locals, is `'…'`."""

    def __repr__(self) -> str:
        return "'…'"


class KeyHeader(AuthBase):
    """Sends the key. As the request's `auth` it also keeps requests from adding a password out of ~/.netrc."""

    def __init__(self, key: Secret) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["X-API-Key"] = self._key
        return request


@dataclass(frozen=True)
class Ask:
    """A request before it is sent. `path` is below `/api`, with the query; `body` is plain (see `plain`)."""

    method: str
    path: str
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.method} /api{self.path.partition('?')[0]}"


class Deadline:
    """A moment that a call and all its tries must not pass."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds; negative once it has passed."""
        return self._end - time.monotonic()


class Transport:
    """Sends requests, again where that is safe, and turns what comes back into an answer or one of `errors`.

    `timeout` is (connect, read) in seconds, `retries` the tries after the first. It may be shared by threads (the pool
    is urllib3's, cookies are refused) and survives a fork: the child opens connections of its own.
    """

    def __init__(
        self, root: str, key: Secret, timeout: tuple[float, float], retries: int, session: requests.Session | None
    ) -> None:
        self.root = root
        self._key = key
        self._timeout = timeout
        self._retries = retries
        self._theirs = session is not None
        self._session = session or _open()
        self._process = os.getpid()

    def close(self) -> None:
        """Close the pool; a session that was handed in stays open, as its owner's."""
        if not self._theirs:
            self._session.close()

    def send(self, ask: Ask, deadline: Deadline, retries: int | None = None) -> requests.Response:
        """The answer, 2xx. Raises RegistryError for any other, and for none.

        Tried again: what never arrived, 429, 500, 502, 503, 504 and a first try that is still running, as long as
        `Retry-After` lies within the deadline. Safe for every method: a POST carries an idempotency key; a PUT sets
        fields to the same values; for a DELETE, and for a PUT with If-Match, the caller looks at `maybe_applied`.
        """
        tries = 1 + (self._retries if retries is None else retries)
        content = json.dumps(ask.body, allow_nan=False).encode() if ask.body is not None else None
        maybe_applied = False
        for number in itertools.count(1):
            outcome = self._try(ask, content, deadline)
            if isinstance(outcome, requests.Response):
                return outcome
            outcome.maybe_applied = maybe_applied = ask.method != "GET" and (maybe_applied or outcome.maybe_applied)
            pause = _pause(number, outcome.retry_after)
            if number >= tries or not outcome.transient or pause >= deadline.left():
                raise outcome
            log.debug("%s: try %d of %d failed, the next in %.1f s: %s", ask, number, tries, pause, outcome)
            time.sleep(pause)
        raise AssertionError("unreachable")

    def _try(self, ask: Ask, content: bytes | None, deadline: Deadline) -> requests.Response | RegistryError:
        """The answer, or the error that it is: returned and not raised, so that it has no hidden context.

        An exception of requests holds the request, and that holds the key; `raise … from None` would still keep it.
        """
        left = deadline.left()
        if left <= 0:
            return TimedOut(f"{ask}: no time is left for this call.")
        headers = {"Accept": "application/json", "User-Agent": USER_AGENT, **ask.headers}
        if content is not None:
            headers["Content-Type"] = "application/json"
        try:
            response = self._own_session().request(
                ask.method,
                self.root + ask.path,
                data=content,
                headers=headers,
                auth=KeyHeader(self._key),
                timeout=(min(self._timeout[0], left), min(self._timeout[1], left)),
                allow_redirects=False,
            )
        except (OSError, ValueError) as fault:  # RequestException is an OSError; so is a CA bundle that is not there
            return self._no_answer(ask, fault)
        if 200 <= response.status_code < 300:
            return response
        return self._refused(ask, response)

    def _own_session(self) -> requests.Session:
        """The session; in a forked child a new one, since two processes must not talk on one connection."""
        if self._process != os.getpid():
            if self._theirs:
                raise InvalidArgument("A session of your own does not survive a fork: make the Registry in the worker.")
            self._session, self._process = _open(), os.getpid()
        return self._session

    def _no_answer(self, ask: Ask, fault: Exception) -> RegistryError:
        if isinstance(fault, RegistryError):
            return fault
        kind = TimedOut if isinstance(fault, requests.Timeout) else ConnectionFailed
        passing = isinstance(fault, PASSING)
        return kind(
            f"{ask}: no answer from {self.root}: {self._hide(_cause(fault))}.",
            transient=passing and not isinstance(fault, requests.exceptions.SSLError),
            maybe_applied=passing and not _never_sent(fault),
        )

    def _refused(self, ask: Ask, response: requests.Response) -> RegistryError:
        if 300 <= response.status_code < 400:
            return self._redirected(ask, response)
        try:
            body = json.loads(self._hide(response.content.decode("utf-8", "replace")))
        except (ValueError, RecursionError):
            body = None
        return refusal(str(ask), response.status_code, body, response.headers)

    def _redirected(self, ask: Ask, response: requests.Response) -> RegistryError:
        to = urlsplit(urljoin(self.root + "/", response.headers.get("Location", "")))
        host = to.netloc.rpartition("@")[2]  # an address may hold a password
        target, suffix = f"{to.scheme}://{host}{to.path}", ask.path.partition("?")[0]
        remedy = f"set base_url to {target[: -len(suffix)]}" if target.endswith(suffix) else "check base_url"
        return Redirected(
            f"{ask}: {self.root} redirects to {self._hide(target):.200}, and the SDK does not follow; {remedy}.",
            status=response.status_code,
        )

    def _hide(self, text: str) -> str:
        """The text without the key, should something on the way repeat it."""
        return text.replace(str(self._key), "…")


def decoded(ask: Ask, response: requests.Response) -> Any:
    """The answer's JSON. Raises UnexpectedAnswer if it is none."""
    try:
        return json.loads(response.content)
    except (ValueError, RecursionError):
        pass  # raised below, outside, so that the error does not drag the answer's text along
    sort = response.headers.get("Content-Type", "").partition(";")[0] or "nothing"
    raise UnexpectedAnswer(
        f"{ask}: {response.status_code}, but with {sort} where JSON was expected; is base_url the registry's?",
        status=response.status_code,
        maybe_applied=ask.method != "GET",
    )


def _open() -> requests.Session:
    session = requests.Session()
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # a jar is no place for threads to meet
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=POOL_SIZE))
    return session


def _pause(number: int, retry_after: float | None) -> float:
    """Seconds until the next try: half of a doubling time and up to as much again, but never before `Retry-After`."""
    step = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (number - 1))
    if retry_after is not None:
        return retry_after + _dice.uniform(0, FIRST_PAUSE)
    return _dice.uniform(step / 2, step)


def _reasons(fault: BaseException) -> list[BaseException]:
    """The exception and those it came from, outermost first; urllib3 keeps some of them in `reason`."""
    chain: list[BaseException] = []
    inner: Any = fault
    while isinstance(inner, BaseException) and inner not in chain:
        chain.append(inner)
        first = inner.args[0] if inner.args else None
        inner = inner.__cause__ or inner.__context__ or getattr(inner, "reason", None) or first
    return chain


def _cause(fault: BaseException) -> str:
    """What the system said (`Connection refused`); requests' own text holds whole urls and object addresses."""
    for inner in reversed(_reasons(fault)):
        if isinstance(inner, OSError) and not isinstance(inner, requests.RequestException):
            return (inner.strerror or str(inner) or type(inner).__name__)[:200]
    return type(fault).__name__


def _never_sent(fault: BaseException) -> bool:
    """True when no connection was made, so that nothing can have happened there."""
    if isinstance(fault, (requests.ConnectTimeout, requests.exceptions.ProxyError, requests.exceptions.SSLError)):
        return True
    # By name, since the SDK imports nothing of urllib3's: its modules move, requests' do not.
    return any(kind.__name__ == "NewConnectionError" for inner in _reasons(fault) for kind in type(inner).__mro__)


def api_root(base_url: str) -> str:
    """`https://host/prefix/api` from it, with or without `/api`, `/api/v1` and a slash. Raises InvalidArgument."""
    if not isinstance(base_url, str):
        raise InvalidArgument(f"base_url is a {type(base_url).__name__}: send text such as http://localhost:8000/api.")
    try:
        parts = urlsplit(base_url.strip())
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise InvalidArgument("base_url is no address: write it as http://localhost:8000/api.") from None
    if parts.scheme not in ("http", "https") or not host:
        raise InvalidArgument("base_url must begin with http:// or https:// and a host: http://localhost:8000/api.")
    if "@" in parts.netloc or parts.query or parts.fragment:  # not repeated in the message: it may be a password
        raise InvalidArgument("base_url must hold no user, password, query or fragment.")
    path = re.sub(r"/api(/v1)?$", "", parts.path.rstrip("/")).rstrip("/")
    return f"{parts.scheme}://{parts.netloc}{path}/api"


def secret(api_key: str) -> Secret:
    """The key without white space around it. Raises InvalidArgument, which does not repeat it."""
    key = api_key.strip() if isinstance(api_key, str) else ""
    if not re.fullmatch(r"[\x21-\x7e]+", key):
        raise InvalidArgument("api_key must be visible ASCII characters, without a space or line break in it.")
    return Secret(key)


def checked_timeout(timeout: Timeout) -> tuple[float, float]:
    """(connect, read) in seconds, from both or from one number. Raises InvalidArgument."""
    both = timeout if isinstance(timeout, tuple) else (timeout, timeout)
    if len(both) != 2 or not all(isinstance(part, (int, float)) and 0 < part < float("inf") for part in both):
        raise InvalidArgument("timeout is seconds above 0, or two of them: (connect, read).")
    return float(both[0]), float(both[1])


def _user_agent() -> str:
    try:
        release = version("catapult-sdk")
    except PackageNotFoundError:  # from a checkout that is not installed
        release = "0"
    return f"catapult-sdk/{release} python/{platform.python_version()}"


USER_AGENT = _user_agent()
