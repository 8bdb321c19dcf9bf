"""Plans are kept where PostgreSQL keeps them, and behind a pooler nothing is lost by it."""

import pytest
from sqlalchemy import text
from stage import make_keys, settings_for

from catapult.app import create_app
from catapult.extensions import autocommit, db


class Asking:
    """An application of its own, one of whose versions is asked for over a single connection."""

    def __init__(self, url):
        self.app = create_app(settings_for(url))
        self.key = make_keys(self.app)["publisher"]
        model = self.post("/api/v1/models", {"name": "plans/model", "storage_path": "docker.io/plans/model"})
        body = {"model_id": model["id"], "version": "1.0.0", "tag": "v1", "digest": "sha256:" + "ab" * 32}
        self.version = self.post("/api/v1/versions", body)

    def post(self, path, body):
        answer = self.app.test_client().post(path, json=body, headers={"X-API-Key": self.key})
        assert answer.status_code == 201, answer.text
        return answer.json

    def asked(self, times=1):
        for _ in range(times):
            answer = self.app.test_client().get(
                f"/api/v1/versions/{self.version['id']}", headers={"X-API-Key": self.key}
            )
            assert answer.status_code == 200, answer.text
            assert answer.json == self.version

    def send(self, statement):
        with self.app.app_context():
            autocommit()
            result = db.session.execute(text(statement))
            return list(result) if result.returns_rows else []

    def prepared(self):
        return self.send("SELECT name, generic_plans, statement FROM pg_prepared_statements ORDER BY statement")


@pytest.fixture
def asking(make_database):
    asking = Asking(make_database())
    yield asking
    with asking.app.app_context():
        db.engine.dispose()


def test_what_is_asked_often_is_planned_once(asking):
    asking.asked(10)
    assert [row.generic_plans >= 4 for row in asking.prepared()] == [True, True]
    for _ in range(10):
        answer = asking.app.test_client().get(
            "/api/v1/versions/latest?model_name=plans/model", headers={"X-API-Key": asking.key}
        )
        assert answer.json == asking.version
    by_key, by_id, latest = sorted(asking.prepared(), key=lambda row: len(row.statement))
    assert "api_keys.prefix = $1" in by_key.statement
    assert "versions.id = $1" in by_id.statement
    assert "lower" in latest.statement
    assert latest.generic_plans >= 4


def test_a_session_that_does_not_know_the_statement_answers_all_the_same(asking):
    asking.asked()
    asking.send("DEALLOCATE ALL")
    asking.asked(3)
    assert asking.prepared() == []


def test_a_session_in_which_another_client_prepared_it_answers_all_the_same(asking):
    asking.asked()
    names = [row.name for row in asking.prepared()]
    with asking.app.app_context():
        db.engine.dispose()
    for name in names:
        asking.send(f"PREPARE {name} AS SELECT 1")
    asking.asked(3)
    assert [row.statement for row in asking.prepared()] == [f"PREPARE {name} AS SELECT 1" for name in sorted(names)]


def test_a_column_that_changed_its_type_is_read_as_it_is_now(asking):
    asking.asked()
    asking.send("ALTER TABLE versions ALTER COLUMN platform TYPE text")
    asking.asked(3)


def test_a_change_prepares_nothing(asking):
    with asking.app.app_context():
        db.engine.dispose()
    headers = {"X-API-Key": asking.key}
    path = f"/api/v1/versions/{asking.version['id']}"
    assert asking.app.test_client().put(path, json={"release_notes": "x"}, headers=headers).status_code == 200
    assert asking.prepared() == []
