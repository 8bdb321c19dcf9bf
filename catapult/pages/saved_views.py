"""Saved views: the form that gives the list in the browser a name, and the button that deletes a view, with Undo."""

from functools import partial
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

from flask import Blueprint, Response, g, request, url_for

from catapult.actions import saved_views as actions
from catapult.contract.service import ViewIn
from catapult.pages.parts import forms, fragments
from catapult.pages.parts.forms import Form
from catapult.pages.parts.page_request import current_address, is_htmx, page, requested_block
from catapult.queries import saved_views
from catapult.web import addresses

blp = Blueprint("saved_views", __name__)
NEW, LIST = "saved_views/new.html", "saved_views/list.html"


@blp.route("/me/views/new", methods=forms.METHODS)
@page()
def create() -> Response:
    """The form that names a view; then its list. Undo in a toast sends a deleted view, and gets the views of the list."""

    def act() -> Response:
        view = actions.create(actor=g.actor, **forms.read(ViewIn))
        if requested_block("views"):
            return _views(current_address(), fragments.toast(f"The view {view.name} is back."))
        return fragments.go(addresses.mounted(view.address), f"The view {view.name} is saved.")

    show = _not_undone if requested_block("views") else partial(fragments.form, NEW)
    return forms.answer(act, show, Form({"address": _address()}))


@blp.post("/me/views/<uuid:view_id>/delete")
@page()
def delete(view_id: UUID) -> Response:
    """Delete the view, and return the others of its list."""
    view = saved_views.get(view_id, g.actor.voice)
    path = addresses.mounted(view.address.partition("?")[0])
    actions.delete(view_id, actor=g.actor)
    if not is_htmx():
        return fragments.back(path)
    undo = {"action": url_for(".create"), "target": "#views", "fields": {"name": view.name, "address": view.address}}
    return _views(path, fragments.toast(f"The view {view.name} is deleted.", undo=undo))


def _views(path: str, toast: str) -> Response:
    """Return the views of the list at that path."""
    return fragments.part(LIST, "views", toast, path=path, now=addresses.mounted(_address()))


def _not_undone(form: Form, status: int) -> Response:
    """Return why the view is not back, such as a name that was given to another one meanwhile."""
    texts = " ".join(text for texts in form.errors.values() for text in texts)
    if not texts and form.refusal:
        texts = form.refusal.detail
    return fragments.toast_only(fragments.toast(texts, bad=True), status)


def _address() -> str:
    """Return the address of the list to save: that in the browser, where filters are swapped in, or else the form's.

    It is stored without the path that this application is mounted at, which may change.
    """
    address = current_address(query=True) if is_htmx() else request.args.get("address", "")
    path, _, query = (addresses.unmounted(address) or address).partition("?")
    lasting = urlencode([(name, value) for name, value in parse_qsl(query) if name != "cursor"])
    return f"{path}?{lasting}" if lasting else path
