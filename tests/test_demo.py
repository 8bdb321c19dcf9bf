"""`flask demo`: what it makes is what the actions would have made, and it is made only where there is nothing."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from itertools import cycle, pairwise
from types import SimpleNamespace
from uuid import UUID

import pytest
from sqlalchemy import text
from stage import Api, counted, make_keys, settings_for

from catapult.app import create_app
from catapult.demo import fill
from catapult.demo.rows import rows, uuid7_at
from catapult.demo.story import GATES, HOSTS, MODELS
from catapult.extensions import db

NOW = datetime(2026, 11, 23, 10, 15, 30, 123456, tzinfo=UTC)
TABLES = ("models", "versions", "metrics", "deployments", "audit_logs")
OF_THE_STORY = "action <> 'demo.fill' AND resource_type <> 'api_key'"


class Registry:
    """An application on a database of its own, and what stands in that."""

    def __init__(self, url):
        self.app = create_app(settings_for(url))

    def sql(self, statement, **values):
        with self.app.app_context():
            result = db.session.execute(text(statement), values)
            found = [dict(row._mapping) for row in result] if result.returns_rows else []
            db.session.commit()
            db.session.remove()
        return found

    def fill(self, now=NOW):
        with self.app.app_context():
            made = fill(now)
            db.session.remove()
        return made

    def command(self):
        return self.app.test_cli_runner().invoke(args=["demo"])

    def held(self):
        """Everything that stands there."""
        return {table: self.sql(f"SELECT * FROM {table} ORDER BY 1, 2") for table in TABLES}

    def story(self):
        """Its audit entries in order, those of keys and of the filling left out."""
        return self.sql(f"SELECT * FROM audit_logs WHERE {OF_THE_STORY} ORDER BY created_at, id")

    def close(self):
        with self.app.app_context():
            db.engine.dispose()


@pytest.fixture
def empty(make_database):
    registry = Registry(make_database())
    yield registry
    registry.close()


@pytest.fixture(scope="module")
def filled(make_database):
    registry = Registry(make_database())
    registry.keys = make_keys(registry.app)
    registry.made = registry.fill()
    yield registry
    registry.close()


# --- the command


def test_the_command_fills_an_empty_registry_and_says_what_is_there(empty):
    result = empty.command()
    assert result.exit_code == 0, result.output
    counts = {table: len(empty.sql(f"SELECT 1 FROM {table}")) for table in ("models", "versions", "deployments")}
    assert counts["models"] == 24
    assert all(f"{number} {table}" in result.output for table, number in counts.items())
    assert "flask up" in result.output
    assert "`flask up`, where it does not run yet" in result.output


def test_the_story_ends_now(empty):
    before = datetime.now(UTC)
    assert empty.command().exit_code == 0
    (newest,) = empty.sql(f"SELECT max(created_at) AS at FROM audit_logs WHERE {OF_THE_STORY}")
    assert before - timedelta(minutes=30) < newest["at"] <= datetime.now(UTC)


def test_a_second_call_refuses_in_a_sentence_and_changes_nothing(empty):
    assert empty.command().exit_code == 0
    before = empty.held()
    result = empty.command()
    assert result.exit_code == 1
    assert result.output.count("\n") == 1
    assert "never held a model" in result.output
    assert empty.held() == before


@pytest.mark.parametrize("deleted_at", [None, NOW])
def test_a_registry_that_holds_or_held_a_model_is_left_alone(empty, deleted_at):
    empty.sql(
        "INSERT INTO models (id, name, storage_path, deleted_at) VALUES (gen_random_uuid(), 'org/bert', 'x', :at)",
        at=deleted_at,
    )
    before = empty.held()
    assert empty.command().exit_code == 1
    assert empty.held() == before


def test_a_registry_that_has_only_keys_is_empty(empty):
    make_keys(empty.app)
    assert empty.command().exit_code == 0
    assert len(empty.sql("SELECT 1 FROM api_keys")) == 4


def test_it_is_written_in_few_statements(empty):
    """Not a row a statement, so that a new user does not wait."""
    with counted(empty.app) as sent:
        empty.fill()
    assert len(sent) < 25


def test_what_fails_half_way_leaves_nothing(empty):
    empty.sql("ALTER TABLE deployments ADD CONSTRAINT none CHECK (false)")
    before = empty.held()
    assert empty.command().exit_code == 1
    assert empty.held() == before


def test_filling_is_one_entry_of_the_command_line(filled):
    (entry,) = filled.sql("SELECT * FROM audit_logs WHERE action = 'demo.fill'")
    assert (entry["api_key_name"], entry["api_key_id"]) == ("cli", None)
    assert filled.made.items() <= entry["details"].items()


# --- the same every time


def test_two_fills_of_the_same_moment_are_the_same(filled, empty):
    empty.fill()
    assert empty.story() == filled.story() != []
    assert {**filled.held(), "audit_logs": None} == {**empty.held(), "audit_logs": None}


@pytest.mark.parametrize("hours", range(0, 24 * 14, 7))
def test_at_any_hour_of_any_day_the_story_holds_together(hours):
    now = NOW + timedelta(hours=hours)
    made = rows(now)
    replay(made.entries)
    times = [entry["created_at"] for entry in made.entries]
    assert times == sorted(set(times))
    assert max(times) < now
    assert sum(row["live_from"] is not None and row["ended_at"] is None for row in made.deployments) > 50


# --- what is there agrees with itself


def test_every_models_count_and_latest_agree_with_its_versions(filled):
    wrong = filled.sql(
        """
        SELECT name FROM models WHERE version_count <> (SELECT count(*) FROM versions WHERE model_id = models.id)
        OR latest_version IS DISTINCT FROM (
            SELECT version FROM versions WHERE model_id = models.id AND status = 'active'
            ORDER BY created_at DESC, id DESC LIMIT 1
        )
        """
    )
    assert not wrong


def test_each_environment_runs_one_version_of_a_model_without_a_gap(filled):
    assert not filled.sql(
        """
        SELECT id FROM (
            SELECT *, lead(live_from) OVER (PARTITION BY model_id, environment ORDER BY live_from) AS next
            FROM deployments WHERE live_from IS NOT NULL
        ) AS one WHERE ended_at IS DISTINCT FROM next OR live_from <> deployed_at
        """
    )
    assert not filled.sql("SELECT 1 FROM deployments WHERE (live_from IS NOT NULL) <> (status = 'success')")


@pytest.mark.parametrize(
    ("table", "wrong"),
    [
        ("versions JOIN models ON models.id = model_id", "versions.created_at <= models.created_at"),
        ("versions", "released_at <= created_at OR updated_at < greatest(created_at, released_at)"),
        ("deployments JOIN versions ON versions.id = release_id", "deployed_at <= created_at"),
        ("deployments", "updated_at < greatest(deployed_at, ended_at)"),
    ],
)
def test_no_time_is_before_what_it_follows(filled, table, wrong):
    assert filled.sql(f"SELECT 1 FROM {table}")
    assert not filled.sql(f"SELECT 1 FROM {table} WHERE {wrong}")


def test_no_candidate_and_nothing_worse_is_released_and_only_releases_go_to_production(filled):
    released = filled.sql("SELECT version, release_notes FROM versions WHERE released_at IS NOT NULL")
    assert not [row for row in released if "-rc" in row["version"] or "not for release" in (row["release_notes"] or "")]
    promoted = {}
    for entry in filled.story():
        if entry["action"] == "version.promote":
            promoted[str(entry["resource_id"])] = entry["created_at"]
        elif entry["details"].get("environment") == "production":
            assert promoted[entry["details"]["version_id"]] < entry["created_at"]


def test_every_number_in_the_metadata_is_a_metric(filled):
    assert not filled.sql(
        "SELECT 1 FROM metrics JOIN versions ON versions.id = version_id"
        " WHERE (versions.metadata #>> string_to_array(path, '.'))::double precision IS DISTINCT FROM value"
    )
    assert not filled.sql("SELECT 1 FROM versions WHERE id NOT IN (SELECT version_id FROM metrics)")


# --- the audit trail tells the same


def replay(entries):
    """The state after these entries, each of which has to be possible when it comes: as the actions would refuse it."""
    models, versions, live = {}, {}, {}
    for entry in entries:
        said, resource = entry["details"], str(entry["resource_id"])
        if entry["action"] == "model.create":
            models[said["name"]] = resource
        elif entry["action"] == "version.create":
            assert said["model"] in models
            versions[resource] = {"version": said["version"], "status": "active", "released": None}
        elif entry["action"] == "version.promote":
            assert versions[resource]["status"] == "active"
            assert versions[resource]["released"] is None
            versions[resource]["released"] = (entry["created_at"], entry["api_key_name"])
        elif entry["action"] == "version.demote":
            since = (datetime.fromisoformat(said["released_at"]), said["released_by"])
            assert versions[resource]["released"] == since
            versions[resource]["released"] = None
        elif entry["action"] == "version.update":
            assert said["changes"] == {"status": {"old": versions[resource]["status"], "new": "archived"}}
            assert resource not in {version for version, _ in live.values()}
            versions[resource]["status"] = "archived"
        elif entry["action"] != "gate.create":
            assert entry["action"] == "deployment.create"
            deploy(entry, versions, live)
    return models, versions, live


def deploy(entry, versions, live):
    said, place = entry["details"], (entry["details"]["model"], entry["details"]["environment"])
    version = versions[said["version_id"]]
    assert (version["version"], version["status"]) == (said["version"], "active")
    if said["status"] == "success":
        assert said.get("ended_deployment") == live.get(place, (None, None))[1]
        live[place] = (said["version_id"], str(entry["resource_id"]))
    else:
        assert "ended_deployment" not in said


def test_the_audit_trail_gives_the_models_the_versions_and_what_is_live(filled):
    models, versions, live = replay(filled.story())
    assert models == {row["name"]: str(row["id"]) for row in filled.sql("SELECT * FROM models")}
    for row in filled.sql("SELECT * FROM versions"):
        released = row["released_at"] and (row["released_at"], row["released_by"])
        told = versions.pop(str(row["id"]))
        assert told == {"version": row["version"], "status": row["status"], "released": released}
    assert not versions
    running = filled.sql(
        "SELECT deployments.*, name FROM deployments JOIN models ON models.id = model_id"
        " WHERE live_from IS NOT NULL AND ended_at IS NULL"
    )
    assert live == {(row["name"], row["environment"]): (str(row["release_id"]), str(row["id"])) for row in running}


@pytest.mark.parametrize(
    ("action", "table", "at", "by"),
    [
        ("version.create", "versions", "created_at", "created_by"),
        ("deployment.create", "deployments", "deployed_at", "deployed_by"),
    ],
)
def test_every_row_has_its_entry_of_the_same_time_and_maker(filled, action, table, at, by):
    stored = {row["id"]: (row[at], row[by]) for row in filled.sql(f"SELECT * FROM {table}")}
    entries = [entry for entry in filled.story() if entry["action"] == action]
    assert {entry["resource_id"]: (entry["created_at"], entry["api_key_name"]) for entry in entries} == stored


def test_a_version_counts_its_changes(filled):
    entries = Counter(entry["resource_id"] for entry in filled.story() if entry["resource_type"] == "version")
    assert entries == {row["id"]: row["counter"] for row in filled.sql("SELECT id, counter FROM versions")}


def test_no_entry_is_out_of_order(filled):
    entries = filled.story()
    assert [entry["id"] for entry in entries] == sorted(entry["id"] for entry in entries)
    assert all(entry["created_at"] <= NOW for entry in entries)
    assert all(entry["api_key_name"] in HOSTS and entry["api_key_id"] is None for entry in entries)
    assert all(UUID(entry["request_id"]).version == 7 for entry in entries)


def form(entry):
    """Entries of one form: those of gates tell other things by kind."""
    return entry["action"], entry["details"].get("kind")


def test_an_entrys_details_have_the_form_that_the_actions_write(filled, api, trail):
    """Each of the verbs is done once by the API, and the names of its details are compared."""
    model = api.model()
    first, second = api.version(model), api.version(model, "1.1.0")
    for version in (first, second):
        api.post(f"/api/v1/versions/{version['id']}/promote", {"reason": "good"})
        api.deployment(version)
    api.post(f"/api/v1/versions/{first['id']}/demote", {"reason": "bad"})
    api.request("PUT", f"/api/v1/versions/{first['id']}", {"status": "archived"})
    for gate in GATES:
        api.put("/api/v1/environments/staging", {})
        api.make("/api/v1/gates", gate)
    real = {}
    for entry in trail():
        real.setdefault(form(entry), (entry["resource_type"], set()))[1].update(entry["details"])
    for entry in filled.story():
        kind, names = real[form(entry)]
        assert entry["resource_type"] == kind
        assert names - set(entry["details"]) <= {"reason", "ended_deployment", "made_environment"}
        assert set(entry["details"]) <= names


# --- what there is to see


def test_the_api_lists_it(filled):
    api = Api(filled.app, filled.keys, "viewer")
    models = api.get("/api/v1/models?limit=100").json
    assert {model["name"] for model in models} == {told.name for told in MODELS}
    (sentiment,) = api.get("/api/v1/models?name=myorg/sentiment-model").json
    versions = api.get(f"/api/v1/models/{sentiment['id']}/versions").json
    assert (len(versions), versions[0]["version"]) == (sentiment["version_count"], sentiment["latest_version"])
    assert versions[0]["live_in"] == ["development"]
    assert versions[0]["image"].startswith("docker.io/myorg/sentiment-model@sha256:")
    assert api.get("/api/v1/audit-logs?action=version.promote").json
    assert api.get("/api/v1/deployments?live=true").json


def test_a_gate_is_younger_than_all_that_it_would_have_held_back(filled):
    older = filled.sql(
        "SELECT 1 FROM gates JOIN models ON name LIKE replace(gates.model, '*', '%') JOIN versions ON model_id = models.id"
        " LEFT JOIN deployments ON release_id = versions.id AND deployments.environment = target"
        " WHERE deployed_at > gates.created_at OR (target = 'release' AND released_at > gates.created_at)"
    )
    assert not older
    assert len(filled.sql("SELECT 1 FROM gates")) == len(GATES)


def test_what_readme_s_first_lines_do_passes_the_gates():
    for_it = [gate for gate in GATES if fnmatchcase("myorg/pytorch-model", gate["model"])]
    assert for_it == [{"model": "myorg/*", "target": "production", "kind": "released"}]


def test_gates_hold_some_versions_back_and_let_others_through(filled):
    api = Api(filled.app, filled.keys, "admin")
    said = [
        api.get(f"/api/v1/versions/{row['id']}/gates?target=release").json
        for row in filled.sql(
            "SELECT versions.id FROM versions JOIN models ON model_id = models.id"
            " WHERE version = latest_version AND released_at IS NULL"
        )
    ]
    states = [all(verdict["passed"] for verdict in verdicts) for verdicts in said if verdicts]
    assert True in states
    assert False in states


def test_latencies_are_in_order(filled):
    latencies = "SELECT metadata -> 'latency_ms' AS of FROM versions WHERE metadata ? 'latency_ms'"
    assert filled.sql(latencies)
    assert all(0 < row["of"]["p50"] < row["of"]["p95"] < row["of"]["p99"] for row in filled.sql(latencies))


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
    found = filled.sql(
        "SELECT value FROM metrics JOIN versions ON versions.id = version_id JOIN models ON models.id = metrics.model_id"
        " WHERE name = 'myorg/sentiment-model' AND path = 'accuracy' ORDER BY versions.created_at"
    )
    values = [row["value"] for row in found]
    assert all(0.8 < value < 1 for value in values)
    assert sum(values[-5:]) / 5 > sum(values[:5]) / 5 + 0.02
    assert any(later < earlier - 0.01 for earlier, later in pairwise(values))


def test_there_is_one_of_everything(filled):
    def some(condition, table="versions"):
        return len(filled.sql(f"SELECT 1 FROM {table} WHERE {condition}"))

    assert some("version_count = 0", "models") == 1
    assert some("version_count >= 25", "models") >= 2
    assert some("repository IS NULL", "models") == 1
    assert 2 <= some("digest !~ '^sha256:[0-9a-f]{64}$'") <= 6
    assert all(some(f"quantization = '{name}'") for name in ("fp8", "int8"))
    assert some("status = 'archived'")
    assert some("version ~ '-rc[0-9]+$'") > 10
    assert some("platform = 'linux/arm64'")
    assert some("metadata ->> 'git_url' ~ '^https://'")
    assert some("metadata ->> 'git_url' !~ '^https://'")
    assert some("NOT metadata ? 'git_url'")
    assert all(some(f"status = '{status}'", "deployments") for status in ("pending", "running", "success", "failed"))
    assert some("endpoint_url IS NOT NULL", "deployments")
    assert some("action = 'version.demote'", "audit_logs") == 1
    (months,) = filled.sql("SELECT max(created_at) - min(created_at) AS long FROM versions")
    assert timedelta(days=175) < months["long"] < timedelta(days=184)


def test_an_id_sorts_with_its_time_to_the_microsecond():
    extremes = cycle((2**62 - 1, 0))
    rng = SimpleNamespace(getrandbits=lambda bits: next(extremes))
    ids = [uuid7_at(NOW + timedelta(microseconds=step), rng) for step in range(2000)]
    assert ids == sorted(set(ids))
    assert {(one.version, one.variant) for one in ids} == {(7, "specified in RFC 4122")}
    assert ids[0].int >> 80 == int(NOW.timestamp() * 1000)
