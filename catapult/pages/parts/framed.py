"""What the frame around a page shows, and the saved views of whoever is signed in."""

from typing import Any

from flask import g

from catapult.pages.parts.page_request import is_htmx, is_poll
from catapult.queries import frame, saved_views


def read() -> frame.Frame:
    """Return what the frame shows to who is signed in, read once a request, and only for whole pages and their polls."""
    if "frame" not in g:
        g.frame = frame.read(g.actor)
    shown: frame.Frame = g.frame
    return shown


def views() -> list[Any]:
    """Return the views of who is signed in, by name, read once a request; with the frame where a whole page needs that."""
    if "views" not in g:
        g.views = saved_views.by_name(g.actor.voice) if is_htmx() and not is_poll() else read().views
    rows: list[Any] = g.views
    return rows
