"""Notifications of docker-registry and Harbor about pushed images. They are untrusted and only say where to look.

Sources: "Work with notifications" of CNCF Distribution 2.8 and 3.0, and "Configure Webhook Notifications" of Harbor 2. Everything
else is ignored and not refused: a registry would send a refused notification again and again.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

LONGEST = 300
BLOB = "application/octet-stream"
BESIDE_IMAGE = re.compile(r"sha(256|384|512)-[a-f0-9]{64,128}(\..*)?")
"""Tags for signatures and other attachments of an image, which are not images."""


class Push(NamedTuple):
    """An image that was pushed, as its registry says: `image` is `host/repository:tag`."""

    image: str
    tag: str
    digest: str


def pushes(body: dict[str, Any]) -> list[Push]:
    """Return the pushes of tags in a notification, each once."""
    events = [*_of_docker(body.get("events") or ()), *_of_harbor(body.get("type"), body.get("event_data"))]
    return [
        Push(f"{host.lower()}/{repository}:{tag}", tag, digest)
        for host, repository, tag, digest in dict.fromkeys(events)
        if all(0 < len(part) < LONGEST for part in (host, repository, tag, digest)) and not BESIDE_IMAGE.fullmatch(tag)
    ]


def _of_docker(events: Any) -> Iterator[tuple[str, str, str, str]]:
    for event in events:
        target = _inner(event, "target")
        if event.get("action") == "push" and target.get("mediaType") != BLOB:
            for host in (_text(_inner(event, "request"), "host"), _host_of(_text(target, "url"))):
                yield host, _text(target, "repository"), _text(target, "tag"), _text(target, "digest")


def _of_harbor(kind: Any, data: Any) -> Iterator[tuple[str, str, str, str]]:
    resources = data.get("resources") if isinstance(data, dict) else None
    if kind == "PUSH_ARTIFACT" and isinstance(resources, list):
        repository = _text(_inner(data, "repository"), "repo_full_name")
        for resource in resources:
            if isinstance(resource, dict):
                host = _host_of(_text(resource, "resource_url"))
                yield host, repository, _text(resource, "tag"), _text(resource, "digest")


def _host_of(url: str) -> str:
    """Return the host and port of `https://host:port/path`, which Harbor writes without its scheme; "" if it has none."""
    try:
        return urlsplit(url if "://" in url else f"//{url}").netloc
    except ValueError:
        return ""


def _inner(value: Any, name: str) -> dict[str, Any]:
    inner = value.get(name)
    return inner if isinstance(inner, dict) else {}


def _text(value: dict[str, Any], name: str) -> str:
    text = value.get(name)
    return text if isinstance(text, str) else ""
