"""The registries that are measured: what their loader writes is what the actions would have written, one after the other."""

import json
import re
import shutil
import sys
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import psycopg2
import pytest
from psycopg2.extras import NamedTupleCursor
from stage import SALT, settings_for

sys.path.insert(0, str(Path(__file__).parent.parent))  # where `scripts` is

from catapult import audit
from catapult.actions import api_keys, deployments, environments, gates, registered_models, sessions, versions
from catapult.app import create_app
from catapult.audit import CLI, Actor
from catapult.extensions import db
from catapult.queries import sessions as stored_sessions
from catapult.tables import Role
from scripts.benchmark import report
from scripts.benchmark.asking import UNIQUE, Asked, Client, Figures
from scripts.benchmark.cases import Case
from scripts.benchmark.loading import load
from scripts.benchmark.registries import Registry
from scripts.benchmark.sizes import Measured
from scripts.benchmark.timeline import Size, shares

SIZE = Size(models=3, versions=60, deployments=30, entries=400)

# The same things in every database, without ids and times; deployments and gates by the order in which they came.
NUMBERED = "SELECT *, row_number() OVER (ORDER BY {}, id) AS nth FROM {}"
PLACED = NUMBERED.format("deployed_at", "deployments")
THINGS = {
    "models": """
        SELECT name, storage_path, repository, description, tags, metadata, version_count, latest_version, counter,
            updated_at > created_at AS changed, deleted_at FROM models ORDER BY name""",
    "versions": """
        SELECT m.name AS model, version, semver_key, tag, digest, size_bytes, platform, quantization, release_notes, ceph_path,
            v.metadata, status, released_at > v.created_at AS released, released_by, v.created_by, k.name AS by_key,
            v.updated_at > v.created_at AS changed, v.counter, v.deleted_at
        FROM versions AS v JOIN models AS m ON m.id = v.model_id LEFT JOIN api_keys AS k ON k.id = v.created_by_key
        ORDER BY v.created_at""",
    "metrics": """
        SELECT v.digest, n.path, n.value, n.model_id = v.model_id AS own
        FROM metrics AS n JOIN versions AS v ON v.id = n.version_id ORDER BY v.digest, n.path""",
    "environments": """
        SELECT name, place, rank, protected, frozen, frozen_reason, frozen_until, description, created_by, counter, deleted_at
        FROM environments ORDER BY rank""",
    "deployments": f"""
        WITH d AS ({PLACED})
        SELECT d.nth, v.digest, d.model_id = v.model_id AS own, d.environment, d.status, d.endpoint_url, d.log_url, d.metadata,
            d.deployed_by, d.live_from = d.deployed_at AS at_once, d.ended_at = next.live_from AS handed_over,
            d.updated_at = coalesce(d.ended_at, d.deployed_at) AS touched, next.nth AS superseded_by, d.rollback_of,
            d.counter, d.deleted_at
        FROM d JOIN versions AS v ON v.id = d.release_id LEFT JOIN d AS next ON next.id = d.superseded_by ORDER BY d.nth""",
    "deployment_states": f"""
        WITH d AS ({PLACED})
        SELECT d.nth, s.status, s.at = d.deployed_at AS at_once FROM deployment_states AS s JOIN d ON d.id = s.deployment_id
        ORDER BY d.nth, s.status""",
    "gates": """
        SELECT model, target, kind, path, op, value, direction, tolerance, paths, environment, seconds, count, role, created_by,
            updated_at = created_at AS as_made, counter FROM gates ORDER BY created_at, id""",
    "api_keys": """
        SELECT name, role, length(key_hash) AS bytes, salt_mark, created_by, expires_at, revoked_at FROM api_keys ORDER BY name""",
}
ENTRIES = """
    SELECT a.*, k.name AS key_name, k.role AS key_role FROM audit_logs AS a LEFT JOIN api_keys AS k ON k.id = a.api_key_id
    ORDER BY a.created_at, a.id"""
NAMES = f"""
    SELECT id, name FROM models UNION ALL SELECT id, digest FROM versions UNION ALL SELECT id, name FROM api_keys
    UNION ALL SELECT id, name FROM environments
    UNION ALL SELECT id, 'deployment ' || nth FROM ({PLACED}) AS d
    UNION ALL SELECT id, 'gate ' || nth FROM ({NUMBERED.format("created_at", "gates")}) AS g"""


def rows(url, statement):
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor(cursor_factory=NamedTupleCursor) as cursor:
            cursor.execute(statement)
            return cursor.fetchall()
    finally:
        connection.close()


