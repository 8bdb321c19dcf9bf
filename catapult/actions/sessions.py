"""Sign in and out with a browser. A session is a row; the cookie holds only the token that finds it."""

import secrets

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from uuid_utils.compat import uuid7

from catapult import audit
from catapult.audit import Actor
from catapult.errors import RateLimited
from catapult.extensions import db
from catapult.queries.sessions import IDLE, hashed
from catapult.tables import NOW, Session, SignInCount

SIGN_INS = 10
"""Attempts per minute and address."""


def count_attempt(address: str) -> None:
    """Count an attempt to sign in from this address. Raises RateLimited from the eleventh within a minute on.

    Attempts are counted in the database, since each worker by itself would let ten through.
    """
    minute = func.date_trunc("minute", NOW)
    first = insert(SignInCount).values(address=address[:64], minute=minute, attempts=1)
    another = first.on_conflict_do_update(
        index_elements=[SignInCount.address, SignInCount.minute],
        set_={"attempts": SignInCount.attempts + 1},
        where=SignInCount.attempts < SIGN_INS,
    )
    if not audit.note(another):
        raise RateLimited("Too many sign-ins from this address. Wait a minute, then try again.", retry_after=60)


def sign_in(*, actor: Actor, former: str | None = None) -> str:
    """Start a session for the actor's key, end that of the `former` token, and return the new token, which is not stored."""
    ended = _end(former) if former else None
    token = secrets.token_urlsafe(32)
    row = Session(id=uuid7(), token_hash=hashed(token), api_key_id=actor.key_id)
    db.session.add(row)
    entries = [audit.entry("session.delete", ended)] if ended else []
    audit.commit(actor, row, *entries, audit.entry("session.create", row))
    return token


def sign_out(token: str, *, actor: Actor) -> None:
    """End the session of that token. An unknown token changes nothing and writes no entry."""
    if row := _end(token):
        audit.commit(actor, row, audit.entry("session.delete", row))


def _end(token: str) -> Session | None:
    """Delete the session of that token and return it, or None if there is none."""
    row = db.session.scalar(select(Session).where(Session.token_hash == hashed(token)).with_for_update())
    if row is not None:
        db.session.delete(row)
    return row


def sweep() -> None:
    """Delete sessions that nobody has used for two hours, and counts as old.

    A session that has lasted its twelve hours is used no more, so two hours later it is among them.
    """
    audit.sweep(Session.used_at, IDLE)
    audit.sweep(SignInCount.minute, IDLE)
