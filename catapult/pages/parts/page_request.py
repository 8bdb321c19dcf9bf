"""What every page wears: who may open it, and which part of it the browser asked for."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import quote, urlsplit

from flask import g, request

from catapult.errors import NotFound
from catapult.extensions import autocommit
from catapult.tables import Role
from catapult.web import auth, origin
from catapult.web.error_handlers import try_again

View = Callable[..., Any]
SAFE = ("GET", "HEAD")


def page(role: Role = Role.VIEWER) -> Callable[[View], View]:
    """Only somebody who is signed in with a key of this role or a higher one gets in, and a change only from our own pages."""

    def decorator(view: View) -> View:
        @wraps(view)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            if request.method in SAFE:
                autocommit()
            else:
                origin.check_same_origin()
            g.actor = auth.signed_in()
            g.actor.needs(role)
            if "\x00" in request.path:  # PostgreSQL holds no name with it
                raise NotFound("There is nothing at this address.")
            return try_again(view, *args, **kwargs)

        return wrapper

    return decorator


def own_address() -> str:
    """The address that is asked for, as it stands in a link: a version's name may hold `?`, `#` and `%`."""
    query = request.query_string.decode("ascii", "replace")
    return quote(request.path, safe="/:@!$&'()*+,;=~") + (f"?{query}" if query else "")


def current_address(query: bool = False) -> str:
    """The path of the page that HTMX runs on, or that a form stood on; "/" where no page of ours is named."""
    try:
        came = urlsplit(request.headers.get("HX-Current-URL") or request.referrer or "")
    except ValueError:
        return "/"
    if came.netloc != request.host:
        return "/"
    return f"{came.path}?{came.query}" if query and came.query else came.path or "/"


def by_htmx() -> bool:
    """Whether a part of a page is asked for. Going back in history takes whole pages."""
    return "HX-Request" in request.headers and "HX-History-Restore-Request" not in request.headers


def asked(*parts: str) -> str | None:
    """Which of these parts is asked for, by the id of the element it goes to; None for the whole page."""
    target = request.headers.get("HX-Target")
    return target if by_htmx() and target in parts else None
