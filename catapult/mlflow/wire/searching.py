"""Pages of searches, by signed tokens that belong to one search."""

from typing import Any

from flask import request

from catapult.errors import Invalid
from catapult.queries.lists.paging import Listing, Page
from catapult.web import page_tokens, slots

MAX_BYTES = 8 * 1024 * 1024


def page(
    listing: Listing, max_results: int, page_token: str, filter: str, order_by: list[str]
) -> tuple[list[Any], str]:
    """Return at most `max_results` rows and about 8 MiB, and the token of the next page: "" if there is none. Raises Invalid."""
    search = [("filter", filter), *(("order_by", order) for order in order_by)]
    after = _opened(page_token, search) if page_token else None
    rows, more = slots.limited(listing, lambda each: _rows(each, Page(max_results, after=after)))
    return rows, page_tokens.sign(listing, rows[-1], search) if more else ""


def _opened(token: str, search: page_tokens.Filters) -> Any:
    try:
        return page_tokens.opened(token, search)
    except Invalid as error:
        raise Invalid(f"Invalid page token {token[:80]!r}: it is of another search than {request.path}.") from error


def _rows(listing: Listing, part: Page) -> tuple[list[Any], bool]:
    rows: list[Any] = []
    size = 0
    for row in listing.page(part):
        if len(rows) == part.limit or size > MAX_BYTES:
            return rows, True
        rows.append(row)
        size += 200 + len(str(tuple(row)))
    return rows, False
