"""The role that serves owns nothing: it cannot change what is in the audit log, and it does not migrate."""

import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing

import flask_migrate
import psycopg2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flask import Flask
from sqlalchemy import make_url
from stage import Api, application, make_keys, on_server, settings_for

from catapult.actions import audit_seal
from catapult.config import ConfigError
from catapult.embedded import Embedded
from catapult.server import startup


class Roles:
    """An empty database that belongs to a role of its own, and a second role that is to serve."""

    def __init__(self, cluster: Embedded, create_role: bool = True) -> None:
        self.cluster, mark = cluster, secrets.token_hex(6)
        self.owner, self.server, self.database = f"owner_{mark}", f'server "{mark}"', f"t{mark}"
        self.ask(f"CREATE ROLE {self.owner} LOGIN {'CREATEROLE' if create_role else ''}")
        self.ask(f"CREATE DATABASE {self.database} OWNER {self.owner}")

    def ask(self, statement: str) -> None:
        on_server(self.cluster, statement)

    def url(self, role: str) -> str:
        address = make_url(self.cluster.url).set(username=role, password="pass'word", database=self.database)
        return address.render_as_string(hide_password=False)

    def migrate(self, server: str | None = None) -> None:
        settings = settings_for(self.url(self.owner), server_database_url=self.url(server or self.server))
        with application(settings) as app, app.app_context():
            flask_migrate.upgrade()

    def serve(self) -> AbstractContextManager[Flask]:
        return application(settings_for(self.url(self.server)))


@pytest.fixture(scope="module")
def roles(cluster: Embedded) -> Roles:
    roles = Roles(cluster)
    roles.migrate()
    return roles


@pytest.fixture
def api(roles: Roles) -> Iterator[Api]:
    with roles.serve() as app:
        with app.app_context():
            startup.prepare()
        yield Api(app, make_keys(app))


def test_it_serves(api: Api) -> None:
    version = api.version(api.model("org/served"), is_release=True)
    assert api.deployment(version)["live"] is True
    assert api.put(f"/api/v1/versions/{version['id']}", {"release_notes": "faster"}).status_code == 200
    assert api.delete(f"/api/v1/models/{version['model_id']}?force=true").status_code == 204
    assert api.get("/api/v1/audit-logs?limit=1").json[0]["action"] == "model.delete"
    assert api.get("/readyz").status_code == 200


def test_it_seals(api: Api) -> None:
    with api.app.app_context():
        assert audit_seal.seal(audit_seal.Signer(Ed25519PrivateKey.generate())) > 0
    assert api.get("/api/v1/audit-logs/checkpoint").status_code == 200


@pytest.mark.parametrize(
    "attempt",
    [
        "UPDATE audit_logs SET api_key_name = 'x'",
        "DELETE FROM audit_logs",
        "TRUNCATE audit_logs",
        "ALTER TABLE audit_logs DISABLE TRIGGER ALL",
        "DROP TRIGGER audit_logs_append_only ON audit_logs",
        "ALTER TABLE audit_logs OWNER TO CURRENT_USER",
        "SET session_replication_role = replica",
        "UPDATE decisions SET id = id",
        "DELETE FROM decisions",
        "UPDATE sealed_entries SET leaf = leaf",
        "DELETE FROM sealed_entries",
        "TRUNCATE audit_nodes",
        "DELETE FROM audit_keys",
        "DROP TRIGGER audit_logs_unsealed ON audit_logs",
        "SELECT catapult_archive_audit_logs(0, 1)",
        "SET catapult.archiving = 'on'; DELETE FROM audit_logs",
        "ALTER TABLE versions DROP COLUMN digest",
        "CREATE TRIGGER own BEFORE INSERT ON audit_logs EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "CREATE OR REPLACE FUNCTION catapult_place(text) RETURNS text AS 'SELECT 1::text' LANGUAGE sql",
        "DROP TABLE models",
        "DELETE FROM alembic_version",
    ],
)
def test_it_cannot_change_what_was_recorded_nor_the_schema(roles: Roles, attempt: str) -> None:
    with psycopg2.connect(roles.url(roles.server)) as connection, connection.cursor() as cursor:
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute(attempt)
        connection.rollback()
    connection.close()


def test_it_checks_the_schema_and_leaves_migrating_to_the_owner(cluster: Embedded) -> None:
    roles = Roles(cluster)
    roles.migrate()
    with application(settings_for(roles.url(roles.owner))) as app, app.app_context():
        flask_migrate.downgrade(revision="0010")
    with (
        roles.serve() as app,
        app.app_context(),
        pytest.raises(ConfigError, match="at migration 0010, and this release needs"),
    ):
        startup.prepare()
    roles.migrate()
    with roles.serve() as app, app.app_context():
        startup.prepare()


def test_the_owner_names_itself_or_nobody_that_it_could_make(
    cluster: Embedded, capfd: pytest.CaptureFixture[str]
) -> None:
    roles = Roles(cluster, create_role=False)
    with pytest.raises(SystemExit):
        roles.migrate()
    assert "does not exist, and the role of DATABASE_URL may not create it" in capfd.readouterr().err
    with pytest.raises(SystemExit):
        roles.migrate(roles.owner)
    assert "owns the tables or may act as their owner" in capfd.readouterr().err
    quoted = roles.server.replace('"', '""')
    roles.ask(f'CREATE ROLE "{quoted}" LOGIN')
    roles.migrate()
    with roles.serve() as app, app.app_context():
        assert startup.prepare().startswith("cat_")


def test_a_second_upgrade_gives_rights_to_what_is_new_and_the_new_password(roles: Roles, cluster: Embedded) -> None:
    with psycopg2.connect(roles.url(roles.owner)) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE later (id int)")
    connection.close()
    roles.migrate()
    with psycopg2.connect(roles.url(roles.server)) as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO later VALUES (1)")
        connection.rollback()
    connection.close()


def test_a_role_that_could_become_the_owner_is_refused(cluster: Embedded, capfd: pytest.CaptureFixture[str]) -> None:
    """By making roles, or by functions that the next migration runs."""
    roles = Roles(cluster)
    roles.migrate()
    quoted = roles.server.replace('"', '""')
    roles.ask(f'ALTER ROLE "{quoted}" CREATEROLE')
    with pytest.raises(SystemExit):
        roles.migrate()
    assert "may act as their owner" in capfd.readouterr().err
    roles.ask(f'ALTER ROLE "{quoted}" NOCREATEROLE')
    with closing(psycopg2.connect(roles.url("catapult"))) as connection, connection, connection.cursor() as cursor:
        cursor.execute("GRANT CREATE ON SCHEMA public TO PUBLIC")
    roles.migrate()  # takes it back
    with closing(psycopg2.connect(roles.url("catapult"))) as connection, connection, connection.cursor() as cursor:
        cursor.execute(f'GRANT CREATE ON SCHEMA public TO "{quoted}"')
    with pytest.raises(SystemExit):
        roles.migrate()
    assert "may create functions" in capfd.readouterr().err
