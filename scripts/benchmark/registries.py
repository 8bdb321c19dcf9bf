"""Made-up registries, each in a database of its own on one server, ready to be measured."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from typing import Any, NamedTuple

import flask_migrate
import psycopg2

from catapult.app import create_app
from catapult.demo.rows import Rows
from catapult.embedded import Embedded
from catapult.extensions import db

from .loading import load
from .servers import settings_for

WHILE_LOADING = {"max_wal_size": "4GB", "checkpoint_timeout": "30min"}
"""Settings that keep a load from being written to the disk more often than once."""

FLOOR = (
    "DROP TABLE IF EXISTS floor",
    "CREATE TABLE floor (id uuid PRIMARY KEY, body text)",
    "INSERT INTO floor SELECT id, version FROM versions",
)
"""As many rows as there are versions, for the bare route."""

COUNTED = ("models", "versions", "deployments", "audit_logs")


class Registry(NamedTuple):
    """A registry with its counts of `COUNTED`, and the seconds it took to load and to vacuum; 0 if a run before kept it."""

    name: str
    url: str
    counts: tuple[int, ...]
    loaded: float
    vacuumed: float


def registry(server: Embedded, name: str, mark: str, events: Callable[[], Iterable[tuple[datetime, Rows]]]) -> Registry:
    """Load these events into a database of that name, unless a run before kept one with the same mark."""
    before, _, after = server.url.partition("/catapult?")
    database = f"bench_{name}"
    url = f"{before}/{database}?{after}"
    kept = _comment(server, database) == mark
    if not kept:
        run(server.url, f"DROP DATABASE IF EXISTS {database}", f"CREATE DATABASE {database}")
    migrate(url)
    loaded, vacuumed = (0.0, 0.0) if kept else _load(server, url, events())
    run(url, f"COMMENT ON DATABASE {database} IS '{mark}'")
    counts = tuple(run(url, f"SELECT count(*) FROM {table}")[0][0] for table in COUNTED)  # noqa: S608 - ours
    return Registry(name, url, counts, loaded, vacuumed)


def _load(server: Embedded, url: str, events: Iterable[tuple[datetime, Rows]]) -> tuple[float, float]:
    with _settings_of(server, WHILE_LOADING):
        loaded = load(url, events)
        run(url, *FLOOR)
    began = time.monotonic()
    run(url, "VACUUM ANALYZE")
    vacuumed = time.monotonic() - began
    run(url, "CHECKPOINT")
    return loaded, vacuumed


def migrate(url: str) -> None:
    """Give the database the schema of this code."""
    with create_app(settings_for(url)).app_context():
        flask_migrate.upgrade()
        db.session.remove()
        db.engine.dispose()


def run(url: str, *statements: str) -> list[Any]:
    """Run each statement by itself. Returns the rows of the last one."""
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []


@contextmanager
def _settings_of(server: Embedded, settings: dict[str, str]) -> Iterator[None]:
    """The server has these settings until the block ends."""
    run(server.url, *(f"ALTER SYSTEM SET {name} = '{value}'" for name, value in settings.items()))
    run(server.url, "SELECT pg_reload_conf()")
    try:
        yield
    finally:
        run(server.url, *(f"ALTER SYSTEM RESET {name}" for name in settings), "SELECT pg_reload_conf()")


def _comment(server: Embedded, database: str) -> str | None:
    query = f"SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = '{database}'"  # noqa: S608 - ours
    rows = run(server.url, query)
    return rows[0][0] if rows else None
