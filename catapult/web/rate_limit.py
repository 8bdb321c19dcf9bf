"""Limit how many requests a key may send, before anything else is done for a request and without the database.

Flask-Limiter counts. This file says whom a request counts for, and what happens when the storage is down. It is
loaded only with RATE_LIMIT.
"""

import hashlib
import logging
import math
import time
from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from flask import Flask, Response, current_app, g, request

from catapult.config import Settings
from catapult.errors import RateLimited
from catapult.web import auth, error_handlers, origin

if TYPE_CHECKING:
    from flask_limiter import RateLimitExceeded

EXTENSION = "catapult-rates"
KNOWN = 10_000


class Bearers:
    """The key id of each credential that this process has accepted. It grants no access.

    An unknown credential counts for its address, so that invented keys do not get a limit of their own.
    """

    def __init__(self) -> None:
        self._keys = OrderedDict[bytes, UUID]()
        self._lock = Lock()

    def key_of(self, credential: bytes) -> UUID | None:
        return self._keys.get(credential)

    def remember(self, credential: bytes, key_id: UUID) -> None:
        """Remember the credential; of more than `KNOWN` the oldest is forgotten."""
        with self._lock:
            self._keys[credential] = key_id
            self._keys.move_to_end(credential)
            if len(self._keys) > KNOWN:
                self._keys.popitem(last=False)


def init_app(app: Flask, settings: Settings) -> None:
    """Limit requests if RATE_LIMIT is set."""
    if not settings.rate_limit:
        return
    from flask_limiter import Limiter, RateLimitExceeded

    shared = settings.rate_limit_storage.startswith("redis")
    logging.getLogger("flask-limiter").setLevel(logging.WARNING)
    app.extensions[EXTENSION] = Bearers()
    app.register_error_handler(RateLimitExceeded, refused)
    limiter = Limiter(
        bearer,
        default_limits=[settings.rate_limit],
        storage_uri=settings.rate_limit_storage,
        storage_options=_redis_options() if shared else {},
        in_memory_fallback_enabled=shared,  # each process counts alone until the storage is back
        strategy="sliding-window-counter",
        key_prefix="catapult",
        request_identifier=lambda: "all",  # one count for all addresses, not one for each
    )
    limiter.request_filter(is_free)
    limiter.init_app(app)


def is_free() -> bool:
    """Return whether the request is not counted: probes and static files."""
    return request.endpoint == "static" or request.path in origin.PROBES


def bearer() -> str:
    """Return the key or the address that this request counts for."""
    credential = _credential()
    key_id = _bearers().key_of(credential) if credential else None
    return f"key:{key_id}" if key_id else f"address:{request.remote_addr}"


def remember() -> None:
    """Remember the request's key, so that the next request with this credential counts for it."""
    if EXTENSION not in current_app.extensions:
        return
    if credential := _credential():
        _bearers().remember(credential, g.actor.key_id)


def refused(exceeded: "RateLimitExceeded") -> Response:
    """Answer 429 with the seconds to wait."""
    (limiter,) = current_app.extensions["limiter"]
    wait = max(1, math.ceil(limiter.current_limit.reset_at - time.time()))
    limit = f" The limit is {exceeded.limit.limit}." if exceeded.limit else ""
    return error_handlers.refused(RateLimited(f"Too many requests.{limit} Try again in {wait} s.", retry_after=wait))


def _redis_options() -> Any:
    """Return how long to wait for Redis: two tries of 0.25 s. Its default of ten tries would block every thread."""
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return {"socket_connect_timeout": 0.25, "socket_timeout": 0.25, "retry": Retry(NoBackoff(), 1)}


def _bearers() -> Bearers:
    return cast(Bearers, current_app.extensions[EXTENSION])


def _credential() -> bytes | None:
    """Return a digest of the key or session token in the request, or None. No secret is kept in memory."""
    credential = auth.sent_key() or auth.sent_token()
    return hashlib.sha256(credential.encode("utf-8", "surrogateescape")).digest() if credential else None
