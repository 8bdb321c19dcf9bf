"""Request -> actor: who asks, by the key or the session that the request bears. For the two web doors."""

import hmac
import re
import time
from collections import Counter
from datetime import datetime, timedelta
from threading import Lock
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

from flask import g, request
from sqlalchemy import or_, update
from uuid_utils.compat import uuid7

from catapult import audit
from catapult.audit import Actor
from catapult.errors import BadRequest, Forbidden, Refusal, Unauthenticated
from catapult.extensions import current_settings
from catapult.queries import api_keys as stored_keys
from catapult.queries import sessions
from catapult.rules import key_format
from catapult.tables import ApiKey, Role, Session

COOKIE = "catapult_session"
PROBES = ("/livez", "/readyz", "/metrics")
HOST = re.compile(r"([a-z0-9_.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")
TOUCH_AFTER = timedelta(minutes=1)
REQUEST_ID = re.compile(r"[!-~]{1,128}")
NO_KEY = (
    "Send a valid API key as X-API-Key: <key> or as Authorization: Bearer <key>; "
    "this one is missing, unknown, expired or revoked."
)


class RefusedSignIn(NamedTuple):
    """A sign-in that was refused: by whom, as far as that is known, and why."""

    actor: Actor
    details: dict[str, Any]


def request_id() -> str:
    """This request's id: the client's own where it is usable, else a new one."""
    if "request_id" not in g:
        sent = request.headers.get("X-Request-ID", "")
        g.request_id = sent if REQUEST_ID.fullmatch(sent) else str(uuid7())
    found: str = g.request_id
    return found


def authenticate() -> Actor:
    """Who bears the request's key. Raises Unauthenticated, in the same words whatever is wrong with it."""
    return bearer_of(sent_key())


def bearer_of(key: str) -> Actor:
    """Whose key this is. Raises Unauthenticated, in the same words whatever is wrong with it."""
    prefix = key_format.prefix_of(key)
    row = stored_keys.find(prefix) if prefix else None
    if row is None or not hmac.compare_digest(key_format.hashed(key, current_settings().api_key_salt), row.key_hash):
        if key:  # a request without one is no attempt to sign in
            g.refused = RefusedSignIn(_actor("", Role.VIEWER), {"prefix": prefix, "reason": "unknown"})
        raise Unauthenticated(NO_KEY)
    actor = _actor(row.name, Role(row.role), row.id)
    reason = _ended(row)
    if reason:
        g.refused = RefusedSignIn(actor, {"prefix": prefix, "reason": reason})
        raise Unauthenticated(NO_KEY)
    g.last_used_at, g.used_at = row.last_used_at, row.now
    return actor


def signed_in() -> Actor:
    """Who is signed in with the browser that asks; `g.session` is the session. Raises Unauthenticated."""
    token = request.cookies.get(COOKIE)
    row = sessions.find(token) if token else None
    if row is None or _ended(row):
        raise Unauthenticated("Your session has ended. Sign in again.")
    g.session, g.last_used_at, g.used_at = row, row.last_used_at, row.now
    return _actor(row.name, Role(row.role), row.id)


def is_poll() -> bool:
    """Whether a page asks by itself, which is no use of the session. A key in a header is always used."""
    return "X-Poll" in request.headers and "session" in g and request.method in ("GET", "HEAD")


def check_host() -> None:
    """For `before_request`: nothing, if the request is for a host of ours. Raises BadRequest.

    Probes are asked by address, and answer nothing that a host is part of.
    """
    trusted = current_settings().trusted_hosts
    if trusted and request.path not in PROBES and not _is_ours(trusted):
        raise BadRequest("This server does not go by that host name. Send one of TRUSTED_HOSTS as `Host`.")


def _is_ours(trusted: tuple[str, ...]) -> bool:
    match = HOST.fullmatch(request.host.lower())
    name = match[1].removesuffix(".") if match else ""
    return any(name == host or (host.startswith(".") and f".{name}".endswith(host)) for host in trusted)


def check_same_origin() -> None:
    """Nothing, if one of our own pages sent this. Raises Forbidden for what another site made the browser send.

    Source: the rule of Go 1.25's `net/http.CrossOriginProtection`. Nothing here is trusted but the origin itself.
    """
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    by_host = origin is not None and _host(origin) == request.host.lower()
    if not (by_host if site is None else site in ("same-origin", "none")):
        raise Forbidden("Another site sent this request, so nothing was done. Open Catapult itself and do it there.")


def _host(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


def touch() -> None:
    """The key's `last_used_at` and the session's are right to the minute: written by at most one request a minute."""
    used_at, before, session = g.get("used_at"), g.get("last_used_at"), g.get("session")
    if used_at is None or is_poll():
        return
    if before is None or used_at - before >= TOUCH_AFTER:
        audit.note(_used(g.actor.key_id, used_at))
    if session is not None and used_at - session.session_used_at >= TOUCH_AFTER:
        audit.note(update(Session).where(Session.id == session.session_id).values(used_at=used_at))


def record_refusal(refusal: Refusal) -> None:
    """A refused sign-in or a 403 is in the audit log, as often as `SAMPLE` lets it."""
    if isinstance(refusal, Unauthenticated) and "refused" in g:
        _record("auth.refused", *g.refused)
    elif isinstance(refusal, Forbidden) and "actor" in g:
        _record("auth.forbidden", g.actor, {"method": request.method, "path": request.path})


def _record(action: str, actor: Actor, details: dict[str, Any]) -> None:
    skipped = SAMPLE.take((action, actor.key_id, actor.ip_address))
    if skipped is not None:
        more = {"not_recorded": skipped} if skipped else {}
        audit.note(audit.refused(actor, action, {**details, **more}))


class Sample:
    """Bounds what is recorded in a minute by this process: `each` of one subject, `total` of all."""

    def __init__(self, each: int, total: int) -> None:
        self.each, self.total = each, total
        self.minute, self.seen, self.skipped = 0, Counter[Any](), 0
        self._lock = Lock()

    def take(self, subject: Any) -> int | None:
        """How many of any subject were skipped since the last one that was recorded; None to skip this one too."""
        with self._lock:
            return self._take(subject, int(time.monotonic() // 60))

    def _take(self, subject: Any, minute: int) -> int | None:
        if minute != self.minute:
            self.minute, self.seen = minute, Counter()
        if self.seen[subject] >= self.each or self.seen.total() >= self.total:
            self.skipped += 1
            return None
        self.seen[subject] += 1
        skipped, self.skipped = self.skipped, 0
        return skipped


SAMPLE = Sample(each=5, total=60)


def sent_key() -> str:
    """The key in the request's headers, whatever it may be; "" for none."""
    key = request.headers.get("X-API-Key")
    if key is None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        key = token.strip() if scheme.lower() == "bearer" else ""
    return key.strip()


def _ended(row: Any) -> str | None:
    if row.revoked_at is not None:
        return "revoked"
    return "expired" if row.expires_at is not None and row.expires_at <= row.now else None


def _actor(name: str, role: Role, key_id: UUID | None = None) -> Actor:
    return Actor(name=name, role=role, key_id=key_id, ip_address=request.remote_addr, request_id=request_id())


def _used(key_id: UUID, at: datetime) -> Any:
    """Of several requests at once one writes: the others find the time moved."""
    due = or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at <= at - TOUCH_AFTER)
    return update(ApiKey).where(ApiKey.id == key_id, due).values(last_used_at=at)
