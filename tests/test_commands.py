import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from catapult.tables import Role

KEY = re.compile(r"cat_[A-Za-z0-9]{8}_[A-Za-z0-9]{49}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
NOWHERE = "019ab2f0-7c1e-7d52-a1f3-2b7c9d0e4f11"


@pytest.fixture
def run(app):
    """Run `flask …`; the exit status has to be this one."""

    def invoke(*arguments, status=0):
        result = app.test_cli_runner().invoke(args=arguments)
        assert result.exit_code == status, result.output
        return result

    return invoke


@pytest.fixture
def make(run):
    """Make a key; returns it."""

    def invoke(*arguments):
        return shown(run("keys", "create", *arguments))

    return invoke


def shown(result):
    """The one key that a command printed."""
    (line,) = [line for line in result.output.splitlines() if "Key:" in line]
    word, key = line.split()
    assert word == "Key:"
    assert KEY.fullmatch(key)
    assert result.output.count(key) == 1
    return key


def listed(run):
    return {key["prefix"]: key for key in map(json.loads, run("keys", "list", "--json").output.splitlines())}


def works(api, key):
    return api.by(None).get("/api/v1/models", headers={"X-API-Key": key}).status_code == 200


# --- keys create


def test_a_key_is_printed_once_and_works(api, make):
    assert works(api, make("--name", "training"))


def test_a_key_is_a_publisher_unless_the_role_says_otherwise(run, make):
    for arguments, role in (((), "publisher"), *((("--role", str(role)), role) for role in Role)):
        key = make("--name", "x", *arguments)
        assert listed(run)[key[:12]]["role"] == role


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        ("30m", timedelta(minutes=30)),
        ("12h", timedelta(hours=12)),
        ("90d", timedelta(days=90)),
        ("2w", timedelta(weeks=2)),
    ],
)
def test_a_key_ends_after_a_length_of_time(run, make, length, expected):
    key = make("--name", "x", "--expires", length)
    end = datetime.fromisoformat(listed(run)[key[:12]]["expires_at"])
    assert abs(end - datetime.now(UTC) - expected) < timedelta(minutes=1)


def test_a_key_ends_at_a_time(run, make):
    key = make("--name", "x", "--expires", "2999-01-31T02:00:00+02:00")
    assert listed(run)[key[:12]]["expires_at"] == "2999-01-31T00:00:00.000000Z"


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--name", ""),
        ("--name", "x" * 256),
        ("--name", "x", "--role", "root"),
        ("--name", "x", "--expires", "soon"),
        ("--name", "x", "--expires", "2999-01-31"),
        ("--name", "x", "--expires", "2999-01-31T00:00:00"),
        ("--name", "x", "--expires", "90"),
    ],
)
def test_what_makes_no_key_is_refused(run, trail, arguments):
    before = len(trail())
    assert "Key:" not in run("keys", "create", *arguments, status=2).output
    assert len(trail()) == before


def test_a_key_cannot_end_in_the_past(run):
    assert "Key:" not in run("keys", "create", "--name", "x", "--expires", "2020-01-01T00:00:00Z", status=2).output


def test_making_a_key_is_audited_as_cli(make, trail):
    key = make("--name", "training", "--role", "viewer")
    entry = trail()[0]
    assert (entry["action"], entry["resource_type"], entry["api_key_name"], entry["api_key_id"]) == (
        "api_key.create",
        "api_key",
        "cli",
        None,
    )
    assert (entry["details"]["name"], entry["details"]["role"], entry["details"]["prefix"]) == (
        "training",
        "viewer",
        key[:12],
    )
    assert key[12:] not in str(trail())


# --- keys list


def test_keys_are_listed_newest_first_without_the_keys(run, make):
    keys = [make("--name", name) for name in ("one", "two")]
    output = run("keys", "list").output
    lines = output.splitlines()
    assert ("two" in lines[0], "one" in lines[1]) == (True, True)
    assert [keys[1][:12] in lines[0], keys[0][:12] in lines[1]] == [True, True]
    assert not any(key[12:] in output for key in keys)
    assert "Key:" not in output


