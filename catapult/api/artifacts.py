"""`/api/v1/versions/{id}/artifacts`, `/signature` and `/api/v1/artifacts`: the files of versions.

Requests that read or write files are answered by the process for files, `server/file_process.py`; other processes answer 503.
"""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from flask import g, request

from catapult.actions import artifacts as actions
from catapult.actions import uploads
from catapult.api.wire import transfers
from catapult.api.wire.blueprint import Blueprint
from catapult.api.wire.parameters import PageQuery
from catapult.contract.artifacts import ArtifactOut, MountedIn, MountEntryOut, MountQuery, SignatureOut
from catapult.errors import Conflict, InsufficientStorage, NotFound, RangeNotSatisfiable
from catapult.extensions import current_settings
from catapult.queries import artifacts, versions
from catapult.queries import file_signatures as signatures
from catapult.queries.lists.paging import Listing
from catapult.storage import PIECE
from catapult.tables import Role
from catapult.web import added_files, mount
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
    if request.content_length is None or request.content_length > PIECE:  # a small body is checked once it is there
        try_again(actions.check_may_add, version_id, path, actor=g.actor)
    received = transfers.receive(*uploads.quota_left(current_settings().storage_quota))
    artifact, is_new = added_files.add_or_drop(version_id, path, request.mimetype or "", received)
    g.status = 201 if is_new else 200
    return artifact


@blp.post("/versions/<uuid:version_id>/artifacts", Role.PUBLISHER)
@blp.arguments(MountedIn)
@blp.answers_each(ArtifactOut, status=201, refuses=(NotFound, Conflict))
def register_artifacts(body: dict[str, Any], version_id: UUID) -> list[Any]:
    """Register a file on the mount, or all files of a folder there, where they lie

    They are `pending` until they were read once. Nothing is copied.
    """
    return mount.register(version_id, body["mount_path"], body["path"], actor=g.actor)


@blp.get("/storage/files", Role.PUBLISHER)
@blp.arguments(MountQuery)
@blp.answers_each(MountEntryOut, refuses=(NotFound,))
def list_mount(query: dict[str, Any]) -> list[Any]:
    """List a folder of the mount, by the names in it

    For more than `limit` of them, ask again with `after`, the last name.
    """
    return [
        SimpleNamespace(
            path=path,
            kind="folder" if is_folder else "file",
            size_bytes=None if is_folder else size,
            changed_at=datetime.fromtimestamp(changed / 1e9, UTC),
        )
        for path, is_folder, size, changed in mount.entries(query["path"], query["after"], query["limit"])
    ]


@blp.get("/versions/<uuid:version_id>/signature", Role.VIEWER)
@blp.answers(200, SignatureOut, refuses=(NotFound,))
def get_signature(version_id: UUID) -> Any:
    """Verify the signature of a version's files

    Their stored SHA-256 is compared with what a trusted key has signed; no weights are read.
    """
    versions.check(version_id)
    return signatures.of([version_id])[version_id]


@blp.get("/artifacts/<uuid:artifact_id>", Role.VIEWER)
@blp.answers(200, ArtifactOut, refuses=(NotFound,))
def get_artifact(artifact_id: UUID) -> Any:
    """Get a file's facts"""
    return artifacts.get(artifact_id)


@blp.get("/artifacts/<uuid:artifact_id>/content", Role.VIEWER)
@blp.sends_file(refuses=(NotFound, Conflict, RangeNotSatisfiable))
def get_artifact_content(artifact_id: UUID) -> Any:
    """Download a file

    `Range`, `If-Range` and `If-None-Match` are answered; the ETag is the SHA-256.
    """
    return transfers.send(artifacts.get(artifact_id))


@blp.delete("/artifacts/<uuid:artifact_id>", Role.PUBLISHER)
@blp.deletes(refuses=(NotFound, Conflict))
def delete_artifact(artifact_id: UUID) -> None:
    """Remove a file from its version"""
    actions.remove(artifact_id, actor=g.actor)
