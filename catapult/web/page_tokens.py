"""Cursors: the position of a page of a list, signed and bound to one address and its filters."""

import hashlib
import json
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import request
from itsdangerous import BadSignature, URLSafeSerializer

from catapult.errors import Invalid
from catapult.extensions import current_settings
from catapult.queries.lists.paging import Listing, Position
from catapult.rules.json_text import rfc3339

Filters = list[tuple[str, str]]


def sign(listing: Listing, row: Any, filters: Filters) -> str:
    """Return the cursor of the page after that row."""
    *values, row_id = listing.position(row)
    signed: str | bytes = _signer(filters).dumps([*map(_plain, values), str(row_id)])
    return signed if isinstance(signed, str) else signed.decode()


def opened(cursor: str, filters: Filters) -> Position:
    """Return the position in a cursor. Raises Invalid if it belongs to another address or other filters."""
    try:
        *values, row_id = _signer(filters).loads(cursor)
    except BadSignature as error:
        message = "Does not belong to this list with these filters. Copy it from the Link header."
        raise Invalid(f"Correct cursor: {message}", errors={"cursor": [message]}) from error
    return (*map(_value, values), UUID(row_id))


def _plain(value: Any) -> Any:
    """Return the value for JSON; a time becomes an object."""
    return {"time": rfc3339(value)} if isinstance(value, datetime) else value


def _value(plain: Any) -> Any:
    return datetime.fromisoformat(plain["time"]) if isinstance(plain, dict) else plain


def _signer(filters: Filters) -> URLSafeSerializer:
    """Return a signer whose cursors are valid for this address and these filters only."""
    query = json.dumps([request.path, filters])
    return URLSafeSerializer(current_settings().secret_key, salt="cursor " + hashlib.sha256(query.encode()).hexdigest())
