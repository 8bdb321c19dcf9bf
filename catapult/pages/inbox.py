"""`/inbox`: the versions that wait for your approval; approvals are also given and withdrawn on a version's page."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, g, request, url_for

from catapult.actions import approvals as actions
from catapult.actions import comments
from catapult.contract.control import ApprovalIn, Ask
from catapult.errors import Conflict, Invalid, Refusal
from catapult.extensions import db
from catapult.pages import versions
from catapult.pages.parts import evidence, forms, fragments, verdicts
from catapult.pages.parts.page_request import is_htmx, page, requested_block
from catapult.queries import comments as comment_queries
from catapult.queries import inbox
from catapult.queries import versions as stored
from catapult.tables import RELEASE, Approval, Role

blp = Blueprint("inbox", __name__)
LIST = "inbox/index.html"
ROWS = 30


@blp.get("/inbox")
@page(Role.PUBLISHER)
def index() -> Response:
    """The versions that miss an approval which this key could give, newest first."""
    return fragments.whole_or(requested_block("waiting"), LIST, **_waiting())


@blp.post(f"{versions.AT}/-/approve")
@page(Role.PUBLISHER)
def approve(name: str, version: str) -> Response:
    """Approve the version for the target."""

    def act(row: Any) -> tuple[str, Approval]:
        approval = actions.create(UUID(row.id), actor=g.actor, **forms.read(ApprovalIn))
        target = "release" if approval.target == RELEASE else approval.target
        return f"You approved {row.model_name} {row.version} for {target}.", approval

    return _in_place(name, version, act)


@blp.post(f"{versions.AT}/-/ask")
@page(Role.PUBLISHER)
def ask(name: str, version: str) -> Response:
    """Ask for changes of the version: a comment that blocks nothing."""

    def act(row: Any) -> tuple[str, None]:
        text = forms.read(Ask)["comment"]
        comments.create(UUID(row.id), actor=g.actor, text=text, asks_for_changes=True)
        return f"You asked for changes to {row.model_name} {row.version}.", None

    return _in_place(name, version, act)


@blp.post(f"{versions.AT}/-/withdraw/<uuid:approval_id>")
@page(Role.PUBLISHER)
def withdraw(name: str, version: str, approval_id: UUID) -> Response:
    """Withdraw the approval."""

    def act(row: Any) -> tuple[str, None]:
        actions.withdraw(UUID(row.id), approval_id, actor=g.actor)
        return f"Your approval of {row.model_name} {row.version} is withdrawn.", None

    return _in_place(name, version, act)


def _in_place(name: str, version: str, act: Callable[[Any], tuple[str, Approval | None]]) -> Response:
    """Show the message that `act` returns, or its refusal, with the updated part of the page it was requested from."""
    row = stored.named(name, version)
    try:
        message, approval = act(row)
    except (Conflict, Invalid) as refusal:
        db.session.rollback()
        return _refused(row, refusal)
    if not is_htmx():
        return fragments.back(versions.address(row))
    toast = fragments.toast(message, undo=_undo(row, approval)) + fragments.state()
    if pressed := _pressed(row):
        return fragments.part(LIST, "act", toast, row=pressed, approval=approval)
    if requested_block("waiting"):
        return fragments.part(LIST, "waiting", toast, **_waiting())
    return versions.again(stored.named(name, version), toast)


def _refused(row: Any, refusal: Refusal) -> Response:
    """Return the refusal as a toast; on the version's page with its current state."""
    texts = " ".join(str(text) for texts in refusal.errors.values() for text in texts)
    toast = fragments.toast(texts or refusal.detail, bad=True)
    fault, pressed = _fault(row, refusal), _pressed(row)
    if fault and pressed:
        return fragments.part(LIST, "act", toast, status=refusal.status, row=pressed, approval=None, fault=fault)
    if fault and requested_block("waiting"):
        return fragments.part(LIST, "waiting", toast, status=refusal.status, fault=fault, **_waiting())
    if is_htmx() and not requested_block("main"):
        return fragments.toast_only(toast, refusal.status)
    return versions.again(row, toast, refusal, fault=fault)


def _pressed(row: Any) -> dict[str, str] | None:
    """Return the row of the list in which a button was pressed: only that changes, so that nothing moves under the pointer."""
    part, target = f"approval-{row.id}-", request.headers.get("HX-Target", "")
    if not target.startswith(part):
        return None
    return {"id": row.id, "model_name": row.model_name, "version": row.version, "target": target[len(part) :]}


def _undo(row: Any, approval: Approval | None) -> dict[str, str] | None:
    """Return the form that withdraws the approval; None without one."""
    if approval is None:
        return None
    route = {"name": row.model_name, "version": row.version, "approval_id": approval.id}
    is_list = not requested_block("main")
    undo = {"target": "#waiting", "swap": "outerHTML"} if is_list else {"target": "#main", "swap": "innerHTML"}
    return {"action": url_for(".withdraw", **route), **undo}


def _fault(row: Any, refused: Refusal) -> dict[str, Any] | None:
    """Return which field is invalid, what was typed and why; None if it is not the comment that was refused."""
    errors = refused.errors.get("comment") or refused.errors.get("text")
    target = request.form.get("target", "")
    return errors and {"of": (row.id, target), "typed": request.form.get("comment", ""), "text": " ".join(errors)}


def _waiting() -> dict[str, Any]:
    rows = [(row, verdicts.panel(row.target, row.verdicts)) for row in inbox.waiting(g.actor)]
    sentences_by_id = evidence.content_changes_of(row.id for row, _ in rows) if rows else {}
    changes = {str(version_id): sentences for version_id, sentences in sentences_by_id.items()}
    latest_asks = comment_queries.latest_asks(row.id for row, _ in rows)
    return {
        "rows": rows[:ROWS],
        "changes": changes,
        "latest_asks": {str(version_id): ask for version_id, ask in latest_asks.items()},
        "more": len(rows[ROWS:]),
        "asks": None if rows else inbox.any_gate_needs_approval(),
    }
