"""`flask keys …`, `flask people …` and `flask audit export`, in the process of the tests."""

import json
import re
from datetime import UTC, datetime, timedelta
from unicodedata import normalize

import pytest
from stage import NOWHERE, TIME

from catapult.tables import Role

KEY = re.compile(r"cat_[A-Za-z0-9]{8}_[A-Za-z0-9]{49}")


@pytest.fixture
def run(app):
    """A function that runs `flask …` and checks the exit status."""

    def invoke(*arguments, status=0):
        result = app.test_cli_runner().invoke(args=arguments)
        assert result.exit_code == status, result.output
        return result

    return invoke


@pytest.fixture
def create(run):
    """A function that creates a key and returns it."""

    def invoke(*arguments):
        return shown(run("keys", "create", *arguments))

    return invoke


def shown(result):
    """Return the only key that a command printed."""
    (line,) = [line for line in result.output.splitlines() if "Key:" in line]
    word, key = line.split()
    assert word == "Key:"
    assert KEY.fullmatch(key)
    assert result.output.count(key) == 1
    return key


def listed(run):
    return {key["prefix"]: key for key in map(json.loads, run("keys", "list", "--json").output.splitlines())}


def is_near(time, ahead):
    """Return whether the RFC 3339 time is that far ahead, give or take a minute."""
    return abs(datetime.fromisoformat(time) - datetime.now(UTC) - ahead) < timedelta(minutes=1)


def works(api, key):
    return api.by(None).get("/api/v1/models", headers={"X-API-Key": key}).status_code == 200


# --- keys create


def test_a_key_is_printed_once_and_is_a_publishers_unless_a_role_is_given(api, run, create):
    for arguments, role in (((), "publisher"), *((("--role", str(role)), role) for role in Role)):
        key = create("--name", "x", *arguments)
        assert listed(run)[key[:12]]["role"] == role
        assert works(api, key)


@pytest.mark.parametrize(
    ("length", "ahead"),
    [("30m", timedelta(minutes=30)), ("12h", timedelta(hours=12)), ("90d", timedelta(days=90)), ("2w", timedelta(14))],
)
def test_a_key_expires_after_a_length_of_time_or_at_a_time(run, create, length, ahead):
    key = create("--name", "x", "--expires", length)
    other = create("--name", "x", "--expires", "2999-01-31T02:00:00+02:00")
    assert is_near(listed(run)[key[:12]]["expires_at"], ahead)
    assert listed(run)[other[:12]]["expires_at"] == "2999-01-31T00:00:00.000000Z"


@pytest.mark.parametrize(
    "arguments",
    [
        *((), ("--name", ""), ("--name", "x" * 256), ("--name", "x", "--role", "root")),
        *(
            ("--name", "x", "--expires", time)
            for time in ("soon", "2999-01-31", "2999-01-31T00:00:00", "90", "2020-01-01T00:00:00Z")
        ),
    ],
)
def test_invalid_arguments_create_no_key(run, trail, arguments):
    before = len(trail())
    assert "Key:" not in run("keys", "create", *arguments, status=2).output
    assert len(trail()) == before


def test_creating_a_key_is_audited_as_cli(create, trail):
    key = create("--name", "training", "--role", "viewer")
    entry = trail()[0]
    who = [entry[name] for name in ("action", "resource_type", "api_key_name", "api_key_id")]
    assert who == ["api_key.create", "api_key", "cli", None]
    assert entry["details"] | {"name": "training", "role": "viewer", "prefix": key[:12]} == entry["details"]
    assert key[12:] not in str(trail())


# --- keys list


def test_keys_are_listed_newest_first_with_their_state_and_without_the_keys(run, create, sql):
    keys = {name: create("--name", name) for name in ("active", "revoked", "expired")}
    run("keys", "revoke", keys["revoked"][:12])
    sql("UPDATE api_keys SET expires_at = now() - interval '1 day' WHERE name = 'expired'")
    output = run("keys", "list").output
    for line, (name, key) in zip(output.splitlines(), reversed(keys.items()), strict=False):
        assert key[:12] in line
        assert line.count(name) == 2  # the name and the state
        assert key[12:] not in output


