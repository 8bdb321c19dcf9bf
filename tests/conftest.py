"""Real PostgreSQL for every test: one embedded server a run, and a transaction a test that is rolled back after it."""

import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import flask_migrate
import psycopg2
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, text
from werkzeug.test import TestResponse

from catapult import access
from catapult.actions import api_keys
from catapult.app import create_app
from catapult.audit import CLI
from catapult.config import Settings, sqlalchemy_url
from catapult.embedded import Embedded, serving
from catapult.extensions import db
from catapult.tables import Role

SALT = "a salt for tests, long enough to be one"
TEMPLATE = "migrated"


@pytest.fixture(scope="session")
def cluster() -> Iterator[Embedded]:
    """The PostgreSQL that all tests share. Its folder is short: a unix socket's path may have 107 bytes."""
    home = Path(tempfile.mkdtemp(prefix="catapult-test-"))
    try:
        with serving(home) as embedded:
            yield embedded
    finally:
        shutil.rmtree(home, ignore_errors=True)


def on_server(cluster: Embedded, statement: str) -> None:
    """Run a statement that PostgreSQL takes in no transaction."""
    connection = psycopg2.connect(cluster.url)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
    finally:
        connection.close()


def url_of(cluster: Embedded, database: str) -> str:
    before, _, after = cluster.url.partition("/catapult?")
    assert after, "the embedded server's address has changed its form"
    return f"{before}/{database}?{after}"


def settings_for(url: str, **changed: Any) -> Settings:
    values: dict[str, Any] = {
        "home": Path("unused"),
        "embedded": False,
        "database_url": sqlalchemy_url(url),
        "api_key_salt": SALT,
        "secret_key": "a secret for tests",
        "log_level": "ERROR",
    }
    return Settings(**{**values, **changed})


@pytest.fixture(scope="session")
def template(cluster: Embedded) -> str:
    """The name of a migrated database that others are copied from."""
    on_server(cluster, f"CREATE DATABASE {TEMPLATE}")
    app = create_app(settings_for(url_of(cluster, TEMPLATE)))
    with app.app_context():
        flask_migrate.upgrade()
        db.session.remove()
        db.engine.dispose()
    return TEMPLATE


@pytest.fixture(scope="session")
def make_database(cluster: Embedded, template: str) -> Callable[[], str]:
    """A function that makes a database of its own, migrated and empty, and returns its address."""

    def make() -> str:
        name = f"t{secrets.token_hex(6)}"
        on_server(cluster, f"CREATE DATABASE {name} TEMPLATE {template}")
        return url_of(cluster, name)

    return make


def make_keys(app: Flask) -> dict[str, str]:
    """A key of each role, committed."""
    with app.app_context():
        made = {str(role): api_keys.create(actor=CLI, salt=SALT, name=f"{role}-key", role=role).key for role in Role}
        db.session.remove()
    return made


@pytest.fixture(scope="session")
def shared_app(make_database: Callable[[], str]) -> Iterator[Flask]:
    app = create_app(settings_for(make_database()))
    db.session.session_factory.configure(join_transaction_mode="create_savepoint")
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture(scope="session")
def keys(shared_app: Flask) -> dict[str, str]:
    """A key of each role, by its name."""
    return make_keys(shared_app)


@pytest.fixture
def app(shared_app: Flask, keys: dict[str, str]) -> Iterator[Flask]:
    """The application on a transaction that is rolled back after the test; commits within it are savepoints."""
    with shared_app.app_context():
        engines = db.engines
        engine = engines[None]
    with engine.connect() as connection:
        outer = connection.begin()
        engines[None] = connection
        access.SAMPLE.seen.clear()
        try:
            yield shared_app
        finally:
            engines[None] = engine
            outer.rollback()


@pytest.fixture
def admin_key(keys: dict[str, str]) -> str:
    return keys["admin"]


@pytest.fixture
def releaser_key(keys: dict[str, str]) -> str:
    return keys["releaser"]


@pytest.fixture
def publisher_key(keys: dict[str, str]) -> str:
    return keys["publisher"]


@pytest.fixture
def viewer_key(keys: dict[str, str]) -> str:
    return keys["viewer"]


