"""`/docs`: a bundled Swagger UI, the guides, and a page for each kind of error. They need no session."""

from flask import Blueprint, Response

from catapult import errors
from catapult.pages.parts import fragments, guides
from catapult.pages.parts.page_request import open_page

blp = Blueprint("docs", __name__)


@blp.get("/docs")
@open_page
def reference() -> Response:
    """Swagger UI, which works offline."""
    return fragments.whole("docs/reference.html")


@blp.get("/docs/guides/")
@open_page
def guides_index() -> Response:
    """The list of the guides."""
    return fragments.whole("docs/guides.html", guides=guides.listed())


@blp.get("/docs/guides/<name>")
@open_page
def guide(name: str) -> Response:
    """A guide."""
    if name not in guides.NAMES:
        raise errors.NotFound("There is no such guide. /docs/guides/ lists all guides.")
    return fragments.whole("docs/guide.html", guide=guides.read(name), guides=guides.listed())


@blp.get("/docs/errors/")
@open_page
def errors_index() -> Response:
    """The list of all kinds of errors."""
    return fragments.whole("docs/errors.html", kinds=errors.KINDS.values())


@blp.get("/docs/errors/<code>")
@open_page
def error(code: str) -> Response:
    """The page that a problem's `type` links to."""
    kind = errors.KINDS.get(code)
    if kind is None:
        raise errors.NotFound(f"There is no kind of problem {code!r}. The kinds are {', '.join(errors.KINDS)}.")
    return fragments.whole("docs/error.html", kind=kind)
