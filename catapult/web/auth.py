"""Who sends this request: the holder of the API key or of the browser session that it carries."""

import hmac
import re
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from flask import g, request
from sqlalchemy import or_, update
from uuid_utils.compat import uuid7

from catapult import audit
from catapult.audit import Actor
from catapult.errors import Unauthenticated
from catapult.extensions import current_settings
from catapult.queries import api_keys, sessions
from catapult.rules import key_format
from catapult.tables import ApiKey, Role, Session
from catapult.web import origin

TOUCH_AFTER = timedelta(minutes=1)
REQUEST_ID = re.compile(r"[!-~]{1,128}")
NO_KEY = (
    "The API key is missing, unknown, expired or revoked. "
    "Send a valid key as X-API-Key: <key> or as Authorization: Bearer <key>."
)

KEY_NEEDED = (
    "The session of a browser opens the API for our own pages alone, and only to read. "
    "Send a key as X-API-Key: <key> or as Authorization: Bearer <key>."
)
KEY_HEADERS = ("X-API-Key", "Authorization")


def request_id() -> str:
    """Return the id of this request: the client's if it is valid, otherwise a new one."""
    if "request_id" not in g:
        sent = request.headers.get("X-Request-ID", "")
        g.request_id = sent if REQUEST_ID.fullmatch(sent) else str(uuid7())
    return str(g.request_id)


@cache
def cookie_name(secret_key: str) -> str:
    """Return the name of the session's cookie, the same in all processes of an instance.

    Browsers send cookies to every port of a host: with one name for all instances, signing in to one would sign out of another.
    """
    return f"catapult_{hmac.digest(secret_key.encode(), b'session cookie', 'sha256').hex()[:8]}"


def session_cookie() -> str:
    """Return the name of this instance's cookie."""
    return cookie_name(current_settings().secret_key)


def sent_token() -> str | None:
    """Return the token of the browser's session in the request, unchecked; None if there is none."""
    return request.cookies.get(session_cookie()) if "Cookie" in request.headers else None


def authenticate() -> Actor:
    """Return the holder of the key in the request's headers. Raises Unauthenticated.

    Without such a header, the holder of the browser's session if one of our own pages reads (docs/decisions/0035). A key that
    was sent decides alone: a wrong one is refused, whatever the session.
    """
    if sent_token() is None or any(name in request.headers for name in KEY_HEADERS):
        return bearer_of(sent_key())
    if not origin.is_read_by_own_page():
        raise Unauthenticated(KEY_NEEDED)
    return signed_in()


def bearer_of(key: str) -> Actor:
    """Return the holder of the key. Raises Unauthenticated, with the same message for every reason.

    Sets `g.refused` to the actor, as far as known, and the reason.
    """
    prefix = key_format.prefix_of(key)
    row = api_keys.find(prefix) if prefix else None
    if row is None or not hmac.compare_digest(key_format.hashed(key, current_settings().api_key_salt), row.key_hash):
        if key:  # a request without a key is not an attempt to sign in
            nobody = Actor("", Role.VIEWER, ip_address=request.remote_addr, request_id=request_id())
            g.refused = nobody, {"prefix": prefix, "reason": "unknown"}
        raise Unauthenticated(NO_KEY)
    actor = _actor_of(row)
    reason = api_keys.ended(row)
    if reason:
        g.refused = actor, {"prefix": prefix, "reason": reason}
        raise Unauthenticated(NO_KEY)
    g.last_used_at, g.used_at, g.asks_name = row.last_used_at, row.now, row.asks_name
    return actor


def signed_in() -> Actor:
    """Return the holder of the browser's session and set `g.session`. Raises Unauthenticated."""
    token = sent_token()
    row = sessions.find(token) if token else None
    if row is None or api_keys.ended(row):
        raise Unauthenticated("Your session has ended. Sign in again.")
    g.session, g.last_used_at, g.used_at, g.asks_name = row, row.last_used_at, row.now, row.asks_name
    return _actor_of(row)


def is_poll() -> bool:
    """Return whether a page polls in the background, which does not count as use of the session."""
    return "X-Poll" in request.headers and "session" in g and request.method in ("GET", "HEAD")


def touch() -> None:
    """Store the last use of the key and of the session, at most once a minute each."""
    used_at, before, session = g.get("used_at"), g.get("last_used_at"), g.get("session")
    if used_at is None or is_poll():
        return
    if before is None or used_at - before >= TOUCH_AFTER:
        audit.note(_used(g.actor.key_id, used_at))
    if session is not None and used_at - session.session_used_at >= TOUCH_AFTER:
        audit.note(update(Session).where(Session.id == session.session_id).values(used_at=used_at))


def sent_key() -> str:
    """Return the key in the request's headers, unchecked; "" if there is none."""
    key = request.headers.get("X-API-Key")
    if key is None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        key = token if scheme.lower() == "bearer" else ""
    return key.strip()


def _actor_of(row: Any) -> Actor:
    return api_keys.actor_of(row, ip_address=request.remote_addr, request_id=request_id())


def _used(key_id: UUID, at: datetime) -> Any:
    """Return the update. Of several concurrent requests one writes; the others no longer match."""
    due = or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at <= at - TOUCH_AFTER)
    values = {"last_used_at": at, "last_used_from": request.remote_addr}
    return update(ApiKey).where(ApiKey.id == key_id, due).values(values)
