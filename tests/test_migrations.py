"""Migrations: up and down on an empty and on a filled database, and safe when several servers start at once."""

import secrets
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import flask_migrate
import psycopg2
import pytest
from sqlalchemy import Engine, create_engine, inspect
from stage import SALT, make_keys, on_server, settings_for, url_of

from catapult.app import create_app
from catapult.config import sqlalchemy_url
from catapult.extensions import Row, db
from catapult.queries import schema_version
from catapult.server import startup

ROOT = Path(__file__).parent.parent
UP = """
import sys, flask_migrate
from catapult.app import create_app
with create_app().app_context():
    flask_migrate.upgrade()
"""
FILL = """
INSERT INTO models (id, name, storage_path, version_count, latest_version)
VALUES ('00000000-0000-7000-8000-000000000001', 'org/bert', 'docker.io/org/bert', 1, '1.0.0');
INSERT INTO versions (id, model_id, version, tag, digest, platform, status, created_by)
VALUES ('00000000-0000-7000-8000-000000000002', '00000000-0000-7000-8000-000000000001', '1.0.0', 'v1', 'a:b',
        'linux/amd64', 'active', 'x');
INSERT INTO metrics (version_id, model_id, path, value)
VALUES ('00000000-0000-7000-8000-000000000002', '00000000-0000-7000-8000-000000000001', 'accuracy', 0.9);
INSERT INTO environments (id, name, rank, created_by) VALUES (gen_random_uuid(), 'production', 1, 'x');
INSERT INTO deployments (id, release_id, model_id, environment, status, deployed_by, live_from)
VALUES ('00000000-0000-7000-8000-000000000003', '00000000-0000-7000-8000-000000000002',
        '00000000-0000-7000-8000-000000000001', 'production', 'success', 'x', now());
"""


@pytest.fixture
def empty(cluster):
    """The address of a database of its own without any table."""
    name = f"t{secrets.token_hex(6)}"
    on_server(cluster, f"CREATE DATABASE {name}")
    return url_of(cluster, name)


def migrated(url, *steps):
    """The application on that database, after these steps of migrating it."""
    app = create_app(settings_for(url))
    with app.app_context():
        for step in steps:
            step()
        close()
    return app


def close():
    db.session.remove()
    db.engine.dispose()


def down():
    flask_migrate.downgrade(revision="base")


def run(url, statement):
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def things(url):
    """All that a database holds by kind and name, but for what PostgreSQL itself brings."""
    return set(
        run(
            url,
            """
            SELECT 'relation', relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace
            UNION SELECT 'constraint', conname FROM pg_constraint WHERE connamespace = 'public'::regnamespace
            UNION SELECT 'function', proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
            UNION SELECT 'trigger', tgname FROM pg_trigger WHERE NOT tgisinternal
            """,
        )
    )


def reflected(url) -> Engine:
    return create_engine(sqlalchemy_url(url))


def test_migrating_does_not_keep_everybody_waiting_for_a_table_that_somebody_uses(empty, capfd):
    migrated(empty, flask_migrate.upgrade)
    before = things(empty)
    with closing(psycopg2.connect(empty)) as backup, backup.cursor() as cursor:
        cursor.execute("LOCK TABLE versions IN ACCESS SHARE MODE")  # as pg_dump holds each of them until its end
        with pytest.raises(SystemExit):
            migrated(empty, down)
    assert "Somebody else has used a table for 10 seconds, a backup perhaps." in capfd.readouterr().err
    assert things(empty) == before


def test_up_makes_everything_and_down_leaves_nothing(empty):
    before = things(empty)
    migrated(empty, flask_migrate.upgrade)
    assert ("trigger", "audit_logs_append_only") in things(empty)
    migrated(empty, down)
    left = things(empty) - before
    assert {name for _, name in left} <= {
        "alembic_version",
        "alembic_version_pkc",
        "alembic_version_version_num_not_null",
    }


def test_up_again_after_down_makes_the_same(empty):
    migrated(empty, flask_migrate.upgrade)
    first = things(empty)
    migrated(empty, down, flask_migrate.upgrade)
    assert things(empty) == first


def test_up_twice_changes_nothing(empty):
    migrated(empty, flask_migrate.upgrade)
    run(empty, FILL)
    migrated(empty, flask_migrate.upgrade)
    assert run(empty, "SELECT count(*) FROM versions") == [(1,)]


def test_a_filled_database_goes_down_and_up(empty):
    app = migrated(empty, flask_migrate.upgrade)
    make_keys(app)
    with app.app_context():
        close()
    run(empty, FILL)
    migrated(empty, down, flask_migrate.upgrade)
    assert run(empty, "SELECT count(*) FROM models") == [(0,)]
    run(empty, FILL)


def test_the_database_is_at_the_head_afterwards(empty):
    migrated(empty, flask_migrate.upgrade)
    assert run(empty, "SELECT version_num FROM alembic_version") == [(schema_version.head(),)]


