"""Lists on pages: what narrows them, a page of rows, and the address of the next."""

from collections.abc import Callable, Iterable, Iterator
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
from catapult.pages.parts.page_request import asked
from catapult.queries.lists.paging import Listing, Page
from catapult.web import page_tokens

ROWS = 50

ROOM = 200_000
"""A page's rows have about so many characters of HTML, whatever they hold; the others are on the next pages."""

AROUND, SHOWN, ITEMS, TIMES = 700, 300, 8, 4
"""Of a row: what stands around its texts, how much of one is shown, how many of a list, and how often."""


class Part(NamedTuple):
    """Some rows of a list, and the address of what comes after them; None at the end."""

    rows: list[Any]
    more: str | None


def part(listing: Listing, rows: int = ROWS, letters: Callable[[Any], int] | None = None) -> Part:
    """The rows that the address asks for by its cursor, from the list's beginning without one; as many as have room.

    `letters` says what a row takes of the room. Raises Invalid.
    """
    filters = asked_for()
    cursor = request.args.get("cursor")
    page = Page(rows, after=page_tokens.opened(cursor, filters) if cursor else None)
    found = list(listing.page(page))
    shown = list(within(found[:rows], ROOM, letters or row_letters)) or found[:1]
    if len(shown) == len(found):
        return Part(found, None)
    return Part(shown, here(cursor=page_tokens.sign(listing, shown[-1], filters)))


def within(things: Iterable[Any], room: int, letters: Callable[[Any], int]) -> Iterator[Any]:
    """The first of these things that have room together."""
    for thing in things:
        room -= letters(thing)
        if room < 0:
            return
        yield thing


def row_letters(row: Any) -> int:
    """About what the row takes: a long text is cut, and most stand in links, too."""
    lists = (value[:ITEMS] if isinstance(value, list) else [value] for value in row)
    return AROUND + TIMES * sum(
        text_letters(text[:SHOWN]) for texts in lists for text in texts if isinstance(text, str)
    )


def text_letters(text: str) -> int:
    """What the text takes in HTML or in an address."""
    return len(escape(text)) if text.isascii() else len(quote(text))


def asked_for() -> page_tokens.Filters:
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


def part_of(listing: Callable[[], Listing], letters: Callable[[Any], int] | None = None) -> tuple[Part, Misread | None]:
    """As `part`; without rows, and with what is wrong, where a filter or an order that was typed cannot be read."""
    try:
        return part(listing(), letters=letters), None
    except Misread as mistake:
        return Part([], None), mistake


def typed(name: str) -> str:
    """The filter or the order that the address asks for, as it was typed."""
    return request.args.get(name, "").replace("\x00", "").strip()


def filters(schema: type[Schema]) -> tuple[Form, dict[str, Any]]:
    """What the address narrows a list by: as it was typed, with its faults, and loaded where it has none."""
    made = schema()
    sent = {name: text for name, text in request.args.items() if name in made.fields and text.strip()}
    faults = {name: [fault] for name, text in sent.items() if (fault := strict.fault(text))}
    try:
        return Form(sent), strict.load(made, {name: text.strip() for name, text in sent.items()}, faults)
    except Invalid as refusal:
        return Form(sent, refusal.errors, refusal), {}


def filtered(template: str, form: Form, **context: Any) -> Response:
    """The page, or the part that is asked for. Where a filter is at fault the filters come along, to say what is wrong."""
    block = asked("filtered", "list", "more")
    at_fault = bool(form.errors)
    response = fragments.whole_or(
        "filtered" if block and at_fault else block, template, 422 if at_fault else 200, form=form, **context
    )
    if block and at_fault:
        response.headers["HX-Retarget"] = "#filtered"
    if block in ("filtered", "list"):
        response.headers["HX-Push-Url"] = here()  # a form sends its empty fields too
    return response
