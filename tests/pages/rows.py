"""Rows that are written at once, where making them one by one would take long."""

import stage


def live_everywhere(sql, models, environments):
    """So many models, each live in each of so many environments; the last model was deployed last."""
    for statement in (
        "INSERT INTO models (id, name, storage_path)"
        " SELECT md5('m' || n)::uuid, 'org/m' || n, 'x' FROM generate_series(1, :models) AS n",
        "INSERT INTO versions (id, model_id, version, tag, digest, platform, status, created_by)"
        " SELECT id, id, '1.0', 't', 'a:b', 'p', 'active', 'x' FROM models WHERE name LIKE 'org/m%'",
        stage.environments(numbered=environments),
        "INSERT INTO deployments (id, release_id, model_id, environment, status, deployed_by, deployed_at, live_from)"
        " SELECT gen_random_uuid(), md5('m' || n)::uuid, md5('m' || n)::uuid, 'env-' || e, 'success', 'ci',"
        " now() - interval '1 day' + n * interval '1 second', now() - interval '1 day'"
        " FROM generate_series(1, :models) AS n, generate_series(1, :environments) AS e",
    ):
        sql(statement, models=models, environments=environments)
