"""The command line against the real application: each command, what it writes and where, and how it ends."""

import io
import json
import logging
import os
import re
import shlex
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from subprocess import PIPE

import pytest
from catapult_client import commands
from peer import DIGEST, KEY, MODEL, Answer, problem

IMAGE = f"docker.io/{MODEL}@{DIGEST}"


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def accurate(admin):
    """What becomes a release, or gets to production, is accurate."""
    admin.put_environment("production")
    for target in ("release", "production"):
        admin.create_gate("org/*", target, "metric", path="accuracy", op=">=", value=0.9)
        admin.create_gate("org/*", target, "metadata_present", paths=["accuracy"])


@pytest.fixture
def at_peer_cli(peer, run, monkeypatch):
    monkeypatch.setenv("REGISTRY_URL", peer.url)
    monkeypatch.setenv("REGISTRY_API_KEY", KEY)
    return run


REGISTER = ("register", MODEL, "1.0", "--tag", "v1.0", "--digest", DIGEST)


def test_registering_creates_the_model_and_the_version_and_can_be_repeated(catapult, registry, tmp_path, monkeypatch):
    metadata = tmp_path / "metadata.json"
    metadata.write_text('{"accuracy": 0.95, "data": {"sha256": "ü"}}', "utf-8")
    refused = catapult(*REGISTER)
    assert (refused.status, refused.out) == (1, "")
    command = (*REGISTER, "--create-model", f"docker.io/{MODEL}", "--metadata", str(metadata), "--notes", "Better")
    command = (*command, "--tags", "nlp", "on trial")
    for _ in range(2):
        assert catapult(*command, "--size-bytes", "10") == (0, f"{MODEL} 1.0 is registered\n", "")
    made = registry.get_version(model_name=MODEL, version="1.0")
    assert made.metadata == {"accuracy": 0.95, "data": {"sha256": "ü"}}
    assert (made.release_notes, made.size_bytes, made.is_release) == ("Better", 10, False)
    assert made.tags == ["nlp", "on trial"]
    other = catapult("register", MODEL, "1.0", "--tag", "v2", "--digest", DIGEST)
    assert other.status == 1
    assert "tag is 'v1.0', but 'v2' was sent" in other.err
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"rows": 5}')))
    ended = catapult("register", MODEL, "2.0", "--tag", "t", "--digest", "sha256:abc", "--metadata", "-")
    assert (ended.status, ended.out) == (0, f"{MODEL} 2.0 is registered\n")
    assert "sha256:abc is not a valid image digest" in ended.err
    assert registry.get_version(model_name=MODEL, version="2.0").metadata == {"rows": 5}


def test_a_comment_is_an_argument_or_standard_input(catapult, registry, version, monkeypatch):
    assert catapult("comment", MODEL, "1.0", "Slower than 0.9") == (0, f"{MODEL} 1.0 has a comment\n", "")
    monkeypatch.setattr(sys, "stdin", io.StringIO("The German slice\nlooks wrong\n"))
    ended = catapult("comment", MODEL, "1.0", "-", "--ask-for-changes", "--json")
    assert (ended.status, json.loads(ended.out)["text"]) == (0, "The German slice\nlooks wrong")
    made = [(comment.text, comment.asks_for_changes) for comment in registry.list_comments(version)]
    assert made == [("The German slice\nlooks wrong", True), ("Slower than 0.9", False)]
    refused = catapult("comment", MODEL, "1.0", "x" * 2_001)
    assert (refused.status, refused.out) == (1, "")
    assert "text" in refused.err


