"""Migrations: up and down on an empty and on a filled database, and safe when several servers start at once."""

import secrets
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import flask_migrate
import psycopg2
import pytest
from sqlalchemy import Engine, create_engine, inspect
from stage import SALT, make_keys, on_server, settings_for, url_of

from catapult import migrations, startup
from catapult.app import create_app
from catapult.config import sqlalchemy_url
from catapult.extensions import Row, db

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
    assert run(empty, "SELECT version_num FROM alembic_version") == [(migrations.head(),)]


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
        (source,) = run(empty, "SELECT pg_get_functiondef('catapult_trigrams(text, text)'::regprocedure)")
        connection.exec_driver_sql(source[0].replace("%", "%%"))
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
    assert run(empty, "SELECT version_num FROM alembic_version") == [(migrations.head(),)]


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
    assert run(empty, "SELECT version_num FROM alembic_version") == [(migrations.head(),)]


def test_no_extension_is_needed(empty):
    migrated(empty, flask_migrate.upgrade)
    assert run(empty, "SELECT extname FROM pg_extension WHERE extname <> 'plpgsql'") == []


def test_there_is_no_table_that_the_code_does_not_know(empty):
    migrated(empty, flask_migrate.upgrade)
    engine = reflected(empty)
    there = set(inspect(engine).get_table_names())
    engine.dispose()
    assert there == {table.name for table in Row.metadata.sorted_tables} | {"alembic_version"}
