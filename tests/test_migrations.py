"""Migrations: up and down on an empty and on a filled database."""

import secrets
import subprocess
import sys
from contextlib import closing
from hashlib import md5, sha256
from pathlib import Path

import flask_migrate
import psycopg2
import pytest
from psycopg2.extensions import parse_dsn
from semver import Version as SemVer
from sqlalchemy import Engine, create_engine, event, select, text
from sqlalchemy.orm import joinedload
from stage import SALT, Api, application, make_keys, on_server, settings_for, url_of

from catapult.config import sqlalchemy_url
from catapult.extensions import Row, db
from catapult.queries import registry, schema_version
from catapult.rules import metadata_limits
from catapult.rules.decisions import content_hash
from catapult.rules.semver import semver_key
from catapult.server import startup
from catapult.tables import Version

ROOT = Path(__file__).parent.parent
LANDED = {
    "0001_the_registry.py": "33c904e81a8048a5f6dc8c9a664d238f0f57c0ee34790e2bf521132d9f3e94a0",
    "0002_the_pages.py": "6675eb1c69717af3fd86ccee9858adf004de72c9c807c3bfbf9be7f00754b503",
    "0003_releases_under_control.py": "f218adfa5a87ac0233365e512f5f5f85e7c91eca208a7efad69a6d3e813f8e8e",
    "0004_audit_by_two_filters.py": "a326102fdd5e86422ed6c72b0ccdcd28aca229b10f30d0bdd983f339dff4ee81",
    "0005_short_searches_and_histories.py": "ee03ffee3a6f06ac8e5a83886e05003a60919305ff1dc1c0a84c6354eeb9d2ab",
    "0006_people_and_decisions.py": "dbde626a878020f01c858a7367ebea993742d71abe57e96b10066efbb3a5d2d5",
    "0007_figures_of_weeks.py": "65bda90cb4eb4e356782ba030038570f5b92633bcb1a085a0a74a2cb66427f9a",
    "0008_comments.py": "7b3c38c09d84901527b47f7aab880c992dd287f73efcdb9acf343fd2f6744f49",
    "0009_refusals_of_gates.py": "5fbc5ec30da72ba5dc6392cd64039a422c0b9bfc923806d42661d9ea855aa796",
    "0010_saved_views.py": "1d2ed1e9c79e68afba9bb4a0a83005df38ef5dcfb56e7599cd98318167e29014",
    "0011_one_order_of_versions.py": "e6b91d79c09ddfb6e72e16e28c6e62276c5e1c8fff3fd902d78cb6752bcad93d",
    "0012_numbers_and_texts_as_sent.py": "b4f4c6860d6109fe720352774829d29d10a8977360d9f8a80f65d07bd25dc68a",
    "0013_environments_in_segments.py": "c0cffa16f2c28c92052952e3a297a3b0587bef7fb3ee9b5eafeadbdd2b215dfa",
    "0014_the_worker.py": "e11a2d59295f0d9e4937aee2836b01688e84b934c5070aa3ce37829062e48246",
    "0015_sealed_audit_log.py": "400a5e8a3def453b962e614d68d9fee1990a1994d6a00156103715193499784f",
    "0016_audit_stream.py": "cde9f5259b4bfd3c0575214418a75b5361a9d4becd5cf390fd26a137a1a8761b",
    "0017_files.py": "fa6cc0d6ef3fd57a515bd3201f27182d981a6aca29300efcb6ab82d9e100eb3b",
    "0018_signed_files.py": "e35a62b1551c6e8e4789bd27f258b02044a9ac9e999c9c8a8b42427c20ebd50e",
    "0019_uploads_and_the_state_of_files.py": "47331d9627d65f6a0e74bc70690d98c05a4eebe172179879cd26790eb0871b86",
    "0020_model_cards.py": "168949f442a78a45a6ba96bcabfb08ea2344866f4dd80143fba9a25bcb6537e9",
    "0021_numbers_sources_and_names.py": "75d91c59a2eca7e79a4b53a11651fe5b8eb456a90aea4a727cf0e0f2e77f7776",
    "0022_aliases.py": "6870a33e4691a5887b42d686f77d9e6530c741afd9de02645dc892c3991d031e",
    "0023_mlflow.py": "8b3ebd0b12e0133ce13918e6f73a3a4c4de352270a73eeba6a8480e84a5bd975",
    "0024_files_of_models.py": "1ccc8294aa78ed0684d76498727a08d291b45fa492e6b0ec377006c8a4b20ba2",
    "0025_image_trust.py": "7085a94f97442368616576bd1b79649abf3db016ecca26cb709f13b6a37fa8b1",
}
"""The sha256 of each migration that databases were migrated by. Add a line once a migration has landed, and change none."""


@pytest.fixture(scope="module")
def create(cluster):
    """A function that creates a database, empty or as a copy of the one at an address, and returns its address."""

    def create(original=None):
        name = f"t{secrets.token_hex(6)}"
        template = f" TEMPLATE {parse_dsn(original)['dbname']}" if original else ""
        on_server(cluster, f"CREATE DATABASE {name}{template}")
        return url_of(cluster, name)

    return create


def migrated(url, *steps):
    """Take these steps on that database, and return what each returned."""
    with application(settings_for(url)) as app, app.app_context():
        return [step() for step in steps]


def down(revision="base"):
    return lambda: flask_migrate.downgrade(revision=revision)


def run(url, statement):
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def test_a_migration_that_has_landed_never_changes():
    """A database that was migrated by the text of before says the same revision, and lacks what was added to it since."""
    files = sorted(schema_version.FOLDER.glob("versions/*.py"))
    assert [file.name for file in files][: len(LANDED)] == list(LANDED)
    assert {file.name: sha256(file.read_text().encode()).hexdigest() for file in files[: len(LANDED)]} == LANDED


