"""`flask demo`, and the generator of its data: it writes what the actions would have written, into an empty registry only."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import cycle
from types import SimpleNamespace
from uuid import UUID

import psycopg2
import pytest
from psycopg2.extras import RealDictCursor
from stage import SALT, application, counted, make_keys, settings_for

from catapult.actions import api_keys
from catapult.audit import CLI
from catapult.demo import TABLES, fill
from catapult.demo.company import CALLERS
from catapult.demo.history import uuid7_at
from catapult.demo.plans import MODELS
from catapult.demo.rows import Registry
from catapult.extensions import db
from catapult.queries import runs

NOW = datetime(2026, 11, 23, 10, 15, 30, 123456, tzinfo=UTC)
OURS = {
    "api_keys": "name NOT LIKE '%-key'",
    "audit_logs": "action <> 'demo.fill' AND (resource_type <> 'api_key' OR api_key_name <> 'cli')",
}


class Filled:
    """An application on a database of its own."""

    def __init__(self, url, app):
        self.url, self.app = url, app

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
        """Every row of every table that the demo fills, without the keys of the test and the entries about them."""
        return {
            table: self.sql(f"SELECT * FROM {table} WHERE {OURS.get(table, 'true')} ORDER BY 1, 2") for table in TABLES
        }


def application_on(url):
    with application(settings_for(url)) as app:
        yield Filled(url, app)


@pytest.fixture
def empty(make_database):
    yield from application_on(make_database())


@pytest.fixture(scope="module")
def filled(make_database):
    for registry in application_on(make_database()):
        make_keys(registry.app)  # which leaves it empty
        registry.counts = registry.fill()
        yield registry


# --- the command


def test_the_command_fills_an_empty_registry_up_to_now_and_says_what_is_there(empty):
    before = datetime.now(UTC)
    result = empty.command()
    assert result.exit_code == 0, result.output
    counts = {table: len(empty.sql(f"SELECT 1 FROM {table}")) for table in ("models", "versions", "deployments")}
    assert all(f"{number} {table}" in result.output for table, number in counts.items())
    assert "`flask up`" in result.output
    newest = max(entry["created_at"] for entry in empty.content()["audit_logs"])
    assert before - timedelta(minutes=30) < newest <= datetime.now(UTC)


INSERT = "INSERT INTO models (id, name, storage_path, deleted_at) VALUES (gen_random_uuid(), 'org/bert', 'x', {})"


@pytest.mark.parametrize("deleted_at", ["NULL", "now()"])
def test_a_registry_that_holds_or_held_a_model_is_refused_in_a_sentence(empty, deleted_at):
    empty.sql(INSERT.format(deleted_at))
    before = empty.content()
    result = empty.command()
    assert (result.exit_code, result.output.count("\n")) == (1, 1)
    assert "never held a model" in result.output
    assert empty.content() == before


def test_a_failure_half_way_leaves_nothing(empty):
    empty.sql("ALTER TABLE deployments ADD CONSTRAINT none CHECK (false)")
    assert empty.command().exit_code == 1
    assert not any(empty.content().values())


def test_filling_is_one_entry_of_the_command_line(filled):
    (entry,) = filled.sql("SELECT * FROM audit_logs WHERE action = 'demo.fill'")
    assert (entry["api_key_name"], entry["api_key_id"]) == ("cli", None)
    assert filled.counts.items() <= entry["details"].items()


def test_it_is_the_same_every_time_and_written_in_few_statements(empty, filled):
    """Not one for each row, so that a new user does not wait."""
    with counted(empty.app) as sent:
        empty.fill()
    assert len(sent) < 25
    assert empty.content() == filled.content()


# --- its keys


def test_who_acts_has_a_key_of_this_salt_and_entries_and_versions_refer_to_it(filled):
    content = filled.content()
    keys = {row["id"]: row for row in content["api_keys"]}
    assert {(key["name"], key["role"]) for key in keys.values()} == {(name, str(role)) for name, role, _ in CALLERS}
    used = {}
    for entry in content["audit_logs"]:
        assert keys[entry["api_key_id"]]["name"] == entry["api_key_name"]
        assert UUID(entry["request_id"]).version == 7
        used[entry["api_key_id"]] = entry["created_at"]
    assert used == {id_: key["last_used_at"] for id_, key in keys.items()}
    for version in content["versions"]:
        assert keys[version["created_by_key"]]["name"] == version["created_by"]
    assert len({row["salt_mark"] for row in filled.sql("SELECT salt_mark FROM api_keys")}) == 1


def test_no_admin_key_of_the_demo_keeps_the_first_admin_from_getting_one(empty):
    empty.fill()
    with empty.app.app_context():
        assert api_keys.create_first_admin(actor=CLI, salt=SALT)
        db.session.remove()


# --- its story (that the actions would write the same: test_generated.py)


@pytest.mark.parametrize("hours", range(0, 24 * 14, 37))
def test_at_any_hour_of_any_day_each_action_is_possible_when_it_comes(hours):
    now = NOW + timedelta(hours=hours)
    times, live, running, archived, released = [], {}, {}, set(), set()
    for at, written in Registry(MODELS, now, SALT).events():
        times.append(at)
        entry, details = written[-1][1], written[-1][1]["details"]
        if entry["resource_type"] == "deployment":
            where = details["model"], details["environment"]
            assert details["version_id"] not in archived
            assert details["environment"] != "production" or details["version_id"] in released
            assert running.pop(where, entry["resource_id"]) == entry["resource_id"], "two at once"
            if details["status"] in ("pending", "running"):
                running[where] = entry["resource_id"]
            if details["status"] == "success":
                live[where] = details["version_id"]
        elif entry["action"] == "version.promote":
            assert entry["resource_id"] not in archived | released
            released.add(entry["resource_id"])
        elif details.get("changes", {}).get("status"):
            assert entry["resource_id"] not in {*live.values(), *archived}
            archived.add(entry["resource_id"])
    assert times == sorted(set(times))
    assert max(times) < now
    assert len(live) > 50
    assert len(running) == sum(bool(plan.under_way) for plan in MODELS)


def test_an_id_sorts_with_its_time_to_the_microsecond():
    extremes = cycle((2**62 - 1, 0))
    rng = SimpleNamespace(getrandbits=lambda bits: next(extremes))
    ids = [UUID(uuid7_at(NOW + timedelta(microseconds=step), rng)) for step in range(2000)]
    assert ids == sorted(set(ids))
    assert {each.version for each in ids} == {7}


def test_it_is_half_a_year(filled):
    (versions,) = filled.sql("SELECT max(created_at) - min(created_at) AS long FROM versions")
    assert timedelta(days=175) < versions["long"] < timedelta(days=184)


def test_deployments_take_minutes_and_one_that_runs_has_earlier_ones_to_be_measured_by(filled):
    spans = """SELECT d.status, s.at - d.deployed_at AS took FROM deployments AS d
        JOIN deployment_states AS s ON s.deployment_id = d.id AND s.status = d.status
        WHERE d.environment <> 'development' AND d.status IN ('success', 'failed') AND d.rollback_of IS NULL"""
    took = {
        status: [row["took"] for row in filled.sql(spans) if row["status"] == status]
        for status in ("success", "failed")
    }
    assert min(map(len, took.values())) > 5
    for status, least in {"success": timedelta(minutes=5), "failed": timedelta(minutes=1)}.items():
        assert all(least <= span < timedelta(minutes=33) for span in took[status]), status
    (now,) = filled.sql("SELECT id::text FROM deployments WHERE status = 'running'")
    with filled.app.app_context():
        usual = runs.of(now["id"]).usual
        db.session.remove()
    assert usual is not None
    assert 8 < usual / 60 < 24


def test_a_release_that_went_wrong_was_rolled_back(filled):
    (back,) = filled.sql("SELECT * FROM deployments WHERE rollback_of IS NOT NULL")
    (bad,) = filled.sql(f"SELECT * FROM deployments WHERE superseded_by = '{back['id']}'")
    assert (bad["id"], bad["environment"], bad["ended_at"]) == (back["rollback_of"], "production", back["live_from"])
    (entry,) = filled.sql("SELECT details FROM audit_logs WHERE action = 'deployment.rollback'")
    assert entry["details"]["reason"] in {plan.demotion for plan in MODELS}
