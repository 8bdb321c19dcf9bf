"""Deployments that another tool recorded are taken over into empty spans: all of a file, or nothing of it."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from catapult.actions import history_import

MODEL, PAST = "org/bert", datetime(2026, 1, 5, 12, tzinfo=UTC)


def at(days):
    return (PAST + timedelta(days=days)).isoformat().replace("+00:00", "Z")


def line(version="1.0.0", start=0, end=1, environment="production", **fields):
    times = {"live_from": at(start)} | ({"ended_at": at(end)} if end is not None else {})
    return {
        **{"model": MODEL.upper(), "version": version, "environment": environment, "status": "success"},
        **{"deployed_by": "old-pipeline", **times, **fields},
    }


def failed(version="1.0.0", day=0, **fields):
    whole = {**line(version), "status": "failed", "deployed_at": at(day), **fields}
    return {name: value for name, value in whole.items() if name not in ("live_from", "ended_at")}


@pytest.fixture
def versions(api):
    model = api.model(MODEL)
    return [api.version(model, version) for version in ("1.0.0", "2.0.0", "3.0.0")]


@pytest.fixture
def imported(app, tmp_path):
    """A function that imports these lines and returns the result of the command."""

    def run(*lines, raw=None):
        file = tmp_path / "history.jsonl"
        file.write_bytes(raw if raw is not None else "".join(f"{json.dumps(one)}\n" for one in lines).encode())
        return app.test_cli_runner().invoke(args=["import", "history", str(file)])

    return run


def deployments(api):
    return api.get("/api/v1/deployments?limit=100").json


def test_what_was_live_when_is_answered_as_if_it_had_been_recorded_here(api, versions, imported, trail):
    lines = [
        line("1.0.0", 0, 2, metadata={"ticket": "OPS-1"}),
        failed("2.0.0", 1),
        line("2.0.0", 2, 5),
        line("1.0.0", 7, None, environment="Production"),
        line("3.0.0", 0, None, environment="staging"),
    ]
    done = imported(*lines)
    assert (done.exit_code, done.output) == (0, "Imported 5 deployments.\n")

    def live(day):
        rows = api.get(f"/api/v1/environments/production/live?at={at(day)}").json
        return [row["version"] for row in rows]

    assert [live(day) for day in (-1, 0, 1.5, 2, 5, 7, 30)] == [
        [],
        ["1.0.0"],
        ["1.0.0"],
        ["2.0.0"],
        [],
        ["1.0.0"],
        ["1.0.0"],
    ]
    rows = {(row["version"], row["deployed_at"][:10]): row for row in deployments(api)}
    assert len(rows) == len(lines)
    first = rows["1.0.0", "2026-01-05"]
    assert (first["metadata"], first["deployed_by"], first["status"]) == (
        {"ticket": "OPS-1"},
        "old-pipeline",
        "success",
    )
    entries = list(trail("deployment.import"))
    assert len(entries) == len(lines)
    assert entries[-1]["api_key_name"] == "cli"
    assert {"model", "version", "environment", "status", "live_from", "ended_at"} <= set(entries[-1]["details"])
    back = api.post("/api/v1/environments/staging/rollback", {"model_name": MODEL, "reason": "x"})
    assert back.status_code in (404, 409, 422)  # there is nothing before it


def test_what_was_imported_can_be_rolled_back_to(api, versions, imported):
    assert imported(line("1.0.0", 0, 2), line("2.0.0", 2, None)).exit_code == 0
    back = api.post("/api/v1/environments/production/rollback", {"model_name": MODEL, "reason": "slow"})
    assert (back.status_code, back.json["version"]) == (201, "1.0.0"), back.text


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([line(end=3), line("2.0.0", 2, 4)], "Line 2: overlaps line 1, live from 2026-01-05"),
        ([line(end=None), line("2.0.0", 2, 4)], "Line 2: overlaps line 1"),
        ([line("9.9.9")], "Line 1: there is no version 9.9.9 of a model ORG/BERT"),
        ([line(model="org/none")], "no version 1.0.0 of a model org/none"),
        ([line(start=3, end=3)], "Line 1: ended_at must be after live_from"),
        ([line(start=20_000, end=None)], "Line 1: a time is in the future"),
        ([{**line(), "status": "failed"}], "Line 1: with failed it needs deployed_at"),
        ([failed(status="success")], "Line 1: with success it needs live_from"),
        ([line(deployed_at=at(0))], "has no deployed_at of its own"),
        ([{**line(), "status": "pending"}], "Line 1: status: Must be one of success, failed, cancelled."),
        ([line(live_from="2026-01-05")], "Line 1: live_from: "),
        ([line(environment="a b")], "Line 1: environment: "),
        ([line(extra=1)], "Line 1: extra: Unknown field"),
        ([failed(), failed()], "Line 2: is in line 1 already"),
        ([line(metadata={str(key): key for key in range(3000)})], "Line 1: "),
    ],
)
def test_a_file_with_a_wrong_line_changes_nothing(api, versions, imported, trail, lines, said):
    before = trail()
    done = (
        imported(line("3.0.0", 100, 101), *lines) if "line 1" not in said and "Line 1" not in said else imported(*lines)
    )
    assert done.exit_code == 2
    assert said in done.output
    assert deployments(api) == []
    assert trail() == before


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b'{"model": "a",\n', "Line 1: The body is not JSON"),
        (b"[]\n", "Line 1: is not a JSON object"),
        (b'{"model": "a", "model": "b"}\n', "Line 1: "),
        (b"\n\n", "There is no line to import"),
        (b"\xff\n", "Line 1: "),
    ],
)
def test_what_is_no_line_is_named_by_its_number(versions, imported, raw, said):
    done = imported(raw=raw)
    assert done.exit_code in (1, 2)
    assert said in done.output


def test_a_mark_at_the_beginning_and_empty_lines_are_no_lines(api, versions, imported):
    raw = b"\xef\xbb\xbf" + json.dumps(line()).encode() + b"\r\n\r\n" + json.dumps(line("2.0.0", 1, 2)).encode()
    assert imported(raw=raw).exit_code == 0
    assert len(deployments(api)) == 2


def test_nothing_is_imported_over_what_is_there(api, versions, imported):
    assert imported(line(end=2), failed(day=1)).exit_code == 0
    for again in (line(end=2), line("2.0.0", 1, 3), failed(day=1)):
        done = imported(line("3.0.0", 10, 11), again)
        assert (done.exit_code, "Line 2: " in done.output) == (2, True), done.output
    api.deployment(versions[1])
    done = imported(line("3.0.0", 10, None))
    assert "Line 1: overlaps what the registry has" in done.output
    assert imported(line("3.0.0", 10, 11)).exit_code == 0
    assert len(deployments(api)) == 4


def test_weeks_that_were_counted_are_counted_anew(api, versions, imported, sql):
    sql(
        "INSERT INTO week_figures (week, place, deployments, failures) VALUES ('2026-01-05', 'production', 0, 0),"
        " ('2025-12-29', 'production', 0, 0)"
    )
    assert imported(line()).exit_code == 0
    assert [str(row["week"]) for row in sql("SELECT week FROM week_figures")] == ["2025-12-29"]


def test_a_file_has_ten_thousand_lines_at_most(versions, imported, monkeypatch):
    monkeypatch.setattr(history_import, "MOST", 1)
    assert "Split the file" in imported(line(), line("2.0.0", 1, 2)).output
