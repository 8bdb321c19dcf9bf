"""Lists on pages: filters, one page of rows, and the address of the next page."""

from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import urlencode

from flask import Response, request
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
from catapult.web import addresses, page_tokens, slots

ROWS = 50


class Part(NamedTuple):
    """One page of a list, and the URL of the next page; None on the last page."""

    rows: list[Any]
    more: str | None


def part(listing: Listing, rows: int = ROWS) -> Part:
    """Return the rows after the cursor in the address, from the beginning without one. Raises Invalid."""
    filters = active_filters()
    cursor = request.args.get("cursor")
    page = Page(rows, after=page_tokens.opened(cursor, filters) if cursor else None)
    listed = rows_of(listing, page)
    if len(listed) <= rows:
        return Part(listed, None)
    return Part(listed[:rows], here(cursor=page_tokens.sign(listing, listed[rows - 1], filters)))


def rows_of(listing: Listing, page: Page) -> list[Any]:
    """Return the rows of one page of the list. Raises TooSlow, and Unavailable if many slow lists are read already."""
    return slots.limited(listing, lambda each: list(each.page(page)))


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
    return addresses.mounted(iri_to_uri(request.path)) + (f"?{text}" if text else "")


def with_parameters(address: str) -> str:
    """Return that address with this page's parameters, without its cursor."""
    query = here().partition("?")[2]
    return f"{address}?{query}" if query else address


def part_of(listing: Callable[[], Listing]) -> tuple[Part, Misread | None]:
    """Return `part`, or no rows and the mistake in a filter or an order that was typed."""
    try:
        return part(listing()), None
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


def filtered_part(schema: type[Schema], listing: Callable[..., Listing]) -> tuple[Form, Part]:
    """Return the filters in the address, and the rows that match them; no rows if a filter is invalid."""
    form, loaded = filters(schema)
    return form, Part([], None) if form.errors else part(listing(**loaded))


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
