"""Registries of a size, each in a database of its own on one server, ready to be measured."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import flask_migrate
import psycopg2

from catapult.app import create_app
from catapult.embedded import Embedded
from catapult.extensions import db

from .loading import load, tidy
from .servers import SALT, settings_for
from .timeline import Size

WHILE_LOADING = {"max_wal_size": "4GB", "checkpoint_timeout": "30min"}
"""What keeps a load from being written to the disk more often than once."""

FLOOR = (
    "DROP TABLE IF EXISTS floor",
    "CREATE TABLE floor (id uuid PRIMARY KEY, body text)",
    "INSERT INTO floor SELECT id, version FROM versions",
)
"""As many rows as there are versions, for the bare route."""


class Registry(NamedTuple):
    """A registry, and in how many seconds it was loaded and tidied; 0 where it was there."""

    name: str
    url: str
    size: Size
    loaded: float
    tidied: float


def registry(server: Embedded, name: str, size: Size) -> Registry:
    """The registry of that name and size; one that a run before has kept is taken as it is."""
    before, _, after = server.url.partition("/catapult?")
    base = f"bench_{name}"
    url = f"{before}/{base}?{after}"
    if _comment(server, base) == str(size):
        migrate(url)
        return Registry(name, url, size, 0.0, 0.0)
    run(server.url, f"DROP DATABASE IF EXISTS {base}", f"CREATE DATABASE {base}")
    migrate(url)
    with _loading(server):
        loaded = load(url, size, SALT)
        run(url, *FLOOR)
    tidied = tidy(url)
    run(url, "CHECKPOINT", f"COMMENT ON DATABASE {base} IS '{size}'")
    return Registry(name, url, size, loaded, tidied)


def migrate(url: str) -> None:
    """The database has the schema of this code."""
    with create_app(settings_for(url)).app_context():
        flask_migrate.upgrade()
        db.session.remove()
        db.engine.dispose()


def run(url: str, *statements: str) -> list[Any]:
    """Each statement by itself; the rows of the last one."""
    connection = psycopg2.connect(url)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


@contextmanager
def _loading(server: Embedded) -> Iterator[None]:
    run(server.url, *(f"ALTER SYSTEM SET {name} = '{value}'" for name, value in WHILE_LOADING.items()))
    run(server.url, "SELECT pg_reload_conf()")
    time.sleep(0.2)
    try:
        yield
    finally:
        run(server.url, *(f"ALTER SYSTEM RESET {name}" for name in WHILE_LOADING))
        run(server.url, "SELECT pg_reload_conf()")


def _comment(server: Embedded, base: str) -> str | None:
    rows = run(server.url, f"SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = '{base}'")  # noqa: S608 - ours
    return rows[0][0] if rows else None
