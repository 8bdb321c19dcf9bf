"""What tests stand on: databases of their own, keys, and the API as one caller sees it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event
from werkzeug.test import TestResponse

from catapult.actions import api_keys
from catapult.audit import CLI
from catapult.config import Settings, sqlalchemy_url
from catapult.embedded import Embedded
from catapult.extensions import db
from catapult.tables import Role

SALT = "a salt for tests, long enough to be one"


def environments(*names: str, numbered: int = 0) -> str:
    """SQL for environments, ranked as they are named, and for `env-1` and on; rows of deployments that a test writes need them."""
    listed = ", ".join(f"'{name}'" for name in [*names, *(f"env-{n + 1}" for n in range(numbered))])
    return (
        "INSERT INTO environments (id, name, rank, created_by) SELECT gen_random_uuid(), name, rank, 'x'"
        f" FROM unnest(ARRAY[{listed}]) WITH ORDINALITY AS listed (name, rank) ON CONFLICT DO NOTHING;"
    )


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


def make_keys(app: Flask) -> dict[str, str]:
    """A key of each role, committed."""
    with app.app_context():
        made = {str(role): api_keys.create(actor=CLI, salt=SALT, name=f"{role}-key", role=role).key for role in Role}
        db.session.remove()
    return made


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
