"""`Idempotency-Key`: the first answer to a POST is kept in the transaction of its change, and given again for 24 hours."""

import hashlib
import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

from flask import Response, g, request
from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert

from catapult import audit
from catapult.api.wire.rendering import encode
from catapult.errors import IdempotencyMismatch, InProgress, Invalid
from catapult.extensions import db
from catapult.tables import NOW, IdempotentAnswer

HEADER = "Idempotency-Key"
FORM = re.compile(r"[!-~]{1,255}")
KEPT_FOR = timedelta(hours=24)
SWEEP = 1_000
Render = Callable[[Any], Response]


class Attempt(NamedTuple):
    """One POST with an Idempotency-Key."""

    caller: Any
    key: str
    fingerprint: bytes


def answer(view: Callable[[], Any], render: Render, secret: str = "") -> Response:
    """The view's answer; the first one again where this key was used before, with `Idempotency-Replayed: true`.

    `secret` is the field of the answer that is not kept. Raises InProgress, IdempotencyMismatch, Invalid.
    """
    attempt = _attempt()
    if attempt is None:
        return render(view())
    kept = _kept(attempt)
    if kept is not None:
        return _replayed(kept)
    return _first(attempt, view, render, secret)


def _first(attempt: Attempt, view: Callable[[], Any], render: Render, secret: str) -> Response:
    rendered: list[Response] = []

    def keep(row: Any) -> None:
        rendered.append(render(row))
        kept: Any = db.session.execute(_keeping(attempt, rendered[0], secret))
        if not kept.rowcount:  # the backstop: the lock let a rival through, and the primary key did not
            raise InProgress("Another request with this Idempotency-Key came first. Send it again.", retry_after=1)

    db.session.info[audit.BEFORE_COMMIT] = keep
    try:
        row = view()
    finally:
        unused = db.session.info.pop(audit.BEFORE_COMMIT, None)
    if unused is None:
        return rendered[0]
    # Nothing changed, so nothing was committed; the answer is kept all the same.
    response = render(row)
    audit.note(_keeping(attempt, response, secret))
    return response


def _attempt() -> Attempt | None:
    key = request.headers.get(HEADER)
    if key is None or request.method != "POST":
        return None
    if not FORM.fullmatch(key):
        raise Invalid(f"{HEADER} has to be 1 to 255 visible ASCII characters.", errors={HEADER: ["Is not usable."]})
    asked = json.dumps([request.full_path, g.get("body", {})], sort_keys=True)
    return Attempt(g.actor.key_id, key, hashlib.sha256(asked.encode()).digest())


def _kept(attempt: Attempt) -> Any | None:
    """What is kept under this key, looked up in a second statement, after the lock: an earlier holder has committed.

    Whoever holds the lock may be replaying as well, so that without the lock there may still be an answer.
    """
    name = f"{attempt.caller} {attempt.key}".encode()
    lock = int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), signed=True)
    locked = db.session.scalar(select(func.pg_try_advisory_xact_lock(lock)))
    table = IdempotentAnswer
    kept = db.session.execute(
        select(table.fingerprint, table.status, table.headers, table.body).where(
            table.caller == attempt.caller, table.key == attempt.key, table.created_at > NOW - KEPT_FOR
        )
    ).one_or_none()
    if kept is None and not locked:
        raise InProgress(
            "The first request with this Idempotency-Key is still running. Send it again in a moment.", retry_after=1
        )
    if kept is not None and kept.fingerprint != attempt.fingerprint:
        raise IdempotencyMismatch(
            "This Idempotency-Key was used for another request. Make a new key for each new request."
        )
    return kept


def _replayed(kept: Any) -> Response:
    response = Response(bytes(kept.body), kept.status, kept.headers)
    response.headers["Idempotency-Replayed"] = "true"
    return response


def _keeping(attempt: Attempt, response: Response, secret: str) -> Any:
    """The statement that keeps the answer; it takes the place of one that is older than a day."""
    kept = {"ETag", "Location", "Content-Type"}
    values = {
        "fingerprint": attempt.fingerprint,
        "status": response.status_code,
        "headers": {name: value for name, value in response.headers.items() if name in kept},
        "body": _without(secret, response.get_data()),
    }
    table = IdempotentAnswer
    statement = insert(table).values(caller=attempt.caller, key=attempt.key, **values)
    return statement.on_conflict_do_update(
        index_elements=[table.caller, table.key],
        set_={**values, "created_at": NOW},
        where=table.created_at <= NOW - KEPT_FOR,
    )


def _without(secret: str, body: bytes) -> bytes:
    if not secret:
        return body
    return encode({name: value for name, value in json.loads(body).items() if name != secret})


def sweep() -> Any:
    """The statement, for `audit.note`, that forgets some answers older than a day; in portions, so that none takes long."""
    table = IdempotentAnswer
    old = select(table.caller, table.key).where(table.created_at <= NOW - KEPT_FOR).limit(SWEEP).subquery()
    return delete(table).where(table.caller == old.c.caller, table.key == old.c.key)
