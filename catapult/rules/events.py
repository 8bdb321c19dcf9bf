"""The events of each audit entry, and their data."""

from typing import Any, NamedTuple
from uuid import UUID

from catapult.tables import Action, EventType, TagStatus

OF_ACTION = {
    Action.VERSION_CREATE: EventType.VERSION_CREATED,
    Action.VERSION_PROMOTE: EventType.VERSION_PROMOTED,
    Action.VERSION_DEMOTE: EventType.VERSION_DEMOTED,
    Action.ALIAS_MOVE: EventType.ALIAS_MOVED,
    Action.ALIAS_REMOVE: EventType.ALIAS_REMOVED,
    Action.DEPLOYMENT_ROLLBACK: EventType.DEPLOYMENT_ROLLED_BACK,
    Action.DEPLOYMENT_RETIRE: EventType.DEPLOYMENT_RETIRED,
    Action.GATE_OVERRIDE: EventType.GATE_OVERRIDDEN,
    Action.APPROVAL_CREATE: EventType.APPROVAL_GIVEN,
    Action.APPROVAL_WITHDRAW: EventType.APPROVAL_WITHDRAWN,
    Action.WEBHOOK_END: EventType.WEBHOOK_ENDED,
}
"""Actions that are always this event. The events of deployments and freezes depend on the entry's details."""

CARRIED = (
    *("model", "version", "version_id", "environment", "target", "status", "tag", "digest", "source", "from_version"),
    *("alias", "override", "decision_id", "reason", "comment", "webhook", "tag_digest"),
)
"""Details of an entry that are also in its event."""
TYPED = ("reason", "comment")
LONGEST = 1_000
"""Characters of a text that somebody typed, so that every message stays small."""


class NewEvent(NamedTuple):
    """An event without its id and time."""

    type: EventType
    data: dict[str, Any]


def of(action: Action, resource_id: UUID | None, details: dict[str, Any], by: str) -> list[NewEvent]:
    """Return the events of an entry; most actions have none. `by` is who acted."""
    data = {name: _cut(name, details[name]) for name in CARRIED if details.get(name) is not None} | {"by": by}
    if action.startswith(("version.", "alias.")):
        data["version_id"] = str(resource_id)
    if action.startswith("environment."):
        data["environment"] = details["name"]
    if action.startswith("deployment."):
        data["deployment_id"] = str(resource_id)
    own = [NewEvent(kind, data | more) for kind, more in _kinds(action, details)]
    return own + [NewEvent(kind, _data_of_ended(data, details) | more) for kind, more in _ended(action, details)]


def _kinds(action: Action, details: dict[str, Any]) -> list[tuple[EventType, dict[str, Any]]]:
    if action in OF_ACTION:
        return [(OF_ACTION[action], {})]
    status = details.get("status") if action == Action.DEPLOYMENT_CREATE else None
    if action == Action.DEPLOYMENT_UPDATE:
        status = details["changes"].get("status", {}).get("new")
    if status:
        return [(EventType(f"deployment.{status}"), {"status": status})]
    if action == Action.VERSION_VERIFY:
        new = details["changes"].get("tag_status", {}).get("new")
        return [(EventType.IMAGE_MOVED, {})] if new in (TagStatus.MOVED, TagStatus.GONE) else []
    if freeze := details.get("freeze"):
        kind = EventType.ENVIRONMENT_FROZEN if freeze["frozen"] else EventType.ENVIRONMENT_THAWED
        return [(kind, {"reason": _cut("reason", freeze["reason"]), "until": freeze["until"]})]
    return []


def _ended(action: Action, details: dict[str, Any]) -> list[tuple[EventType, dict[str, Any]]]:
    """Return the events of deployments and aliases that another action ended: a newer deployment, a deletion, a retirement."""
    retired = details.get("ended_deployments") or []
    cancelled = details.get("cancelled_deployments") or []
    return [
        *(
            (EventType.DEPLOYMENT_RETIRED, {"deployment_id": it["id"], "environment": it["environment"]})
            for it in retired
        ),
        *((EventType.DEPLOYMENT_CANCELLED, {"deployment_id": deployment_id}) for deployment_id in cancelled),
        *((EventType.ALIAS_REMOVED, {"alias": alias}) for alias in details.get("ended_aliases") or ()),
    ]


def _data_of_ended(data: dict[str, Any], details: dict[str, Any]) -> dict[str, Any]:
    """Return the data of another deployment that ended, whose version may differ from the entry's."""
    shared = {name: data[name] for name in ("by", "reason", "environment") if name in data}
    model = details.get("model") or (details.get("name") if "environment" not in data else None)
    return shared | ({"model": model} if model else {})


def _cut(name: str, value: Any) -> Any:
    """Return the value, a typed text cut at `LONGEST` characters."""
    return f"{value[: LONGEST - 1]}…" if name in TYPED and value and len(value) > LONGEST else value
