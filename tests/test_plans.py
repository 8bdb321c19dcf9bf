"""Plans are kept where PostgreSQL keeps them, and behind a pooler nothing is lost by it."""

from uuid import uuid4

import pytest
from sqlalchemy import event, text
from stage import Api, application, make_keys, settings_for

from catapult.extensions import STORAGE, autocommit, db
from catapult.storage.folder import Folder


class Asking:
    """An application of its own, one of whose versions is asked for over a single connection."""

    def __init__(self, app):
        self.app, self.api = app, Api(app, make_keys(app), "publisher")
        self.version = self.api.version(self.api.model("plans/model"))
        self.path = f"/api/v1/versions/{self.version['id']}"

    def asked(self, times=1, path=None):
        for _ in range(times):
            assert self.api.get(path or self.path).json == self.version

    def send(self, statement):
        with self.app.app_context():
            autocommit()
            result = db.session.execute(text(statement))
            return list(result) if result.returns_rows else []

    def prepared(self):
        return self.send("SELECT name, generic_plans, statement FROM pg_prepared_statements ORDER BY statement")

    def connect_anew(self):
        with self.app.app_context():
            db.engine.dispose()


@pytest.fixture
def asking(make_database):
    with application(settings_for(make_database())) as app:
        yield Asking(app)


def test_what_is_asked_often_is_planned_once(asking):
    asking.connect_anew()
    asking.asked(10)
    assert [row.generic_plans >= 4 for row in asking.prepared()] == [True, True]
    asking.asked(10, "/api/v1/versions/latest?model_name=plans/model")
    by_key, by_id, latest = sorted(asking.prepared(), key=lambda row: len(row.statement))
    assert "api_keys.prefix = $1" in by_key.statement
    assert "versions.id = $1" in by_id.statement
    assert "model_names" in latest.statement
    assert latest.generic_plans >= 4


def test_a_plan_for_an_empty_table_is_not_kept_while_it_grows(asking, tmp_path):
    """The planner takes any index of an empty table, also one that leads to all files of a version."""
    asking.app.extensions[STORAGE] = Folder(tmp_path)
    asking.send("ALTER TABLE artifacts SET (autovacuum_enabled = false)")
    for number in range(200):
        add(asking, number)
    (plan,) = [row for row in asking.prepared() if "AS file ON" in row.statement and "moment" not in row.statement]
    assert "uq_artifacts_path" in explained(asking, plan.name)


def add(asking, number):
    address = f"{asking.path}/artifacts/file{number}"
    assert asking.api.put(address, b"%d" % number, content_type="application/octet-stream").status_code == 201


def explained(asking, name):
    return "\n".join(row[0] for row in asking.send(f"EXPLAIN EXECUTE {name} ('file0', '{asking.version['id']}')"))


def test_a_session_that_does_not_know_the_statement_answers_all_the_same(asking):
    asking.asked()
    asking.send("DEALLOCATE ALL")
    asking.asked(3)
    assert asking.prepared() == []


def test_a_session_in_which_another_client_prepared_it_answers_all_the_same(asking):
    asking.asked()
    names = [row.name for row in asking.prepared()]
    asking.connect_anew()
    for name in names:
        asking.send(f"PREPARE {name} AS SELECT 1")
    asking.asked(3)
    assert [row.statement for row in asking.prepared()] == [f"PREPARE {name} AS SELECT 1" for name in sorted(names)]


def test_a_column_that_changed_its_type_is_read_as_it_is_now(asking):
    asking.asked()
    asking.send("ALTER TABLE versions ALTER COLUMN platform TYPE text")
    asking.asked(3)


def change(asking):
    """Deploy and register, each of which locks and writes in one transaction."""
    body = {"release_id": asking.version["id"], "environment": "plans"}
    assert asking.api.post("/api/v1/deployments", body).status_code == 201
    model = {"model_id": asking.version["model_id"], "tag": "v", "digest": "sha256:" + "a" * 64}
    assert asking.api.post("/api/v1/versions", {**model, "version": str(uuid4())}).status_code == 201


def test_what_a_change_locks_and_writes_is_planned_once(asking):
    for _ in range(8):
        change(asking)
    statements = {row.statement: row.generic_plans for row in asking.prepared()}
    for part in ("FOR NO KEY UPDATE OF", "INSERT INTO deployments", "INSERT INTO decisions", "INSERT INTO versions"):
        assert max(plans for statement, plans in statements.items() if part in statement) >= 2, part


@pytest.mark.parametrize("lost", ["DEALLOCATE ALL", "another client's"])
def test_a_change_whose_plans_are_lost_is_made_once(asking, lost):
    """The transaction ends with the first error, and the request is tried once more without plans."""
    change(asking)
    change(asking)
    if lost == "DEALLOCATE ALL":
        asking.send(lost)
    else:
        names = [row.name for row in asking.prepared()]
        asking.connect_anew()
        for name in names:
            asking.send(f"PREPARE {name} AS SELECT 1")
    change(asking)
    assert asking.send("SELECT count(*) FROM deployments") == [(3,)]
    assert asking.send("SELECT count(*) FROM versions") == [(4,)]
    assert asking.send("SELECT count(*) FROM audit_logs WHERE action = 'deployment.create'") == [(3,)]


def test_a_change_is_answered_as_saved_if_the_connection_breaks_after_its_commit(asking):
    """The change is committed with the statements that write it; the session ends an empty transaction after that."""
    body = {"release_id": asking.version["id"], "environment": "plans"}
    assert asking.api.post("/api/v1/deployments", body).status_code == 201
    with asking.app.app_context():
        engine = db.engine

    def break_connection(connection):
        asking.send(f"SELECT pg_terminate_backend({connection.connection.dbapi_connection.info.backend_pid})")

    event.listen(engine, "commit", break_connection)
    try:
        assert asking.api.post("/api/v1/deployments", body).status_code == 201
    finally:
        event.remove(engine, "commit", break_connection)
    assert asking.send("SELECT count(*) FROM deployments") == [(2,)]
