"""The content of a version, which approvals refer to: its hash, and its changes since registration."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, bindparam, text

from catapult.extensions import db

FIELDS = ("metadata", "ceph_path", "quantization")
"""The fields of a version's content that may change; tags of MLflow in metadata are not content (`rules.mlflow_tags`)."""
MODEL_FIELDS = ("repository", "storage_path")
"""The fields of the model that are part of the content: the image's reference is built from them."""

HASH = """encode(sha256(convert_to(CAST(jsonb_build_object(
    'tag', {version}.tag, 'digest', {version}.digest, 'repository', {model}.repository, 'storage_path', {model}.storage_path,
    'metadata', {version}.metadata - 'mlflow_tags', 'ceph_path', {version}.ceph_path, 'quantization', {version}.quantization
) || CASE WHEN {version}.source IS NULL THEN '{{}}' ELSE jsonb_build_object('source', {version}.source) END
AS text), 'UTF8')), 'hex')"""
"""The SHA-256 of the content, 64 hex digits, of a row of versions and one of models with these names."""

CHANGED = """(entry.resource_id = {version}.id AND entry.action = 'version.update'
        AND entry.details -> 'changes' ?| ARRAY['metadata', 'ceph_path', 'quantization']
    OR entry.resource_id = {version}.model_id AND entry.action = 'model.update' AND entry.created_at > {version}.created_at
        AND entry.details -> 'changes' ?| ARRAY['repository', 'storage_path'])"""
"""Whether an entry of the audit log changed the content of a version. It walks the index of entries by resource."""


class Change(NamedTuple):
    """A change of content: by whom, when, how long after registration, and `{field: {old new}}`."""

    by: str
    at: datetime
    registered_at: datetime
    changes: dict[str, Any]


_CHANGES = text(
    f"""
    SELECT version.id, coalesce(entry.person_name, entry.api_key_name, 'cli') AS by, entry.created_at AS at,
        version.created_at AS registered_at, entry.details -> 'changes' AS changes
    FROM versions AS version JOIN audit_logs AS entry ON {CHANGED.format(version="version")}
    WHERE version.id = ANY(:versions) ORDER BY entry.created_at, entry.id
    """  # noqa: S608 - built from constants
).bindparams(bindparam("versions", type_=ARRAY(Uuid)))


def changes(version_ids: Iterable[UUID]) -> dict[UUID, list[Change]]:
    """Return `{version's id: its changes of content since registration, oldest first}`."""
    rows: dict[UUID, list[Change]] = defaultdict(list)
    for row in db.session.execute(_CHANGES, {"versions": list(version_ids)}):
        rows[row.id].append(Change(row.by, row.at, row.registered_at, row.changes))
    return rows