def test_there_is_one_head_and_each_step_goes_both_ways(empty):
    migrated(empty, flask_migrate.upgrade)
    before = things(empty)

    def step_by_step():
        flask_migrate.downgrade(revision="-1")
        flask_migrate.upgrade(revision="+1")

    migrated(empty, step_by_step)
    assert things(empty) == before


def test_the_tables_are_those_of_the_code(empty):
    migrated(empty, flask_migrate.upgrade, flask_migrate.check)


def test_check_sees_a_difference(empty):
    migrated(empty, flask_migrate.upgrade)
    run(empty, "DROP INDEX ix_versions_tag")
    with pytest.raises(SystemExit):
        migrated(empty, flask_migrate.check)


def test_every_table_constraint_and_index_of_the_code_is_there(empty):
    migrated(empty, flask_migrate.upgrade)
    engine = reflected(empty)
    seen = inspect(engine)
    for table in Row.metadata.sorted_tables:
        assert seen.has_table(table.name)
        named = {index["name"] for index in seen.get_indexes(table.name)}
        assert {index.name for index in table.indexes} <= named
        there = {
            name
            for (name,) in run(empty, f"SELECT conname FROM pg_constraint WHERE conrelid = '{table.name}'::regclass")
        }
        assert {str(constraint.name) for constraint in table.constraints} <= there
        columns = {column["name"]: column["nullable"] for column in seen.get_columns(table.name)}
        assert columns == {column.name: column.nullable for column in table.columns}
    engine.dispose()


def test_every_constraint_is_written_as_in_the_code(empty, cluster):
    """`flask db check` compares no CHECK constraints: this does, with the tables that the code itself would make."""
    migrated(empty, flask_migrate.upgrade)
    other = f"t{secrets.token_hex(6)}"
    on_server(cluster, f"CREATE DATABASE {other}")
    engine = reflected(url_of(cluster, other))
    with engine.begin() as connection:
        for function in ("catapult_grams(text, text)", "catapult_entry_model(text, jsonb)"):
            ((source,),) = run(empty, f"SELECT pg_get_functiondef('{function}'::regprocedure)")
            connection.exec_driver_sql(source.replace("%", "%%"))
        connection.exec_driver_sql('CREATE TYPE catapult_place AS RANGE (subtype = text, collation = "C")')
        Row.metadata.create_all(connection)
    engine.dispose()
    assert definitions(empty) == definitions(url_of(cluster, other))


def definitions(url):
    """Every constraint, index and default as PostgreSQL writes it."""
    found = run(
        url,
        """
        SELECT conname::text, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace
        UNION SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
        UNION SELECT table_name || '.' || column_name, data_type || coalesce(' ' || column_default, '') ||
            coalesce(' ' || character_maximum_length, '') || coalesce(' ' || collation_name, '')
        FROM information_schema.columns WHERE table_schema = 'public'
        """,
    )
    return {name: text for name, text in found if not name.startswith("alembic_version")}


def test_several_servers_that_start_at_once_migrate_once(empty, tmp_path):
    settings = {
        "DATABASE_URL": empty,
        "API_KEY_SALT": SALT,
        "SECRET_KEY": "a secret for tests",
        "CATAPULT_HOME": str(tmp_path),
        "LOG_LEVEL": "ERROR",
        "PATH": "",
    }

    def start(_):
        return subprocess.run(
            [sys.executable, "-c", UP], env=settings, cwd=ROOT, capture_output=True, text=True, check=False
        )

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(start, range(4)))
    assert [each.returncode for each in done] == [0] * 4, [each.stderr for each in done]
    assert run(empty, "SELECT version_num FROM alembic_version") == [(schema_version.head(),)]


def test_a_server_that_starts_finds_its_database_ready(empty):
    app = create_app(settings_for(empty))
    with app.app_context():
        first = startup.prepare()
        again = startup.prepare()
        close()
    assert first is not None
    assert first.startswith("cat_")
    assert again is None


def test_the_url_of_a_database_may_hold_a_percent_sign(empty):
    """alembic.ini's own syntax would take it for an interpolation."""
    url = empty + ("&" if "?" in empty else "?") + "application_name=a%2520b"
    migrated(url, flask_migrate.upgrade)
    assert run(empty, "SELECT version_num FROM alembic_version") == [(schema_version.head(),)]


def test_no_extension_is_needed(empty):
    migrated(empty, flask_migrate.upgrade)
    assert run(empty, "SELECT extname FROM pg_extension WHERE extname <> 'plpgsql'") == []


def test_there_is_no_table_that_the_code_does_not_know(empty):
    migrated(empty, flask_migrate.upgrade)
    engine = reflected(empty)
    there = set(inspect(engine).get_table_names())
    engine.dispose()
    assert there == {table.name for table in Row.metadata.sorted_tables} | {"alembic_version"}


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
    ('version.create', '13', NULL), ('version.update', '13', 'a1'), ('version.create', '21', 'a1')) AS said (action, id, key);
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


