"""SQL for rows that are long: lists of 8 MiB, an audit log of 64 MB, and notes that take long to search."""

LONG_LIST = """
WITH m AS (
    INSERT INTO models (id, name, storage_path, version_count, latest_version)
    VALUES (md5('long')::uuid, 'org/long', 'docker.io/org/long', 1200, '1.1.0') RETURNING id
)
INSERT INTO versions (id, model_id, version, number, tag, digest, platform, status, created_by, release_notes,
                      metadata)
SELECT md5('long' || n)::uuid, m.id, '1.' || n || '.0', n, 'v1', 'sha256:' || repeat('a', 64), 'linux/amd64', 'active', 'ci',
       repeat('long notes ', 800), '{}'
FROM m, generate_series(1, 1200) AS n
"""
LONG_LOG = """
INSERT INTO audit_logs (id, action, resource_type, resource_id, details, api_key_name)
SELECT md5('entry' || n)::uuid, 'version.create', 'version', md5('version' || n)::uuid,
       jsonb_build_object('version', repeat('long details ', 320)), 'ci'
FROM generate_series(1, 16000) AS n
"""
LONG_NOTES = """
WITH m AS (
    INSERT INTO models (id, name, storage_path, version_count, latest_version)
    VALUES (md5('long')::uuid, 'org/long', 'docker.io/org/long', 4000, '1.1.0') RETURNING id
)
INSERT INTO versions (id, model_id, version, number, tag, digest, platform, status, created_by, metadata)
SELECT md5('long' || n)::uuid, m.id, '1.' || n || '.0', n, 'v1', 'sha256:' || repeat('a', 64), 'linux/amd64', 'active', 'ci',
       jsonb_build_object('note', repeat('as long as a note may be ', 2400))
FROM m, generate_series(1, 4000) AS n
"""
