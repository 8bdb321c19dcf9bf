"""How many requests a key may send: counted before anything else is done for a request, and without the database.

Flask-Limiter counts; here is by whom, and what happens when its storage is gone. Without RATE_LIMIT none of it is loaded.
"""

import hashlib
import logging
import math
import time
from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Any
from uuid import UUID

from flask import Flask, Response, current_app, g, request

from catapult.config import Settings
from catapult.errors import RateLimited
from catapult.web import auth, error_handlers

if TYPE_CHECKING:
    from flask_limiter import RateLimitExceeded

EXTENSION = "catapult-rates"
KNOWN = 10_000
FREE = (*auth.PROBES, "/api/health")


class Bearers:
    """Whose key is behind what requests bear, as far as this process has seen it let in. Says nothing about who gets in.

    A key that nobody has been let in with counts for its address: made-up ones bring no allowance of their own.
    """

    def __init__(self) -> None:
        self._keys = OrderedDict[bytes, UUID]()
        self._lock = Lock()

    def key_of(self, credential: str) -> UUID | None:
        with self._lock:
            return self._keys.get(_digest(credential))

    def remember(self, credential: str, key_id: UUID) -> None:
        """Those that came last are kept."""
        with self._lock:
            self._keys[_digest(credential)] = key_id
            self._keys.move_to_end(_digest(credential))
            if len(self._keys) > KNOWN:
                self._keys.popitem(last=False)


def init_app(app: Flask, settings: Settings) -> None:
    """Requests are counted, where the settings say how many there may be."""
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
        storage_options=_patience() if shared else {},
        in_memory_fallback_enabled=shared,  # each process counts for itself until the storage is back
        strategy="sliding-window-counter",
        key_prefix="catapult",
        request_identifier=lambda: "all",  # one count for all addresses, not one for each
    )
    limiter.request_filter(is_free)
    limiter.init_app(app)


def is_free() -> bool:
    """Whether the request counts for nobody: probes, and files that browsers keep."""
    return request.endpoint == "static" or request.path in FREE


def bearer() -> str:
    """Whom this request counts for."""
    credential = _credential()
    key_id = _bearers().key_of(credential) if credential else None
    return f"key:{key_id}" if key_id else f"address:{request.remote_addr}"


def remember() -> None:
    """Now that the request's key is known, the next one that bears it counts for it."""
    key_id = g.actor.key_id
    if EXTENSION in current_app.extensions and key_id:
        _bearers().remember(_credential(), key_id)


def refused(exceeded: "RateLimitExceeded") -> Response:
    """The refusal, with the seconds after which there is room again."""
    (limiter,) = current_app.extensions["limiter"]
    wait = max(1, math.ceil(limiter.current_limit.reset_at - time.time()))
    said = (
        f"More than {exceeded.limit.limit if exceeded.limit else 'is allowed'} came from here. Try again in {wait} s."
    )
    return error_handlers.refused(RateLimited(said, retry_after=wait))


def _patience() -> Any:
    """How long a request waits for Redis: two tries of a quarter of a second. Its own ten tries would hold every thread."""
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return {"socket_connect_timeout": 0.25, "socket_timeout": 0.25, "retry": Retry(NoBackoff(), 1)}


def _bearers() -> Bearers:
    found: Bearers = current_app.extensions[EXTENSION]
    return found


def _credential() -> str:
    return auth.sent_key() or request.cookies.get(auth.COOKIE, "")


def _digest(credential: str) -> bytes:
    return hashlib.sha256(credential.encode("utf-8", "surrogateescape")).digest()
