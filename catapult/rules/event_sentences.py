"""An event as a sentence for people: "Dana Ortiz promoted 2.5.0 of sentiment-model (override): Needed for the launch".

An event is a mapping of `id`, `type`, `timestamp` and `data`. Each key of `data` may be absent or None. The sentences are plain
text on one line; each format escapes them for itself.
"""

import re
from collections.abc import Mapping
from typing import Any

from catapult.tables import RELEASE, EventType

Event = Mapping[str, Any]

_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")
"""Line ends and other control characters, changes of the direction of text, and half surrogate pairs."""

_SENTENCES = {
    EventType.VERSION_CREATED: "{by} registered {it}",
    EventType.VERSION_PROMOTED: "{by} promoted {it}",
    EventType.VERSION_DEMOTED: "{by} demoted {it}",
    EventType.IMAGE_MOVED: "The tag {tag} of {it} {led}",
    EventType.ALIAS_MOVED: "{by} pointed {alias} at {it}{former}",
    EventType.ALIAS_REMOVED: "{by} removed {alias} from {it}",
    EventType.DEPLOYMENT_PENDING: "The deployment of {it} to {environment} is pending",
    EventType.DEPLOYMENT_RUNNING: "The deployment of {it} to {environment} is running",
    EventType.DEPLOYMENT_SUCCESS: "{by} deployed {it} to {environment}",
    EventType.DEPLOYMENT_FAILED: "The deployment of {it} to {environment} failed",
    EventType.DEPLOYMENT_CANCELLED: "The deployment of {it} to {environment} was cancelled",
    EventType.DEPLOYMENT_ROLLED_BACK: "{by} rolled {environment} back to {it}{former}",
    EventType.DEPLOYMENT_RETIRED: "{by} retired {it} from {environment}",
    EventType.GATE_OVERRIDDEN: "{by} overrode the gates of {it} on its way to {environment}",
    EventType.APPROVAL_WANTED: "{it} waits for your approval{purpose}",
    EventType.APPROVAL_GIVEN: "{by} approved {it}{purpose}",
    EventType.APPROVAL_WITHDRAWN: "{by} withdrew the approval of {it}{purpose}",
    EventType.ENVIRONMENT_FROZEN: "{by} froze {environment}{until}",
    EventType.ENVIRONMENT_THAWED: "{by} ended the freeze of {environment}",
    EventType.WEBHOOK_ENDED: "The webhook to {webhook} has ended",
    EventType.AUDIT_CHECKPOINT: "The first {size} entries of the audit log have the root {root}",
    EventType.WEBHOOK_TEST: "{by} sent this as a test of a webhook",
}


def sentence(event: Event) -> str:
    """Return the sentence with the reason that somebody gave."""
    reason = one_line(event["data"].get("reason") or event["data"].get("comment"))
    return f"{headline(event)}: {reason}" if reason else headline(event)


def headline(event: Event) -> str:
    """Return the sentence without a reason."""
    kind, data = EventType(event["type"]), event["data"]
    target = one_line(data.get("target"))
    names = {
        "by": one_line(data.get("by")) or "Catapult",
        "it": f"{one_line(data.get('version')) or 'a version'} of {one_line(data.get('model')) or 'a model'}",
        "tag": one_line(data.get("tag")) or "?",
        "led": f"leads to {data['tag_digest']} now" if data.get("tag_digest") else "is gone from the image registry",
        "alias": f"@{one_line(data.get('alias')) or '?'}",
        "environment": one_line(data.get("environment")) or target or "an environment",
        "purpose": f" for {target}" if target and target != RELEASE else "",
        "former": f" from {one_line(data['from_version'])}" if data.get("from_version") else "",
        "size": data.get("size") or 0,
        "root": one_line(data.get("root")) or "of none",
        "webhook": one_line(data.get("webhook")) or "a receiver",
        "until": f" until {_minute(one_line(data['until']))}" if data.get("until") else "",
    }
    if kind == EventType.ENVIRONMENT_THAWED and names["by"] in ("Catapult", "worker"):  # a freeze that ended by itself
        return f"The freeze of {names['environment']} ended"
    is_marked = data.get("override") and kind != EventType.GATE_OVERRIDDEN
    return _SENTENCES[kind].format_map(names) + (" (override)" if is_marked else "")


def one_line(text: str | None) -> str:
    """Return the text on one line, without characters that are not seen."""
    return " ".join(_UNSEEN.sub(" ", text or "").split())


def cut(text: str, length: int) -> str:
    """Return the text with at most this many characters; … is for what is left out."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def _minute(time: str) -> str:
    """Return `2026-12-01 08:00 UTC` of `2026-12-01T08:00:00Z`, and another text as it is."""
    match = re.fullmatch(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d):[\d.]+Z", time, re.ASCII)
    return f"{match[1]} {match[2]} UTC" if match else time
