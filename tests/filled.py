"""A database with thousands of rows, and the cost of statements there."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg2
from sqlalchemy import event
from stage import Api, application, environments, make_keys, settings_for

from catapult.actions import sessions
from catapult.extensions import db
from catapult.web import auth

VERSIONS, DEPLOYMENTS, ENTRIES, MODELS, ALIASES = 20_000, 3_000, 20_000, 5_000, 5_000
BIG = {"models", "versions", "deployments", "audit_logs", "metrics", "aliases"}
FILL = f"""{environments("lab", "canary", "staging", "production")}
INSERT INTO models (id, name, storage_path, description, tags, created_at)
SELECT md5('model' || n)::uuid, 'org' || n % 20 || '/model-' || n, 'docker.io/org/m', 'Sentiment of reviews, number ' || n,
       ARRAY['tag-' || n % 200, 'all'], now() - make_interval(mins => n)
FROM generate_series(1, {MODELS}) AS n;

INSERT INTO versions (id, model_id, version, number, semver_key, tag, digest, platform, status, released_at, released_by,
                      created_by, tags, metadata, created_at)
SELECT md5('version' || n)::uuid, md5('model' || 1 + n % 50)::uuid, '1.' || n / 50 || '.0', 1 + n / 50,
       '0011' || lpad(length((n / 50)::text)::text, 3, '0') || n / 50 || '0010~', 'v1.' || n / 50, 'sha256:' || md5(n::text),
       'linux/amd64', CASE WHEN n % 20 = 0 THEN 'archived' ELSE 'active' END,
       CASE WHEN n % 50 < 5 THEN now() END, CASE WHEN n % 50 < 5 THEN 'releaser-key' END, 'training',
       CASE WHEN n % 20 = 7 THEN ARRAY['tag-' || n % 200] ELSE '{{}}' END, '{{"accuracy": 0.9}}',
       now() - make_interval(secs => n)
FROM generate_series(1, {VERSIONS}) AS n;

UPDATE models SET version_count = {VERSIONS} / 50, last_number = 1 + {VERSIONS} / 50, latest_version = '1.0.0'
WHERE id IN (SELECT model_id FROM versions);

INSERT INTO metrics (version_id, model_id, path, value) SELECT id, model_id, 'accuracy', 0.9 FROM versions;

INSERT INTO aliases (id, model_id, name, version_id, since, until, set_by)
SELECT md5('alias' || n)::uuid, model_id, 'champion', id, now() - make_interval(secs => n),
       CASE WHEN n > 50 THEN now() - make_interval(secs => n - 50) END, 'releaser-key'
FROM generate_series(1, {ALIASES}) AS n JOIN versions ON id = md5('version' || n)::uuid;

INSERT INTO deployments (id, release_id, model_id, environment, status, deployed_by, deployed_at, live_from, ended_at)
SELECT md5('deployment' || n)::uuid, v.id, v.model_id,
       CASE WHEN n = 17 THEN 'canary' ELSE (ARRAY['production', 'staging', 'canary', 'lab'])[1 + n % 4] END, s.status,
       'ci', at, CASE WHEN s.status = 'success' THEN at END, CASE WHEN s.status = 'success' AND n > 50 THEN now() END
FROM generate_series(1, {DEPLOYMENTS}) AS n
JOIN versions AS v ON v.id = md5('version' || n)::uuid,
LATERAL (SELECT now() - make_interval(mins => n) AS at) AS t,
LATERAL (SELECT CASE n % 40 WHEN 7 THEN 'failed' WHEN 8 THEN 'running' ELSE 'success' END AS status) AS s;

INSERT INTO audit_logs (id, action, resource_type, resource_id, details, api_key_name, created_at)
SELECT gen_random_uuid(), (ARRAY['version.create', 'version.update', 'deployment.create', 'model.create'])[1 + n % 4],
       (ARRAY['version', 'version', 'deployment', 'model'])[1 + n % 4], md5('version' || n % 4000)::uuid,
       jsonb_build_object('model', 'org' || (1 + n % 50) % 20 || '/model-' || 1 + n % 50), 'key-' || n % 20,
       now() - make_interval(secs => n)
