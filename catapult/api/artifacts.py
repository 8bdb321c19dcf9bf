"""`/api/v1/versions/{id}/artifacts` and `/api/v1/artifacts`: the files of versions.

What takes file I/O is answered by the process for files, `server/file_process.py`, in every other one with 503.
"""

from mimetypes import guess_type
from typing import Any
from uuid import UUID

from flask import Response, g, request

from catapult.actions import artifacts as actions
from catapult.api.wire import transfers
from catapult.api.wire.blueprint import Blueprint
from catapult.api.wire.parameters import PageQuery
from catapult.contract.artifacts import ArtifactOut
from catapult.errors import Conflict, InsufficientStorage, NotFound, RangeNotSatisfiable, Unauthenticated
from catapult.queries import artifacts, versions
from catapult.queries.lists.paging import Listing
from catapult.rules import model_cards, model_files
from catapult.tables import Role
from catapult.web import auth
from catapult.web.error_handlers import try_again

blp = Blueprint("artifacts", __name__, url_prefix="/api/v1", description="The files of versions")


@blp.get("/versions/<uuid:version_id>/artifacts", Role.VIEWER)
@blp.arguments(PageQuery)
@blp.lists(ArtifactOut, refuses=(NotFound,))
def list_artifacts(_: dict[str, Any], version_id: UUID) -> Listing:
    """List the files of a version, by their paths"""
    return artifacts.of_version(version_id).with_check(lambda: versions.check(version_id))


@blp.put("/versions/<uuid:version_id>/artifacts/<path:path>", Role.PUBLISHER, streams=True)
@blp.receives_file
@blp.answers(201, ArtifactOut, location="/api/v1/artifacts/{id}", refuses=(NotFound, Conflict, InsufficientStorage))
def add_artifact(version_id: UUID, path: str) -> Any:
    """Add a file to a version

    The body is the file. `Content-Digest` is compared. The same file again is 200; other content at the same path is 409.
    """
    taken = try_again(actions.check_may_add, version_id, path, actor=g.actor)
    received = transfers.receive()
    try:
        g.actor = auth.authenticate()  # the key may have been revoked, or its role lowered, while the bytes flowed
    except Unauthenticated:
        received.drop()
        raise
    if taken is not None:
        received.drop()
        if taken.sha256 != received.sha256:
            raise Conflict(f"{taken.path} has other content. Choose another path, or remove that file first.")
        g.status = 200
        return taken
    received.keep()
    content: dict[str, Any] = {"sha256": received.sha256, "size_bytes": received.size, "media_type": _media_type(path)}
    content["card"], facts = model_cards.read(path, received.size, received.read)
    content["facts"] = facts or model_files.facts(path, received.size, received.read)
    artifact = try_again(actions.add, version_id, path, actor=g.actor, is_stored=received.is_kept, **content)
    return artifacts.get(artifact.id)


def _media_type(path: str) -> str:
    """Return the type that was sent, unless that is what clients send who know none, or the one of the path's ending."""
    sent = (request.mimetype or "").lower()
    guessed = guess_type(path)[0] or "application/octet-stream"
    return guessed if sent in ("", "application/octet-stream", "application/x-www-form-urlencoded") else sent


@blp.get("/artifacts/<uuid:artifact_id>", Role.VIEWER)
@blp.answers(200, ArtifactOut, refuses=(NotFound,))
def get_artifact(artifact_id: UUID) -> Any:
    """Get a file's facts"""
    return artifacts.get(artifact_id)


@blp.get("/artifacts/<uuid:artifact_id>/content", Role.VIEWER)
@blp.sends_file(refuses=(NotFound, Conflict, RangeNotSatisfiable))
def get_artifact_content(artifact_id: UUID) -> Response:
    """Download a file

    `Range`, `If-Range` and `If-None-Match` are answered; the ETag is the SHA-256.
    """
    return transfers.send(artifacts.get(artifact_id))


@blp.delete("/artifacts/<uuid:artifact_id>", Role.PUBLISHER)
@blp.deletes(refuses=(NotFound, Conflict))
def delete_artifact(artifact_id: UUID) -> None:
    """Remove a file from its version"""
    actions.remove(artifact_id, actor=g.actor)
