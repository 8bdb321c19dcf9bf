"""Comments on versions: `/api/v1/versions/{id}/comments`."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

from .calls import Calls, Failed, call, identity, listing
from .model_records import Comment, Version


class CommentCalls(Calls[Failed]):
    """The methods of a Registry for comments on versions."""

    @listing
    def list_comments(
        self, version_id: str | uuid.UUID | Version | Failed, *, limit: int | None = None
    ) -> Iterator[Comment]:
        """Return an iterator over the comments on a version, newest first. It raises NotFound (no such version)."""
        return self._pages(Comment, _path(version_id), {"limit": limit})

    @call
    def create_comment(
        self,
        version_id: str | uuid.UUID | Version | Failed,
        text: str,
        *,
        asks_for_changes: bool | None = None,
        idempotency_key: str | None = None,
    ) -> Comment | Failed:
        """Comment on a version, in plain text of at most 2,000 characters, and return the comment.

        `asks_for_changes` shows it to whoever could approve the version. It blocks nothing.
        Raises NotFound, Validation, Forbidden (needs the role `publisher`).
        """
        fields = {"text": text, "asks_for_changes": asks_for_changes}
        return self._post(Comment, _path(version_id), fields, idempotency_key)

    @call
    def delete_comment(
        self, version_id: str | uuid.UUID | Version | Failed, comment_id: str | uuid.UUID | Comment | Failed
    ) -> None:
        """Delete a comment; the audit log keeps its text.

        Raises NotFound, Forbidden (only its author, or the role `admin`, may delete it).
        """
        self._delete(f"{_path(version_id)}/{identity(comment_id, 'comment_id')}", {}, None)


def _path(version_id: object) -> str:
    return f"/v1/versions/{identity(version_id, 'version_id')}/comments"
