"""`/artifacts/{id}/preview`: a file in place. It is answered by the process for files, and by every other one with 503."""

from uuid import UUID

from flask import Blueprint, Response

from catapult.pages.parts import fragments, previews
from catapult.pages.parts.page_request import page, requested_block
from catapult.queries import artifacts, versions

blp = Blueprint("artifacts", __name__)
SHOW = "artifacts/show.html"


@blp.get("/artifacts/<uuid:artifact_id>/preview")
@page()
def show(artifact_id: UUID) -> Response:
    """The file: its image, its table, or the beginning of its text."""
    file = artifacts.get(artifact_id)
    version = versions.get(UUID(file.version_id))
    block = requested_block("dialog-body") and "preview"
    return fragments.whole_or(block, SHOW, file=file, version=version, preview=previews.of(file))
