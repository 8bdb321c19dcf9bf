"""Lists on pages: filters, one page of rows, and the address of the next page."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from flask import Response, request
from markupsafe import escape
from marshmallow import Schema
from werkzeug.datastructures import MultiDict
from werkzeug.urls import iri_to_uri

from catapult.contract import strict
from catapult.errors import Invalid
from catapult.filters.mistakes import Misread
from catapult.pages.parts import fragments
from catapult.pages.parts.forms import Form
from catapult.pages.parts.page_request import requested_block
from catapult.queries.lists.paging import Listing, Page
from catapult.web import page_tokens

ROWS = 50

ROOM = 200_000
"""Characters of HTML that a page's rows may take, whatever they hold; the other rows are on the next pages."""

AROUND, SHOWN, ITEMS, TIMES = 700, 300, 8, 4
"""Of a row: characters of HTML around its texts, shown characters of a text, shown items of a list, and how often each
text appears."""


class Part(NamedTuple):
    """One page of a list, and the URL of the next page; None on the last page."""

    rows: list[Any]
    more: str | None


def part(listing: Listing, rows: int = ROWS, length: Callable[[Any], int] | None = None, room: int = ROOM) -> Part:
    """Return the rows after the cursor in the address, from the beginning without one; as many as fit on a page.

    `length` returns the characters of HTML that a row takes, of which a page has `room`. Raises Invalid.
    """
    filters = active_filters()
    cursor = request.args.get("cursor")
    page = Page(rows, after=page_tokens.opened(cursor, filters) if cursor else None)
    found = list(listing.page(page))
    shown = take_fitting_at_least_one(found[:rows], room, length or row_html_length)
    if len(shown) == len(found):
        return Part(found, None)
    return Part(shown, here(cursor=page_tokens.sign(listing, shown[-1], filters)))


def take_fitting(items: Iterable[Any], room: int, length: Callable[[Any], int]) -> Iterator[Any]:
    """Yield the first items that fit into so many characters together."""
    for item in items:
        room -= length(item)
        if room < 0:
            return
        yield item


def take_fitting_at_least_one(items: Iterable[Any], room: int, length: Callable[[Any], int]) -> list[Any]:
    """Return the first items that fit into so many characters together; at least one, if there are any."""
    left = iter(items)
    first = list(islice(left, 1))
    return first + list(take_fitting(left, room - sum(map(length, first)), length))


def row_html_length(row: Any) -> int:
    """Estimate the characters of HTML that a row takes: long texts are cut, and most appear in links too."""
    lists = (value[:ITEMS] if isinstance(value, list) else [value] for value in row)
    return AROUND + TIMES * sum(html_length(text[:SHOWN]) for texts in lists for text in texts if isinstance(text, str))


def html_length(text: str) -> int:
    """Return the characters that the text takes in HTML or in an address."""
    return len(escape(text)) if text.isascii() else len(quote(text))


def active_filters() -> page_tokens.Filters:
    """Return the parameters of the address without its cursor, in one order."""
    return sorted((name, value) for name, value in request.args.items(multi=True) if name != "cursor" and value)


def here(**changed: str | None) -> str:
    """Return this page's address without its cursor, and with these parameters changed, or removed for None."""
    query = MultiDict((name, value) for name, value in request.args.items(multi=True) if value and name != "cursor")
    for name, value in changed.items():
        query.poplist(name)
        if value is not None:
            query[name] = value
    text = urlencode(list(query.items(multi=True)))
    return iri_to_uri(request.path) + (f"?{text}" if text else "")


def with_parameters(address: str) -> str:
    """Return that address with this page's parameters, without its cursor."""
    query = here().partition("?")[2]
    return f"{address}?{query}" if query else address


def part_of(listing: Callable[[], Listing], room: int = ROOM) -> tuple[Part, Misread | None]:
    """Return `part`, or no rows and the mistake in a filter or an order that was typed."""
    try:
        return part(listing(), room=room), None
    except Misread as mistake:
        return Part([], None), mistake


def typed(name: str) -> str:
    """Return the filter or the order in the address or the form, as it was typed."""
    return request.values.get(name, "").replace("\x00", "").strip()


def filters(schema: type[Schema]) -> tuple[Form, dict[str, Any]]:
    """Return the filters in the address: as they were typed, with their errors, and loaded if there are none."""
    loader = schema()
    sent = {name: text for name, text in request.args.items() if name in loader.fields and text.strip()}
    faults = {name: [fault] for name, text in sent.items() if (fault := strict.fault(text))}
    try:
        return Form(sent), strict.load(loader, {name: text.strip() for name, text in sent.items()}, faults)
    except Invalid as refusal:
        return Form(sent, refusal.errors, refusal), {}


def filtered_part(
    schema: type[Schema], listing: Callable[..., Listing], length: Callable[[Any], int] | None = None
) -> tuple[Form, Part]:
    """Return the filters in the address, and the rows that match them; no rows if a filter is invalid."""
    form, loaded = filters(schema)
    return form, Part([], None) if form.errors else part(listing(**loaded), length=length)


def filtered(template: str, form: Form, **context: Any) -> Response:
    """Return the page or the requested block. If a filter is invalid, the block includes the filters."""
    block = requested_block("filtered", "list", "more")
    invalid = bool(form.errors)
    shown = "filtered" if block and invalid else block
    response = fragments.whole_or(shown, template, 422 if invalid else 200, form=form, **context)
    if block and invalid:
        response.headers["HX-Retarget"] = "#filtered"
    if block in ("filtered", "list"):
        response.headers["HX-Push-Url"] = here()  # a form sends its empty fields too
    return response