def test_readiness_looks_for_every_function_that_statements_call(make_database):
    functions = run(
        make_database(),
        """
        SELECT DISTINCT proname::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        AND prorettype <> 'trigger'::regtype AND proname NOT LIKE '%multirange'
        """,
    )
    assert sorted(schema_version.FUNCTIONS) == sorted(name for (name,) in functions)


def things(url):
    """Everything that a database holds, by kind and name, without what PostgreSQL itself brings."""
    return set(
        run(
            url,
            """
            SELECT 'relation', relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace
            UNION SELECT 'constraint', conname FROM pg_constraint WHERE connamespace = 'public'::regnamespace
            UNION SELECT 'function', proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
            UNION SELECT 'type', typname FROM pg_type WHERE typnamespace = 'public'::regnamespace
            UNION SELECT 'trigger', tgname FROM pg_trigger WHERE NOT tgisinternal
            UNION SELECT 'extension', extname FROM pg_extension WHERE extname <> 'plpgsql'
            """,
        )
    )


def test_a_table_that_somebody_uses_is_waited_for_ten_seconds_and_no_longer(make_database, capfd):
    """Whoever asks for the table after us waits as long."""
    url = make_database()
    before, waits = things(url), []

    @event.listens_for(Engine, "before_cursor_execute", retval=True)
    def shorten(_, __, statement, parameters, *___):
        waits.extend([statement] * ("lock_timeout" in statement))
        return statement.replace("'10s'", "'100ms'"), parameters

    try:
        with closing(psycopg2.connect(url)) as backup, backup.cursor() as cursor:
            cursor.execute("LOCK TABLE versions IN ACCESS SHARE MODE")  # as pg_dump holds each of them until its end
            with pytest.raises(SystemExit):
                migrated(url, down())
    finally:
        event.remove(Engine, "before_cursor_execute", shorten)
    assert waits[-1] == "SET LOCAL lock_timeout = '10s'"
    assert "Somebody else has used a table for 10 seconds, a backup perhaps." in capfd.readouterr().err
    assert things(url) == before


def test_a_filled_database_goes_down_to_nothing_and_up_to_the_same(create, under_control):
    url = create(under_control)
    before = things(url)
    assert ("trigger", "audit_logs_append_only") in before
    migrated(url, down())
    assert {name.removeprefix("_").split("_")[1] for _, name in things(url)} == {"version"}  # alembic_version, its key
    migrated(url, flask_migrate.upgrade)
    assert things(url) == before
    assert run(url, "SELECT count(*) FROM models") == [(0,)]


def test_check_sees_no_difference_until_there_is_one(make_database):
    url = make_database()
    migrated(url, flask_migrate.check)
    run(url, "DROP INDEX ix_versions_tag")
    with pytest.raises(SystemExit):
        migrated(url, flask_migrate.check)


def test_the_database_is_the_one_that_the_code_itself_would_create(make_database, create):
    """`flask db check` compares no CHECK constraints."""
    ours, other = make_database(), create()
    engine = create_engine(sqlalchemy_url(other))
    with engine.begin() as connection:
        for function in ("catapult_grams(text, text)", "catapult_entry_model(text, jsonb)"):
            ((source,),) = run(ours, f"SELECT pg_get_functiondef('{function}'::regprocedure)")
            connection.exec_driver_sql(source.replace("%", "%%"))
        connection.exec_driver_sql('CREATE TYPE catapult_place AS RANGE (subtype = text, collation = "C")')
        Row.metadata.create_all(connection)
    engine.dispose()
    assert definitions(ours) == definitions(other)
    assert "extension" not in {kind for kind, _ in things(ours)}


def definitions(url):
    """Every constraint, index and column as PostgreSQL writes it."""
    rows = run(
        url,
        """
        SELECT conname::text, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace
        UNION SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
        UNION SELECT table_name || '.' || column_name, concat_ws(' ', data_type, column_default, character_maximum_length,
            collation_name, is_nullable) FROM information_schema.columns WHERE table_schema = 'public'
        """,
    )
    return {
        (name, text) for name, text in rows if not name.startswith("alembic_version")
    }  # a key is in two of the three


def test_a_server_that_starts_migrates_its_database_and_creates_the_first_key_once(create):
    url = create()
    first, again = migrated(url, startup.prepare, startup.prepare)
    assert first.startswith("cat_")
    assert again is None
    assert run(url, "SELECT version_num FROM alembic_version") == [(schema_version.head(),)]


def test_servers_that_start_at_once_migrate_once_and_create_one_key(create, tmp_path):
    url, code = create(), "from catapult.app import create_app; from catapult.server import startup\n"
    code += "with create_app().app_context(): print(startup.prepare())"
    settings = {"DATABASE_URL": url, "API_KEY_SALT": SALT, "SECRET_KEY": "x", "CATAPULT_HOME": str(tmp_path)}
    command = [sys.executable, "-c", code]
    servers = [subprocess.Popen(command, env=settings, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    printed = [server.communicate(timeout=60)[0].strip() for server in servers]
    assert [server.returncode for server in servers] == [0, 0, 0]
    assert printed.count("None") == 2
    assert run(url, "SELECT count(*) FROM api_keys") == [(1,)]


def test_the_url_of_a_database_may_hold_a_percent_sign(make_database):
    """alembic.ini's own syntax would take it for an interpolation."""
    migrated(make_database() + "&application_name=a%2520b", flask_migrate.upgrade)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ("ENCODING 'LATIN1' LOCALE 'C'", "encoding is LATIN1"),
        ("ENCODING 'SQL_ASCII' LOCALE 'C'", "encoding is SQL_ASCII"),
    ],
)
def test_a_database_that_does_not_suit_is_refused_in_one_sentence(cluster, capfd, made, said):
    name = f"t{secrets.token_hex(6)}"
    on_server(cluster, f"CREATE DATABASE {name} TEMPLATE template0 {made}")
    url = url_of(cluster, name)
    with pytest.raises(SystemExit):
        migrated(url, startup.prepare)
    (line,) = [line for line in capfd.readouterr().err.splitlines() if "The database's" in line]
    assert said in line
    assert "created with TEMPLATE template0 ENCODING 'UTF8'" in line
    assert run(url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]


