"""Where a page of a list begins, as text that only this server can make: signed, and bound to one address and its filters."""

import hashlib
import json
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import request
from itsdangerous import BadSignature, URLSafeSerializer

from catapult.contract.fields import rfc3339
from catapult.errors import Invalid
from catapult.extensions import current_settings
from catapult.queries.lists.paging import Listing, Position

Filters = list[tuple[str, str]]


def sign(listing: Listing, row: Any, filters: Filters) -> str:
    """The cursor of what comes after that row."""
    *values, row_id = listing.standing(row)
    signed: str | bytes = _signer(filters).dumps([*map(_plain, values), str(row_id)])
    return signed if isinstance(signed, str) else signed.decode()


def opened(cursor: str, filters: Filters) -> Position:
    """The position that a cursor of this address and these filters holds. Raises Invalid for any other text."""
    try:
        *values, row_id = _signer(filters).loads(cursor)
    except BadSignature as error:
        raise Invalid(
            "Correct cursor: it is not one of this list with these filters.",
            errors={"cursor": ["Is not one of this list with these filters. Take it from the Link header as it is."]},
        ) from error
    return (*map(_value, values), UUID(row_id))


def _plain(value: Any) -> Any:
    """As JSON, a time as an object."""
    return {"time": rfc3339(value)} if isinstance(value, datetime) else value


def _value(plain: Any) -> Any:
    return datetime.fromisoformat(plain["time"]) if isinstance(plain, dict) else plain


def _signer(filters: Filters) -> URLSafeSerializer:
    """A cursor of one list is worth nothing on another."""
    query = json.dumps([request.path, filters])
    return URLSafeSerializer(current_settings().secret_key, salt="cursor " + hashlib.sha256(query.encode()).hexdigest())