def test_the_list_says_what_became_of_a_key(run, make, sql):
    prefixes = {name: make("--name", name)[:12] for name in ("active", "revoked", "expired")}
    run("keys", "revoke", prefixes["revoked"])
    sql("UPDATE api_keys SET expires_at = now() - interval '1 day' WHERE prefix = :prefix", prefix=prefixes["expired"])
    lines = run("keys", "list").output.splitlines()
    for state, prefix in prefixes.items():
        (line,) = [line for line in lines if prefix in line]
        assert line.count(state) == 2


def test_a_list_as_json_has_the_fields_that_the_api_gives(run, api):
    run("keys", "create", "--name", "x")
    assert [json.loads(line) for line in run("keys", "list", "--json").output.splitlines()] == api.get(
        "/api/v1/api-keys"
    ).json


# --- keys revoke


@pytest.mark.parametrize("by", ["id", "prefix"])
def test_a_key_is_revoked_by_its_id_or_prefix(api, run, make, trail, by):
    key = make("--name", "x")
    run("keys", "revoke", listed(run)[key[:12]][by])
    assert (trail()[0]["action"], trail()[0]["api_key_name"]) == ("api_key.revoke", "cli")
    assert not works(api, key)


@pytest.mark.parametrize("verb", ["revoke", "rotate"])
@pytest.mark.parametrize("key", [NOWHERE, "cat_00000000", "no-key", ""])
def test_a_key_that_is_not_there_is_neither_revoked_nor_rotated(run, trail, verb, key):
    before = len(trail())
    result = run("keys", verb, key, status=1)
    assert "no key" in result.output or "no such key" in result.output or "neither" in result.output
    assert "Traceback" not in result.output
    assert len(trail()) == before


def test_the_last_admin_is_not_revoked(api, run, admin_key, make):
    assert "last admin" in run("keys", "revoke", admin_key[:12], status=1).output
    assert works(api, admin_key)
    make("--name", "another admin", "--role", "admin")
    run("keys", "revoke", admin_key[:12])
    assert not works(api, admin_key)


def test_an_admin_that_has_expired_does_not_count(run, admin_key, make, sql):
    other = make("--name", "another admin", "--role", "admin")
    sql("UPDATE api_keys SET expires_at = now() - interval '1 day' WHERE prefix = :prefix", prefix=other[:12])
    assert "last admin" in run("keys", "revoke", admin_key[:12], status=1).output
    run("keys", "revoke", other[:12])


# --- keys rotate


def test_a_rotated_key_has_a_follower_of_the_same_name_and_role(api, run, make):
    old = make("--name", "training", "--role", "releaser")
    new = shown(run("keys", "rotate", old[:12], "--overlap", "7d"))
    assert new != old
    assert works(api, new)
    assert works(api, old)
    keys = listed(run)
    assert (keys[new[:12]]["name"], keys[new[:12]]["role"]) == ("training", "releaser")
    assert keys[new[:12]]["expires_at"] is None
    ends = datetime.fromisoformat(keys[old[:12]]["expires_at"])
    assert abs(ends - datetime.now(UTC) - timedelta(days=7)) < timedelta(minutes=1)


def test_the_overlap_is_stated(run, make):
    output = run("keys", "rotate", make("--name", "x")[:12]).output
    stated = datetime.fromisoformat(TIME.search(output)[0])
    assert abs(stated - datetime.now(UTC) - timedelta(hours=24)) < timedelta(minutes=1)


def test_an_overlap_never_makes_the_old_key_live_longer(run, make):
    old = make("--name", "x", "--expires", "1h")
    end = listed(run)[old[:12]]["expires_at"]
    new = shown(run("keys", "rotate", old[:12], "--overlap", "7d"))
    assert listed(run)[old[:12]]["expires_at"] == end
    assert listed(run)[new[:12]]["expires_at"] == end


def test_rotating_is_one_entry_as_cli_that_names_both_keys(run, make, trail):
    old = make("--name", "x")
    before = len(trail())
    new = shown(run("keys", "rotate", old[:12]))
    assert len(trail()) == before + 1
    entry = trail()[0]
    assert (entry["action"], entry["api_key_name"]) == ("api_key.rotate", "cli")
    assert old[:12] in str(entry["details"])
    assert new[:12] in str(entry["details"])
    assert new[12:] not in str(entry)