@pytest.mark.parametrize(
    "content", [b"[]", b"{", b"\xff", b"", b'{"loss": NaN}', b'{"a": {"acc": 1, "acc": 2}}', b"[" * 100_000, None]
)
def test_metadata_that_is_no_object_is_a_usage_error(catapult, version, tmp_path, content):
    file = tmp_path / "metadata.json"
    if content is not None:
        file.write_bytes(content)
    ended = catapult("register", MODEL, "2.0", "--tag", "t", "--digest", DIGEST, "--metadata", str(file))
    assert (ended.status, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert "metadata" in ended.err


def test_registering_a_release_waits_for_no_gate_but_says_what_is_missing(catapult, registry, accurate, version, newer):
    blocked = catapult(*REGISTER, "--release")
    assert (blocked.status, blocked.out) == (1, "")
    assert f"{MODEL} 1.0 is registered, but not promoted.\n" in blocked.err
    assert "FAIL  metric            accuracy is 0.89; it must be >= 0.9\n" in blocked.err
    command = ("register", MODEL, "1.1", "--tag", "v1.1", "--digest", DIGEST, "--release")
    for _ in range(2):
        assert catapult(*command) == (0, f"{MODEL} 1.1 is registered and a release\n", "")
    assert [entry.action for entry in registry.list_audit_logs(action="version.promote")] == ["version.promote"]


def test_what_gates_block_is_listed_with_every_verdict(catapult, by_admin, accurate, version, newer):
    listed = [
        "FAIL  metric            accuracy is 0.89; it must be >= 0.9",
        "PASS  metadata_present  its metadata has accuracy",
    ]
    for command in (("promote", MODEL.upper(), "1.0"), ("deploy", MODEL, "1.0", "production")):
        blocked = catapult(*command)
        assert (blocked.status, blocked.out, blocked.err.splitlines()[1:]) == (1, "", listed)
        printed = json.loads(catapult(*command, "--json").out)
        assert (printed["error"], [verdict["passed"] for verdict in printed["gates"]]) == ("blocked", [False, True])
    gates = catapult("gates", MODEL, "1.0", "--target", "Production")
    assert (gates.status, gates.out.splitlines()) == (1, listed)
    assert catapult("promote", MODEL, "1.1", "--reason", "best so far") == (0, f"{MODEL} 1.1 is a release\n", "")
    override = ("promote", MODEL, "1.0", "--force", "--reason", "urgent")
    forbidden = catapult(*override)
    assert (forbidden.status, "admin" in forbidden.err) == (1, True)
    assert by_admin(*override).status == 0


def test_without_gates_nothing_is_blocked(catapult, version):
    for options, printed in (((), ""), (("--json",), "[]\n")):
        ended = catapult("gates", MODEL, "1.0", "--target", "release", *options)
        assert (ended.status, ended.out) == (0, printed)


def test_deploying_says_where_it_is_live(catapult, admin, registry, version, tmp_path):
    metadata = tmp_path / "metadata.json"
    metadata.write_text('{"replicas": 3}')
    log = ("--log-url", "https://ci.example/1", "--endpoint-url", "https://bert.example/")
    ended = catapult("deploy", MODEL, "1.0", "staging", "--metadata", str(metadata), *log)
    assert ended == (0, f"{MODEL} 1.0 is live in staging\n", "")
    (made,) = registry.list_deployments(environment="staging")
    assert (made.metadata, made.log_url, made.endpoint_url) == ({"replicas": 3}, log[1], log[3])
    printed = json.loads(catapult("deploy", MODEL, "1.0", "staging", "--json").out)
    assert "etag" not in printed
    assert printed["live_from"].endswith("Z")
    assert datetime.fromisoformat(printed["live_from"]) <= datetime.now(UTC)
    assert "has the status failed in" in catapult("deploy", MODEL, "1.0", "staging", "--status", "failed").out
    admin.freeze("staging", "Sale until Monday")
    frozen = catapult("deploy", MODEL, "1.0", "staging")
    assert (frozen.status, frozen.out, "Sale until Monday" in frozen.err) == (1, "", True)


def test_rolling_back_makes_the_version_before_live(catapult, registry, version, newer):
    registry.deploy(version, "production")
    nothing = catapult("rollback", "production", MODEL, "--reason", "slow")
    assert (nothing.status, nothing.out) == (1, "")
    second = registry.deploy(newer, "production")
    told = f"{MODEL} 1.0 is live again in production\n"
    assert catapult("rollback", "production", MODEL, "--reason", "slow") == (0, told, "")
    back = catapult("rollback", "production", MODEL, "--reason", "it was not that", "--to", second.id, "--json")
    assert json.loads(back.out)["version"] == "1.1"


def test_an_environment_may_have_segments(catapult, registry, version, newer):
    where = "review/feature-x"
    for number in ("1.0", "1.1"):
        assert catapult("deploy", MODEL, number, where) == (0, f"{MODEL} {number} is live in {where}\n", "")
    assert catapult("rollback", where, MODEL, "--reason", "slow").out == f"{MODEL} 1.0 is live again in {where}\n"
    assert catapult("live", where).out.count(MODEL) == 1
    assert catapult("why", MODEL, "--live-in", where).status == 0
    retired = catapult("retire", where, MODEL, "--reason", "over")
    assert retired.out == f"{MODEL} 1.0 is no longer live in {where}\n"
    assert catapult("live", "review/live").status == 2


def test_what_is_live_is_its_image_alone(catapult, registry, version, newer):
    nothing = catapult("live", "production", MODEL)
    assert (nothing.status, nothing.out, nothing.err.count("\n")) == (1, "", 1)
    first = registry.deploy(version, "production")
    assert catapult("live", "Production", MODEL.upper()) == (0, f"{IMAGE}\n", "")
    second = registry.deploy(newer, "production")
    assert second.live_from is not None
    before = second.live_from - timedelta(microseconds=1)
    for at, there in ((before, first), (second.live_from, second)):
        told = json.loads(catapult("live", "production", MODEL, "--at", at.isoformat(), "--json").out)
        assert (told["id"], told["version"], told["image"]) == (there.id, there.version, IMAGE)
    past = catapult("live", "production", MODEL, "--at", "2001-01-01T00:00:00Z")
    assert (past.status, past.out) == (1, "")
    assert "was live in production at 2001-01-01T00:00:00Z" in past.err


def test_the_latest_is_the_newest_or_the_highest_and_what_has_no_number_is_told(
    catapult, registry, version, newer, caplog
):
    caplog.set_level(logging.WARNING, "catapult")
    registry.create_version(MODEL, "nightly", tag="v1", digest="sha256:" + "1" * 64)
    assert catapult("latest", MODEL) == (0, "nightly\n", "")
    assert catapult("latest", MODEL, "--semver").out == f"{max(version.version, newer.version)}\n"
    assert "or 2026.01.15: 1." in caplog.text
    none = catapult("latest", MODEL, "--release")
    assert (none.status, none.out, none.err.count("\n")) == (1, "", 1)
    assert "archived ones are left out" in none.err
    assert "org/none" in catapult("latest", "org/none").err


def test_why_it_is_live_says_who_and_what_let_it_through(catapult, by_admin, admin, registry, accurate, version, newer):
    admin.create_gate(MODEL, "production", "approved")
    admin.approve(newer, "production", comment="Looked at it")
    registry.deploy(newer, "production", reason="best so far")
    first = datetime.now(UTC)
    ended = catapult("why", MODEL.upper(), "--live-in", "Production")
    live, through, reason, approved, *verdicts = ended.out.splitlines()
    assert live.startswith(f"{MODEL} 1.1 is live in Production, since {first:%Y-}")
    name = registry.me().name
    assert through.startswith(f"let through by  {name}, {first:%Y-}")
    assert through.endswith("Z (deploy)")
    assert reason == "reason          best so far"
    assert approved.startswith(f"approved by     {admin.me().name}, ")
    assert approved.endswith("Z: Looked at it")
    assert [verdict.split()[:2] for verdict in verdicts] == [
        ["PASS", "metric"], ["PASS", "metadata_present"], ["PASS", "approved"],
    ]  # fmt: skip
    assert by_admin("deploy", MODEL, "1.0", "production", "--force", "--reason", "urgent").status == 0
    forced = catapult("why", MODEL, "--live-in", "production").out
    assert "override        a gate did not stop it" in forced
    assert "FAIL  metric            accuracy is 0.89; it must be >= 0.9" in forced
    before = catapult("why", MODEL, "--live-in", "production", "--at", first.isoformat())
    assert before.out.startswith(f"{MODEL} 1.1 was live in production at {first.isoformat()}, since ")
    assert "best so far" in before.out


def test_why_as_json_is_the_deployment_with_its_decision(catapult, registry, version):
    made = registry.deploy(version, "staging")
    for at in ((), ("--at", datetime.now(UTC).isoformat())):
        printed = json.loads(catapult("why", MODEL, "--live-in", "staging", *at, "--json").out)
        assert (printed["id"], printed["decision"]["id"], printed["decision"]["sha256"]) == (
            made.id, made.decision_id, made.decision.sha256,
        )  # fmt: skip


def test_what_became_live_before_decisions_were_kept_says_so(catapult, registry, version, sql):
    made = registry.deploy(version, "staging")
    sql("UPDATE deployments SET decision_id = NULL WHERE id = :id", id=made.id)
    assert catapult("why", MODEL, "--live-in", "staging").out.splitlines()[1:] == ["No evidence was kept then."]
    assert json.loads(catapult("why", MODEL, "--live-in", "staging", "--json").out)["decision"] is None


def test_a_retired_model_is_live_no_more(catapult, registry, version):
    retire = ("retire", "staging", MODEL, "--reason", "Replaced by bert-2")
    nothing = catapult(*retire)
    assert (nothing.status, nothing.out) == (1, "")
    registry.deploy(version, "staging")
    assert catapult(*retire) == (0, f"{MODEL} 1.0 is no longer live in staging\n", "")
    assert catapult("why", MODEL, "--live-in", "staging").status == 1
    registry.deploy(version, "staging")
    assert json.loads(catapult(*retire, "--json").out)["live"] is False


def test_without_a_model_what_is_live_is_a_line_a_model(catapult, registry, version):
    registry.create_model("a/b", "docker.io/a/b")
    registry.deploy(registry.create_version("a/b", "2024-05-05", "t", DIGEST), "production")
    there = registry.deploy(version, "production")
    assert there.live_from is not None
    ended = catapult("live", "production")
    assert (ended.status, ended.err) == (0, "")
    assert [line.split()[:2] for line in ended.out.splitlines()] == [["a/b", "2024-05-05"], [MODEL, "1.0"]]
    assert f"{there.live_from:%Y-%m-%dT%H:%M:%SZ}" in ended.out
    assert [one["model_name"] for one in json.loads(catapult("live", "production", "--json").out)] == ["a/b", MODEL]
    past = catapult("live", "production", "--at", "2001-01-01T00:00:00Z")
    assert (past.status, past.out) == (0, "")
    assert "Nothing was" in past.err


def test_a_version_of_a_source_is_registered_and_prints_it_where_it_is_live(catapult, registry, version):
    source = "s3://models/held/2"
    for _ in range(2):
        ended = catapult("register", MODEL, "2.0", "--source", source, "--json")
        assert {name: json.loads(ended.out)[name] for name in ("tag", "digest", "image", "source", "number")} == {
            **dict.fromkeys(("tag", "digest", "image")),
            **{"source": source, "number": 2},
        }
    assert catapult("register", MODEL, "2.0", "--source", "elsewhere").status == 1
    registry.deploy(registry.get_version(model_name=MODEL, version="2.0"), "production")
    assert catapult("live", "production", MODEL) == (0, f"{source}\n", "")
    assert json.loads(catapult("live", "production", MODEL, "--json").out)["source"] == source


def test_a_version_without_an_image_to_pull_prints_none_and_says_why(catapult, registry, admin, version, sql):
    registry.deploy(registry.create_version(MODEL, "2.0", "t", "sha256:abc"), "production")
    registry.create_model("bare", "bare/path")
    registry.deploy(registry.create_version("bare", "1", "t", DIGEST), "production")
    registry.create_model("old", "bare/path")
    registry.deploy(registry.create_version("old", "1", "t", DIGEST), "production")
    sql("UPDATE models SET repository = 'docker://ghcr.io/a' WHERE name = 'old'")
    registry.deploy(version, "staging")
    then = next(registry.live("staging")).live_from
    admin.delete_environment("staging", force=True)
    registry.deploy(version, "staging", status="failed")
    admin.delete_version(version)
    for command, reason in (
        (("production", MODEL), "sha256:abc"),
        (("production", "bare"), "Set the model's repository."),
        (
            ("production", "old"),
            "Correct the model's repository, docker://ghcr.io/a: it must have no scheme, as ghcr.io/a",
        ),
        (("staging", MODEL, "--at", then.isoformat()), "was deleted"),
    ):
        ended = catapult("live", *command)
        assert (ended.status, ended.out, reason in ended.err) == (1, "", True), reason


def meanwhile(monkeypatch, *works):
    """Each work is done in one of the pauses; gives the pauses, in seconds, as they come."""
    pauses: list[float] = []
    left = list(works)

    def sleep(seconds):
        pauses.append(seconds)
        if left:
            left.pop(0)()

    monkeypatch.setattr(commands.time, "sleep", sleep)
    return pauses


def test_waiting_ends_when_every_gate_passes(catapult, registry, accurate, version, monkeypatch):
    pauses = meanwhile(
        monkeypatch,
        lambda: registry.update_version(version, metadata={}),
        lambda: None,
        lambda: registry.update_version(version, metadata={"accuracy": 0.99}),
    )
    ended = catapult("wait", MODEL, "1.0", "--target", "production", "--interval", "7")
    assert (ended.status, pauses) == (0, [7, 7, 7])
    added = r"\(added by releaser-key, (right|\d seconds?) after registration\)"
    assert re.match(rf"PASS  metric            accuracy is 0.99 {added}; it must be >= 0.9\n", ended.out)
    assert ended.err.splitlines() == [
        "catapult: Waiting: accuracy is 0.89; it must be >= 0.9.",
        "catapult: Waiting: its metadata has no accuracy; its metadata has no accuracy.",
    ]


def test_waiting_ends_with_1_when_the_time_is_over(catapult, accurate, version):
    ended = catapult("wait", MODEL, "1.0", "--target", "production", "--timeout", "0.05", "--interval", "0.02")
    assert (ended.status, "FAIL  metric" in ended.out) == (1, True)
    assert ended.err.endswith("catapult: Timed out after 0.05 s: accuracy is 0.89; it must be >= 0.9.\n")


def test_waiting_until_it_is_live(catapult, registry, version, monkeypatch):
    begun = registry.deploy(version, "staging", status="running")
    never = catapult("wait", MODEL, "1.0", "--live-in", "production", "--timeout", "0")
    assert (never.status, "never deployed there" in never.err) == (1, True)
    meanwhile(monkeypatch, lambda: registry.update_deployment(begun, status="success"))
    ended = catapult("wait", MODEL, "1.0", "--live-in", "Staging")
    assert (ended.status, ended.out) == (0, f"{MODEL} 1.0 is live in Staging\n")
    assert "its newest deployment there is running" in ended.err


def test_waiting_outlasts_a_registry_that_is_down_for_a_while(peer, at_peer_cli, monkeypatch):
    there = Answer(200, [{"id": "v1", "version": "1.0", "live_in": ["staging"]}])
    peer.answers = [*[Answer(drop=True)] * 6, there, Answer(200, []), there]
    sleep = meanwhile(monkeypatch)
    ended = at_peer_cli("wait", MODEL, "1.0", "--live-in", "staging", "--interval", "0.01")
    assert (ended.status, len(sleep)) == (0, 1 + 5)  # those between tries are slept there, too
    assert "no answer from" in ended.err


def test_settings_that_are_missing_are_told_all_at_once(run, monkeypatch):
    ended = run("live", "production")
    assert (ended.status, ended.out, ended.err.count("\n")) == (2, "", 1)
    for name in ("REGISTRY_URL", "--url", "REGISTRY_API_KEY", "--key-file"):
        assert name in ended.err
    monkeypatch.setenv("REGISTRY_API_KEY", KEY)
    ended = run("live", "production", "--url", "nowhere")
    assert (ended.status, "base_url" in ended.err) == (2, True)


def test_the_key_may_come_from_a_file_and_options_stand_before_or_after_the_command(
    run, as_key, releaser_key, version, tmp_path
):
    file = tmp_path / "key"
    file.write_text(f"{releaser_key}\n", "utf-8-sig")
    own = ("--url", "http://localhost", "--key-file", str(file), "--json")
    gates = ("gates", MODEL, "1.0", "--target", "release")
    assert run(*own, *gates)[:2] == run(*gates, *own)[:2] == (0, "[]\n")
    missing = run(*gates, "--url", "http://localhost", "--key-file", "/nowhere")
    assert (missing.status, missing.out, missing.err.count("\n")) == (2, "", 1)


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "fly",
        "live",
        "live production --js",
        "live production --at yesterday",
        "live production --at 2026-01-01T00:00:00",
        "live production ''",
        "live 'a b' org/held",
        "register org/held 2.0 --digest sha256:abc",
        "register org/held 2.0 --tag t --source s3://a",
        "register org/held 2.0",
        "promote org/held",
        "promote org/held 1.0 --force",
        "deploy org/held 1.0 staging --force",
        "deploy org/held 1.0 staging --status cancelled",
        "rollback production org/held",
        "rollback production org/held --reason x --to ''",  # an unset variable must not mean the default
        "rollback production org/held --reason x --to 'not an id'",
        "retire production org/held",
        "why org/held",
        "why org/held --live-in production --at yesterday",
        "gates org/held 1.0",
        "wait org/held 1.0",
        "wait org/held 1.0 --target release --live-in staging",
        "wait org/held 1.0 --target release --timeout -1",
        "wait org/held 1.0 --target release --timeout nan",
    ],
)
def test_what_is_not_called_rightly_ends_with_2_in_one_line(catapult, admin, version, arguments):
    admin.put_environment("production")
    ended = catapult(*shlex.split(arguments))
    assert (ended.status, ended.out, ended.err.count("\n")) == (2, "", 1)


