"""Sessions of people who are signed in, by the token of their browser."""

import hashlib
from datetime import timedelta
from typing import Any

from sqlalchemy import Interval, bindparam, cast, func, select

from catapult.queries.api_keys import HOLDER
from catapult.queries.lists import prepared
from catapult.tables import ApiKey, Person, Session

LONGEST, IDLE = timedelta(hours=12), timedelta(hours=2)
"""How long a session lasts, and how long without being used."""

S: Any = Session.__table__.c
K: Any = ApiKey.__table__.c
P: Any = Person.__table__.c

_BY_TOKEN = (
    select(
        *(S.id.label("session_id"), S.created_at.label("began_at"), S.used_at.label("session_used_at")),
        *HOLDER,
    )
    .select_from(
        Session.__table__.join(ApiKey.__table__, K.id == S.api_key_id).outerjoin(Person.__table__, P.id == K.person_id)
    )
    .where(
        S.token_hash == bindparam("token_hash"),
        # A prepared statement takes the type of a parameter from its cast.
        S.created_at > func.now() - cast(LONGEST, Interval),
        S.used_at > func.now() - cast(IDLE, Interval),
    )
)


def hashed(token: str) -> bytes:
    """Return what is stored of a token. Tokens are long and random, so a plain hash is enough."""
    return hashlib.sha256(token.encode()).digest()


def find(token: str) -> Any | None:
    """Return the token's session with its key and the database's `now`; None if there is none or it has ended."""
    return prepared.one_or_none(_BY_TOKEN, {"token_hash": hashed(token)})
