-- What `bench.py --large` asks: 1,000 models of 20 versions, four environments, 100,000 deployments over half a year, each
-- model live in each environment; and one model of 100,000 versions, each with a number of its own.
INSERT INTO environments (id, name, rank, created_by)
SELECT gen_random_uuid(), name, rank, 'bench'
FROM unnest(ARRAY['development', 'canary', 'staging', 'production']) WITH ORDINALITY AS listed (name, rank)
ON CONFLICT DO NOTHING;

INSERT INTO models (id, name, storage_path, version_count, latest_version, created_at)
SELECT md5('model' || m)::uuid, 'large/model-' || m, 'docker.io/large/m', 20, '1.20.0', now() - make_interval(mins => m)
FROM generate_series(1, 1000) AS m;

INSERT INTO versions (id, model_id, version, tag, digest, platform, status, created_by, metadata, created_at)
SELECT md5('version' || m || '-' || v)::uuid, md5('model' || m)::uuid, '1.' || v || '.0', 'v1', 'sha256:' || md5(v::text),
       'linux/amd64', 'active', 'bench', '{"accuracy": 0.9}', now() - interval '180 days' + make_interval(days => 8 * v, secs => m)
FROM generate_series(1, 1000) AS m, generate_series(1, 20) AS v;

-- Deployment n of a model is live in its environment until the next one there: 25 in each.
INSERT INTO deployments (id, release_id, model_id, environment, status, deployed_by, deployed_at, live_from, ended_at)
SELECT md5('deployment' || m || '-' || n || place)::uuid, md5('version' || m || '-' || 1 + n * 20 / 26)::uuid,
       md5('model' || m)::uuid, place, 'success', 'bench', at, at, CASE WHEN n < 24 THEN at + interval '7 days' END
FROM generate_series(1, 1000) AS m, generate_series(0, 24) AS n,
     unnest(ARRAY['development', 'canary', 'staging', 'production']) AS place,
     LATERAL (SELECT now() - interval '176 days' + make_interval(days => 7 * n, secs => m)) AS t (at);

INSERT INTO models (id, name, storage_path, version_count, latest_version)
VALUES (md5('big')::uuid, 'large/big', 'docker.io/large/big', 100000, '1.100000.0');
INSERT INTO versions (id, model_id, version, tag, digest, platform, status, created_by, metadata, created_at)
SELECT md5('big' || n)::uuid, md5('big')::uuid, '1.' || n || '.0', 'v1', 'sha256:' || md5(n::text), 'linux/amd64', 'active',
       'bench', jsonb_build_object('accuracy', n % 1000 / 1000.0, 'git_commit', 'abc123'), now() - make_interval(secs => n)
FROM generate_series(1, 100000) AS n;
INSERT INTO metrics (version_id, model_id, path, value)
SELECT id, model_id, 'accuracy', CAST(metadata ->> 'accuracy' AS double precision) FROM versions WHERE model_id = md5('big')::uuid;