TURKISH = """
CREATE SCHEMA turkish;
CREATE FUNCTION turkish.lower(text) RETURNS text LANGUAGE sql AS 'SELECT replace(pg_catalog.lower($1), ''i'', ''ı'')';
"""


def test_a_database_that_folds_as_turkish_does_is_refused_in_one_sentence(create, cluster, capfd):
    """The build of the tests has no such locale; a function of that name does what it would."""
    url = create()
    run(url, TURKISH)
    on_server(cluster, f"ALTER DATABASE {parse_dsn(url)['dbname']} SET search_path = turkish, pg_catalog, public")
    with pytest.raises(SystemExit):
        migrated(url, startup.prepare)
    assert "does not take I and i for one letter" in capfd.readouterr().err


SETTINGS = {
    "default_transaction_isolation": ("serializable", "read committed"),
    "extra_float_digits": ("-15", "1"),
    "standard_conforming_strings": ("off", "on"),
    "datestyle": ("German", "ISO, MDY"),
    "intervalstyle": ("iso_8601", "postgres"),
    "timezone": ("Asia/Kolkata", "UTC"),
}


def test_what_a_database_or_its_role_sets_otherwise_does_not_hold_here(cluster, make_database):
    url = make_database()
    for name, (other, _) in SETTINGS.items():
        on_server(cluster, f"ALTER DATABASE {parse_dsn(url)['dbname']} SET {name} TO '{other}'")
    with application(settings_for(url)) as app, app.app_context(), db.engine.connect() as connection:
        assert {name: connection.scalar(text(f"SHOW {name}")) for name in SETTINGS} == {
            name: own for name, (_, own) in SETTINGS.items()
        }
        assert registry.connections().missing == []


# --- 0003: from a database that was in use


FILL_0002 = """
INSERT INTO api_keys (id, name, role, prefix, key_hash, salt_mark, created_by)
VALUES ('00000000-0000-7000-8000-0000000000a1', 'ci', 'publisher', 'cat_abcdefgh', sha256('1'), 'x', 'cli'),
       ('00000000-0000-7000-8000-0000000000a2', 'ci', 'publisher', 'cat_abcdefgi', sha256('2'), 'x', 'cli');
INSERT INTO models (id, name, storage_path, version_count, latest_version, deleted_at)
VALUES ('00000000-0000-7000-8000-000000000001', 'org/bert', 'docker.io/org/bert', 2, '3', NULL),
       ('00000000-0000-7000-8000-000000000002', 'org/gone', 'docker.io/org/gone', 1, '1', '2026-02-01Z');
INSERT INTO versions (id, model_id, version, tag, digest, platform, status, created_by, created_at, deleted_at)
SELECT ('00000000-0000-7000-8000-0000000000' || id)::uuid, ('00000000-0000-7000-8000-00000000000' || model)::uuid, version,
    'v', 'a:b', 'linux/amd64', status, 'ci', '2026-01-01Z'::timestamptz + make_interval(hours => id::int), gone::timestamptz
FROM (VALUES ('11', '1', '1', 'archived', NULL), ('12', '1', '2', 'active', '2026-01-20Z'), ('13', '1', '3', 'active', NULL),
    ('21', '2', '1', 'active', '2026-02-01Z')) AS listed (id, model, version, status, gone);
INSERT INTO audit_logs (id, action, resource_type, resource_id, api_key_id, api_key_name)
SELECT gen_random_uuid(), action, 'version', ('00000000-0000-7000-8000-0000000000' || id)::uuid,
    ('00000000-0000-7000-8000-0000000000' || key)::uuid, 'ci'
FROM (VALUES ('version.create', '11', 'a1'), ('version.promote', '11', 'a2'), ('version.create', '12', 'a2'),
    ('version.create', '13', NULL), ('version.update', '13', 'a1'), ('version.create', '21', 'a1'),
    ('version.create', '21', 'a1')) AS said (action, id, key);
INSERT INTO deployments (id, release_id, model_id, environment, status, deployed_by, deployed_at, updated_at, live_from, ended_at,
    deleted_at)
SELECT ('00000000-0000-7000-8000-0000000001' || id)::uuid, ('00000000-0000-7000-8000-0000000000' || release)::uuid,
    ('00000000-0000-7000-8000-00000000000' || left(release, 1))::uuid, environment, status, 'ci', at::timestamptz,
    at::timestamptz, CASE WHEN status = 'success' THEN at::timestamptz END, ended::timestamptz, gone::timestamptz
FROM (VALUES
    ('01', '11', 'Production', 'success', '2026-01-02Z', '2026-01-03Z', NULL),
    ('02', '12', 'production', 'success', '2026-01-03Z', '2026-01-04Z', '2026-01-20Z'),
    ('03', '13', 'PRODUCTION', 'success', '2026-01-04Z', NULL, NULL),
    ('04', '13', 'production', 'failed', '2026-01-05Z', NULL, NULL),
    ('05', '11', 'staging', 'success', '2026-01-02Z', '2026-01-06Z', NULL),
    ('06', '13', 'Staging', 'success', '2026-01-07Z', NULL, NULL),
    ('07', '13', 'canary-7', 'pending', '2026-01-07Z', NULL, NULL),
    ('08', '21', 'dev', 'success', '2026-01-02Z', '2026-02-01Z', '2026-02-01Z'),
    ('09', '21', 'production', 'running', '2026-01-09Z', NULL, '2026-02-01Z')
) AS listed (id, release, environment, status, at, ended, gone);
"""
CHAIN = "SELECT right(id::text, 2), right(superseded_by::text, 2) FROM deployments WHERE superseded_by IS NOT NULL ORDER BY 1"
PLACES = "SELECT name, place, protected, frozen, created_by, deleted_at FROM environments ORDER BY rank"


