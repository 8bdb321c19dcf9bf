"""Sign in and out in a browser: a session is a row, and the cookie holds nothing but a token that leads to it."""

import secrets

from sqlalchemy import delete, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from uuid_utils.compat import uuid7

from catapult import audit
from catapult.audit import Actor
from catapult.errors import RateLimited
from catapult.extensions import db
from catapult.queries.sessions import IDLE, LONGEST, hashed
from catapult.tables import NOW, Session, SignInCount

SIGN_INS = 10
"""A minute and address."""

SWEEP = 1_000


def count_attempt(address: str) -> None:
    """One more sign-in is tried from this address. Raises RateLimited from the eleventh within a minute on.

    Counted in the database, since each worker by itself would let ten through.
    """
    minute = func.date_trunc("minute", NOW)
    first = insert(SignInCount).values(address=address[:64], minute=minute, attempts=1)
    one_more = first.on_conflict_do_update(
        index_elements=[SignInCount.address, SignInCount.minute],
        set_={"attempts": SignInCount.attempts + 1},
        where=SignInCount.attempts < SIGN_INS,
    )
    if not audit.note(one_more):
        raise RateLimited("Too many sign-ins from this address. Wait a minute, then try again.", retry_after=60)


def sign_in(*, actor: Actor, former: str | None = None) -> str:
    """A new session of the actor's key; its token, which is stored nowhere. The `former` token's session has ended."""
    ended = _ended(former) if former else None
    token = secrets.token_urlsafe(32)
    row = Session(id=uuid7(), token_hash=hashed(token), api_key_id=actor.key_id)
    db.session.add(row)
    said = [audit.entry("session.delete", ended)] if ended else []
    audit.commit(actor, row, *said, audit.entry("session.create", row))
    return token


def sign_out(token: str, *, actor: Actor) -> None:
    """That session has ended; one that is not there stays so and writes no entry."""
    if row := _ended(token):
        audit.commit(actor, row, audit.entry("session.delete", row))


def _ended(token: str) -> Session | None:
    """The session of that token, which the transaction deletes; None if it is not there."""
    row = db.session.scalar(select(Session).where(Session.token_hash == hashed(token)).with_for_update())
    if row is not None:
        db.session.delete(row)
    return row


def sweep() -> None:
    """Sessions that are over and counts of former minutes are forgotten, some at a time."""
    over = or_(Session.used_at <= NOW - IDLE, Session.created_at <= NOW - LONGEST)
    some = select(Session.id).where(over).limit(SWEEP).with_for_update(skip_locked=True).scalar_subquery()
    audit.note(delete(Session).where(Session.id.in_(some)))
    audit.note(delete(SignInCount).where(SignInCount.minute < NOW - IDLE))