FROM generate_series(1, {ENTRIES}) AS n;
"""

# The largest rows that the rules allow: names, tags, notes and metadata of the greatest length, full of quotes, which HTML escapes
# with five characters; and a model that is live in fifty environments.
HEAVY = """
INSERT INTO models (id, name, storage_path, description, tags, version_count, latest_version, metadata, created_at)
SELECT md5('model' || n)::uuid, rpad('org/heavy-' || n || '-', 255, 'x'), 'docker.io/org/m', repeat('"', 10000),
       (SELECT array_agg(rpad('tag-' || t, 128, 'ש')) FROM generate_series(1, 50) AS t), 1, rpad('1.1.0-', 128, 'x'),
       '{}', now() - make_interval(mins => n)
FROM generate_series(1, 60) AS n;

INSERT INTO versions (id, model_id, version, number, semver_key, tag, digest, platform, status, released_at, released_by,
                      created_by, metadata, release_notes, created_at)
SELECT md5('version' || n)::uuid, md5('model1')::uuid, rpad('1.' || n || '.0-', 128, 'x'), n, NULL, rpad('v1.' || n, 128, 'x'),
       rpad('sha256:' || n, 207, 'x'), 'linux/amd64', 'active', CASE WHEN n % 3 = 0 THEN now() END,
       CASE WHEN n % 3 = 0 THEN repeat('"', 255) END, repeat('"', 255),
       CASE WHEN n % 2 = 0 THEN keys ELSE words END, repeat('"', 65536),
       now() - make_interval(secs => n)
FROM generate_series(1, 1100) AS n,
(SELECT jsonb_object_agg(rpad('key-' || k || '-', 100, 'k'), k + 0.5) AS keys FROM generate_series(1, 2048) AS k) AS a,
(SELECT jsonb_build_object('text', repeat('"', 131000)) AS words) AS b;

INSERT INTO versions (id, model_id, version, number, semver_key, tag, digest, platform, status, created_by, metadata,
                      created_at)
SELECT md5('other' || n)::uuid, md5('model' || n)::uuid, rpad('1.1.0-', 128, 'x'), 1, NULL, 't', 'sha256:x', 'linux/amd64',
       'active', repeat('"', 255), '{}', now() - make_interval(mins => n)
FROM generate_series(2, 60) AS n;
UPDATE models SET last_number = 1;
UPDATE models SET version_count = 1100, last_number = 1100 WHERE id = md5('model1')::uuid;

INSERT INTO metrics (version_id, model_id, path, value)
SELECT md5('version' || n)::uuid, md5('model1')::uuid, rpad('key-' || k || '-', 100, 'k'), k + random()
FROM generate_series(1, 210) AS n, generate_series(1, 512) AS k;

INSERT INTO environments (id, name, rank, created_by)
SELECT gen_random_uuid(), rpad('env-' || e, 63, 'x'), e, 'x' FROM generate_series(1, 50) AS e;

INSERT INTO deployments (id, release_id, model_id, environment, status, deployed_by, endpoint_url, deployed_at, live_from)
SELECT gen_random_uuid(), CASE WHEN n = 1 THEN md5('version2') ELSE md5('other' || n) END::uuid, md5('model' || n)::uuid,
       rpad('env-' || e, 63, 'x'), 'success', repeat('"', 255), 'https://' || repeat('"', 1000),
       now() - make_interval(mins => n), now()
FROM generate_series(1, 60) AS n, generate_series(1, 50) AS e;

INSERT INTO audit_logs (id, action, resource_type, resource_id, api_key_name, details, created_at)
SELECT gen_random_uuid(), 'version.update', 'version', md5('version2')::uuid, repeat('"', 255), details,
       now() - make_interval(secs => n)
FROM generate_series(1, 100) AS n,
(SELECT jsonb_build_object('model', repeat('x', 255), 'version', repeat('"', 128), 'reason', repeat('"', 1000), 'changes',
    jsonb_build_object('metadata', jsonb_build_object('old', jsonb_build_object('a', repeat('"', 131000)), 'new', '{}'::jsonb))
    ) AS details) AS d;