@pytest.mark.parametrize(
    ("arguments", "error", "named"),
    [
        ("promote org/held 9", "not-found", "9"),
        ("live producton", "not-found", "producton"),
        ("live producton org/held", "not-found", "producton"),
        ("live production org/hled", "not-found", "org/hled"),
        ("live production org/held", "failed", "org/held"),
        ("retire producton org/held --reason x", "not-found", "producton"),
        ("retire production org/held --reason x", "conflict", "org/held"),
        ("why org/held --live-in producton", "not-found", "producton"),
        ("why org/hled --live-in production", "not-found", "org/hled"),
        ("why org/held --live-in production --at 2026-01-01T00:00:00Z", "failed", "org/held"),
        ("gates org/held 1.0 --target producton", "validation", "producton"),
        ("wait org/held 9 --target release", "not-found", "9"),
        ("wait org/held 1.0 --target producton", "validation", "producton"),
    ],
)
def test_what_is_not_there_is_named_and_ends_with_1(catapult, admin, version, arguments, error, named):
    admin.put_environment("production")
    ended = catapult(*arguments.split(), "--json")
    assert (ended.status, ended.err.count("\n"), named in ended.err) == (1, 1, True)
    assert json.loads(ended.out)["error"] == error


def test_help_and_the_release_end_with_0(run):
    for command in ("register", "promote", "deploy", "rollback", "retire", "live", "why", "gates", "wait"):
        assert command in run("--help").out
        assert run(command, "--help").status == 0
    assert run("--version").out.startswith("catapult-sdk ")


