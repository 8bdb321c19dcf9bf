"""`flask demo`, and the generator of its data: it writes what the actions would have written, into an empty registry only."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from itertools import cycle, pairwise
from types import SimpleNamespace
from uuid import UUID

import psycopg2
import pytest
from psycopg2.extras import RealDictCursor
from stage import SALT, Api, counted, make_keys, settings_for

from catapult.actions import api_keys
from catapult.app import create_app
from catapult.audit import CLI
from catapult.demo import TABLES, fill
from catapult.demo.company import CALLERS, GATES
from catapult.demo.history import uuid7_at
from catapult.demo.plans import MODELS
from catapult.demo.rows import Registry
from catapult.extensions import db

NOW = datetime(2026, 11, 23, 10, 15, 30, 123456, tzinfo=UTC)
STORY = "action <> 'demo.fill' AND (resource_type <> 'api_key' OR api_key_name <> 'cli')"


class Filled:
    """An application on a database of its own."""

    def __init__(self, url):
        self.url, self.app = url, create_app(settings_for(url))

    def sql(self, statement):
        connection = psycopg2.connect(self.url, cursor_factory=RealDictCursor)
        with closing(connection), connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def fill(self, now=NOW):
        with self.app.app_context():
            counts = fill(now)
            db.session.remove()
        return counts

    def command(self):
        return self.app.test_cli_runner().invoke(args=["demo"])

    def content(self):
        """Every row of every table that the demo fills."""
        return {table: self.sql(f"SELECT * FROM {table} ORDER BY 1, 2") for table in TABLES}

    def story(self):
        """The audit entries in order, without those of keys and of `flask demo` itself."""
        return self.sql(f"SELECT * FROM audit_logs WHERE {STORY} ORDER BY created_at, id")

    def close(self):
        with self.app.app_context():
            db.engine.dispose()


@pytest.fixture
def empty(make_database):
    registry = Filled(make_database())
    yield registry
    registry.close()


@pytest.fixture(scope="module")
def filled(make_database):
    registry = Filled(make_database())
    registry.keys = make_keys(registry.app)
    registry.counts = registry.fill()
    yield registry
    registry.close()


# --- the command


def test_the_command_fills_an_empty_registry_up_to_now_and_says_what_is_there(empty):
    before = datetime.now(UTC)
    result = empty.command()
    assert result.exit_code == 0, result.output
    counts = {table: len(empty.sql(f"SELECT 1 FROM {table}")) for table in ("models", "versions", "deployments")}
    assert counts["models"] == 24
    assert all(f"{number} {table}" in result.output for table, number in counts.items())
    assert "`flask up`" in result.output
    (newest,) = empty.sql(f"SELECT max(created_at) AS at FROM audit_logs WHERE {STORY}")
    assert before - timedelta(minutes=30) < newest["at"] <= datetime.now(UTC)


INSERT = "INSERT INTO models (id, name, storage_path, deleted_at) VALUES (gen_random_uuid(), 'org/bert', 'x', {})"


@pytest.mark.parametrize("deleted_at", ["NULL", "now()", None], ids=["a model", "a deleted model", "the demo"])
def test_a_registry_that_holds_or_held_a_model_is_refused_in_a_sentence(empty, deleted_at):
    empty.sql(INSERT.format(deleted_at)) if deleted_at else empty.command()
    before = empty.content()
    result = empty.command()
    assert (result.exit_code, result.output.count("\n")) == (1, 1)
    assert "never held a model" in result.output
    assert empty.content() == before


def test_a_failure_half_way_leaves_nothing(empty):
    empty.sql("ALTER TABLE deployments ADD CONSTRAINT none CHECK (false)")
    assert empty.command().exit_code == 1
    assert not any(empty.content().values())


def test_a_registry_that_has_only_keys_is_empty(empty):
    make_keys(empty.app)
    assert empty.command().exit_code == 0


def test_it_is_written_in_few_statements(empty):
    """Not one for each row, so that a new user does not wait."""
    with counted(empty.app) as sent:
        empty.fill()
    assert len(sent) < 25


def test_filling_is_one_entry_of_the_command_line(filled):
    (entry,) = filled.sql("SELECT * FROM audit_logs WHERE action = 'demo.fill'")
    assert (entry["api_key_name"], entry["api_key_id"]) == ("cli", None)
    assert filled.counts.items() <= entry["details"].items()


def test_two_fills_of_the_same_moment_are_the_same(empty, make_database):
    other = Filled(make_database())
    empty.fill()
    other.fill()
    same = {**empty.content(), "audit_logs": empty.story()}
    assert same == {**other.content(), "audit_logs": other.story()}
    assert all(same.values())
    other.close()


# --- its keys


def test_who_acts_has_a_key_of_this_salt_and_entries_and_versions_refer_to_it(filled):
    keys = {row["id"]: row for row in filled.sql("SELECT * FROM api_keys WHERE name NOT LIKE '%-key'")}
    assert {(key["name"], key["role"]) for key in keys.values()} == {(name, str(role)) for name, role, _ in CALLERS}
    used = {}
    for entry in filled.story():
        assert keys[entry["api_key_id"]]["name"] == entry["api_key_name"]
        assert UUID(entry["request_id"]).version == 7
        used[entry["api_key_id"]] = entry["created_at"]
    assert used == {id_: key["last_used_at"] for id_, key in keys.items()}
    for version in filled.sql("SELECT created_by, created_by_key FROM versions"):
        assert keys[version["created_by_key"]]["name"] == version["created_by"]
    assert len({row["salt_mark"] for row in filled.sql("SELECT salt_mark FROM api_keys")}) == 1


def test_no_admin_key_of_the_demo_keeps_the_first_admin_from_getting_one(empty):
    empty.fill()
    with empty.app.app_context():
        assert api_keys.create_first_admin(actor=CLI, salt=SALT)
        db.session.remove()


# --- what it writes holds together (that the actions would write the same: test_generated.py)


@pytest.mark.parametrize("hours", range(0, 24 * 14, 19))
def test_at_any_hour_of_any_day_each_action_is_possible_when_it_comes(hours):
    now = NOW + timedelta(hours=hours)
    times, live, archived, released = [], {}, set(), set()
    for at, written in Registry(MODELS, now, SALT).events():
        times.append(at)
        entry, details = written[-1][1], written[-1][1]["details"]
        if entry["action"] == "deployment.create":
            assert details["version_id"] not in archived
            assert details["environment"] != "production" or details["version_id"] in released
            if details["status"] == "success":
                live[details["model"], details["environment"]] = details["version_id"]
        elif entry["action"] == "version.promote":
            assert entry["resource_id"] not in archived | released
            released.add(entry["resource_id"])
        elif details.get("changes", {}).get("status"):
            assert entry["resource_id"] not in {*live.values(), *archived}
            archived.add(entry["resource_id"])
    assert times == sorted(set(times))
    assert max(times) < now
    assert len(live) > 50


@pytest.mark.parametrize(
    ("action", "table", "at", "by"),
    [
        ("version.create", "versions", "created_at", "created_by"),
        ("deployment.create", "deployments", "deployed_at", "deployed_by"),
    ],
)
def test_every_row_has_its_entry_of_the_same_time_and_key(filled, action, table, at, by):
    stored = {row["id"]: (row[at], row[by]) for row in filled.sql(f"SELECT * FROM {table}")}
    entries = [entry for entry in filled.story() if entry["action"] == action]
    assert {entry["resource_id"]: (entry["created_at"], entry["api_key_name"]) for entry in entries} == stored


def test_an_id_sorts_with_its_time_to_the_microsecond():
    extremes = cycle((2**62 - 1, 0))
    rng = SimpleNamespace(getrandbits=lambda bits: next(extremes))
    ids = [UUID(uuid7_at(NOW + timedelta(microseconds=step), rng)) for step in range(2000)]
    assert ids == sorted(set(ids))
    assert {(each.version, each.variant) for each in ids} == {(7, "specified in RFC 4122")}
    assert ids[0].int >> 80 == int(NOW.timestamp() * 1000)


# --- what there is to see


def test_the_api_lists_it(filled):
    api = Api(filled.app, filled.keys, "viewer")
    models = api.get("/api/v1/models?limit=100").json
    assert {model["name"] for model in models} == {plan.name for plan in MODELS}
    (sentiment,) = api.get("/api/v1/models?name=myorg/sentiment-model").json
    versions = api.get(f"/api/v1/models/{sentiment['id']}/versions").json
    assert (len(versions), versions[0]["version"]) == (sentiment["version_count"], sentiment["latest_version"])
    assert versions[0]["live_in"] == ["development"]
    assert versions[0]["image"].startswith("docker.io/myorg/sentiment-model@sha256:")
    assert api.get("/api/v1/audit-logs?action=version.promote").json
    assert api.get("/api/v1/deployments?live=true").json


def test_no_candidate_and_nothing_worse_is_released(filled):
    released = filled.sql("SELECT version, release_notes FROM versions WHERE released_at IS NOT NULL")
    assert released
    assert not [row for row in released if "-rc" in row["version"] or "not for release" in (row["release_notes"] or "")]


def test_a_gate_is_younger_than_everything_it_would_have_blocked(filled):
    older = filled.sql(
        "SELECT 1 FROM gates JOIN models ON name LIKE replace(gates.model, '*', '%') JOIN versions ON model_id = models.id"
        " LEFT JOIN deployments ON release_id = versions.id AND deployments.environment = target"
        " WHERE deployed_at > gates.created_at OR (target = 'release' AND released_at > gates.created_at)"
    )
    assert not older
    assert len(filled.sql("SELECT 1 FROM gates")) == len(GATES)


def test_the_first_lines_of_readme_pass_the_gates():
    applicable = [gate for gate in GATES if fnmatchcase("myorg/pytorch-model", gate["model"])]
    assert applicable == [{"model": "myorg/*", "target": "production", "kind": "released"}]


def test_gates_hold_some_versions_back_and_let_others_through(filled):
    api = Api(filled.app, filled.keys, "admin")
    newest = filled.sql(
        "SELECT versions.id FROM versions JOIN models ON model_id = models.id"
        " WHERE version = latest_version AND released_at IS NULL"
    )
    verdicts = [api.get(f"/api/v1/versions/{row['id']}/gates?target=release").json for row in newest]
    assert {all(verdict["passed"] for verdict in each) for each in verdicts if each} == {True, False}


def test_latencies_are_in_order(filled):
    latencies = filled.sql("SELECT metadata -> 'latency_ms' AS of FROM versions WHERE metadata ? 'latency_ms'")
    assert latencies
    assert all(0 < row["of"]["p50"] < row["of"]["p95"] < row["of"]["p99"] for row in latencies)


def test_some_models_have_better_versions_than_their_release(filled):
    waiting = filled.sql(
        """
        SELECT name, count(*) AS newer FROM versions JOIN models ON models.id = model_id
        WHERE versions.created_at > (
            SELECT max(created_at) FROM versions AS release WHERE model_id = models.id AND released_at IS NOT NULL
        ) GROUP BY name
        """
    )
    assert len([row for row in waiting if row["newer"] >= 2]) >= 4


def test_numbers_get_better_over_time_with_some_steps_back(filled):
    rows = filled.sql(
        "SELECT value FROM metrics JOIN versions ON versions.id = version_id JOIN models ON models.id = metrics.model_id"
        " WHERE name = 'myorg/sentiment-model' AND path = 'accuracy' ORDER BY versions.created_at"
    )
    values = [row["value"] for row in rows]
    assert all(0.8 < value < 1 for value in values)
    assert sum(values[-5:]) / 5 > sum(values[:5]) / 5 + 0.02
    assert any(later < earlier - 0.01 for earlier, later in pairwise(values))


@pytest.mark.parametrize(
    ("table", "condition", "least"),
    [
        ("models", "version_count = 0", 1),
        ("models", "version_count >= 25", 2),
        ("models", "repository IS NULL", 1),
        ("versions", "digest !~ '^sha256:[0-9a-f]{64}$'", 2),
        *(("versions", f"quantization = '{name}'", 1) for name in ("fp8", "int8")),
        ("versions", "status = 'archived'", 1),
        ("versions", "version ~ '-rc[0-9]+$'", 11),
        ("versions", "platform = 'linux/arm64'", 1),
        *(("versions", f"metadata ->> 'git_url' {form}", 1) for form in ("~ '^https://'", "~ '^git@'", "IS NULL")),
        *(("deployments", f"status = '{status}'", 1) for status in ("pending", "running", "success", "failed")),
        ("deployments", "endpoint_url IS NOT NULL", 1),
        ("audit_logs", "action = 'version.demote'", 1),
        ("audit_logs", "details -> 'changes' ? 'metadata'", 1),
    ],
)
def test_there_is_some_of_everything(filled, table, condition, least):
    assert len(filled.sql(f"SELECT 1 FROM {table} WHERE {condition}")) >= least


def test_it_is_half_a_year(filled):
    (versions,) = filled.sql("SELECT max(created_at) - min(created_at) AS long FROM versions")
    assert timedelta(days=175) < versions["long"] < timedelta(days=184)