@pytest.fixture(scope="module")
def loaded(make_database):
    """A registry as the benchmark loads it."""
    url = make_database()
    load(url, SIZE, SALT)
    return url


@pytest.fixture(scope="module")
def acted(make_database, loaded):
    """An empty registry, in which the actions did what the entries of the other one say."""
    url = make_database()
    app = create_app(settings_for(url))
    replay = Replay(loaded)
    with app.app_context():
        for entry in rows(loaded, ENTRIES):
            replay(entry)
            db.session.remove()
        db.engine.dispose()
    return url


class Replay:
    """Calls the action that an entry tells of, with what the loaded rows hold and the entries after it have changed since."""

    def __init__(self, url):
        self.ids, self.tokens = {None: None}, {}
        self.rows = {
            row.id: row._asdict()
            for table in ("models", "versions", "deployments")
            for row in rows(url, f"SELECT * FROM {table}")
        }
        for entry in reversed(rows(url, ENTRIES)):
            for field, pair in entry.details.get("changes", {}).items():
                self.rows[entry.resource_id][field] = pair["old"]

    def __call__(self, entry):
        actor = CLI
        if entry.key_name:
            known = self.ids[entry.api_key_id]
            actor = Actor(entry.key_name, Role(entry.key_role), known, entry.ip_address, entry.request_id)
        made = getattr(self, entry.action.replace(".", "_"))(entry, actor, SimpleNamespace(**entry.details))
        if made is not None:
            self.ids[entry.resource_id] = made

    def first(self, entry, *names):
        return {name: self.rows[entry.resource_id][name] for name in names}

    def api_key_create(self, entry, actor, told):
        return api_keys.create(actor=actor, salt=SALT, name=told.name, role=told.role).id

    def environment_create(self, entry, actor, told):
        fields = {"rank": told.rank, "protected": told.protected, "description": told.description}
        return environments.put(told.name, fields, actor=actor, new=True)[0].id

    def gate_create(self, entry, actor, told):
        return gates.create(actor=actor, **vars(told)).id

    def model_create(self, entry, actor, told):
        fields = self.first(entry, "name", "storage_path", "repository", "description", "tags", "metadata")
        return registered_models.create(actor=actor, **fields).id

    def model_update(self, entry, actor, told):
        registered_models.edit(self.ids[entry.resource_id], new_values(told), actor=actor)

    def version_create(self, entry, actor, told):
        fields = self.first(
            *(entry, "version", "tag", "digest", "size_bytes", "platform", "quantization", "metadata"),
            *("release_notes", "ceph_path"),
        )
        return versions.create(actor=actor, model_name=told.model, **fields).id

    def version_update(self, entry, actor, told):
        versions.edit(self.ids[entry.resource_id], new_values(told), actor=actor)

    def version_promote(self, entry, actor, told):
        versions.promote(self.ids[entry.resource_id], actor=actor)

    def version_demote(self, entry, actor, told):
        versions.demote(self.ids[entry.resource_id], actor=actor, reason=told.reason)

    def deployment_create(self, entry, actor, told):
        fields = self.first(entry, "environment", "endpoint_url", "metadata")
        version = self.ids[self.rows[entry.resource_id]["release_id"]]
        return deployments.create(actor=actor, release_id=version, status=told.status, **fields).id

    def session_create(self, entry, actor, told):
        token = self.tokens[entry.resource_id] = sessions.sign_in(actor=actor)
        return stored_sessions.find(token).session_id

    def session_delete(self, entry, actor, told):
        sessions.sign_out(self.tokens[entry.resource_id], actor=actor)

    def auth_refused(self, entry, actor, told):
        nobody = Actor("", Role.VIEWER, None, entry.ip_address, entry.request_id)
        audit.note(audit.refused(nobody, "auth.refused", vars(told)))


def new_values(told):
    return {{"metadata": "metadata_"}.get(field, field): pair["new"] for field, pair in told.changes.items()}


def said(url):
    """Every entry, with names in place of ids, and without times and the keys' random parts."""
    known = {str(row.id): row.name for row in rows(url, NAMES)}
    entries = rows(url, ENTRIES)
    created = [entry.resource_id for entry in entries if entry.action == "session.create"]
    known |= {str(one): f"session {place}" for place, one in enumerate(created)}

    def plain(details):
        text = json.dumps({name: value for name, value in details.items() if name != "released_at"}, sort_keys=True)
        text = re.sub(r"cat_\w{8}", "cat_", text)
        return re.sub(r"[0-9a-f-]{36}", lambda found: known.get(found[0], found[0]), text)

    return [
        (
            *(one.action, one.resource_type, one.resource_id and known[str(one.resource_id)], one.key_name),
            *(one.api_key_name, plain(one.details), one.ip_address, one.request_id),
        )
        for one in entries
    ]