@pytest.fixture(scope="module")
def in_use(create):
    """A filled database as 0002 left it, for tests that leave it as it is."""
    url = create()
    migrated(url, lambda: flask_migrate.upgrade(revision="0002"))
    run(url, FILL_0002)
    return url


@pytest.fixture(scope="module")
def under_control(create, in_use):
    """The same, migrated, for tests that leave it as it is."""
    url = create(in_use)
    migrated(url, flask_migrate.upgrade)
    return url


def test_environments_are_made_of_what_was_deployed_and_ranked(under_control):
    """As their names say where a version goes; one thing whatever the case, with the name that was written last."""
    assert run(under_control, PLACES) == [
        (name, name.lower(), False, False, "migration", None) for name in ("dev", "Staging", "canary-7", "production")
    ]
    ranks = [rank for (rank,) in run(under_control, "SELECT rank FROM environments ORDER BY rank")]
    assert ranks == [1, 2, 3, 4]


def test_what_took_the_place_of_what_is_read_from_the_times(under_control):
    """05 ended a day before 06 began, and 08 with its model: nothing took their place."""
    assert run(under_control, CHAIN) == [("01", "02"), ("02", "03")]


def test_every_deployment_that_was_there_has_its_state(under_control):
    rows = run(
        under_control,
        "SELECT count(*), bool_and(s.status = d.status AND s.at = d.deployed_at)"
        " FROM deployments AS d JOIN deployment_states AS s ON s.deployment_id = d.id",
    )
    assert rows == [(9, True)]


def test_a_version_knows_which_key_registered_it(under_control):
    """Of two keys with one name, the one in the audit entry, which may be there twice; None where no key did."""
    rows = run(under_control, "SELECT version, right(created_by_key::text, 2) FROM versions ORDER BY created_at")
    assert rows == [("1", "a1"), ("2", "a2"), ("3", None), ("1", "a1")]


def test_a_database_in_use_goes_up_down_and_up_again(create, under_control):
    """What was live when, and the audit entries, are as they were."""
    url = create(under_control)
    kept = "SELECT id, environment, status, live_from, ended_at, deleted_at, counter, updated_at FROM deployments ORDER BY id"
    made = "SELECT name, rank, created_at FROM environments ORDER BY rank"
    before, places, chain = run(url, kept), run(url, made), run(url, CHAIN)
    migrated(url, down("0002"))
    assert run(url, kept) == before
    assert run(url, "SELECT count(*) FROM audit_logs") == [(7,)]
    migrated(url, flask_migrate.upgrade, flask_migrate.check)
    assert (run(url, kept), run(url, made), run(url, CHAIN)) == (before, places, chain)


def test_what_came_under_control_goes_down(create, under_control):
    """A cancelled deployment reads as failed then, and gates, freezes and approvals are gone."""
    url = create(under_control)
    run(
        url,
        """
        UPDATE deployments SET status = 'cancelled' WHERE status = 'pending';
        UPDATE environments SET frozen = true, frozen_reason = 'sale' WHERE place = 'production';
        INSERT INTO gates (id, model, target, kind, created_by) VALUES (gen_random_uuid(), '*', 'production', 'released', 'x');
        INSERT INTO approvals (id, version_id, target, gates_hash, content_hash, api_key_id, approved_by)
        SELECT gen_random_uuid(), '00000000-0000-7000-8000-000000000013', 'release', 'x', 'x', id, 'ci' FROM api_keys;
        """,
    )
    migrated(url, down("0002"), flask_migrate.upgrade, flask_migrate.check)
    counts = "SELECT (SELECT count(*) FROM gates) + (SELECT count(*) FROM environments WHERE frozen)"
    states = "SELECT d.status, s.status FROM deployments AS d JOIN deployment_states AS s ON s.deployment_id = d.id"
    assert run(url, counts) == [(0,)]
    assert run(url, f"{states} WHERE environment = 'canary-7'") == [("failed", "failed")]


# --- 0006: people, and evidence of before

