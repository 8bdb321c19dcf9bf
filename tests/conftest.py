"""Real PostgreSQL for every test: one embedded server a run, and a transaction a test that is rolled back after it."""

import os
import secrets
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import flask_migrate
import pytest
from flask import Flask
from sqlalchemy import text
from stage import Api, counted, make_keys, on_server, settings_for, url_of

from catapult.app import create_app
from catapult.embedded import Embedded, serving
from catapult.extensions import db
from catapult.web import auth

TEMPLATE = "migrated"

from sqlalchemy.orm import Session  # TEMPORARY

_c = Session.connection
Session.connection = lambda self, *a, **k: _c(self) if type(db.engine).__name__ == "Connection" else _c(self, *a, **k)

if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
):  # as in a shell's background, and every server started here would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Embedded]:
    """The PostgreSQL that all tests share. Its folder is short: a unix socket's path may have 107 bytes.

    It waits for no disk, since what it holds need not outlive the machine, and vacuums nothing by itself, since a
    test's own VACUUM leaves out what is in use. Commits stay synchronous: without that, VACUUM finds no page to be
    visible to all, and the planner takes indexes for dear.
    """
    home = Path(tempfile.mkdtemp(prefix="catapult-test-"))
    try:
        with serving(home) as embedded:
            for setting in ("fsync", "full_page_writes", "autovacuum"):
                on_server(embedded, f"ALTER SYSTEM SET {setting} = off")
            on_server(embedded, "SELECT pg_reload_conf()")
            yield embedded
    finally:
        shutil.rmtree(home, ignore_errors=True)


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
        auth.SAMPLE.seen.clear()
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
                text(
                    "SELECT * FROM audit_logs WHERE action = coalesce(:action, action) ORDER BY created_at DESC, id DESC"
                ),
                {"action": action},
            )
            return [dict(row._mapping) for row in rows]

    return read


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
    for name in (
        *("DATABASE_URL", "API_KEY_SALT", "SECRET_KEY", "HOST", "PORT", "CATAPULT_HOME", "CORS_ORIGINS"),
        *("TRUSTED_PROXIES", "TRUSTED_HOSTS", "RATE_LIMIT", "RATE_LIMIT_STORAGE"),
        *("METRICS_KEY", "PROMETHEUS_MULTIPROC_DIR"),
    ):
        os.environ.pop(name, None)
