"""`/login`, `/welcome`, `/logout`, and the switch between light and dark."""

from typing import Any

from flask import Blueprint, Response, g, redirect, request, url_for

from catapult.actions import people, sessions
from catapult.contract.service import PersonIn
from catapult.errors import Refusal, Unauthenticated
from catapult.pages.parts import forms, fragments
from catapult.pages.parts.forms import Form
from catapult.pages.parts.page_request import page
from catapult.queries.sessions import LONGEST
from catapult.web import addresses, auth, origin
from catapult.web.error_handlers import record
from catapult.web.origin import SAFE

blp = Blueprint("sign_in", __name__)
REFUSED = "This key is unknown, expired or revoked. Check it, or ask an administrator for a new one."
"""One message for all three, so that it does not tell which keys exist."""


class Introduction(PersonIn):
    """The name of whoever signs in first."""

    class Meta(PersonIn.Meta):
        fields = ("name",)


@blp.get("/login")
def form() -> Response:
    """The form with one field for the key."""
    return _form()


@blp.post("/login")
def sign_in() -> Response:
    """Start a session and go to the requested page."""
    origin.check_same_origin()
    try:
        sessions.count_attempt(request.remote_addr or "unknown")
        actor = auth.bearer_of(request.form.get("key", "").strip())
    except Refusal as refusal:
        return _refused(refusal)
    token = sessions.sign_in(actor=actor, former=auth.sent_token())
    g.actor = actor
    address = url_for("pages.sign_in.welcome", next=_next()) if g.asks_name else _next()
    response: Response = redirect(address, 303)  # type: ignore[assignment]
    response.set_cookie(auth.session_cookie(), token, max_age=int(LONGEST.total_seconds()), httponly=True, **_flags())
    return response


@blp.route("/welcome", methods=forms.METHODS)
@page()
def welcome() -> Response:
    """Ask whoever signs in with the first administrator's key for their name, then go to the requested page."""

    def act() -> Response:
        people.introduce(actor=g.actor, name=forms.read(Introduction)["name"])
        return fragments.go(_next(), "Welcome.")

    def show(form: Form, status: int) -> Response:
        return fragments.form("sign_in/welcome.html", form, status, next=_next())

    if request.method in SAFE and not g.asks_name:
        return redirect(_next(), 303)  # type: ignore[return-value]
    return forms.answer(act, show)


@blp.post("/logout")
@page()
def sign_out() -> Response:
    """End the session."""
    sessions.sign_out(request.cookies[auth.session_cookie()], actor=g.actor)
    response: Response = redirect(url_for("pages.sign_in.form"), 303)  # type: ignore[assignment]
    response.delete_cookie(auth.session_cookie(), httponly=True, **_flags())
    return response


@blp.post("/theme")
def theme() -> Response:
    """Switch the theme without JavaScript: the browser keeps light or dark for a year."""
    origin.check_same_origin()
    chosen = request.form.get("theme", "")
    response = fragments.back(url_for("pages.overview.show"))
    if chosen in ("light", "dark"):
        response.set_cookie("theme", chosen, max_age=365 * 86_400, **_flags())
    else:
        response.delete_cookie("theme", **_flags())
    return response


def _flags() -> dict[str, Any]:
    return {"path": request.script_root or "/", "samesite": "Lax", "secure": request.is_secure}


def _refused(refusal: Refusal) -> Response:
    """Show the form again, and record the refusal in the audit log as the API does."""
    record(refusal)
    is_wrong = isinstance(refusal, Unauthenticated)  # 401 is for requests that can send a key in a header
    response = _form(REFUSED, 422) if is_wrong else _form(refusal.detail, refusal.status)
    if refusal.retry_after:
        response.headers["Retry-After"] = str(refusal.retry_after)
    return response


def _form(error: str = "", status: int = 200) -> Response:
    return fragments.whole("sign_in/form.html", status, error=error, next=_next(), ended="ended" in request.values)


def _next() -> str:
    """Return the address to go to next: one of our own pages, never another site."""
    path = addresses.unmounted(request.values.get("next", ""))
    return addresses.mounted(path) if path else url_for("pages.overview.show")
