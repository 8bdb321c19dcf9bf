"""`/inbox`: what waits for an approval of whoever looks; and approvals given and withdrawn, here and on a version's page."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, g, request

from catapult.actions import approvals as actions
from catapult.contract.control import ApprovalIn
from catapult.errors import Conflict, Invalid, Refusal
from catapult.extensions import db
from catapult.pages import versions
from catapult.pages.parts import forms, fragments, lists, verdicts
from catapult.pages.parts.page_request import asked, by_htmx, page
from catapult.queries import inbox
from catapult.queries import versions as stored
from catapult.tables import RELEASE, Role

blp = Blueprint("inbox", __name__)
LIST = "inbox/index.html"
ROOM, AROUND = 220_000, 1_500
"""Characters of HTML for all rows, and for one beside its texts."""


@blp.get("/inbox")
@page(Role.PUBLISHER)
def index() -> Response:
    """The versions that miss an approval which this key could give, the newest first."""
    return fragments.whole_or(asked("waiting"), LIST, **_waiting())


@blp.post(f"{versions.AT}/-/approve")
@page(Role.PUBLISHER)
def approve(name: str, version: str) -> Response:
    """Whoever is signed in approves that the version may reach the target."""

    def act(row: Any) -> str:
        made = actions.create(UUID(row.id), actor=g.actor, **forms.read(ApprovalIn))
        return f"You approved {row.model_name} {row.version} for {_goal(made.target)}."

    return _in_place(name, version, act)


@blp.post(f"{versions.AT}/-/withdraw/<uuid:approval_id>")
@page(Role.PUBLISHER)
def withdraw(name: str, version: str, approval_id: UUID) -> Response:
    """The approval counts no more."""

    def act(row: Any) -> str:
        actions.withdraw(UUID(row.id), approval_id, actor=g.actor)
        return f"Your approval of {row.model_name} {row.version} is withdrawn."

    return _in_place(name, version, act)


def _in_place(name: str, version: str, act: Callable[[Any], str]) -> Response:
    """What `act` says that it did, and the part of the page it was asked from as it is now; or why it was refused."""
    row = stored.named(name, version)
    try:
        said, refused = act(row), None
    except (Conflict, Invalid) as refusal:
        db.session.rollback()
        said, refused = _sentence(refusal), refusal
    if not by_htmx() and refused is None:
        return fragments.back(versions.address(row))
    toast = fragments.toast(said, bad=refused is not None)
    status = refused.status if refused else 200
    if by_htmx() and request.headers.get("HX-Target") == "waiting":
        return fragments.part(LIST, "waiting", toast, status=status, **_waiting())
    return versions.again(stored.named(name, version), toast, refused)


def _sentence(refusal: Refusal) -> str:
    faults = [str(said) for texts in refusal.errors.values() for said in texts]
    return " ".join(faults) or refusal.detail


def _goal(target: str) -> str:
    return "release" if target == RELEASE else target


def _waiting() -> dict[str, Any]:
    found = inbox.waiting(g.actor)
    rows = [(row, verdicts.panel(row.target, row.verdicts)) for row in found]
    shown = list(lists.within(rows, ROOM, lambda row: _letters(*row))) or rows[:1]
    return {"rows": shown, "more": len(rows) - len(shown), "asks": None if rows else inbox.anything_asks()}


def _letters(row: Any, panel: verdicts.Panel) -> int:
    names = 3 * len(row.model_name) + 5 * lists.text_letters(row.version) + lists.text_letters(row.created_by)
    return AROUND + names + sum(len(verdict.detail[:300]) * 2 for verdict in panel.missing[:4])
