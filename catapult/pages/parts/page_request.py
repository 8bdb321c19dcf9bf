"""The request for a page: who may open it, and which block of it the browser asked for."""

from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from flask import g, redirect, request
from sqlalchemy.exc import SQLAlchemyError

from catapult.errors import NotFound, Unauthenticated
from catapult.extensions import autocommit
from catapult.tables import Role
from catapult.web import addresses, auth, origin
from catapult.web.error_handlers import try_again
from catapult.web.origin import SAFE

View = Callable[..., Any]


def page(role: Role = Role.VIEWER, *, streams: bool = False) -> Callable[[View], View]:
    """Require a signed-in key of this role or a higher one, and our own pages as the source of every change.

    A view that collided with another change is tried again, but not one that `streams` a body, which cannot be read twice.
    """

    def decorator(view: View) -> View:
        @wraps(view)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            if request.method in SAFE:
                # A form without the script sends its empty fields too.
                if not is_htmx() and "" in request.args.values():
                    return redirect(without_empty_filters(), 303)
                autocommit()
            else:
                origin.check_same_origin()
            g.actor = auth.signed_in()
            g.actor.needs(role)
            if "\x00" in request.path:  # PostgreSQL cannot store it in a name
                raise NotFound("There is nothing at this address.")
            return view(*args, **kwargs) if streams else try_again(view, *args, **kwargs)

        return wrapper

    return decorator


def open_page(view: View) -> View:
    """Show a page to everybody: in the shell to who is signed in, and also while the database is away."""

    @wraps(view)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        autocommit()
        recognise()
        return view(*args, **kwargs)

    return wrapper


def recognise() -> None:
    """Set `g.actor` if somebody is signed in."""
    if "actor" not in g:
        with suppress(Unauthenticated, SQLAlchemyError):
            g.actor = auth.signed_in()


def without_empty_filters() -> str:
    """Return the requested address without the parameters that have no value."""
    return _requested_path(urlencode([(name, value) for name, value in request.args.items(multi=True) if value]))


def requested_address() -> str:
    """Return the requested path and query, quoted for a link."""
    return _requested_path(request.query_string.decode("ascii", "replace"))


def _requested_path(query: str) -> str:
    """Return the requested path, quoted: a version's name may contain `?`, `#` and `%`."""
    path = quote(request.path, safe="/:@!$&'()*+,;=~")
    return addresses.mounted(f"{path}?{query}" if query else path)


def current_address(query: bool = False) -> str:
    """Return the path of the page that HTMX runs on, or that the form was on; the overview's if it is not one of ours."""
    try:
        current = urlsplit(request.headers.get("HX-Current-URL") or request.referrer or "")
    except ValueError:
        return addresses.mounted("/")
    if current.netloc != request.host or addresses.unmounted(current.path) is None:
        return addresses.mounted("/")
    return f"{current.path}?{current.query}" if query and current.query else current.path


def is_htmx() -> bool:
    """Return whether HTMX asks for a part of a page. Going back in the history asks for whole pages."""
    return "HX-Request" in request.headers and "HX-History-Restore-Request" not in request.headers


def is_poll() -> bool:
    """Return whether a page that updates itself asks for its `main`."""
    return "X-Poll" in request.headers and requested_block("main") is not None


def requested_block(*blocks: str) -> str | None:
    """Return which of these blocks is requested, by the id of the element it replaces; None for the whole page."""
    target = request.headers.get("HX-Target")
    return target if is_htmx() and target in blocks else None
