"""Refusals as pages, as toasts, or as the way to the sign-in and back."""

from contextlib import suppress

from flask import Response, current_app, g, redirect, request, url_for
from sqlalchemy.exc import SQLAlchemyError

from catapult.errors import RateLimited, Refusal, Unauthenticated
from catapult.pages.parts import fragments
from catapult.pages.parts.page_request import SAFE, by_htmx, current_address, own_address
from catapult.web import auth


def answer(refusal: Refusal) -> Response:
    """The refusal, in the form that suits who asked."""
    if isinstance(refusal, Unauthenticated):
        return _to_sign_in()
    if by_htmx():
        response = fragments.only_toast(refusal.detail, refusal.status)
    else:
        cheap = refusal.status >= 500 or isinstance(refusal, RateLimited)  # the database is not asked
        if not cheap:
            _recognise()
        said = {"refusal": refusal, "request_id": auth.request_id(), "no_counts": cheap}
        said["back"] = own_address() if request.method in SAFE else current_address(query=True)
        response = fragments.whole("errors/page.html", refusal.status, **said)
    if refusal.retry_after is not None:
        response.headers["Retry-After"] = str(refusal.retry_after)
    return response


def _recognise() -> None:
    """Who is signed in sees the page in the usual frame, at an address that there is not, too."""
    if "actor" not in g:
        with suppress(Unauthenticated, SQLAlchemyError):
            g.actor = auth.signed_in()


def _to_sign_in() -> Response:
    """And from there back to the page that was open, or to the form that was sent."""
    g.pop("actor", None)
    place = _here() if request.method in SAFE or _is_form() else current_address(query=True)
    address = url_for("pages.sign_in.form", next=place)
    if by_htmx():
        return Response(status=401, headers={"HX-Redirect": address})
    return redirect(address, 303)  # type: ignore[return-value]


def _here() -> str:
    """The page that is asked for; a part of one is none."""
    return current_address(query=True) if by_htmx() and not _is_form() else own_address()


def _is_form() -> bool:
    """Whether a form was sent to the address that shows it, where the page's script puts back what was typed."""
    return request.method not in SAFE and current_app.url_map.bind("").test(request.path, "GET")
