"""Responses: whole pages, blocks of them, toasts and redirects."""

import json
from typing import Any
from urllib.parse import unquote, urlsplit

from flask import Response, current_app, redirect, render_template, request

from catapult.pages.parts.page_request import is_htmx, is_poll, requested_block
from catapult.web import addresses, auth


def whole(template: str, status: int = 200, /, **context: Any) -> Response:
    """Return the page as a complete document; for a page that updates itself its block `main`, and what the top bar says."""
    if is_poll():
        return part(template, "main", state(), status=status, **context)
    return _html(render_template(template, **context), status)


def part(template: str, block: str, *more: str, status: int = 200, **context: Any) -> Response:
    """Return one block of the page for HTMX to swap in; `more` is HTML that is swapped out of band.

    That HTML is wrapped in a `<template>`: next to a table row, a browser would pull a form apart.
    """
    beside = f"<template>{''.join(more)}</template>" if more else ""
    return _html(out_of_band(template, block, **context) + beside, status)


def whole_or(block: str | None, template: str, status: int = 200, /, **context: Any) -> Response:
    """Return this block of the page, or the whole page for None."""
    if block is None:
        return whole(template, status, **context)
    return part(template, block, status=status, **context)


def form(template: str, form: Any, status: int = 200, /, **context: Any) -> Response:
    """Return the page of a form; only its block `form` in a dialog, or when the form itself is swapped."""
    block = requested_block("dialog-body", "form") and "form"
    return whole_or(block, template, status, form=form, **context)


def out_of_band(template: str, block: str, **context: Any) -> str:
    """Return the HTML of one block, with everything that the template imports and sets above its blocks.

    Reading the page's first chunk runs those lines and collects the blocks of the parent templates.
    """
    current_app.update_template_context(context)
    jinja = current_app.jinja_env
    page = jinja.get_template(template)
    known = page.new_context(context)
    next(page.root_render_func(known), None)
    return str(jinja.concat(known.blocks[block][0](known)))


def toast(
    text: str, *, bad: bool = False, undo: dict[str, Any] | None = None, link: dict[str, str] | None = None
) -> str:
    """Return the HTML of a toast, out of band.

    `undo` has the `action` and `target` of a form that reverts the change, and the `counter` of what it reverts or other
    `fields`. `link` has the `address` and `label` of a form that opens in the dialog.
    """
    request_id = auth.request_id() if bad else None
    return str(render_template("_toast.html", text=text, bad=bad, undo=undo, link=link, request_id=request_id))


def state() -> str:
    """Return the HTML of what the top bar and the rail say of freezes and the inbox, out of band."""
    return str(render_template("_state.html", is_update=True))


def toast_only(toast: str, status: int = 200) -> Response:
    """Return a toast and swap nothing."""
    response = _html(toast, status)
    response.headers["HX-Reswap"] = "none"
    return response


def go(address: str, message: str = "", link: dict[str, str] | None = None) -> Response:
    """Send the browser to this address, without a reload where HTMX runs; `message` becomes a toast there.

    `link` has the `address` and `label` of a page that the toast leads to.
    """
    if not is_htmx():
        return redirect(address, 303)  # type: ignore[return-value]
    response = Response(status=204)
    location = {"path": address, "target": ".frame", "select": ".frame", "swap": "outerHTML show:window:top"}
    events = {"close-dialog": True, **({"toast": {"text": message, "link": link}} if message else {})}
    response.headers["HX-Location"] = json.dumps(location)
    response.headers["HX-Trigger"] = json.dumps(events)
    return response


def back(default: str) -> Response:
    """Redirect to the page that the form was on, or to `default`."""
    return redirect(request.referrer if _is_page(request.referrer) else default, 303)  # type: ignore[return-value]


def closing_dialog(response: Response, target: str, swap: str) -> Response:
    """Swap the response into this element of the page behind the dialog, and close the dialog."""
    response.headers["HX-Retarget"], response.headers["HX-Reswap"] = target, swap
    response.headers["HX-Trigger"] = "close-dialog"
    return response


def _is_page(address: str | None) -> bool:
    """Return whether this is one of our own pages. The address of a refused form may only accept POST."""
    if not address or not address.startswith(request.host_url):
        return False
    path = addresses.unmounted(urlsplit(address).path)
    return path is not None and current_app.url_map.bind("").test(unquote(path), "GET")


def _html(text: str, status: int) -> Response:
    response = Response(text, status, content_type="text/html; charset=utf-8")
    response.headers["Vary"] = "HX-Request"
    response.headers["Cache-Control"] = "no-store"
    return response