FILL_0005 = """
INSERT INTO api_keys (id, name, role, prefix, key_hash, salt_mark, created_by)
SELECT ('00000000-0000-7000-8000-0000000000' || id)::uuid, 'ci', 'releaser', 'cat_abcdef' || id, sha256(id::bytea), 'x', 'cli'
FROM unnest(ARRAY['a1', 'a2', 'a3', 'b1', 'b2']) AS id;
INSERT INTO audit_logs (id, action, resource_type, resource_id, api_key_id, api_key_name, details)
SELECT gen_random_uuid(), action, 'api_key', ('00000000-0000-7000-8000-0000000000' || id)::uuid,
    ('00000000-0000-7000-8000-0000000000' || by)::uuid, 'ci',
    CASE WHEN before IS NULL THEN '{}' ELSE jsonb_build_object('replaces', '00000000-0000-7000-8000-0000000000' || before) END
FROM (VALUES ('api_key.create', 'a1', NULL, NULL), ('api_key.rotate', 'a2', NULL, 'a1'), ('api_key.rotate', 'a3', 'a2', 'a2'),
    ('api_key.rotate', 'a3', 'a2', 'a2'), ('api_key.create', 'b1', 'a1', NULL)) AS listed (action, id, by, before);
INSERT INTO models (id, name, storage_path, version_count, latest_version)
SELECT ('00000000-0000-7000-8000-00000000000' || id)::uuid, 'org/' || id, 'docker.io/org/' || id, 4, '4'
FROM unnest(ARRAY['1', '2']) AS id;
INSERT INTO versions (id, model_id, version, tag, digest, platform, status, created_by, created_at, metadata, released_at,
    released_by)
SELECT ('00000000-0000-7000-8000-00000000001' || id)::uuid, ('00000000-0000-7000-8000-00000000000' || model)::uuid, id, 'v', 'a:b',
    'linux/amd64', 'active', 'ci', '2026-01-01Z', '{"accuracy": 0.95, "é": 1e-7}', released::timestamptz, left(released, 2)
FROM (VALUES ('1', '1', '2026-01-04Z'), ('2', '1', NULL), ('3', '1', NULL), ('4', '2', NULL)) AS listed (id, model, released);
INSERT INTO approvals (id, version_id, target, standing, api_key_id, approved_by, created_at, withdrawn_at)
SELECT ('00000000-0000-7000-8000-00000000020' || id)::uuid, ('00000000-0000-7000-8000-00000000001' || version)::uuid, 'release',
    'x', ('00000000-0000-7000-8000-0000000000' || key)::uuid, 'ci', '2026-01-02Z', withdrawn::timestamptz
FROM (VALUES ('1', '1', 'b1', NULL), ('2', '2', 'b1', NULL), ('3', '3', 'b1', NULL), ('4', '4', 'b1', NULL),
    ('5', '2', 'b2', '2026-01-02Z')) AS listed (id, version, key, withdrawn);
INSERT INTO audit_logs (id, action, resource_type, resource_id, created_at, details)
SELECT gen_random_uuid(), split_part(id, ' ', 1), 'version', ('00000000-0000-7000-8000-0000000000' || split_part(id, ' ', 2))::uuid,
    at::timestamptz, jsonb_build_object('changes', jsonb_build_object(field, '{"old": 1, "new": 2}'::jsonb))
FROM (VALUES ('version.update 11', 'release_notes', '2026-01-03Z'), ('version.update 11', 'metadata', '2026-01-01 12:00Z'),
    ('version.update 12', 'metadata', '2026-01-04Z'), ('version.update 12', 'quantization', '2026-01-03Z'),
    ('version.update 13', 'ceph_path', '2026-01-03Z'), ('model.update 02', 'repository', '2026-01-05Z'),
    ('model.update 01', 'description', '2026-01-05Z')) AS listed (id, field, at);
INSERT INTO environments (id, name, rank, created_by) VALUES (gen_random_uuid(), 'production', 1, 'x');
INSERT INTO deployments (id, release_id, model_id, environment, status, deployed_by, live_from)
VALUES ('00000000-0000-7000-8000-000000000301', '00000000-0000-7000-8000-000000000011', '00000000-0000-7000-8000-000000000001',
    'production', 'success', 'x', '2026-01-05Z');
"""
LINES = """
SELECT right(id::text, 2), right(replaces_id::text, 2), right(line_id::text, 2), right(created_by_key::text, 2)
FROM api_keys ORDER BY id
"""
VOID = "SELECT right(id::text, 1), voided_at, void_reason FROM approvals ORDER BY 1"


@pytest.fixture(scope="module")
def with_people(create):
    """A filled database as 0005 left it, migrated, for tests that leave it as it is."""
    url = create()
    migrated(url, lambda: flask_migrate.upgrade(revision="0005"))
    run(url, FILL_0005)
    migrated(url, flask_migrate.upgrade, flask_migrate.check)
    return url


def test_keys_that_were_rotated_before_belong_to_one_line(with_people):
    """As the audit log has it, also where it has a rotation twice; every key is a service's."""
    assert run(with_people, LINES) == [
        ("a1", None, None, None),
        ("a2", "a1", "a1", None),
        ("a3", "a2", "a1", "a2"),
        ("b1", None, None, "a1"),
        ("b2", None, None, None),
    ]
    unbound = "SELECT count(*) FROM api_keys WHERE num_nonnulls(person_id, models, environments) > 0 OR asks_name"
    assert run(with_people, unbound) == [(0,)]


def test_approvals_of_a_content_that_has_changed_since_are_void_from_the_first_change_on(with_people):
    """2 by metadata and quantization, 3 by its ceph_path, 4 by its model's repository; 1 by none, and 5 was withdrawn."""
    rows = run(with_people, VOID)
    assert [(name, at and at.day) for name, at, _ in rows] == [("1", None), ("2", 3), ("3", 3), ("4", 5), ("5", None)]
    assert {reason for _, at, reason in rows if at} == {"the content has changed since"}


def test_an_approval_that_still_holds_is_of_the_content_that_there_is(with_people):
    query = select(Version).where(Version.version == "1").options(joinedload(Version.model))
    (expected,) = migrated(with_people, lambda: content_hash(db.session.scalars(query).one()))
    assert run(with_people, "SELECT content_hash FROM approvals WHERE right(id::text, 1) = '1'") == [(expected,)]


