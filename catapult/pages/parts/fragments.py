"""Answers: whole pages, their parts, toasts, and where to go next."""

import json
from typing import Any
from urllib.parse import unquote, urlsplit

from flask import Response, current_app, redirect, render_template, request

from catapult.pages.parts.page_request import by_htmx


def whole(template: str, status: int = 200, /, **context: Any) -> Response:
    """The page as a document of its own."""
    return _html(render_template(template, **context), status)


def part(template: str, block: str, *more: str, status: int = 200, **context: Any) -> Response:
    """That block of the page, as HTMX swaps it in; `more` goes out of band beside it.

    In a template of its own, since beside a table's row a browser would take a form apart.
    """
    beside = f"<template>{''.join(more)}</template>" if more else ""
    return _html(out_of_band(template, block, **context) + beside, status)


def whole_or(block: str | None, template: str, status: int = 200, /, **context: Any) -> Response:
    """That block of the page, or all of it."""
    if block is None:
        return whole(template, status, **context)
    return part(template, block, status=status, **context)


def out_of_band(template: str, block: str, **context: Any) -> str:
    """That block alone, in which all is known that the template imports and sets above its blocks.

    Those lines have run, and the blocks of the templates above are known, when the document's first characters come.
    """
    current_app.update_template_context(context)
    environment = current_app.jinja_env
    page = environment.get_template(template)
    known = page.new_context(context)
    next(page.root_render_func(known), None)
    return str(environment.concat(known.blocks[block][0](known)))


def toast(
    text: str, *, bad: bool = False, undo: dict[str, str] | None = None, link: dict[str, str] | None = None
) -> str:
    """A toast, out of band. `undo` has the `action` of a form that takes it back and the `target` it swaps.

    `link` has the `address` of a form that opens in the dialog, and its `label`.
    """
    return str(render_template("_toast.html", text=text, bad=bad, undo=undo, link=link))


def only_toast(text: str, status: int) -> Response:
    """A toast that says what was refused, and no swap."""
    return alone(toast(text, bad=True), status)


def alone(toast: str, status: int = 200) -> Response:
    """That toast and no swap."""
    response = _html(toast, status)
    response.headers["HX-Reswap"] = "none"
    return response


def go(address: str, said: str = "") -> Response:
    """The browser goes on to that address, without losing the page it has where HTMX runs; `said` becomes a toast there."""
    if not by_htmx():
        return redirect(address, 303)  # type: ignore[return-value]
    response = Response(status=204)
    place = {"path": address, "target": ".frame", "select": ".frame", "swap": "outerHTML show:window:top"}
    response.headers["HX-Location"] = json.dumps(place)
    response.headers["HX-Trigger"] = json.dumps({"close-dialog": True, **({"toast": {"text": said}} if said else {})})
    return response


def back(default: str) -> Response:
    """To the page that the form stood on, or to `default`."""
    return redirect(request.referrer if _is_page(request.referrer) else default, 303)  # type: ignore[return-value]


def _is_page(address: str | None) -> bool:
    """Whether it is one of our own pages; a form that was refused may stand at an address that takes forms alone."""
    if not address or not address.startswith(request.host_url):
        return False
    return current_app.url_map.bind("").test(unquote(urlsplit(address).path), "GET")


def _html(text: str, status: int) -> Response:
    response = Response(text, status, content_type="text/html; charset=utf-8")
    response.headers["Vary"] = "HX-Request"
    response.headers["Cache-Control"] = "no-store"
    return response
