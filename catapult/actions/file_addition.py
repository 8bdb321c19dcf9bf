"""The statement that adds a file to a version which nothing refers to, as while it is being filled by a training job.

Uploads to one version wait for each other, so its model's lock is held for one round trip. The statement adds nothing if the
version is released, live, approved or an alias's, or has a file of that path: what is to happen then is decided in Python.
"""

from functools import cache
from typing import Any

from catapult import audit
from catapult.actions.locks import LOCK_MODEL
from catapult.extensions import SEPARATOR
from catapult.queries import artifacts
from catapult.tables import Artifact, FileSignature

SAVE_BLOB = """
INSERT INTO blobs (sha256, size_bytes) {values}
ON CONFLICT (sha256) DO UPDATE SET stored_at = statement_timestamp()
"""


class NotAdded(Exception):
    """The file was not added: something refers to the version, or its model has been renamed."""


class Addition:
    """An `audit.Statement` that adds the file to the version of the model with that name. Its `finish` raises NotAdded."""

    def __init__(self, artifact: Artifact, bundle: str | None, model_name: str) -> None:
        self.artifact, self.is_signature = artifact, bundle is not None
        self.values: dict[str, Any] = audit.parameters(artifact) | {
            "version": artifact.version_id,
            "path": artifact.path,
            "model_name": model_name,
        }
        if bundle is not None:
            self.values |= audit.parameters(FileSignature(artifact_id=artifact.id, bundle=bundle))

    def sql(self, entries: str) -> str:
        return _statement(self.is_signature, entries)

    def finish(self, result: Any) -> None:
        """Give the file the time at which it was added."""
        row = result.one_or_none()
        if row is None:
            raise NotAdded
        self.artifact.created_at = self.artifact.checked_at = row.now


@cache
def _statement(is_signature: bool, entries: str) -> str:
    blob = SAVE_BLOB.format(
        values="SELECT CAST(:artifacts_sha256 AS bytea), CAST(:artifacts_size_bytes AS bigint) FROM moment"
    )
    signed = f"signed AS ({audit.insertion(FileSignature, 'moment')})," if is_signature else ""
    addition = f"""
        WITH moment AS MATERIALIZED (
            SELECT now, CAST('{{}}' AS jsonb) AS details, CAST('{{}}' AS jsonb) AS data FROM ({artifacts.DESTINATION}) AS version
            WHERE model_name = :model_name AND NOT is_release AND NOT is_approved AND live_in = '{{}}' AND aliases = '{{}}'
            AND file_id IS NULL
        ), stored AS ({blob}),
        added AS ({audit.insertion(Artifact, "moment", ("created_at", "checked_at"))}),
        {signed} {entries}
        SELECT now FROM moment
    """  # noqa: S608 - built from constants and the tables' own names
    return SEPARATOR.join([LOCK_MODEL, addition])