def test_a_list_as_json_has_the_fields_that_the_api_gives(run, api):
    run("keys", "create", "--name", "x")
    assert list(listed(run).values()) == api.get("/api/v1/api-keys").json


# --- keys revoke


@pytest.mark.parametrize("by", ["id", "prefix"])
def test_a_key_is_revoked_by_its_id_or_prefix(api, run, create, trail, by):
    key = create("--name", "x")
    run("keys", "revoke", listed(run)[key[:12]][by])
    assert (trail()[0]["action"], trail()[0]["api_key_name"]) == ("api_key.revoke", "cli")
    assert not works(api, key)


@pytest.mark.parametrize("verb", ["revoke", "rotate"])
@pytest.mark.parametrize("key", [NOWHERE, "cat_00000000", "no-key", ""])
def test_a_key_that_does_not_exist_is_neither_revoked_nor_rotated(run, trail, verb, key):
    before = len(trail())
    result = run("keys", verb, key, status=1)
    assert "no key" in result.output or "no such key" in result.output or "neither" in result.output
    assert "Traceback" not in result.output
    assert len(trail()) == before


def test_the_last_admin_is_not_revoked(api, run, admin_key, create):
    assert "last admin" in run("keys", "revoke", admin_key[:12], status=1).output
    assert works(api, admin_key)
    create("--name", "another admin", "--role", "admin")
    run("keys", "revoke", admin_key[:12])
    assert not works(api, admin_key)


def test_an_expired_admin_does_not_count(run, admin_key, create, sql):
    other = create("--name", "another admin", "--role", "admin")
    sql("UPDATE api_keys SET expires_at = now() - interval '1 day' WHERE prefix = :prefix", prefix=other[:12])
    assert "last admin" in run("keys", "revoke", admin_key[:12], status=1).output
    run("keys", "revoke", other[:12])


# --- keys rotate


def test_a_rotated_key_gets_a_successor_of_the_same_name_and_role(api, run, create):
    old = create("--name", "training", "--role", "releaser")
    new = shown(run("keys", "rotate", old[:12], "--overlap", "7d"))
    assert new != old
    assert works(api, new)
    assert works(api, old)
    keys = listed(run)
    successor = keys[new[:12]]
    assert (successor["name"], successor["role"], successor["expires_at"]) == ("training", "releaser", None)
    assert is_near(keys[old[:12]]["expires_at"], timedelta(days=7))


def test_the_end_of_the_overlap_is_printed(run, create):
    output = run("keys", "rotate", create("--name", "x")[:12]).output
    assert is_near(TIME.search(output)[0], timedelta(hours=24))


def test_an_overlap_never_extends_the_old_key_and_the_new_one_lasts_as_long_as_that_was_made_for(run, create):
    old = create("--name", "x", "--expires", "1h")
    end = listed(run)[old[:12]]["expires_at"]
    new = shown(run("keys", "rotate", old[:12], "--overlap", "7d"))
    assert listed(run)[old[:12]]["expires_at"] == end
    later = listed(run)[new[:12]]["expires_at"]
    assert later > end
    assert is_near(later, timedelta(hours=1))


def test_rotating_writes_one_entry_as_cli_that_names_both_keys(run, create, trail):
    old = create("--name", "x")
    before = len(trail())
    new = shown(run("keys", "rotate", old[:12]))
    entry, *others = trail()
    assert len(others) == before
    assert (entry["action"], entry["api_key_name"]) == ("api_key.rotate", "cli")
    assert [key[:12] in str(entry["details"]) for key in (old, new)] == [True, True]
    assert new[12:] not in str(entry)


@pytest.mark.parametrize("overlap", ["-1h", "soon", "24", "1y", ""])
def test_neither_a_bad_overlap_nor_a_revoked_key_gives_a_new_one(run, create, overlap):
    old = create("--name", "x")[:12]
    assert "Key:" not in run("keys", "rotate", old, "--overlap", overlap, status=2).output
    run("keys", "revoke", old)
    assert "Key:" not in run("keys", "rotate", old, status=1).output


