"""An event as CDEvents 0.5.1, in the HTTP binary mode of CloudEvents.

Sources: https://cdevents.dev/docs/ and its CloudEvents binding. Events without a type there are custom events, `dev.cdeventsx`.
"""

from typing import Any
from urllib.parse import quote

from catapult.rules.event_sentences import Event
from catapult.tables import EventType

SPECIFICATION = "0.5.1"
SOURCE = "/catapult"
_VISIBLE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')
"""Characters that are not escaped in a header of CloudEvents."""

_SERVICES = {
    EventType.DEPLOYMENT_SUCCESS: "deployed",
    EventType.DEPLOYMENT_ROLLED_BACK: "rolledback",
    EventType.DEPLOYMENT_RETIRED: "removed",
}


def of(event: Event, source: str = SOURCE) -> dict[str, Any]:
    """Return the CDEvent of an event of the registry at `source`, a URI reference."""
    kind, data = EventType(event["type"]), event["data"]
    if kind == EventType.VERSION_CREATED:
        name, subject = "dev.cdevents.artifact.published.0.3.0", _package(data)
        content = {"user": data["by"]} if data.get("by") else {}
    elif kind in _SERVICES:
        is_upgrade = kind == EventType.DEPLOYMENT_SUCCESS and data.get("from_version")
        name = f"dev.cdevents.service.{'upgraded' if is_upgrade else _SERVICES[kind]}.0.3.0"
        subject, content = data.get("model") or "unknown", {"environment": {"id": data.get("environment") or "unknown"}}
        if kind != EventType.DEPLOYMENT_RETIRED:
            content["artifactId"] = _package(data)
    else:
        noun, _, verb = kind.partition(".")
        name, subject, content = f"dev.cdeventsx.catapult-{noun}.{verb}.0.1.0", _subject(noun, event), dict(data)
    context = {"specversion": SPECIFICATION, "id": event["id"], "source": source, "type": name}
    cdevent: dict[str, Any] = {
        "context": {**context, "timestamp": event["timestamp"]},
        "subject": {"id": subject, "source": source, "content": content},
    }
    if not name.startswith("dev.cdeventsx."):
        cdevent |= {"customData": {"catapult": data}, "customDataContentType": "application/json"}
    return cdevent


def headers(content: dict[str, Any]) -> dict[str, str]:
    """Return the headers of CloudEvents for a CDEvent."""
    context, subject = content["context"], content["subject"]
    values = {
        "specversion": "1.0",
        "id": context["id"],
        "source": context["source"],
        "type": context["type"],
        "subject": subject["id"],
        "time": context["timestamp"],
    }
    quoted = {f"ce-{name}": quote(value, safe=_VISIBLE, errors="replace") for name, value in values.items()}
    return {"Content-Type": "application/cdevents+json", **quoted}


def _subject(noun: str, event: Event) -> str:
    """Return the id of what the event is about: an environment's name, a deployment's or a version's id, or the event's."""
    keys = {"environment": "environment", "deployment": "deployment_id", "webhook": "id"}
    return str(event["data"].get(keys.get(noun, "version_id")) or event["id"])


def _package(data: dict[str, Any]) -> str:
    """Return the package URL of the version: of its image, or without one of the model's name and version."""
    repository, has_digest, digest = (data.get("image") or "").partition("@")
    if has_digest:
        name = repository.rpartition("/")[2]
        return f"pkg:oci/{name}@{quote(digest, safe='')}?repository_url={quote(repository, safe='/')}"
    version = quote(data.get("version") or "unknown", safe="", errors="replace")
    return f"pkg:generic/{quote(data.get('model') or 'unknown', errors='replace')}@{version}"
