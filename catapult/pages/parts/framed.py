"""What the frame around a page shows, and the saved views of whoever is signed in."""

from typing import Any, NamedTuple
from uuid import UUID

from flask import g

from catapult.pages.parts.page_request import is_htmx, is_poll
from catapult.queries import frame, saved_views
from catapult.web import addresses


class View(NamedTuple):
    """A saved view, with its address as the browser has it."""

    id: UUID
    name: str
    address: str


def read() -> frame.Frame:
    """Return what the frame shows to who is signed in, read once a request, and only for whole pages and their polls."""
    if "frame" not in g:
        g.frame = frame.read(g.actor)
    shown: frame.Frame = g.frame
    return shown


def views() -> list[View]:
    """Return the views of who is signed in, by name, read once a request; with the frame where a whole page needs that."""
    if "views" not in g:
        rows: list[Any] = saved_views.by_name(g.actor.voice) if is_htmx() and not is_poll() else read().views
        g.views = [View(row.id, row.name, addresses.mounted(row.address)) for row in rows]
    views: list[View] = g.views
    return views