def test_the_printed_end_of_the_old_key_is_its_own(run, create):
    old = create("--name", "x", "--expires", "1h")
    output = run("keys", "rotate", old[:12], "--overlap", "7d").output
    assert TIME.search(output)[0] == listed(run)[old[:12]]["expires_at"]


# --- people


@pytest.fixture
def dana(run):
    """The id of a releaser with an email address."""
    return run("people", "add", "Dana Ortiz", "--email", "dana@example.com", "--role", "releaser").output.strip()


def test_a_person_is_added_as_cli_and_listed(api, run, dana, trail):
    entry = trail()[0]
    assert (entry["action"], str(entry["resource_id"]), entry["api_key_name"]) == ("person.create", dana, "cli")
    run("people", "add", "Lee")
    lee, shown_dana = run("people", "list").output.splitlines()
    assert (lee.split()[1:], shown_dana.split()[1:]) == (
        ["viewer", "active", "Lee"],
        ["releaser", "active", "Dana", "Ortiz", "<dana@example.com>"],
    )
    as_json = [json.loads(line) for line in run("people", "list", "--json").output.splitlines()]
    assert as_json == api.get("/api/v1/people").json


@pytest.mark.parametrize(
    "arguments",
    [
        ("Lee", "--email", "nobody"),
        ("Lee", "--email", "two words@example.com"),
        ("Lee", "--role", "boss"),
        ("two\nlines",),
        ("",),
    ],
)
def test_invalid_arguments_add_nobody(run, arguments):
    run("people", "add", *arguments, status=2)
    assert run("people", "list").output == ""


def test_a_refusal_says_what_is_wrong_with_each_field(run, api):
    viewer = api.make("/api/v1/people", {"name": "Vic", "role": "viewer"})
    refused = run("keys", "create", "--name", "x", "--role", "admin", "--person", viewer["id"], status=2).output
    assert " role: " in refused
    assert len(refused.splitlines()) == 1


def test_an_email_address_belongs_to_one_person(run, dana):
    assert "email address" in run("people", "add", "Other", "--email", "dana@example.com", status=1).output


@pytest.mark.parametrize("by", ["id", "name", "email"])
def test_a_key_may_belong_to_a_person_and_have_bounds(api, run, create, dana, by):
    person = {"id": dana, "name": "dana ORTIZ", "email": "dana@example.com"}[by]
    bounds = ("--models", "nlp/*", "--models", "vision/resnet", "--environments", "Staging")
    key = create("--name", "laptop", "--role", "releaser", "--person", person, *bounds)
    me = api.by(None).get("/api/v1/me", headers={"X-API-Key": key}).json
    assert (me["name"], me["person"]["id"]) == ("Dana Ortiz", dana)
    assert me["bounds"] == {"models": ["nlp/*", "vision/resnet"], "environments": ["staging"]}


def test_a_person_is_found_in_either_unicode_form_of_a_name(run):
    run("people", "add", normalize("NFD", "José"))
    assert "is deactivated" in run("people", "deactivate", normalize("NFC", "JOSÉ")).output


def test_the_list_of_keys_shows_whose_each_is(run, create, dana):
    for arguments in (("--name", "ci"), ("--name", "laptop", "--person", dana)):
        create(*arguments)
    of_dana, of_nobody = run("keys", "list").output.splitlines()[:2]
    assert ("Dana Ortiz" in of_dana, "laptop" in of_dana) == (True, True)
    assert ("service" in of_nobody, "ci" in of_nobody) == (True, True)


@pytest.mark.parametrize(
    ("arguments", "status", "why"),
    [
        (("--role", "admin", "--person", "Dana Ortiz"), 2, "more than its person"),
        (("--person", "Nobody"), 1, "Nobody has the name"),
        (("--person", NOWHERE), 1, "Nobody has the name"),
        (("--models", "a/../b"), 2, "models"),
        (("--environments", "two words"), 2, "environments"),
    ],
)
def test_a_key_that_nobody_may_have_is_not_created(run, dana, arguments, status, why):
    result = run("keys", "create", "--name", "x", *arguments, status=status)
    assert why in result.output
    assert "Key:" not in result.output
    assert "Traceback" not in result.output


