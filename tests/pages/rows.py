"""Rows that are written at once, where making them one by one would take long."""

import stage

MODELS = """
INSERT INTO models (id, name, storage_path, tags, created_at, updated_at)
SELECT gen_random_uuid(), 'org/' || chr((65 + i % 2 * 32 + i % 26)::int) || '-' || i, 'x', ARRAY['many'],
       now() + i / 7 * interval '1 second', now() + i % 40 * interval '1 second'
FROM generate_series(:first, :last) AS i"""
"""Models of which some share a time; names and times are not in one order."""
ENTRIES = """
INSERT INTO audit_logs (id, action, resource_type, api_key_name, created_at)
SELECT gen_random_uuid(), 'version.update', 'version', 'demo', now() + i / 3 * interval '1 second'
FROM generate_series(:first, :last) AS i"""
"""Entries of the audit log, of which some share a time."""


def live_everywhere(sql, models, environments):
    """So many models, each live in each of so many environments; the last model was deployed last."""
    for statement in (
        "INSERT INTO models (id, name, storage_path)"
        " SELECT md5('m' || n)::uuid, 'org/m' || n, 'x' FROM generate_series(1, :models) AS n",
        "INSERT INTO versions (id, model_id, version, number, tag, digest, platform, status, created_by)"
        " SELECT id, id, '1.0', 1, 't', 'a:b', 'p', 'active', 'x' FROM models WHERE name LIKE 'org/m%'",
        stage.environments(numbered=environments),
        "INSERT INTO deployments (id, release_id, model_id, environment, status, deployed_by, deployed_at, live_from)"
        " SELECT gen_random_uuid(), md5('m' || n)::uuid, md5('m' || n)::uuid, 'env-' || e, 'success', 'ci',"
        " now() - interval '1 day' + n * interval '1 second', now() - interval '1 day'"
        " FROM generate_series(1, :models) AS n, generate_series(1, :environments) AS e",
    ):
        sql(statement, models=models, environments=environments)
