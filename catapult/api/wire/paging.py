"""Lists as JSON arrays with RFC 8288 `Link` headers, and the cursors in them."""

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from flask import Response, request
from werkzeug.urls import iri_to_uri

from catapult.api.wire.parameters import MAX_OFFSET, PageQuery
from catapult.contract.fields import Out
from catapult.errors import Invalid
from catapult.queries.lists.paging import Listing, Page
from catapult.web import addresses, page_tokens, slots

DEFAULT_LIMIT = 100
MAX_BYTES = 8 * 1024 * 1024


def split(query: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the filters and the paging parameters."""
    paging = {name: query[name] for name in PageQuery.PAGING if name in query}
    return {name: value for name, value in query.items() if name not in paging}, paging


def answer(listing: Listing, schema: type[Out], paging: dict[str, Any]) -> Response:
    """Return one page of at most `limit` rows and 8 MiB, with `Link: rel="next"` if the list goes on."""
    page, count = _page(paging), bool(paging.get("count"))
    if count and listing.asked is None:
        listing = replace(listing, asked="count")
    return slots.limited(listing, lambda each: _answer(each, schema, page, count))


def _answer(listing: Listing, schema: type[Out], page: Page, count: bool) -> Response:
    parts: list[str] = []
    size, last, more, encode = 2, None, False, None
    for row in listing.page(page):
        encode = encode or schema.encoder(row)
        part = encode(row)
        size += len(part if part.isascii() else part.encode()) + 1
        if len(parts) == page.limit or (parts and size > MAX_BYTES):
            more = True
            break
        parts.append(part)
        last = row
    response = Response("[" + ",".join(parts) + "]", content_type="application/json")
    response.headers["Link"] = _links(page, page_tokens.sign(listing, last, _filters()) if more else None)
    if count:
        response.headers["X-Total-Count"] = str(listing.count())
    return response


def _page(paging: dict[str, Any]) -> Page:
    """Return the requested page. Raises Invalid for contradictory parameters."""
    limit = paging.get("limit", paging.get("size", DEFAULT_LIMIT))
    if paging.get("size", limit) != limit:
        raise _invalid("size", "Means the same as limit; send only one of them.")
    if "offset" in paging and "page" in paging:
        raise _invalid("page", "Send either page or offset.")
    if "cursor" in paging:
        for other in ("offset", "page"):
            if other in paging:
                raise _invalid(other, "Cannot be combined with cursor.")
        return Page(limit, after=page_tokens.opened(paging["cursor"], _filters()))
    offset = paging.get("offset", (paging.get("page", 1) - 1) * limit)
    if offset > MAX_OFFSET:
        raise _invalid("page", f"Starts after row {MAX_OFFSET}; for later rows follow the Link header.")
    return Page(limit, offset=offset)


def _links(page: Page, cursor: str | None) -> str:
    links = [_link("first", {"limit": page.limit})]
    if cursor:
        links.insert(0, _link("next", {"limit": page.limit, "cursor": cursor}))
    return ", ".join(links)


def _link(relation: str, paging: dict[str, Any]) -> str:
    # An invalid host gives an address without one; an international one must be ASCII in a header.
    base = iri_to_uri(request.base_url) if request.host else addresses.mounted(request.path)
    return f'<{base}?{urlencode(_filters() + list(paging.items()))}>; rel="{relation}"'


def _filters() -> list[tuple[str, str]]:
    return sorted((name, value) for name, value in request.args.items() if name not in PageQuery.PAGING)


def _invalid(name: str, message: str) -> Invalid:
    return Invalid(f"Correct {name}: {message}", errors={name: [message]})
