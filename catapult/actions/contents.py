"""Rules for changing content that is evidence, and the reason why a change voids approvals."""

from typing import Any

from catapult.audit import Actor
from catapult.rules import content_changes, reasons
from catapult.tables import Role


def check_may_change(actor: Actor, reason: str | None, state: str) -> None:
    """Raise Forbidden unless the actor is a releaser, and Invalid without a reason. `state` says why the content is evidence."""
    actor.needs(Role.RELEASER)
    reasons.check(reason, f"{state}, so a change of its content needs a reason: the audit log keeps it.")


def why_void(changed: dict[str, dict[str, Any]], actor: Actor) -> str:
    """Return why approvals of the old content no longer count."""
    return f"{content_changes.described(changed)} by {actor.shown}"
