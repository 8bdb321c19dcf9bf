"""The generator of registries writes what the actions would have written.

The actions repeat what the audit entries of a generated registry say, one after the other, in an empty one; both must be the same.
"""

import json
import re
import sys
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import psycopg2
import pytest
from psycopg2.extras import NamedTupleCursor
from stage import SALT, application, settings_for

sys.path.insert(0, str(Path(__file__).parent.parent))  # where `scripts` is

from catapult import audit
from catapult.actions import api_keys, comments, deployments, environments, gates, registered_models, sessions, versions
from catapult.audit import CLI, Actor
from catapult.demo.plans import MODELS
from catapult.demo.rows import Registry
from catapult.extensions import db
from catapult.queries import sessions as stored_sessions
from catapult.rules.decisions import FIELDS, sha256
from catapult.tables import Role
from scripts.benchmark.loading import load
from scripts.benchmark.made_up import Size, registry

NOW = datetime(2026, 11, 23, 10, 15, 30, 123456, tzinfo=UTC)
SPECIAL = [
    plan._replace(versions=min(plan.versions, 12), edited=0.5)
    for plan in MODELS
    if plan.under_way or plan.demotion or plan.withdrawn or plan.storage or not plan.versions
]
SIZE = Size(models=3, versions=400, entries=4000)  # enough that one of ten deployments fails, whatever the time is

TABLES = {
    **dict.fromkeys(
        ("api_keys", "environments", "gates", "models", "versions", "decisions", "deployments", "comments"), "id"
    ),
    "audit_logs": "id",
    "metrics": "version_id, path",
    "deployment_states": "deployment_id, status",
}
"""What is compared, and in which order. Ids are in the order of their times."""

ENTRIES = """
    SELECT a.*, k.name AS key_name, k.role AS key_role FROM audit_logs AS a LEFT JOIN api_keys AS k ON k.id = a.api_key_id
    ORDER BY a.created_at, a.id"""


def rows(url, statement):
    with closing(psycopg2.connect(url)) as connection, connection.cursor(cursor_factory=NamedTupleCursor) as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def content(url):
    """Every row, with numbers of rows instead of ids, and with the order of a row's times instead of the times."""
    tables = {
        table: [row.json for row in rows(url, f"SELECT to_jsonb(t) AS json FROM {table} AS t ORDER BY {order}")]
        for table, order in TABLES.items()
    }
    sessions = [{"id": row["resource_id"]} for row in tables["audit_logs"] if row["action"] == "session.create"]
    names = {
        row["id"]: f"{table} {number}"
        for table, listed in {**tables, "sessions": sessions}.items()
        for number, row in enumerate(listed)
        if "id" in row
    }

    def comparable(row):
        text = OWN.sub("", json.dumps(row, sort_keys=True))
        times = sorted(set(TIME.findall(text)))
        text = TIME.sub(lambda match: f"time {times.index(match[0])}", text)
        return UUID.sub(lambda match: names.get(match[0], match[0]), text)

    return {table: [comparable(row) for row in listed] for table, listed in tables.items()}


OWN = re.compile(r'"(key_hash|prefix|expires_at|last_used_at|decision_sha256)": ("[^"]*"|null),? ?')
TIME, UUID = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00"), re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")


@pytest.fixture(scope="module", params=["demo", "benchmark"])
def generated(request, make_database):
    """A registry as it is generated: the models of the demo with anything special, or a small one for the benchmark."""
    demo = request.param == "demo"
    url = make_database()
    load(url, Registry(SPECIAL, NOW, SALT).events() if demo else registry(SIZE, SALT))
    return url


@pytest.fixture(scope="module")
def acted(make_database, generated):
    """The registry in which the actions repeated what the entries of the generated one say."""
    url = make_database()
    repeat = Replay(generated)
    with application(settings_for(url)) as app, app.app_context():
        for entry in rows(generated, ENTRIES):
            repeat(entry)
            db.session.remove()
    return url


