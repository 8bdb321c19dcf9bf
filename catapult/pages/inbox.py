"""`/inbox`: the versions that wait for your approval; approvals are also given and withdrawn on a version's page."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, g

from catapult.actions import approvals as actions
from catapult.contract.control import ApprovalIn
from catapult.errors import Conflict, Invalid, Refusal
from catapult.extensions import db
from catapult.pages import versions
from catapult.pages.parts import evidence, forms, fragments, lists, verdicts
from catapult.pages.parts.page_request import is_htmx, page, requested_block
from catapult.queries import inbox
from catapult.queries import versions as stored
from catapult.tables import RELEASE, Role

blp = Blueprint("inbox", __name__)
LIST = "inbox/index.html"
ROOM, AROUND = 220_000, 1_500
"""Characters of HTML for all rows, and for one without its texts."""


@blp.get("/inbox")
@page(Role.PUBLISHER)
def index() -> Response:
    """The versions that miss an approval which this key could give, newest first."""
    return fragments.whole_or(requested_block("waiting"), LIST, **_waiting())


@blp.post(f"{versions.AT}/-/approve")
@page(Role.PUBLISHER)
def approve(name: str, version: str) -> Response:
    """Approve the version for the target."""

    def act(row: Any) -> str:
        approval = actions.create(UUID(row.id), actor=g.actor, **forms.read(ApprovalIn))
        target = "release" if approval.target == RELEASE else approval.target
        return f"You approved {row.model_name} {row.version} for {target}."

    return _in_place(name, version, act)


@blp.post(f"{versions.AT}/-/withdraw/<uuid:approval_id>")
@page(Role.PUBLISHER)
def withdraw(name: str, version: str, approval_id: UUID) -> Response:
    """Withdraw the approval."""

    def act(row: Any) -> str:
        actions.withdraw(UUID(row.id), approval_id, actor=g.actor)
        return f"Your approval of {row.model_name} {row.version} is withdrawn."

    return _in_place(name, version, act)


def _in_place(name: str, version: str, act: Callable[[Any], str]) -> Response:
    """Show the message that `act` returns, or its refusal, with the updated part of the page it was requested from."""
    row = stored.named(name, version)
    refused: Refusal | None = None
    try:
        message = act(row)
    except (Conflict, Invalid) as refusal:
        db.session.rollback()
        refused = refusal
        message = " ".join(str(text) for texts in refusal.errors.values() for text in texts) or refusal.detail
    if not is_htmx() and refused is None:
        return fragments.back(versions.address(row))
    toast = fragments.toast(message, bad=refused is not None)
    if requested_block("waiting"):
        return fragments.part(LIST, "waiting", toast, status=refused.status if refused else 200, **_waiting())
    return versions.again(stored.named(name, version), toast, refused)


def _waiting() -> dict[str, Any]:
    rows = [(row, verdicts.panel(row.target, row.verdicts)) for row in inbox.waiting(g.actor)]
    sentences_by_id = evidence.content_changes_of(row.id for row, _ in rows) if rows else {}
    changes = {str(version_id): sentences for version_id, sentences in sentences_by_id.items()}

    def html_length(waiting: tuple[Any, verdicts.Panel]) -> int:
        row, panel = waiting
        return _html_length(row, panel, changes.get(str(row.id), []))

    shown = lists.take_fitting_at_least_one(rows, ROOM, html_length)
    return {
        "rows": shown,
        "changes": changes,
        "more": len(rows) - len(shown),
        "asks": None if rows else inbox.any_gate_needs_approval(),
    }


def _html_length(row: Any, panel: verdicts.Panel, changes: list[str]) -> int:
    names = 3 * len(row.model_name) + 5 * lists.html_length(row.version) + lists.html_length(row.created_by)
    changed = sum(60 + lists.html_length(sentence) for sentence in changes)
    return AROUND + names + changed + sum(len(verdict.detail[:300]) * 2 for verdict in panel.missing[:4])
