"""`/search`: the results while typing, and the same as a page."""

from flask import Blueprint, Response, request

from catapult.pages.parts import fragments
from catapult.pages.parts.page_request import page, requested_block
from catapult.queries import search

blp = Blueprint("search", __name__)
LONGEST = 300


@blp.get("/search")
@page()
def show() -> Response:
    """The models, versions, tags and digests that match, in groups."""
    words = request.args.get("q", "").strip().replace("\x00", "")[:LONGEST]
    return fragments.whole_or(requested_block("hits"), "search/show.html", words=words, results=search.search(words))