"""

VERSION, MODEL, DEPLOYMENT = (f"md5('{name}')::uuid" for name in ("version17", "model18", "deployment17"))


class Filled:
    """The API on a filled database, and the cost of its statements there."""

    def __init__(self, url, app, api, values):
        self.url, self.app, self.api, self.values = url, app, api, values
        self.browser = app.test_client()
        with app.test_request_context():
            self.browser.set_cookie(auth.session_cookie(), sessions.sign_in(actor=auth.bearer_of(api.keys["admin"])))

    def request(self, method, path, query=None, body=None):
        """Return the response, and the statements that were sent, each with its parameters."""
        query = {name: value.format(**self.values) for name, value in (query or {}).items()}
        with self.sending() as sent:
            response = self.api.request(method, path.format(**self.values), body, query_string=query)
        assert response.status_code < 300, response.text
        return response, sent

    def page(self, path, part=None):
        """Return the page, or a part of it as HTMX requests it, and the statements that were sent."""
        headers = {"HX-Request": "true", "HX-Target": part} if part else {}
        with self.sending() as sent:
            response = self.browser.get(path.format(**self.values), headers=headers)
        assert response.status_code in (200, 302), response.text  # a search opens its only hit
        return response, sent

    @contextmanager
    def sending(self):
        """Yield the list of the statements that are sent meanwhile, each with its parameters."""
        sent = []

        def listen(_, __, statement, parameters, context, ___):
            written = context.statement if context else statement  # not the name of a plan
            if not written.startswith("SET LOCAL"):  # which reads nothing and has no plan
                sent.append((written, parameters))

        with self.app.app_context():
            engine = db.engine
        event.listen(engine, "before_cursor_execute", listen)
        try:
            yield sent
        finally:
            event.remove(engine, "before_cursor_execute", listen)

    def plan(self, statement, parameters, analyze=True):
        """Return every node of the plan of the statement, or of several with ; between them; changes are rolled back."""
        options = "ANALYZE, FORMAT JSON" if analyze else "FORMAT JSON"
        with closing(psycopg2.connect(self.url)) as connection, connection.cursor() as cursor:
            found = []
            for one in map(str.strip, statement.split(";")):
                if not one or one.startswith("COMMIT"):  # which reads nothing and has no plan
                    continue
                cursor.execute(f"EXPLAIN ({options}) {one}", parameters)
                found += nodes(cursor.fetchone()[0][0]["Plan"])
            return found


def nodes(plan):
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes(inner)


def scanned(plan):
    return [node["Relation Name"] for node in plan if node["Node Type"] == "Seq Scan" and node["Relation Name"] in BIG]


def wasted(plan):
    """Return the number of rows that were read and discarded."""
    kinds = ("Rows Removed by Filter", "Rows Removed by Join Filter", "Rows Removed by Index Recheck")
    return sum(node.get(kind, 0) * node["Actual Loops"] for node in plan for kind in kinds)


def read(plan):
    """Return the number of rows of big tables that were read, discarded or not."""
    return wasted(plan) + sum(
        node["Actual Rows"] * node["Actual Loops"] for node in plan if node.get("Relation Name") in BIG
    )


@contextmanager
def filled_database(url: str, fill: str = FILL) -> Iterator[Filled]:
    """Fill that database, and yield the API and a browser on it."""
    values = run(
        url,
        fill,
        "VACUUM ANALYZE",  # entries pending for the GIN indexes would make them look expensive
        f"""SELECT {MODEL}::text AS model, {VERSION}::text AS version, {DEPLOYMENT}::text AS deployment,
            to_char(now() at time zone 'utc' - interval '1 hour', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS lately,
            to_char(now() at time zone 'utc' - interval '5 hours', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS long_ago""",
    )
    with application(settings_for(url)) as app:
        api = Api(app, make_keys(app))
        api.get("/api/v1/models")  # writes the key's last use, which is then not written again for a minute
        yield Filled(url, app, api, values)


def run(url, *statements):
    """Run each statement in a transaction of its own. Returns the first row of the last one."""
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            if cursor.description is None:
                return {}
            return dict(zip([column.name for column in cursor.description], cursor.fetchone(), strict=True))