@pytest.fixture
def in_use(empty):
    """A filled database as 0002 left it."""
    migrated(empty, lambda: flask_migrate.upgrade(revision="0002"))
    run(empty, FILL_0002)
    return empty


@pytest.fixture
def under_control(in_use):
    migrated(in_use, flask_migrate.upgrade)
    return in_use


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
    """Of two keys with one name, the one in the audit entry; None where no key did."""
    rows = run(under_control, "SELECT version, right(created_by_key::text, 2) FROM versions ORDER BY created_at")
    assert rows == [("1", "a1"), ("2", "a2"), ("3", None), ("1", "a1")]


def test_a_database_in_use_goes_up_down_and_up_again(under_control):
    """What was live when, and the audit entries, are as they were."""
    kept = "SELECT id, environment, status, live_from, ended_at, deleted_at, counter, updated_at FROM deployments ORDER BY id"
    made = "SELECT name, rank, created_at FROM environments ORDER BY rank"
    before, places, chain = run(under_control, kept), run(under_control, made), run(under_control, CHAIN)
    migrated(under_control, lambda: flask_migrate.downgrade(revision="0002"))
    assert run(under_control, kept) == before
    assert run(under_control, "SELECT count(*) FROM audit_logs") == [(6,)]
    migrated(under_control, flask_migrate.upgrade, flask_migrate.check)
    assert (run(under_control, kept), run(under_control, made), run(under_control, CHAIN)) == (before, places, chain)


def test_what_came_under_control_goes_down(under_control):
    """A cancelled deployment reads as failed then, and gates, freezes and approvals are gone."""
    run(
        under_control,
        """
        UPDATE deployments SET status = 'cancelled' WHERE status = 'pending';
        UPDATE environments SET frozen = true, frozen_reason = 'sale' WHERE place = 'production';
        INSERT INTO gates (id, model, target, kind, created_by) VALUES (gen_random_uuid(), '*', 'production', 'released', 'x');
        INSERT INTO approvals (id, version_id, target, standing, api_key_id, approved_by)
        SELECT gen_random_uuid(), '00000000-0000-7000-8000-000000000013', 'release', 'x', id, 'ci' FROM api_keys;
        """,
    )
    migrated(under_control, lambda: flask_migrate.downgrade(revision="0002"))
    assert run(under_control, "SELECT status FROM deployments WHERE environment = 'canary-7'") == [("failed",)]
    migrated(under_control, flask_migrate.upgrade, flask_migrate.check)
    assert run(under_control, "SELECT count(*) FROM gates") == [(0,)]
    assert run(under_control, "SELECT status FROM deployment_states WHERE right(deployment_id::text, 2) = '07'") == [
        ("failed",)
    ]


def test_a_second_registration_in_the_audit_log_changes_nothing(in_use):
    """A migration reads what is there and never fails on it: two entries of one version are one registration."""
    run(
        in_use,
        "INSERT INTO audit_logs (id, action, resource_type, resource_id, api_key_id)"
        " SELECT gen_random_uuid(), action, resource_type, resource_id, api_key_id FROM audit_logs",
    )
    migrated(in_use, flask_migrate.upgrade)
    rows = run(in_use, "SELECT version, right(created_by_key::text, 2) FROM versions ORDER BY created_at")
    assert rows == [("1", "a1"), ("2", "a2"), ("3", None), ("1", "a1")]


# --- history stays


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM versions WHERE right(id::text, 2) = '13'",
        "DELETE FROM versions WHERE right(id::text, 2) = '12'",
        "DELETE FROM versions",
        "DELETE FROM models",
        "DELETE FROM deployments WHERE right(id::text, 2) = '03'",
        "DELETE FROM deployments WHERE right(id::text, 2) = '07'",
        "DELETE FROM environments WHERE place = 'production'",
        "DELETE FROM api_keys",
        "TRUNCATE versions",
        "TRUNCATE deployments",
    ],
)
def test_what_has_a_history_is_never_deleted_for_good(under_control, statement):
    """Of live and ended, deleted and archived, deployed and approved things alike: foreign keys refuse it."""
    with pytest.raises((psycopg2.errors.ForeignKeyViolation, psycopg2.errors.FeatureNotSupported)):
        run(under_control, statement)


def test_a_version_that_was_only_approved_is_never_deleted_for_good(under_control):
    run(
        under_control,
        """
        INSERT INTO versions (id, model_id, version, tag, digest, platform, status, created_by)
        SELECT '00000000-0000-7000-8000-000000000019', id, '9', 'v', 'a:b', 'linux/amd64', 'active', 'x' FROM models LIMIT 1;
        INSERT INTO approvals (id, version_id, target, standing, api_key_id, approved_by, withdrawn_at)
        SELECT gen_random_uuid(), '00000000-0000-7000-8000-000000000019', 'release', 'x', id, 'ci', now() FROM api_keys;
        """,
    )
    with pytest.raises(psycopg2.errors.ForeignKeyViolation, match="approvals"):
        run(under_control, "DELETE FROM versions WHERE version = '9'")