def test_what_was_let_through_before_has_no_decision(create, with_people):
    url = create(with_people)
    with application(settings_for(url)) as app:
        api = Api(app, make_keys(app))
        (deployment,) = api.get("/api/v1/deployments?live=true").json
        whole = api.get(f"/api/v1/deployments/{deployment['id']}").json
        assert (whole["decision_id"], whole["decision"], whole["override"]) == (None, None, False)
        release = api.get(f"/api/v1/versions/{deployment['release_id']}").json
        assert (release["is_release"], release["decision_id"], release["override"]) == (True, None, False)
        assert api.get(f"/api/v1/versions/{release['id']}/decisions").json == []


KEPT = (
    "SELECT id::text, action, details::text FROM audit_logs ORDER BY id",
    "SELECT id::text, name, role, expires_at, revoked_at FROM api_keys ORDER BY id",
    "SELECT id::text, release_id::text, live_from, ended_at FROM deployments ORDER BY id",
    "SELECT id::text, released_at, released_by FROM versions ORDER BY id",
)


def test_people_and_decisions_go_down_and_up_and_no_void_approval_counts_again(create, with_people):
    """What 0005 cannot hold is gone; keys, approvals that hold, deployments and all audit entries stay."""
    url = create(with_people)
    with application(settings_for(url)) as app:
        api = Api(app, make_keys(app))
        person = api.make("/api/v1/people", {"name": "Dana", "role": "releaser"})
        key = api.make("/api/v1/api-keys", {"name": "laptop", "person_id": person["id"], "models": ["org/*"]})
        api.make(f"/api/v1/api-keys/{key['id']}/rotate", {})
        version = api.get("/api/v1/versions?version=3").json[0]
        assert api.post(f"/api/v1/versions/{version['id']}/promote", {}).status_code == 200
        api.deployment(version)
        gone = {"model_name": "org/1", "reason": "gone"}
        assert api.post("/api/v1/environments/production/retire", gone).status_code == 200
    before = [run(url, statement) for statement in KEPT]
    migrated(url, down("0005"))
    assert [run(url, statement) for statement in KEPT] == before
    assert run(url, "SELECT right(id::text, 1), standing FROM approvals ORDER BY 1") == [("1", "x"), ("5", "x")]
    with pytest.raises(psycopg2.errors.InsufficientPrivilege, match="audit_logs can only be added to"):
        run(url, "DELETE FROM audit_logs")
    migrated(url, flask_migrate.upgrade, flask_migrate.check)
    assert [run(url, statement) for statement in KEPT] == before
    assert run(url, "SELECT count(*) FROM decisions") == [(0,)]
    assert run(url, f"SELECT line_id::text FROM api_keys WHERE replaces_id = '{key['id']}'") == [(key["id"],)]


def test_decisions_cannot_be_changed_and_the_audit_log_still_cannot(with_people):
    for table in ("decisions", "audit_logs"):
        for statement in (f"DELETE FROM {table}", f"TRUNCATE {table} CASCADE"):
            with pytest.raises(psycopg2.errors.InsufficientPrivilege, match=f"{table} can only be added to"):
                run(with_people, statement)


# --- 0011: one order of versions

FILL_0010 = """
INSERT INTO models (id, name, storage_path) VALUES ('00000000-0000-7000-8000-000000000001', 'org/m', 'x');
"""
VERSION_0010 = (
    "INSERT INTO versions (id, version, semver_key, model_id, tag, digest, platform, status, created_by, created_at)"
)
REST_0010 = "'00000000-0000-7000-8000-000000000001', 'v', 'a:b', 'linux/amd64', 'active', 'ci', clock_timestamp()"


def test_dotted_numbers_get_their_order_and_lose_it(create, under_control):
    """By SQL the same keys as by Python; what SemVer gave stays. A model knows when its newest version came."""
    names = [
        "9",
        "v10",
        "1.10",
        "2026.01.15",
        "2026.02.3",
        "1.2.3.4",
        "0.0",
        "1.2.3",
        "01.2.3",
        "1.2.3-rc1",
        "nightly",
        "1.0-a",
    ]
    url = create()
    migrated(url, lambda: flask_migrate.upgrade(revision="0010"))
    run(url, FILL_0010)
    for name in names:
        key = semver_key(name) if SemVer.is_valid(name) else ""
        run(url, f"{VERSION_0010} VALUES (gen_random_uuid(), '{name}', nullif('{key}', ''), {REST_0010})")
    migrated(url, flask_migrate.upgrade, flask_migrate.check)
    keys = "SELECT version, semver_key FROM versions"
    assert dict(run(url, keys)) == {name: semver_key(name) for name in names}
    assert run(url, "SELECT newest_at = (SELECT max(created_at) FROM versions) FROM models") == [(True,)]
    migrated(url, down("0010"))
    assert {name for name, key in run(url, keys) if key} == {"1.2.3", "1.2.3-rc1"}


# --- 0012: numbers and texts as they were sent

