"""Refusals as pages, as toasts, or as a redirect to the sign-in and back."""

from flask import Response, current_app, g, redirect, request, url_for

from catapult.errors import RateLimited, Refusal, Unauthenticated
from catapult.pages.parts import fragments
from catapult.pages.parts.page_request import current_address, is_htmx, recognise, requested_address
from catapult.web import auth
from catapult.web.origin import SAFE


def answer(refusal: Refusal) -> Response:
    """Return the refusal as a page, as a toast for HTMX, or as a redirect to the sign-in."""
    if isinstance(refusal, Unauthenticated):
        return _to_sign_in()
    if is_htmx():
        response = fragments.toast_only(fragments.toast(refusal.detail, bad=True), refusal.status)
    else:
        without_database = refusal.status >= 500 or isinstance(refusal, RateLimited)
        if not without_database:
            recognise()  # at an address without a view, too
        context = {"refusal": refusal, "request_id": auth.request_id(), "no_counts": without_database}
        context["back"] = requested_address() if request.method in SAFE else current_address(query=True)
        response = fragments.whole("errors/page.html", refusal.status, **context)
    if refusal.retry_after is not None:
        response.headers["Retry-After"] = str(refusal.retry_after)
    return response


def _to_sign_in() -> Response:
    """Redirect to the sign-in, and from there back to the open page or to the submitted form."""
    g.pop("actor", None)
    in_place = request.method in SAFE or _has_form()
    back = _requested_page() if in_place else current_address(query=True)
    address = url_for("pages.sign_in.form", next=back, ended=1 if _had_session() else None)
    if is_htmx():
        return Response(status=401, headers={"HX-Redirect": address})
    return redirect(address, 303)  # type: ignore[return-value]


def _had_session() -> bool:
    """Return whether a session has ended. The browser forgets the cookie of an old one, but not a page that is open."""
    return auth.sent_token() is not None or is_htmx() or request.method not in SAFE


def _requested_page() -> str:
    """Return the address of the requested page; for a block, of the page that it belongs to."""
    return current_address(query=True) if is_htmx() and not _has_form() else requested_address()


def _has_form() -> bool:
    """Return whether a form was submitted to an address that also shows it; the script restores its texts there."""
    return request.method not in SAFE and current_app.url_map.bind("").test(request.path, "GET")
