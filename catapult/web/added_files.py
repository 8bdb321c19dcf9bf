"""The end of an upload by any door: its bytes become a blob, and then a file of the version."""

import time
from collections.abc import Callable
from mimetypes import guess_type
from typing import Any
from uuid import UUID

from flask import g

from catapult.actions import artifacts as actions
from catapult.actions import storage_scrub
from catapult.audit import Actor
from catapult.errors import Conflict
from catapult.extensions import autocommit_from_here, begin
from catapult.queries import artifacts
from catapult.queries.stored_files import Stored
from catapult.rules import file_contents
from catapult.tables import ArtifactState
from catapult.web import auth
from catapult.web.error_handlers import try_again
from catapult.web.incoming import Received

UNKNOWN = ("", "application/octet-stream", "application/x-www-form-urlencoded")
"""Types that clients send if they do not know the file's type."""

CHECKED_AGAIN_AFTER = 0.25
"""Seconds after which the key or the session is checked again, as for a new request, because the bytes flowed for so long."""


def add_or_drop(
    version_id: UUID,
    path: str,
    media_type: str,
    received: Received,
    authenticate: Callable[[], Actor] = auth.authenticate,
) -> tuple[Any, bool]:
    """Add a file that arrived in one request, as `add` does; drop its bytes if it is refused."""
    try:
        return add(version_id, path, media_type, received, authenticate)
    except BaseException:
        received.drop()
        raise


def add(
    version_id: UUID,
    path: str,
    media_type: str,
    received: Received,
    authenticate: Callable[[], Actor] = auth.authenticate,
) -> tuple[Any, bool]:
    """Return the file and whether it is new. The same content again changes nothing, or repairs a file whose bytes were lost.

    `media_type` is the client's. Raises Unauthenticated if the key or the session ended while the bytes flowed for long, and
    what `actions.add` raises.
    """
    if time.perf_counter() - g.started > CHECKED_AGAIN_AFTER:
        g.actor = authenticate()
    autocommit_from_here()  # the file of a version that nothing refers to is added by one statement
    destination = try_again(actions.check_may_add, version_id, path, actor=g.actor)
    if destination.file_id is not None:
        if destination.sha256 != received.sha256:
            raise Conflict(f"{destination.path} has other content. Choose another path, or remove that file first.")
        if destination.mount_path or destination.state == ArtifactState.READY:
            received.drop()
        else:
            received.replace()
            begin()
            storage_scrub.record(Stored(received.sha256, destination.created_at), ArtifactState.READY, actor=g.actor)
        return artifacts.get(destination.file_id), False
    is_new = received.store()
    content: dict[str, Any] = {"sha256": received.sha256, "size_bytes": received.size}
    content["media_type"] = _media_type(path, media_type.lower())
    content |= file_contents.of(path, received.size, received.read)
    stored = {"is_new": is_new, "is_stored": received.is_stored}
    artifact = try_again(actions.add, destination, path, actor=g.actor, **stored, **content)
    return artifacts.as_shown(artifact), True


def _media_type(path: str, sent: str) -> str:
    guessed = guess_type(path)[0] or "application/octet-stream"
    return guessed if sent in UNKNOWN else sent