FILL_0011 = """
INSERT INTO models (id, name, storage_path) VALUES ('00000000-0000-7000-8000-000000000001', 'org/m', 'x');
INSERT INTO versions (id, model_id, version, tag, digest, platform, status, created_by, metadata)
VALUES ('00000000-0000-7000-8000-000000000011', '00000000-0000-7000-8000-000000000001', '1', 'v', 'a:b', 'p', 'active', 'ci',
    ('{"run": 321588685835436831, "a": {"b": -9007199254740993}, "a.b": 0.5, "c.d": {"e": 9007199254740993}, "f": 0.1,
    "large": 1e300, "l": [1, [2.5], {"v": 321588685835436831}, "x"], "losses": ' || (SELECT CAST(jsonb_agg(n) AS text)
    FROM generate_series(1, 70) AS n) || '}')::jsonb);
INSERT INTO metrics (version_id, model_id, path, value)
SELECT id, model_id, path, CAST(number AS double precision) FROM versions, (VALUES ('run', '321588685835436831'),
    ('a.b', '-9007199254740993'), ('c.d.e', '9007199254740993'), ('f', '0.1'), ('large', '1e300')) AS sent (path, number);
INSERT INTO gates (id, model, target, kind, path, op, value, created_by)
VALUES (gen_random_uuid(), '*', 'release', 'metric', 'run', '>=', 0.1, 'x');
UPDATE models SET description = 'cafe\u0301';
INSERT INTO people (id, name, role, created_by) VALUES ('00000000-0000-7000-8000-0000000000c1', 'Dana', 'viewer', 'x');
INSERT INTO saved_views (id, person_id, name, address)
SELECT gen_random_uuid(), '00000000-0000-7000-8000-0000000000c1', name, '/models'
FROM unnest(ARRAY['caf\u00e9', 'cafe\u0301']) AS name;
"""


def test_numbers_get_all_their_digits_and_texts_are_found_in_either_form(create):
    url = create()
    migrated(url, lambda: flask_migrate.upgrade(revision="0011"))
    run(url, FILL_0011)
    migrated(url, flask_migrate.upgrade, flask_migrate.check)
    exact = {
        "run": 321588685835436831,
        "a.b": -9007199254740993,
        "c.d.e": 9007199254740993,
        "f": None,
        "large": 10**300,
    }
    assert dict(run(url, "SELECT path, exact FROM metrics WHERE path !~ '[[]'")) == exact
    listed = run(url, "SELECT path, coalesce(exact, value::numeric) FROM metrics WHERE path ~ '[[]'")
    [(metadata,)] = run(url, "SELECT metadata FROM versions")
    assert dict(listed) == {path: number for path, number in metadata_limits.numbers(metadata) if "[" in path}
    assert len(listed) == 64
    assert run(url, "SELECT value::text FROM gates") == [("0.1",)]
    assert run(url, "SELECT catapult_grams(name, description) @> ARRAY['fé'] FROM models") == [(True,)]
    assert len(run(url, "SELECT DISTINCT lower(normalize(name)) FROM saved_views")) == 2
    migrated(url, down("0011"))
    assert run(url, "SELECT value FROM gates") == [(0.1,)]


# --- 0013: environments in segments

REVIEW = "INSERT INTO environments (id, name, rank, created_by) VALUES (gen_random_uuid(), 'review/{}', 9, 'x')"


def test_names_with_segments_stay_on_the_way_down_and_no_new_one_comes(create, under_control):
    url = create(under_control)
    run(url, REVIEW.format("x"))
    migrated(url, down("0012"))
    with pytest.raises(psycopg2.errors.CheckViolation):
        run(url, REVIEW.format("y"))
    migrated(url, flask_migrate.upgrade, flask_migrate.check)
    run(url, REVIEW.format("y"))
    assert run(url, "SELECT count(*) FROM environments WHERE name LIKE 'review/%'") == [(2,)]


# --- 0015: a sealed audit log


def test_entries_of_before_wait_to_be_sealed_and_later_ones_too(create):
    url = create()
    migrated(url, lambda: flask_migrate.upgrade(revision="0014"))
    row = "gen_random_uuid(), 'a.b', 'model'"
    insert = f"INSERT INTO audit_logs (id, action, resource_type) SELECT {row} FROM generate_series(1, {{}})"
    run(url, insert.format(3))
    migrated(url, flask_migrate.upgrade, flask_migrate.check)
    run(url, insert.format(2))
    waiting = "SELECT entry_id FROM unsealed_entries ORDER BY 1"
    assert run(url, waiting) == run(url, "SELECT id FROM audit_logs ORDER BY 1")
    assert len(run(url, waiting)) == 5
    migrated(url, down("0014"))
    run(url, insert.format(1))
    assert run(url, "SELECT count(*) FROM audit_logs") == [(6,)]


def test_gates_for_signed_files_go_with_what_they_look_at(create):
    url = create()
    migrated(url, flask_migrate.upgrade)
    gate = (
        "INSERT INTO gates (id, model, target, kind, created_by) VALUES (gen_random_uuid(), '*', 'staging', '{}', 'x')"
    )
    for kind in ("files_signed", "files_intact", "released"):
        run(url, gate.format(kind))
    run(url, "INSERT INTO gate_refusals SELECT id, '2026-11-23', 1 FROM gates")
    migrated(url, down("0017"))
    assert run(url, "SELECT kind FROM gates JOIN gate_refusals ON gate_id = gates.id") == [("released",)]
    migrated(url, flask_migrate.upgrade, flask_migrate.check)
    run(url, gate.format("files_signed"))


# --- 0021: numbers and sources