def test_of_several_people_of_one_name_none_is_meant(run, create, dana):
    run("people", "add", "dana ortiz")
    assert "Several people" in run("people", "deactivate", "Dana Ortiz", status=1).output
    run("people", "deactivate", dana)


def test_deactivating_a_person_ends_their_keys(api, run, create, dana, trail):
    key = create("--name", "laptop", "--person", dana)
    assert "Dana Ortiz is deactivated" in run("people", "deactivate", "Dana Ortiz").output
    assert (trail()[0]["action"], trail()[0]["api_key_name"]) == ("person.update", "cli")
    assert not works(api, key)
    assert "inactive" in run("people", "list").output
    assert "not active" in run("keys", "create", "--name", "x", "--person", dana, status=1).output


def test_the_last_admin_is_not_deactivated(api, run, admin_key, create):
    boss = run("people", "add", "Boss", "--role", "admin").output.strip()
    key = create("--name", "laptop", "--role", "admin", "--person", boss)
    run("keys", "revoke", admin_key[:12])
    assert "last admin" in run("people", "deactivate", boss, status=1).output
    assert works(api, key)


# --- audit export


def exported(run, *arguments):
    return [json.loads(line) for line in run("audit", "export", *arguments).output.splitlines()]


def test_the_audit_log_is_exported_as_json_lines_oldest_first_and_writes_no_entry(api, run, trail):
    api.by("publisher").model(description="a\nb")
    entries = exported(run)
    newest_first = api.get("/api/v1/audit-logs?limit=1000").json
    assert [entry["id"] for entry in entries] == [entry["id"] for entry in reversed(newest_first)]
    assert all(fields.items() <= entry.items() for fields, entry in zip(newest_first, reversed(entries), strict=True))
    assert [entry["api_key_id"] for entry in entries] == [
        entry["api_key_id"] and str(entry["api_key_id"]) for entry in reversed(trail())
    ]


def test_an_export_may_begin_and_end_at_a_time(api, run):
    for name in ("a", "b", "c"):
        api.model(name)
    third, second, first = (datetime.fromisoformat(e["created_at"]) for e in api.get("/api/v1/audit-logs?limit=3").json)
    since, until = ((start + (end - start) / 2).isoformat() for start, end in ((first, second), (second, third)))
    assert [entry["details"]["name"] for entry in exported(run, "--since", since)] == ["b", "c"]
    assert [entry["details"]["name"] for entry in exported(run, "--since", since, "--until", until)] == ["b"]
    assert exported(run, "--since", "2999-01-01T00:00:00Z") == []
    assert exported(run, "--until", "2020-01-01T00:00:00Z") == []


def test_an_export_may_begin_some_time_ago(api, run, sql):
    sql(
        "INSERT INTO audit_logs (id, action, resource_type, created_at)"
        " VALUES (gen_random_uuid(), 'old', 'model', now() - interval '3 days')"
    )
    since = {ago: {entry["action"] for entry in exported(run, "--since", ago)} for ago in ("2d", "4d")}
    assert since["4d"] - since["2d"] == {"old"}
    assert [entry["action"] for entry in exported(run, "--until", "2d")] == ["old"]


@pytest.mark.parametrize("time", ["2026-11-23", "2026-11-23T10:00:00", "yesterday", ""])
@pytest.mark.parametrize("option", ["--since", "--until"])
def test_an_export_refuses_a_time_without_a_zone(run, option, time):
    run("audit", "export", option, time, status=2)


def test_an_export_of_several_batches_contains_every_entry_once_and_in_order(run, sql, trail):
    sql(
        "INSERT INTO audit_logs (id, action, resource_type, created_at)"
        " SELECT gen_random_uuid(), 'bulk', 'model', now() + (n / 3) * interval '1 second' FROM generate_series(1, 1234) AS n"
    )
    assert [entry["id"] for entry in exported(run)] == [str(entry["id"]) for entry in reversed(trail())]