def test_a_key_among_the_arguments_is_no_option_and_is_not_repeated(catapult):
    key = "cat_AbCd1234_" + "x" * 40
    for arguments in (("--key", key), (f"--key={key}",), ("--key-file", key), (key,)):
        ended = catapult("live", "production", *arguments)
        assert ended.status in (1, 2)
        assert key not in ended.out + ended.err


@pytest.mark.parametrize(
    "answer",
    [
        Answer(drop=True),
        problem(503, "unavailable"),
        Answer(502, "<html>"),
        Answer(200, "<html>"),
        Answer(302, headers={"Location": "http://other/"}),
        Answer(200, {"no": "list"}),
        problem(409, "conflict", detail=f"The key {KEY}\nsays \x1b[31mred"),
    ],
)
def test_whatever_the_network_does_is_one_line_and_never_a_traceback(peer, at_peer_cli, answer):
    peer.answers = [answer]
    ended = at_peer_cli("live", "production")
    assert (ended.status, ended.out, ended.err.count("\n")) == (1, "", 1)
    assert ended.err.startswith("catapult: ")
    assert KEY not in ended.err
    assert "\x1b" not in ended.err


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [({}, True), ({"NO_COLOR": ""}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
)
def test_colours_are_for_terminals_that_want_them(catapult, accurate, version, monkeypatch, environment, coloured):
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert "\x1b" not in catapult("gates", MODEL, "1.0", "--target", "production").out
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    assert catapult("gates", MODEL, "1.0", "--target", "production").status == 1
    assert ("\x1b[31mFAIL\x1b[0m" in terminal.getvalue()) is coloured
    assert "accuracy is 0.89; it must be >= 0.9" in terminal.getvalue()


@pytest.mark.parametrize("reason", ["Broken pipe", "No space left on device"])
def test_output_that_cannot_be_written_ends_with_1_in_one_line(peer, reason):
    peer.answers = [Answer(200, [{"id": "d", "model_name": "a/b", "version": "1"}] * 2000)]
    if reason == "Broken pipe":
        reading, stdout = os.pipe()
        os.close(reading)
    else:
        stdout = os.open("/dev/full", os.O_WRONLY)
    settings = {"REGISTRY_URL": peer.url, "REGISTRY_API_KEY": KEY, "PYTHONPATH": ":".join(filter(None, sys.path))}
    command = [sys.executable, "-m", "catapult_client", "live", "production", "--json"]
    ended = subprocess.run(
        command, env=settings, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=60, check=False
    )
    os.close(stdout)
    message = f"catapult: The output could not be written completely: {reason}.\n"
    assert (ended.returncode, ended.stderr) == (1, message)


def test_ctrl_c_in_a_process_of_its_own_ends_with_130_in_one_line(peer):
    peer.answers = [Answer(200, [{"id": "v1", "version": "1.0", "live_in": []}]), Answer(200, [])]
    settings = {"REGISTRY_URL": peer.url, "REGISTRY_API_KEY": KEY, "PYTHONPATH": ":".join(filter(None, sys.path))}
    command = [
        sys.executable,
        "-m",
        "catapult_client",
        "wait",
        MODEL,
        "1.0",
        "--live-in",
        "staging",
        "--interval",
        "60",
    ]
    with subprocess.Popen(command, env=settings, stdout=PIPE, stderr=PIPE, text=True) as waiting:
        assert "Waiting" in waiting.stderr.readline()
        waiting.send_signal(signal.SIGINT)
        assert waiting.communicate(timeout=20) == ("", "catapult: Interrupted.\n")
    assert waiting.returncode == 130


def test_a_closed_standard_output_ends_with_1_and_a_closed_standard_error_is_ignored(peer, at_peer_cli, monkeypatch):
    peer.answers = [Answer(200, [])]
    monkeypatch.setattr(sys, "stdout", None)
    ended = at_peer_cli("live", "production", "--json")
    assert (ended.status, "completely: Bad file descriptor." in ended.err) == (1, True)
    monkeypatch.setattr(sys, "stderr", None)
    assert at_peer_cli("live", "production").status == 0
