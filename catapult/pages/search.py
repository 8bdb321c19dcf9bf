"""`/search`: what is found while typing, and the same as a page."""

from flask import Blueprint, Response, request

from catapult.pages.parts import fragments
from catapult.pages.parts.page_request import asked, page
from catapult.queries import search

blp = Blueprint("search", __name__)
LONGEST = 300


@blp.get("/search")
@page()
def show() -> Response:
    """Models, versions, tags and digests, grouped."""
    words = request.args.get("q", "").strip().replace("\x00", "")[:LONGEST]
    return fragments.whole_or(asked("hits"), "search/show.html", words=words, found=search.search(words))