FILL_0017 = """
INSERT INTO models (id, name, storage_path, deleted_at)
SELECT ('00000000-0000-7000-8000-00000000000' || id)::uuid, 'org/' || id, 'x', gone::timestamptz
FROM (VALUES ('1', NULL), ('2', '2026-02-01Z'), ('3', NULL)) AS listed (id, gone);
INSERT INTO versions (id, model_id, version, tag, digest, platform, status, created_by, created_at, deleted_at)
SELECT ('00000000-0000-7000-8000-00000000001' || id)::uuid, ('00000000-0000-7000-8000-00000000000' || model)::uuid, id, 'v', 'a:b',
    'p', 'active', 'ci', at::timestamptz, gone::timestamptz
FROM (VALUES ('1', '1', '2026-01-03Z', NULL), ('2', '1', '2026-01-01Z', NULL), ('3', '1', '2026-01-01Z', NULL),
    ('4', '2', '2026-01-02Z', '2026-02-01Z'), ('5', '1', '2026-01-04Z', '2026-01-05Z')) AS listed (id, model, at, gone);
"""


def test_versions_of_before_are_numbered_by_their_time_and_lose_their_numbers(create):
    """Deleted ones too, since their numbers are not used again."""
    url = create()
    migrated(url, lambda: flask_migrate.upgrade(revision="0017"))
    run(url, FILL_0017)
    migrated(url, flask_migrate.upgrade, flask_migrate.check)
    numbers = "SELECT version, number FROM versions ORDER BY version"
    assert run(url, numbers) == [("1", 3), ("2", 1), ("3", 2), ("4", 1), ("5", 4)]
    assert run(url, "SELECT last_number FROM models ORDER BY name") == [(4,), (1,), (0,)]
    migrated(url, down("0017"), flask_migrate.upgrade, flask_migrate.check)
    assert run(url, numbers) == [("1", 3), ("2", 1), ("3", 2), ("4", 1), ("5", 4)]


def test_a_version_of_a_source_has_a_digest_that_no_image_registry_takes_after_a_downgrade(create):
    url = create()
    migrated(url, lambda: flask_migrate.upgrade(revision="0017"))
    run(url, FILL_0017)
    migrated(url, flask_migrate.upgrade)
    run(url, "UPDATE versions SET tag = NULL, digest = NULL, source = 's3://a/1' WHERE version = '1'")
    migrated(url, down("0017"))
    rows = run(url, "SELECT tag, digest FROM versions WHERE version IN ('1', '2') ORDER BY version")
    assert rows == [("source", f"source:{md5(b's3://a/1').hexdigest()}"), ("v", "a:b")]
    migrated(url, flask_migrate.upgrade, flask_migrate.check)


# --- 0022: aliases

FILL_0022 = """
INSERT INTO decisions (id, kind, at, by, version_id, model_id, model_name, version, target, content, override,
    override_by_registrant, verdicts, approvals)
SELECT gen_random_uuid(), 'move', now(), 'x', id, model_id, 'org/bert', version, '@champion', '{}', true, false, '[]', '[]'
FROM versions WHERE version = '3';
INSERT INTO aliases (id, model_id, name, version_id, since, set_by, decision_id, override)
SELECT gen_random_uuid(), model_id, 'champion', version_id, now(), 'x', id, true FROM decisions WHERE kind = 'move';
"""
ALIAS_GATE = (
    "INSERT INTO gates (id, model, target, kind, created_by) VALUES (gen_random_uuid(), '*', '@{}', 'released', 'x')"
)


def test_aliases_are_lost_on_the_way_down_and_what_was_decided_about_them_stays(create, under_control):
    url = create(under_control)
    run(url, FILL_0022 + ALIAS_GATE.format("champion"))
    migrated(url, down("0021"))
    with pytest.raises(psycopg2.errors.CheckViolation):
        run(url, ALIAS_GATE.format("next"))
    migrated(url, flask_migrate.upgrade, flask_migrate.check)
    run(url, ALIAS_GATE.format("next"))
    assert run(url, "SELECT count(*) FROM aliases") == [(0,)]
    assert run(url, "SELECT target FROM decisions WHERE kind = 'move'") == [("@champion",)]
    assert run(url, "SELECT target FROM gates ORDER BY target") == [("@champion",), ("@next",)]


# --- 0023: the key of MLflow's tags

FILL_0023 = """
INSERT INTO models (id, name, storage_path, metadata)
VALUES ('00000000-0000-7000-8000-000000000001', 'org/m', 'x', '{"mlflow_tags": ["a"]}');
INSERT INTO versions (id, model_id, version, number, tag, digest, platform, status, created_by, metadata)
SELECT gen_random_uuid(), '00000000-0000-7000-8000-000000000001', name, name::int, 'v', 'a:b', 'p', 'active', 'ci',
    jsonb_build_object('mlflow_tags', sent::jsonb, 'mlflow', jsonb_build_object('run_id', repeat('x', 9000)))
FROM (VALUES ('1', '{"task": "nlp"}'), ('2', '{"acc": 3}'), ('3', '"text"'), ('4', 'null')) AS listed (name, sent);
INSERT INTO metrics (version_id, model_id, path, value) SELECT id, model_id, 'mlflow_tags.acc', 3 FROM versions WHERE version = '2';
"""


def test_what_is_no_tag_of_mlflow_goes_on_below_another_key(create):
    url = create()
    migrated(url, lambda: flask_migrate.upgrade(revision="0022"))
    run(url, FILL_0023)
    migrated(url, flask_migrate.upgrade, flask_migrate.check)
    assert run(url, "SELECT version, metadata - 'mlflow' FROM versions ORDER BY version") == [
        ("1", {"mlflow_tags": {"task": "nlp"}}),
        ("2", {"former_mlflow_tags": {"acc": 3}}),
        ("3", {"former_mlflow_tags": "text"}),
        ("4", {"former_mlflow_tags": None}),
    ]
    assert run(url, "SELECT path FROM metrics") == [("former_mlflow_tags.acc",)]
    assert run(url, "SELECT metadata FROM models") == [({"former_mlflow_tags": ["a"]},)]
