"""Refusals as pages, as toasts, or as the way to the sign-in and back."""

from contextlib import suppress
from urllib.parse import urlsplit

from flask import Response, g, redirect, request, url_for
from sqlalchemy.exc import SQLAlchemyError

from catapult import access
from catapult.errors import Refusal, Unauthenticated
from catapult.pages import fragments
from catapult.pages.door import SAFE, by_htmx

SWAPPED = (403, 404, 409, 412, 422, 429)
"""What HTMX is told to take as markup; of the rest the page's script makes a toast."""


def answer(refusal: Refusal) -> Response:
    """The refusal, in the form that suits who asked."""
    if isinstance(refusal, Unauthenticated):
        return _to_sign_in()
    if by_htmx():
        response = fragments.only_toast(refusal.detail, refusal.status)
    else:
        _recognise(refusal)
        said = {"refusal": refusal, "request_id": access.request_id(), "no_counts": refusal.status >= 500}
        response = fragments.whole("errors/page.html", refusal.status, **said)
    if refusal.retry_after is not None:
        response.headers["Retry-After"] = str(refusal.retry_after)
    return response


def _recognise(refusal: Refusal) -> None:
    """Who is signed in sees the page in the usual frame, at an address that there is not, too."""
    if "actor" not in g and refusal.status < 500:
        with suppress(Unauthenticated, SQLAlchemyError):
            g.actor = access.signed_in()


def _to_sign_in() -> Response:
    """And from there back to the page that was open."""
    g.pop("actor", None)
    here = urlsplit(request.headers.get("HX-Current-URL", "")) if by_htmx() else None
    if here is None:
        place = request.full_path.rstrip("?") if request.method in SAFE else _came_from()
        return redirect(url_for("pages.sign_in.form", next=place), 303)  # type: ignore[return-value]
    place = here.path + (f"?{here.query}" if here.query else "")
    return Response(status=401, headers={"HX-Redirect": url_for("pages.sign_in.form", next=place)})


def _came_from() -> str:
    came = urlsplit(request.referrer or "")
    return (came.path + (f"?{came.query}" if came.query else "")) if came.netloc == request.host else "/"
