"""`Idempotency-Key`: the answer to a POST is stored in the transaction of its change and replayed for 24 hours."""

import hashlib
import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

from flask import Response, g, request
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from catapult import audit
from catapult.api.wire.rendering import encode
from catapult.errors import IdempotencyMismatch, InProgress, Invalid
from catapult.extensions import db
from catapult.tables import NOW, IdempotentAnswer

HEADER = "Idempotency-Key"
FORM = re.compile(r"[!-~]{1,255}")
LIFETIME = timedelta(hours=24)
Render = Callable[[Any], Response]


class Attempt(NamedTuple):
    """One POST with an Idempotency-Key."""

    caller: Any
    key: str
    fingerprint: bytes


def answer(view: Callable[[], Any], render: Render, secret: str = "") -> Response:
    """Return the view's answer, or the first one again, with `Idempotency-Replayed: true`, if the key was used before.

    `secret` is a field of the answer that is not stored. Raises InProgress, IdempotencyMismatch, Invalid.
    """
    attempt = _attempt()
    if attempt is None:
        return render(view())
    stored = _stored(attempt)
    if stored is None:
        return _first(attempt, view, render, secret)
    response = Response(bytes(stored.body), stored.status, stored.headers)
    response.headers["Idempotency-Replayed"] = "true"
    return response


def _first(attempt: Attempt, view: Callable[[], Any], render: Render, secret: str) -> Response:
    rendered: list[Response] = []

    def store(row: Any) -> None:
        rendered.append(render(row))
        result: Any = db.session.execute(_insert(attempt, rendered[0], secret))
        if not result.rowcount:  # another request got past the lock, and the primary key stops this one
            raise InProgress("Another request with this Idempotency-Key came first. Send it again.", retry_after=1)

    db.session.info[audit.BEFORE_COMMIT] = store
    try:
        row = view()
    finally:
        unused = db.session.info.pop(audit.BEFORE_COMMIT, None)
    if unused is None:
        return rendered[0]
    response = render(row)  # nothing changed, so nothing was committed; the answer is stored all the same
    audit.note(_insert(attempt, response, secret))
    return response


def _attempt() -> Attempt | None:
    key = request.headers.get(HEADER)
    if key is None or request.method != "POST":
        return None
    if not FORM.fullmatch(key):
        raise Invalid(f"{HEADER} must be 1 to 255 visible ASCII characters.", errors={HEADER: ["Is not valid."]})
    content = json.dumps([request.full_path, g.get("body", {})], sort_keys=True)
    return Attempt(g.actor.key_id, key, hashlib.sha256(content.encode()).digest())


def _stored(attempt: Attempt) -> Any | None:
    """Return the stored answer, if any. It is read after the lock, so that an earlier holder has committed.

    A holder of the lock may be replaying too, so there may be an answer even if the lock is taken.
    """
    name = f"{attempt.caller} {attempt.key}".encode()
    lock = int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), signed=True)
    locked = db.session.scalar(select(func.pg_try_advisory_xact_lock(lock)))
    table = IdempotentAnswer
    row = db.session.execute(
        select(table.fingerprint, table.status, table.headers, table.body).where(
            table.caller == attempt.caller, table.key == attempt.key, table.created_at > NOW - LIFETIME
        )
    ).one_or_none()
    if row is None and not locked:
        message = "The first request with this Idempotency-Key is still running. Send it again in a moment."
        raise InProgress(message, retry_after=1)
    if row is not None and row.fingerprint != attempt.fingerprint:
        raise IdempotencyMismatch("This Idempotency-Key was used for another request. Use a new key for each request.")
    return row


def _insert(attempt: Attempt, response: Response, secret: str) -> Any:
    """Return the statement that stores the answer, replacing one older than a day."""
    body = response.get_data()
    if secret:
        body = encode({name: value for name, value in json.loads(body).items() if name != secret})
    headers = {name: value for name, value in response.headers.items() if name in ("ETag", "Location", "Content-Type")}
    values = {"fingerprint": attempt.fingerprint, "status": response.status_code, "headers": headers, "body": body}
    table = IdempotentAnswer
    statement = insert(table).values(caller=attempt.caller, key=attempt.key, **values)
    return statement.on_conflict_do_update(
        index_elements=[table.caller, table.key],
        set_={**values, "created_at": NOW},
        where=table.created_at <= NOW - LIFETIME,
    )


def sweep() -> bool:
    """Delete answers older than a day, and return whether there may be more of them."""
    return audit.sweep(IdempotentAnswer.created_at, LIFETIME) == audit.SWEEP