def test_as_many_rows_are_loaded_as_the_size_says(loaded):
    tables = ("models", "versions", "deployments", "audit_logs")
    assert [rows(loaded, f"SELECT count(*) FROM {table}")[0].count for table in tables] == list(SIZE)


@pytest.mark.parametrize("table", THINGS)
def test_what_is_loaded_is_what_the_actions_would_have_written(loaded, acted, table):
    assert rows(loaded, THINGS[table]) == rows(acted, THINGS[table])


def test_each_entry_is_the_one_that_its_action_writes(loaded, acted):
    assert said(loaded) == said(acted)


def test_there_is_some_of_everything(loaded):
    kinds = Counter(entry.action for entry in rows(loaded, ENTRIES))
    assert {"version.promote", "version.update", "deployment.create", "session.delete", "auth.refused"} <= set(kinds)
    assert {row.status for row in rows(loaded, "SELECT DISTINCT status FROM versions")} == {"active", "archived"}
    assert rows(loaded, "SELECT FROM deployments WHERE live_from IS NOT NULL AND ended_at IS NULL")
    assert rows(loaded, "SELECT FROM deployments WHERE superseded_by IS NOT NULL")
    assert rows(loaded, "SELECT FROM deployments WHERE status IN ('pending', 'running')")


def test_ids_sort_as_their_times_do(loaded):
    for table, at in (("versions", "created_at"), ("deployments", "deployed_at"), ("audit_logs", "created_at")):
        ids = [row.id for row in rows(loaded, f"SELECT id FROM {table} ORDER BY {at}, id")]
        assert ids == sorted(ids), table


def test_shares_add_up():
    assert shares(10, [3, 1, 1], 1) == [6, 2, 2]
    assert sum(shares(1_000, [1 / (place + 10) for place in range(7)], 1)) == 1_000


@pytest.fixture
def counting():
    """A server on this machine that counts what it is asked and refuses whatever ends in `/bad`; its port, and what came."""
    came = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            came.append((self.path, self.rfile.read(int(self.headers["Content-Length"])).decode()))
            self.send_response(404 if self.path.endswith("/bad") else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port, came
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("tool", ["wrk", None])
def test_requests_are_sent_in_turn_and_timed_with_wrk_and_without(counting, tool):
    if tool and not shutil.which(tool):
        pytest.skip("wrk is not installed")
    port, came = counting
    client = Client(port, "a key")
    client.tool = tool
    figures = client.ask(Asked(["/one", "/two", "/bad"], [f'{{"version": "{UNIQUE}"}}']), 1, 2)
    assert abs(len(came) - figures.requests) <= 3  # what was on its way at the end is not counted
    assert len({body for _, body in came}) == len(came)
    assert figures.requests / 4 < figures.faults < figures.requests / 2
    assert 0 < figures.p50 <= figures.p95 <= figures.p99
    assert figures.rate == pytest.approx(figures.requests, rel=0.3)


def test_the_next_round_goes_on_where_the_last_ended(counting):
    port, came = counting
    client = Client(port, "a key")
    client.tool = None
    client.ask(Asked([f"/{place}" for place in range(100_000)], ["{}"]), 1, 1, sent=7)
    assert came[0] == ("/7", "{}")


def test_a_page_says_which_bounds_hold(loaded):
    quick, slow = Figures(900.0, 1.0, 2.0, 3.0, 900, 0), Figures(500.0, 1.8, 3.0, 9.0, 500, 2)
    sides = [Registry(name, loaded, SIZE, 60.0, 2.0) for name in ("small", "large")]
    listed = [
        Case("floor", Asked(["/read"]), "floor"),
        Case("one version", Asked(["/"]), "floor", 1.5),
        Case("search", Asked(["/"]), "floor", 4.0),
    ]
    figures = {(8, case.name, side.name): quick if side.name == "small" else slow for case in listed for side in sides}
    options = SimpleNamespace(workers="gthread:2x8", rounds=5, seconds=2)
    page = report.written(Measured(sides, listed, figures), options)
    assert "| floor | 1.0 | 2.0 | 3.0 | 900 | 1.00 | 1.8 | 3.0 | 9.0 | 500 | 1.00 | 1.80 |  |  |" in page
    assert "| 1.80 | 1.5 | **missed** |" in page
    assert "| 1.80 | 4.0 | holds |" in page
    assert "- Missed over 8: one version takes 1.80 times as long, and its bound is 1.5." in page
    assert "- Failed over 8: 2 of 500 requests, search, large." in page