class Replay:
    """Calls the action of an entry, with the values of the rows before the entries after it changed them."""

    def __init__(self, url):
        self.ids, self.tokens = {None: None}, {}
        self.rows = {
            row.id: row._asdict()
            for table in ("models", "versions", "deployments")
            for row in rows(url, f"SELECT * FROM {table}")
        }
        for entry in reversed(rows(url, ENTRIES)):
            for field, change in entry.details.get("changes", {}).items():
                self.rows[entry.resource_id][field] = change["old"]

    def __call__(self, entry):
        actor = CLI
        if entry.key_name:
            key_id = self.ids[entry.api_key_id]
            actor = Actor(entry.key_name, Role(entry.key_role), key_id, entry.ip_address, entry.request_id)
        details = SimpleNamespace(**entry.details)
        made = getattr(self, entry.action.replace(".", "_"))(entry, actor, details)
        if made is not None:
            self.ids[entry.resource_id] = made

    def first(self, entry, names):
        return {name: self.rows[entry.resource_id][name] for name in names.split()}

    def api_key_create(self, entry, actor, details):
        return api_keys.create(actor=actor, salt=SALT, name=details.name, role=details.role).id

    def environment_create(self, entry, actor, details):
        fields = {name: getattr(details, name) for name in ("rank", "protected", "description")}
        return environments.put(details.name, fields, actor=actor, new=True)[0].id

    def gate_create(self, entry, actor, details):
        return gates.create(actor=actor, **vars(details)).id

    def model_create(self, entry, actor, details):
        fields = self.first(entry, "name storage_path repository description tags metadata")
        return registered_models.create(actor=actor, **fields).id

    def version_create(self, entry, actor, details):
        names = "version tag digest size_bytes platform quantization metadata release_notes ceph_path tags"
        return versions.create(actor=actor, model_name=details.model, **self.first(entry, names)).id

    def version_update(self, entry, actor, details):
        names = {"metadata": "metadata_"}
        new = {names.get(field, field): change["new"] for field, change in details.changes.items()}
        versions.edit(self.ids[entry.resource_id], new, actor=actor)

    def version_promote(self, entry, actor, details):
        versions.promote(self.ids[entry.resource_id], actor=actor, reason=vars(details).get("reason"))

    def version_demote(self, entry, actor, details):
        versions.demote(self.ids[entry.resource_id], actor=actor, reason=details.reason)

    def comment_create(self, entry, actor, details):
        fields = {"text": details.text, "asks_for_changes": details.asks_for_changes}
        return comments.create(self.ids[details.version_id], actor=actor, **fields).id

    def deployment_create(self, entry, actor, details):
        fields = self.first(entry, "environment endpoint_url metadata")
        version = self.ids[self.rows[entry.resource_id]["release_id"]]
        return deployments.create(actor=actor, release_id=version, status=details.status, **fields).id

    def deployment_update(self, entry, actor, details):
        names = {"metadata": "metadata_"}
        new = {names.get(field, field): change["new"] for field, change in details.changes.items()}
        deployments.edit(self.ids[entry.resource_id], new, actor=actor)

    def deployment_rollback(self, entry, actor, details):
        of = {"model_name": details.model, "reason": details.reason}
        return deployments.rollback(details.environment, actor=actor, **of).id

    def session_create(self, entry, actor, details):
        token = self.tokens[entry.resource_id] = sessions.sign_in(actor=actor)
        return stored_sessions.find(token).session_id

    def session_delete(self, entry, actor, details):
        sessions.sign_out(self.tokens[entry.resource_id], actor=actor)

    def auth_refused(self, entry, actor, details):
        nobody = Actor("", Role.VIEWER, None, entry.ip_address, entry.request_id)
        audit.note(audit.refused(nobody, "auth.refused", vars(details)))


def test_the_rows_and_the_entries_are_those_that_the_actions_write(generated, acted):
    ours, theirs = content(generated), content(acted)
    for table in TABLES:
        assert ours[table] or table == "comments", table  # the benchmark has none
        assert ours[table] == theirs[table], table


def test_each_entry_has_the_hash_of_its_decision(generated):
    """It is of ids and times, so it is another one where the actions repeat them."""
    decisions = {str(row.id): row._asdict() for row in rows(generated, "SELECT * FROM decisions")}
    entries = [entry for entry in rows(generated, ENTRIES) if "decision_id" in entry.details]
    assert len(entries) == len(decisions) > 0
    for entry in entries:
        decision = decisions[entry.details["decision_id"]]
        values = {**decision, "freeze": decision["freeze_reason"]}
        assert entry.details["decision_sha256"] == sha256(*(values[name] for name in FIELDS))


def test_ids_sort_as_their_times_do_and_a_deployment_ends_when_the_next_one_begins(generated):
    for table, at in (("versions", "created_at"), ("deployments", "deployed_at"), ("audit_logs", "created_at")):
        ids = [row.id for row in rows(generated, f"SELECT id FROM {table} ORDER BY {at}, id")]
        assert ids == sorted(ids), table
    gaps = "SELECT FROM deployments AS d JOIN deployments AS next ON next.id = d.superseded_by WHERE d.ended_at <> next.live_from"
    assert not rows(generated, gaps)


@pytest.mark.parametrize("generated", ["benchmark"], indirect=True)
def test_the_benchmark_loads_as_many_rows_as_the_size_says_and_some_of_everything(generated):
    tables = ("models", "versions", "audit_logs")
    assert [rows(generated, f"SELECT count(*) FROM {table}")[0].count for table in tables] == list(SIZE)
    actions = Counter(entry.action for entry in rows(generated, ENTRIES))
    assert {"version.promote", "version.update", "session.delete", "auth.refused"} <= set(actions)
    for condition in ("live_from IS NOT NULL AND ended_at IS NULL", "superseded_by IS NOT NULL", "status = 'failed'"):
        assert rows(generated, f"SELECT FROM deployments WHERE {condition}"), condition
