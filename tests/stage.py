"""Shared parts of the tests: databases, keys, and a client of the API."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar
from urllib.parse import urlsplit

import psycopg2
from flask import Flask
from flask.testing import FlaskClient
from requests.utils import parse_header_links
from sqlalchemy import Engine, event, text
from werkzeug.test import TestResponse

from catapult.actions import api_keys, audit_seal
from catapult.app import create_app
from catapult.audit import CLI
from catapult.config import Settings, sqlalchemy_url
from catapult.embedded import Embedded
from catapult.extensions import db
from catapult.server.file_questions import FileQuestions
from catapult.server.file_watch import FileWatch
from catapult.storage import Storage
from catapult.storage.file_client import Files
from catapult.storage.mount import Mount
from catapult.tables import Role

T = TypeVar("T")
SALT = "a salt for tests, long enough to be one"
SECRET = "a secret for tests"
AUDIT_KEY = audit_seal._new_key()
LARGE = 1 << 20
"""Bytes of a table from which on all are truncated: deleted rows stay until a vacuum. For small tables DELETE is faster."""

TABLES = {
    table.name: ", ".join(column.name for column in table.columns if column.computed is None)
    for table in db.metadata.sorted_tables
} | {"alembic_version": "version_num"}
"""The columns that can be written, by table."""
SETTINGS = (
    *("DATABASE_URL", "API_KEY_SALT", "SECRET_KEY", "HOST", "PORT", "WEB_CONCURRENCY", "LOG_LEVEL", "CORS_ORIGINS"),
    *(
        "TRUSTED_PROXIES",
        "TRUSTED_HOSTS",
        "PUBLIC_URL",
        "RATE_LIMIT",
        "RATE_LIMIT_STORAGE",
        "METRICS_KEY",
        "KEY_MAX_AGE",
        "ENVIRONMENT_ROLE",
        "MLFLOW_UI_URL",
        "AUDIT_KEY",
        "CHECKPOINT_FOLDER",
        "SYSLOG_URL",
        *("FILES_URL", "FILES_BY_NGINX", "S3_PROXY", "STORAGE_QUOTA", "CEPH_MOUNT_PATH", "MOUNT_FOLDERS"),
        *("STORAGE_URL", "S3_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"),
        "PROMETHEUS_MULTIPROC_DIR",
        "EGRESS_ALLOW",
        "EGRESS_PROXY",
        "EGRESS_CA",
        "DRIFT_EVERY",
        "REGISTRY_SECRETS",
    ),
)
"""The variables of the environment, except CATAPULT_HOME."""
NOWHERE = "019ab2f0-7c1e-7d52-a1f3-2b7c9d0e4f11"
"""An id of nothing."""
UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def environments(*names: str, numbered: int = 0) -> str:
    """Return SQL for environments, ranked in this order, and for `env-1` and so on. Rows of deployments refer to them."""
    listed = ", ".join(f"'{name}'" for name in [*names, *(f"env-{n + 1}" for n in range(numbered))])
    return (
        "INSERT INTO environments (id, name, rank, created_by) SELECT gen_random_uuid(), name, rank, 'x'"
        f" FROM unnest(ARRAY[{listed}]) WITH ORDINALITY AS listed (name, rank) ON CONFLICT DO NOTHING;"
    )


def on_server(cluster: Embedded, statement: str) -> None:
    """Run a statement that PostgreSQL does not allow in a transaction."""
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
        "secret_key": SECRET,
        "audit_key": AUDIT_KEY,
        "log_level": "ERROR",
        "drift_every": 0,
    }
    return Settings(**{**values, **changed})


@contextmanager
def application(settings: Settings) -> Iterator[Flask]:
    """Yield an application with these settings, and close its connections afterwards."""
    app = create_app(settings)
    try:
        yield app
    finally:
        with app.app_context():
            db.session.remove()
            db.engine.dispose()


def make_keys(app: Flask) -> dict[str, str]:
    """Create a key of each role."""
    with app.app_context():
        keys = {str(role): api_keys.create(actor=CLI, salt=SALT, name=f"{role}-key", role=role).key for role in Role}
        db.session.remove()
    return keys


def faults(answer: TestResponse) -> set[str]:
    """The names of the fields that a 422 answer refuses."""
    assert answer.status_code == 422, answer.text
    assert all(answer.json["errors"].values())
    return set(answer.json["errors"])


def refusal(answer: TestResponse) -> str:
    """The kind of problem that the answer is: `not-found`, `conflict`."""
    problem: dict[str, Any] = answer.json
    assert (answer.status_code, answer.content_type) == (problem["status"], "application/problem+json"), answer.text
    return str(problem["type"]).rpartition("/docs/errors/")[2]


def audited(entry: dict[str, Any]) -> tuple[str, str, str]:
    """Of an entry the action, the resource's id and the key's name."""
    assert entry["resource_type"] == entry["action"].partition(".")[0]
    return entry["action"], str(entry["resource_id"]), entry["api_key_name"]


def links(answer: TestResponse) -> dict[str, str]:
    """The paths that the `Link` header leads to, by their relation: `next`, `first`."""
    paths = {}
    for link in parse_header_links(answer.headers["Link"]):
        address = urlsplit(link["url"])
        assert (address.scheme, address.netloc) == ("http", "localhost")
        paths[link["rel"]] = f"{address.path}?{address.query}"
    return paths


class Api:
    """A client of the API with a key: `api.post("/api/v1/models", {...})`."""

    def __init__(self, app: Flask, keys: dict[str, str], role: str | None = "admin") -> None:
        self.app, self.keys, self.role = app, keys, role
        self.client: FlaskClient = app.test_client()

    def by(self, role: str | None) -> "Api":
        """Return a client with a key of another role, or without one."""
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

    def walk(self, path: str, between: Callable[[], Any] = lambda: None) -> list[dict[str, Any]]:
        """Return every row of a list from this page on, by `Link` alone. `between` is called after each page."""
        rows: list[dict[str, Any]] = []
        following: str | None = path
        while following:
            answer = self.get(following)
            assert answer.status_code == 200, answer.text
            rows += answer.json
            assert len(rows) < 2_000, "the pages have no end"
            following = links(answer).get("next")
            between()
        return rows

    def make(self, path: str, body: Any, **kwargs: Any) -> dict[str, Any]:
        """Send a POST that must succeed, and return the created object."""
        response = self.post(path, body, **kwargs)
        assert response.status_code == 201, response.text
        created: dict[str, Any] = response.json
        return created

    def model(self, name: str = "org/bert", **fields: Any) -> dict[str, Any]:
        return self.make("/api/v1/models", {"name": name, "storage_path": "docker.io/org/bert", **fields})

    def version(self, model: dict[str, Any], version: str = "1.0.0", **fields: Any) -> dict[str, Any]:
        body = {"model_id": model["id"], "version": version, "tag": f"v{version}", "digest": "sha256:" + "a" * 64}
        return self.make("/api/v1/versions", {**body, **fields})

    def deployment(self, version: dict[str, Any], environment: str = "production", **fields: Any) -> dict[str, Any]:
        return self.make("/api/v1/deployments", {"release_id": version["id"], "environment": environment, **fields})


class Database:
    """A database that can be reset to the rows it had at first; also its schema, if `run` changed it.

    Those rows are kept as JSON. Tests commit, so that the application runs with the transactions it has in production.
    Rows are neither read nor written again if no transaction of the server wrote in the meantime.
    """

    def __init__(self, cluster: Embedded, engine: Engine, template: str) -> None:
        self.cluster, self.engine, self.template = cluster, engine, template
        self.schema_changed = False
        self.connection = self._connect()
        self.number = 0  # of the last transaction; `known` are the rows after it
        self.known: dict[str, str] | None = None
        self.rows = self._read()
        self.made: dict[Callable[..., Any], tuple[Any, dict[str, str]]] = {}

    def run(self, statement: str, **values: Any) -> list[dict[str, Any]]:
        """Run a statement, commit it, and return its rows."""
        self.schema_changed |= statement.startswith(("ALTER", "CREATE", "DROP"))
        with self.engine.begin() as connection:
            result = connection.execute(text(statement), values)
            return [dict(row._mapping) for row in result] if result.returns_rows else []

    def reset(self) -> None:
        """Reset the rows. Create the database again if its schema was changed, or if a failed test still holds a lock."""
        if not self.schema_changed:
            with suppress(psycopg2.Error):
                return self._write(self.rows)
        self._replace()
        return self._write(self.rows)

    @contextmanager
    def undone(self) -> Iterator[None]:
        """Reset the rows to those before the block."""
        before = self._read()
        try:
            yield
        finally:
            self._write(before)

    def once(self, make: Callable[..., T], *arguments: Any) -> T:
        """Return what `make` returned the first time. From then on the rows it made are written without it.

        Other rows than those of an earlier `once` are lost.
        """
        if make in self.made:
            self._write(self.made[make][1])
        else:
            self.made[make] = make(*arguments), self._read()
        result: T = self.made[make][0]
        return result

    def close(self) -> None:
        self.connection.close()

    def _connect(self) -> Any:
        connection = psycopg2.connect(url_of(self.cluster, str(self.engine.url.database)))
        with connection, connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '10s'")
            cursor.execute("SET session_replication_role = replica")  # so that triggers and foreign keys allow deleting
        return connection

    def _replace(self) -> None:
        self.connection.close()
        self.engine.dispose()
        on_server(self.cluster, f"DROP DATABASE {self.engine.url.database} WITH (FORCE)")
        on_server(self.cluster, f"CREATE DATABASE {self.engine.url.database} TEMPLATE {self.template}")
        self.connection, self.schema_changed = self._connect(), False

    def _read(self) -> dict[str, str]:
        with self.connection, self.connection.cursor() as cursor:
            if self._is_unchanged(cursor) and self.known is not None:
                return self.known
            self.known = None
            cursor.execute(
                " UNION ALL ".join(f"SELECT '{name}', json_agg({name})::text FROM {name}" for name in TABLES)
            )
            self.known = {name: rows for name, rows in cursor if rows}
        return self.known

    def _write(self, rows: dict[str, str]) -> None:
        with self.connection, self.connection.cursor() as cursor:
            if self._is_unchanged(cursor) and rows is self.known:
                return
            self.known = None
            cursor.execute("SELECT max(pg_relation_size(oid)) FROM pg_class WHERE relname = ANY(%s)", [list(TABLES)])
            large = cursor.fetchone()[0] > LARGE
            cursor.execute(
                f"TRUNCATE {', '.join(TABLES)}" if large else ";".join(f"DELETE FROM {name}" for name in TABLES)
            )
            for name, kept in rows.items():
                columns = TABLES[name]
                cursor.execute(
                    f"INSERT INTO {name} ({columns}) SELECT {columns} FROM json_populate_recordset(NULL::{name}, %s)",
                    [kept],
                )
        self.known = rows

    def _is_unchanged(self, cursor: Any) -> bool:
        """Whether no transaction has written since the last call, not even one that runs now."""
        cursor.execute("SELECT pg_current_xact_id()::text, pg_snapshot_xmin(pg_current_snapshot())::text")
        number, oldest = map(int, cursor.fetchone())
        before, self.number = self.number, number if number == oldest else 0
        return bool(self.number == before + 1)


class FilesHere(Files):
    """The process for files as this process asks it, in this process."""

    def __init__(self, storage: Storage, mount: Mount | None) -> None:
        self.questions = FileQuestions("", FileWatch(storage), storage, mount).questions

    def ask(self, question: str, **values: Any) -> Any:
        return json.loads(json.dumps(self.questions[question](**values)))


def after_next(monkeypatch: Any, owner: Any, name: str, event: Callable[[], object]) -> None:
    """Let the event happen once, after the next call of that function and before its caller goes on."""
    function, left = getattr(owner, name), [event]

    def called(*arguments: Any) -> Any:
        result = function(*arguments)
        if left:
            other = Thread(target=left.pop())  # its requests have sessions of their own
            other.start()
            other.join()
        return result

    monkeypatch.setattr(owner, name, called)


@contextmanager
def counted(app: Flask) -> Iterator[list[str]]:
    """Yield the SQL statements that the application sends meanwhile, also those that are sent by the name of their plan."""
    sent: list[str] = []

    def listen(_: Any, __: Any, statement: str, ___: Any, context: Any, ____: bool) -> None:
        sent.append(context.statement if context else statement)

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", listen)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", listen)
