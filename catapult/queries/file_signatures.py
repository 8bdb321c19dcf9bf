"""Whether the files of versions are signed: all that `rules.file_signatures` reads, in one statement.

Nothing is cached, so that an added file, or a key that was added, was deleted or has expired, counts at once.
"""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import text

from catapult.extensions import KEEP_PLAN, db
from catapult.rules import file_signatures
from catapult.rules.file_signatures import Signature

MOST_AT_ONCE = 16 * 1024 * 1024
"""Bytes of signatures that are read for one list. The others are not verified there."""

# All trusted keys, also expired ones and those of other models, so that the message can name them. There are few.
_KEYS = """
SELECT json_agg(json_build_object('id', key.id, 'name', key.name, 'fingerprint', key.fingerprint,
    'public_key', key.public_key, 'model', key.model,
    'applies', key.model IS NULL OR lower(model.name) LIKE replace(replace(lower(key.model), '_', '\\_'), '*', '%'),
    'expired', coalesce(key.not_after < clock_timestamp(), false),
    'not_after', to_char(key.not_after AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24\\:MI "UTC"')
) ORDER BY key.created_at, key.id) FROM trusted_keys AS key WHERE key.deleted_at IS NULL
"""
# Walks ix_artifacts_version.
_FILES = f"""
SELECT json_object_agg(file.path, encode(file.sha256, 'hex')) FROM (
    SELECT path, CASE WHEN state = 'ready' THEN sha256 END AS sha256 FROM artifacts
    WHERE version_id = asked.id AND path <> '{file_signatures.PATH}'
    LIMIT {file_signatures.MOST_FILES + 1}
) AS file
"""  # noqa: S608 - built from constants
_SQL = f"""
SELECT asked.id, EXISTS (SELECT FROM artifacts WHERE version_id = asked.id) AS has_files,
    asked.size_bytes, asked.is_deferred, signature.bundle,
    CASE WHEN signature.bundle IS NOT NULL THEN ({_FILES}) END AS files,
    CASE WHEN signature.bundle IS NOT NULL THEN ({_KEYS}) END AS keys
FROM (
    SELECT version.id, version.model_id, signature.id AS signature_id, signature.size_bytes,
        coalesce(sum(signature.size_bytes) FILTER (WHERE signature.size_bytes <= {file_signatures.MOST_BYTES})
            OVER (ORDER BY version.id) > {MOST_AT_ONCE}, false) AS is_deferred
    FROM versions AS version LEFT JOIN artifacts AS signature
        ON signature.version_id = version.id AND signature.path = '{file_signatures.PATH}'
    WHERE version.id = ANY(CAST(:versions AS uuid[]))
) AS asked
JOIN models AS model ON model.id = asked.model_id
LEFT JOIN file_signatures AS signature ON signature.artifact_id = asked.signature_id AND NOT asked.is_deferred
"""  # noqa: S608 - built from constants
_FACTS = text(_SQL).execution_options(**KEEP_PLAN)


def of(version_ids: Iterable[UUID]) -> dict[UUID, Signature]:
    """Return `{version's id: whether its files are signed}`. Sends one statement, or none without versions."""
    ids = list(version_ids)
    rows: Any = db.session.execute(_FACTS, {"versions": ids}) if ids else ()
    return {row.id: file_signatures.judge(row) for row in rows}