class Api:
    """The API as one caller sees it: `api.post("/api/v1/models", {...})`."""

    def __init__(self, app: Flask, keys: dict[str, str], role: str | None = "admin") -> None:
        self.app, self.keys, self.role = app, keys, role
        self.client: FlaskClient = app.test_client()

    def by(self, role: str | None) -> "Api":
        """The same for a key of another role, or for none."""
        return Api(self.app, self.keys, role)

    def request(self, method: str, path: str, body: Any = None, **kwargs: Any) -> TestResponse:
        headers = dict(kwargs.pop("headers", {}))
        if self.role:
            headers.setdefault("X-API-Key", self.keys[self.role])
        if body is not None:
            kwargs["data"] = body if isinstance(body, bytes) else json.dumps(body)
            kwargs.setdefault("content_type", "application/json")
        return self.client.open(path, method=method, headers=headers, **kwargs)

    def get(self, path: str, **kwargs: Any) -> TestResponse:
        return self.request("GET", path, **kwargs)

    def post(self, path: str, body: Any = None, **kwargs: Any) -> TestResponse:
        return self.request("POST", path, body, **kwargs)

    def put(self, path: str, body: Any, **kwargs: Any) -> TestResponse:
        return self.request("PUT", path, body, **kwargs)

    def delete(self, path: str, **kwargs: Any) -> TestResponse:
        return self.request("DELETE", path, **kwargs)

    def make(self, path: str, body: Any, **kwargs: Any) -> dict[str, Any]:
        """POST that has to succeed; returns what was made."""
        response = self.post(path, body, **kwargs)
        assert response.status_code == 201, response.text
        made: dict[str, Any] = response.json
        return made

    def model(self, name: str = "org/bert", **fields: Any) -> dict[str, Any]:
        return self.make("/api/v1/models", {"name": name, "storage_path": "docker.io/org/bert", **fields})

    def version(self, model: dict[str, Any], version: str = "1.0.0", **fields: Any) -> dict[str, Any]:
        body = {"model_id": model["id"], "version": version, "tag": f"v{version}", "digest": "sha256:" + "a" * 64}
        return self.make("/api/v1/versions", {**body, **fields})

    def deployment(self, version: dict[str, Any], environment: str = "production", **fields: Any) -> dict[str, Any]:
        return self.make("/api/v1/deployments", {"release_id": version["id"], "environment": environment, **fields})


@pytest.fixture
def api(app: Flask, keys: dict[str, str]) -> Api:
    """The API as an admin sees it."""
    return Api(app, keys)


@pytest.fixture
def trail(app: Flask) -> Callable[..., list[dict[str, Any]]]:
    """The audit trail, newest first. Rolls back first: a missing commit would pass every test without that."""

    def read(action: str | None = None) -> list[dict[str, Any]]:
        with app.app_context():
            db.session.rollback()
            rows = db.session.execute(
                text("SELECT * FROM audit_logs WHERE action = coalesce(:action, action) ORDER BY created_at DESC, id DESC"),
                {"action": action},
            )
            return [dict(row._mapping) for row in rows]

    return read


@contextmanager
def counted(app: Flask) -> Iterator[list[str]]:
    """The SQL statements that are sent meanwhile, savepoints of the test's own left out."""
    sent: list[str] = []

    def listen(_: Any, __: Any, statement: str, *___: Any) -> None:
        if "SAVEPOINT" not in statement:
            sent.append(statement)

    with app.app_context():
        connection = db.engines[None]
    event.listen(connection, "before_cursor_execute", listen)
    try:
        yield sent
    finally:
        event.remove(connection, "before_cursor_execute", listen)


@pytest.fixture
def statements(app: Flask) -> Callable[[], AbstractContextManager[list[str]]]:
    """`with statements() as sent:` gives the SQL statements that are sent meanwhile."""
    return lambda: counted(app)


@pytest.fixture
def sql(app: Flask) -> Callable[..., list[dict[str, Any]]]:
    """Run a statement beside the API, in the test's own transaction; its rows as dicts."""

    def run(statement: str, **values: Any) -> list[dict[str, Any]]:
        with app.app_context():
            connection = db.engines[None]
        with connection.begin_nested():  # type: ignore[attr-defined]
            result = connection.execute(text(statement), values)  # type: ignore[attr-defined]
            return [dict(row._mapping) for row in result] if result.returns_rows else []

    return run


@pytest.fixture(autouse=True, scope="session")
def clean_environment() -> None:
    """No setting of the machine reaches a test."""
    for name in ("DATABASE_URL", "API_KEY_SALT", "SECRET_KEY", "HOST", "PORT", "CATAPULT_HOME", "CORS_ORIGINS"):
        os.environ.pop(name, None)