def test_a_revoked_key_is_not_rotated(run, make):
    old = make("--name", "x")
    run("keys", "revoke", old[:12])
    assert "Key:" not in run("keys", "rotate", old[:12], status=1).output


@pytest.mark.parametrize("overlap", ["-1h", "soon", "24", "1y", ""])
def test_an_overlap_is_a_length_of_time(run, make, overlap):
    old = make("--name", "x")
    assert "Key:" not in run("keys", "rotate", old[:12], "--overlap", overlap, status=2).output


# --- audit export


def exported(run, *arguments):
    return [json.loads(line) for line in run("audit", "export", *arguments).output.splitlines()]


def test_the_audit_log_is_exported_as_json_lines_oldest_first(api, run):
    api.by("publisher").model(description="a\nb")
    entries = exported(run)
    listed = api.get("/api/v1/audit-logs?limit=1000").json
    assert [entry["id"] for entry in entries] == [entry["id"] for entry in reversed(listed)]
    assert all(listed[place].items() <= entry.items() for place, entry in enumerate(reversed(entries)))
    assert (entries[-1]["action"], entries[-1]["api_key_name"]) == ("model.create", "publisher-key")


def test_an_export_says_which_key_it_was(api, run, trail):
    api.model()
    assert exported(run)[-1]["api_key_id"] == str(trail()[0]["api_key_id"])


def test_a_long_log_is_exported_whole(run, sql):
    sql(
        "INSERT INTO audit_logs (id, action, resource_type) SELECT gen_random_uuid(), 'x' || n, 'model'"
        " FROM generate_series(1, 1234) AS n"
    )
    assert len([entry for entry in exported(run) if entry["action"].startswith("x")]) == 1234


def test_an_export_may_begin_and_end_at_a_time(api, run):
    for name in ("a", "b", "c"):
        api.model(name)
    third, second, first = (datetime.fromisoformat(e["created_at"]) for e in api.get("/api/v1/audit-logs?limit=3").json)
    since, until = ((one + (other - one) / 2).isoformat() for one, other in ((first, second), (second, third)))
    assert [entry["details"]["name"] for entry in exported(run, "--since", since)] == ["b", "c"]
    assert [entry["details"]["name"] for entry in exported(run, "--since", since, "--until", until)] == ["b"]
    assert exported(run, "--since", "2999-01-01T00:00:00Z") == []
    assert exported(run, "--until", "2020-01-01T00:00:00Z") == []


def test_an_export_may_begin_some_time_ago(api, run, sql):
    sql(
        "INSERT INTO audit_logs (id, action, resource_type, created_at)"
        " VALUES (gen_random_uuid(), 'old', 'model', now() - interval '3 days')"
    )
    api.model()
    assert "old" in {entry["action"] for entry in exported(run, "--since", "4d")}
    recent = {entry["action"] for entry in exported(run, "--since", "2d")}
    assert "model.create" in recent
    assert "old" not in recent
    assert [entry["action"] for entry in exported(run, "--until", "2d")] == ["old"]


@pytest.mark.parametrize("time", ["2026-11-23", "2026-11-23T10:00:00", "yesterday", ""])
@pytest.mark.parametrize("option", ["--since", "--until"])
def test_an_export_takes_no_time_without_a_zone(run, option, time):
    run("audit", "export", option, time, status=2)


def test_an_export_writes_no_entry(api, run, trail):
    api.model()
    before = len(trail())
    exported(run)
    assert len(trail()) == before


def test_an_export_of_several_portions_holds_every_entry_once_and_in_order(run, sql, trail):
    sql(
        "INSERT INTO audit_logs (id, action, resource_type, created_at)"
        " SELECT gen_random_uuid(), 'bulk', 'model', now() + (n / 3) * interval '1 second' FROM generate_series(1, 250) AS n"
    )
    exported = [json.loads(line) for line in run("audit", "export").output.splitlines()]
    assert [entry["id"] for entry in exported] == [str(entry["id"]) for entry in reversed(trail())]
