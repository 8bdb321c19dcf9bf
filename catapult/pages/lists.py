"""Lists on pages: a page of rows, and the address of the next."""

from typing import Any, NamedTuple
from urllib.parse import urlencode

from flask import request
from werkzeug.datastructures import MultiDict
from werkzeug.urls import iri_to_uri

from catapult import cursors
from catapult.queries.paging import Listing, Page

ROWS = 50


class Part(NamedTuple):
    """Some rows of a list, and the address of what comes after them; None at the end."""

    rows: list[Any]
    more: str | None


def part(listing: Listing, rows: int = ROWS) -> Part:
    """The rows that the address asks for by its cursor, from the list's beginning without one. Raises Invalid."""
    filters = asked_for()
    cursor = request.args.get("cursor")
    page = Page(rows, after=cursors.opened(cursor, filters) if cursor else None)
    found = list(listing.page(page))
    if len(found) <= rows:
        return Part(found, None)
    return Part(found[:rows], here(cursor=cursors.sign(listing, found[rows - 1], filters)))


def asked_for() -> cursors.Filters:
    """What the address asks for beside its cursor, in one order."""
    return sorted((name, value) for name, value in request.args.items(multi=True) if name != "cursor" and value)


def here(**changed: str | None) -> str:
    """This page's address with these parameters changed, or without those that are None; without its cursor."""
    query = MultiDict((name, value) for name, value in request.args.items(multi=True) if value and name != "cursor")
    for name, value in changed.items():
        query.poplist(name)
        if value is not None:
            query[name] = value
    asked = urlencode(list(query.items(multi=True)))
    return iri_to_uri(request.path) + (f"?{asked}" if asked else "")
