"""Health, readiness and `info`, with the database and without it, and request ids."""

import dataclasses
import platform
import re
import time
from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest
from sqlalchemy import text
from stage import application, refusal, settings_for

from catapult.app import create_app
from catapult.extensions import db
from catapult.queries import schema_version
from catapult.server import startup
from catapult.version import VERSION


@pytest.fixture
def client_without_database(app):
    """The application, with nothing where its database should be."""
    settings = app.extensions["catapult"]
    lonely = create_app(dataclasses.replace(settings, database_url="postgresql+psycopg2://x@127.0.0.1:1/x"))
    yield lonely.test_client()
    with lonely.app_context():
        db.engine.dispose()


def test_a_healthy_registry_says_so(api):
    response = api.by(None).get("/api/health")
    assert response.status_code == 200
    assert response.json == {"status": "healthy", "database": "ok", "version": VERSION}


def test_a_registry_without_its_database_says_so(client_without_database):
    began = time.monotonic()
    response = client_without_database.get("/api/health")
    assert time.monotonic() - began < 3
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    assert set(response.json) == {"status", "database", "version"}
    assert response.json["status"] == "unhealthy"
    assert response.json["database"] != "ok"


def test_without_its_database_a_registry_is_alive_and_not_ready(client_without_database):
    assert client_without_database.get("/livez").status_code == 200
    assert client_without_database.get("/readyz").status_code == 503


def test_without_its_database_a_request_is_told_to_come_again(client_without_database, viewer_key):
    began = time.monotonic()
    response = client_without_database.get("/api/v1/models", headers={"X-API-Key": viewer_key})
    assert time.monotonic() - began < 3
    assert refusal(response) == "unavailable"
    assert int(response.headers["Retry-After"]) > 0
    assert "Traceback" not in response.text
    assert "127.0.0.1" not in response.text


def test_a_registry_is_ready_at_the_last_migration_only(api, sql):
    assert api.by(None).get("/readyz").status_code == 200
    sql("UPDATE alembic_version SET version_num = 'other'")
    assert api.get("/readyz").status_code == 503
    assert api.get("/livez").status_code == 200
    sql("DROP TABLE alembic_version")
    assert api.get("/readyz").status_code == 503


@pytest.mark.parametrize(
    ("change", "lacks"),
    [
        ("ALTER TABLE versions DROP COLUMN platform", ["versions.platform"]),
        ("DROP TABLE comments", None),
        ("DROP TYPE catapult_place CASCADE", ["catapult_place"]),
    ],
)
def test_a_registry_is_not_ready_at_a_revision_that_lacks_something(make_database, monkeypatch, change, lacks):
    """As one that a migration made which was changed afterwards."""
    logged = []
    monkeypatch.setattr(startup, "log", SimpleNamespace(error=lambda _, missing: logged.append(missing)))
    with application(settings_for(make_database())) as app:
        client = app.test_client()
        assert client.get("/readyz").status_code == 200
        with app.app_context():
            db.session.execute(text(change))
            db.session.commit()
            missing = schema_version.missing()
            startup.check_schema()
        answer = client.get("/readyz")
        assert (answer.status_code, "lacks parts" in answer.json["reason"]) == (503, True)
        assert client.get("/readyz?verbose").json["checks"]["schema"]["status"] == "failed"
    assert missing == lacks if lacks else {name.partition(".")[0] for name in missing} == {"comments"}
    assert logged == [missing]


def test_each_check_of_readiness_is_told_with_its_time(api):
    answer = api.by(None).get("/readyz?verbose")
    assert (answer.status_code, answer.json["status"]) == (200, "ready")
    checks = answer.json["checks"]
    assert list(checks) == ["database", "migrations", "schema", "settings", "worker", "jobs", "files"]
    assert checks.pop("worker")["status"] == "failed"  # none runs here, and the server is ready all the same
    for outcome in checks.values():
        assert set(outcome) == {"status", "ms"}
        assert outcome["status"] == "ok"
        assert 0 <= outcome["ms"] < 1000


def test_the_check_that_failed_is_named_and_those_after_it_are_not_made(api, sql, client_without_database):
    def outcomes(client):
        answer = client.get("/readyz?verbose=1")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
        return {name: outcome["status"] for name, outcome in answer.json["checks"].items()}, answer.text

    skipped = dict.fromkeys(["migrations", "schema", "settings", "worker", "jobs"], "skipped")
    found, shown = outcomes(client_without_database)
    assert found == skipped | {"database": "failed"}
    assert "127.0.0.1" not in shown
    sql("UPDATE api_keys SET salt_mark = 'another'")
    skipped["files"] = "skipped"  # this server has some
    assert outcomes(api)[0] == skipped | {"database": "ok", "migrations": "ok", "schema": "ok", "settings": "failed"}
    sql("UPDATE alembic_version SET version_num = 'other'")
    assert outcomes(api)[0] == skipped | {"database": "ok", "migrations": "failed"}


def test_probes_are_only_read(api):
    for path in ("/livez", "/readyz", "/metrics", "/api/health"):
        assert api.post(path).status_code == 405


def test_info_says_what_runs_and_how_much_it_holds(api, sql):
    model = api.model()
    version = api.version(model)
    api.deployment(version, "staging")
    api.deployment(version, "staging")
    info = api.by("viewer").get("/api/v1/info").json
    (row,) = sql("SELECT current_setting('server_version') AS database, version_num FROM alembic_version")
    now = datetime.fromisoformat(info.pop("time"))
    assert abs(now - datetime.fromisoformat(version["created_at"])) < timedelta(minutes=1)
    assert info == {
        "name": "catapult",
        "version": VERSION,
        "api_version": "v1",
        "database": row["database"],
        "migration": row["version_num"],
        "python": platform.python_version(),
        "counts": {"models": 1, "versions": 1, "deployments": 2},
    }


def test_info_does_not_count_what_was_deleted(api):
    model = api.model()
    api.deployment(api.version(model))
    api.delete(f"/api/v1/models/{model['id']}?force=true")
    assert api.get("/api/v1/info").json["counts"] == {"models": 0, "versions": 0, "deployments": 0}


# --- request ids


@pytest.mark.parametrize("sent", ["run-42", "x" * 128, "!~", "a,b;c=d"])
def test_a_request_id_is_echoed(api, sent):
    for path in ("/api/health", "/api/v1/models", "/api/v1/nothing", "/docs"):
        assert api.get(path, headers={"X-Request-ID": sent}).headers["X-Request-ID"] == sent


@pytest.mark.parametrize("sent", ["", "x" * 129, "two words", "é", "\x7f"])
def test_any_other_request_id_is_replaced(api, sent):
    first, second = (api.get("/api/health", headers={"X-Request-ID": sent}).headers["X-Request-ID"] for _ in range(2))
    assert sent not in (first, second)
    assert first != second


def test_a_request_without_an_id_gets_a_new_one(api):
    first, second = (api.get("/api/health").headers["X-Request-ID"] for _ in range(2))
    assert first != second
    assert re.fullmatch(r"[!-~]{1,128}", first)
