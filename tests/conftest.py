"""Real PostgreSQL for every test: one embedded server, and one database whose rows are reset after each test."""

import gc
import os
import secrets
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import flask_migrate
import pytest
from flask import Flask
from stage import SETTINGS, Api, Database, FilesHere, application, counted, make_keys, on_server, settings_for, url_of

from catapult.embedded import Embedded, postgres, serving
from catapult.extensions import FILES, MOUNT, STORAGE, db
from catapult.queries import week_figures
from catapult.storage.folder import Folder
from catapult.storage.mount import Mount
from catapult.web import refusal_log

TEMPLATE = "migrated"
postgres.INITDB += ("--no-sync",)  # no test needs its database after a crash of the machine

if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
):  # as in a shell's background, and every server started here would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Spare the garbage collector the thousands of tests and modules, which stay until the end."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def cluster() -> Iterator[Embedded]:
    """The PostgreSQL server that all tests share. The path of its socket must be at most 107 bytes.

    It does not wait for the disk, because its data need not survive the machine. Autovacuum is off, because a test's
    own VACUUM skips rows that it uses. Commits stay synchronous: otherwise VACUUM marks no page as all-visible, and
    the planner avoids index-only scans.
    """
    home = Path(tempfile.mkdtemp(prefix="catapult-test-"))
    try:
        with serving(home) as embedded:
            for setting in ("fsync", "full_page_writes", "autovacuum"):
                on_server(embedded, f"ALTER SYSTEM SET {setting} = off")
            on_server(embedded, "SELECT pg_reload_conf()")
            yield embedded
            end_at_once(embedded)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def end_at_once(embedded: Embedded) -> None:
    """End the server without a last checkpoint, which would write what is removed next."""
    os.kill(int((embedded.data / "postmaster.pid").read_text().split()[0]), signal.SIGQUIT)


@pytest.fixture(scope="session")
def template(cluster: Embedded) -> str:
    """The name of the migrated database that others are copied from."""
    on_server(cluster, f"CREATE DATABASE {TEMPLATE}")
    with application(settings_for(url_of(cluster, TEMPLATE))) as app, app.app_context():
        flask_migrate.upgrade()
    return TEMPLATE


@pytest.fixture(scope="session")
def make_database(cluster: Embedded, template: str) -> Callable[[], str]:
    """A function that creates an empty, migrated database and returns its address."""

    def make() -> str:
        name = f"t{secrets.token_hex(6)}"
        on_server(cluster, f"CREATE DATABASE {name} TEMPLATE {template}")
        return url_of(cluster, name)

    return make


@pytest.fixture(scope="session")
def shared_app(make_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """An application that does file I/O itself, as the process for files does. On its mount is `runs/model.bin`."""
    mount = tmp_path_factory.mktemp("mount")
    (mount / "runs").mkdir()
    (mount / "runs" / "model.bin").write_bytes(b"weights")
    with application(settings_for(make_database(), mount=mount)) as app:
        app.extensions[STORAGE] = Folder(tmp_path_factory.mktemp("files"))
        app.extensions[MOUNT] = Mount(mount, None, ())
        app.extensions[FILES] = FilesHere(app.extensions[STORAGE], app.extensions[MOUNT])
        yield app


@pytest.fixture(scope="session")
def keys(shared_app: Flask) -> dict[str, str]:
    """A key of each role, by its name."""
    return make_keys(shared_app)


@pytest.fixture(scope="session")
def database(shared_app: Flask, keys: dict[str, str], cluster: Embedded, template: str) -> Iterator[Database]:
    """The database of `shared_app`. When a test begins it has the keys and their audit entries only."""
    with shared_app.app_context():
        engine = db.engine
    database = Database(cluster, engine, template)
    yield database
    database.close()


@pytest.fixture
def app(shared_app: Flask, database: Database) -> Iterator[Flask]:
    """The application on the shared database. It commits and reads as in production; afterwards the rows are reset."""
    refusal_log.SAMPLE.seen.clear()
    week_figures._recent.clear()
    yield shared_app
    database.reset()


@pytest.fixture
def app_with(app: Flask) -> Iterator[Callable[..., Flask]]:
    """`app_with(rate_limit="3 per minute")` is another application on the same database, with other settings."""
    with ExitStack() as apps:
        yield lambda **changed: apps.enter_context(application(replace(app.extensions["catapult"], **changed)))


@pytest.fixture
def undone(database: Database) -> Callable[[], AbstractContextManager[None]]:
    """`with undone():` resets the rows afterwards, so that one example of Hypothesis does not affect the next."""
    return database.undone


@pytest.fixture
def once(database: Database) -> Callable[..., Any]:
    """`once(make, *arguments)` makes the same rows in each test, and is called for the first only."""
    return database.once


@pytest.fixture
def admin_key(keys: dict[str, str]) -> str:
    return keys["admin"]


@pytest.fixture
def releaser_key(keys: dict[str, str]) -> str:
    return keys["releaser"]


@pytest.fixture
def viewer_key(keys: dict[str, str]) -> str:
    return keys["viewer"]


@pytest.fixture
def api(app: Flask, keys: dict[str, str]) -> Api:
    """A client of the API with an admin's key."""
    return Api(app, keys)


@pytest.fixture
def trail(sql: Callable[..., list[dict[str, Any]]]) -> Callable[..., list[dict[str, Any]]]:
    """The audit trail, newest first."""
    query = "SELECT * FROM audit_logs WHERE action = coalesce(:action, action) ORDER BY created_at DESC, id DESC"
    return lambda action=None: sql(query, action=action)


@pytest.fixture
def statements(app: Flask) -> Callable[[], AbstractContextManager[list[str]]]:
    """`with statements() as sent:` collects the SQL statements of the application."""
    return lambda: counted(app)


@pytest.fixture
def sql(app: Flask, database: Database) -> Callable[..., list[dict[str, Any]]]:
    """A function (statement, **values) that runs and commits a statement, and returns its rows as dicts."""
    return database.run


@pytest.fixture(autouse=True, scope="session")
def clean_environment() -> None:
    """Remove the machine's settings from the environment."""
    for name in (*SETTINGS, "CATAPULT_HOME"):
        os.environ.pop(name, None)


@pytest.fixture(scope="session")
def needs() -> Callable[[str], str]:
    """A function that returns the path of a program. Without the program a test is skipped, but in CI it fails."""

    def find(name: str) -> str:
        path = shutil.which(name)
        if path is None and not os.environ.get("CI"):
            pytest.skip(f"{name} is not installed: apt-get install {name}")
        assert path, f"{name} is missing; .ci/run has to install it"
        return path

    return find
