"""`with registry.deployment(…)`: on record from its beginning, and in the end as what became of it."""

import logging

import pytest
from peer import KEY, Answer, problem

from catapult import Blocked, Conflict, Forbidden, NotFound, Unavailable

RUNNING = Answer(200, {"id": "d1", "status": "running", "metadata": {"replicas": 3}})
FAILED = Answer(200, {"id": "d1", "status": "failed"})


def statuses(peer):
    """What was asked for, in order."""
    return [asked.body.get("status") for asked in peer.asked if asked.body]


def test_it_runs_and_then_it_is_live(registry, version):
    with registry.deployment(version, "staging", {"replicas": 3}, log_url="https://ci.example/1") as d:
        assert d.id is not None
        there = registry.get_deployment(d.id)
        assert (there.status, there.live, there.metadata) == ("running", False, {"replicas": 3})
        assert d.log_url == "https://ci.example/1"
        d.log_url = "https://ci.example/2"
        d.update(metadata={"replicas": 4}, endpoint_url="https://bert.example/")
    assert (d.record.status, d.record.live) == ("success", True)
    done = registry.get_deployment(d.record)
    assert (done.live, done.log_url, done.metadata) == (True, "https://ci.example/2", {"replicas": 4})
    moves = [entry.details.get("changes", {}).get("status") for entry in registry.list_audit_logs(resource_id=d.id)]
    assert len([move for move in moves if move]) == 2  # each with its time: to running, and to success


class Unspeakable(Exception):
    def __str__(self):
        raise RuntimeError


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (ValueError("no such layer"), "ValueError: no such layer"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (SystemExit(3), "SystemExit: 3"),
        (Unspeakable(), "Unspeakable"),
    ],
    ids=["error", "ctrl-c", "exit", "unspeakable"],
)
def test_an_exception_is_on_record_and_goes_on(registry, version, fault, error):
    with pytest.raises(type(fault)) as caught, registry.deployment(version, "staging", {"replicas": 3}) as d:
        raise fault
    assert caught.value is fault
    there = registry.get_deployment(d.record)
    assert (there.status, there.live) == ("failed", False)
    assert there.metadata == {"replicas": 3, "error": error}


def test_metadata_that_others_added_meanwhile_is_kept(registry, version):
    with pytest.raises(ValueError), registry.deployment(version, "staging") as d:  # noqa: PT012
        registry.update_deployment(d.record, metadata={"added": True})
        raise ValueError
    assert registry.get_deployment(d.record).metadata == {"added": True, "error": "ValueError"}


@pytest.mark.parametrize("text", ["x" * 100_000, "a\0b\ud800c", "\N{SNOWMAN}" * 3000])
def test_the_text_of_an_exception_is_cut_and_made_sendable(registry, version, text):
    with pytest.raises(ValueError), registry.deployment(version, "staging") as d:
        raise ValueError(text)
    there = registry.get_deployment(d.record)
    assert there.status == "failed"
    assert there.metadata["error"].startswith("ValueError: ")
    assert len(there.metadata["error"]) <= 2000


def test_it_is_failed_without_the_text_where_metadata_is_full(registry, version):
    full = {f"key-{number}": number for number in range(2_048)}
    with pytest.raises(ValueError), registry.deployment(version, "staging", full) as d:
        raise ValueError("no room")
    there = registry.get_deployment(d.record)
    assert (there.status, there.metadata) == ("failed", full)


def test_a_last_status_of_ones_own_is_left_as_it_is(registry, version):
    with registry.deployment(version, "staging") as d:
        d.update(status="cancelled")
    assert registry.get_deployment(d.record).status == "cancelled"
    with pytest.raises(ValueError), registry.deployment(version, "staging") as d:  # noqa: PT012
        d.update(status="success")
        raise ValueError
    assert registry.get_deployment(d.record).status == "success"


def test_one_that_a_newer_one_cancelled_cannot_succeed(registry, version):
    with pytest.raises(Conflict), registry.deployment(version, "staging") as d:
        newer = registry.deploy(version, "staging")
    assert registry.get_deployment(d.record).status == "cancelled"
    assert registry.get_deployment(newer).live


def test_a_gate_stops_it_before_the_block_runs(registry, admin, version):
    admin.put_environment("production")
    admin.create_gate("*", "production", "released")
    with pytest.raises(Blocked), registry.deployment(version, "production"):
        pytest.fail("the block ran")
    with pytest.raises(Forbidden), registry.deployment(version, "production", force=True, reason="urgent"):
        pytest.fail("the block ran")
    with admin.deployment(version, "production", force=True, reason="urgent") as d:
        pass
    assert d.record.live
    with pytest.raises(NotFound), registry.deployment("0190f1a2-0000-7000-8000-000000000000", "staging"):
        pytest.fail("the block ran")


def test_what_was_raised_is_raised_though_it_cannot_be_reported(peer, at_peer, caplog):
    caplog.set_level(logging.WARNING, "catapult")
    peer.answers = [RUNNING, RUNNING, problem(503, "unavailable")]
    with pytest.raises(ZeroDivisionError), at_peer(retries=0).deployment("v1", "staging"):
        1 / 0  # noqa: B018
    assert caplog.records[0].getMessage().startswith("Deployment d1 failed, and the failure could not be reported: ")
    assert KEY not in caplog.text


def test_one_that_could_not_be_begun_does_not_stay_pending(peer, at_peer):
    pending = Answer(201, {"id": "d1", "status": "pending"})
    peer.answers = [pending, problem(503, "unavailable"), pending, FAILED]
    with pytest.raises(Unavailable), at_peer(retries=0).deployment("v1", "staging"):
        pytest.fail("the block ran")
    assert statuses(peer) == ["pending", "running", "failed"]
    assert "Unavailable: 503" in peer.asked[-1].body["metadata"]["error"]


@pytest.mark.parametrize(
    ("answers", "warnings"),
    [
        ([problem(503, "unavailable")], 1),
        ([problem(409, "frozen")], 1),
        ([Answer(drop=True)], 1),
        ([RUNNING, problem(503, "unavailable")], 2),
        ([RUNNING, RUNNING, problem(409, "conflict")], 1),
    ],
)
def test_on_error_warn_the_block_runs_whatever_the_registry_says(peer, soft, caplog, answers, warnings):
    peer.answers = answers
    ran = False
    with soft.deployment("v1", "staging") as d:
        ran = True
    assert ran
    assert d.record is None or d.id == "d1"
    assert len(caplog.records) == warnings


def test_on_error_warn_a_version_that_never_came_can_be_handed_on(peer, soft, caplog):
    with soft.deployment(None, "staging") as d:
        d.log_url = "https://ci.example/1"
        assert d.update(metadata={"a": 1}) is None
    assert (d.record, d.id, d.log_url, peer.asked) == (None, None, None, [])
    assert ["release_id is None" in record.getMessage() for record in caplog.records] == [True]


def test_on_error_warn_an_exception_of_the_block_still_goes_on(peer, soft, caplog):
    peer.answers = [RUNNING, RUNNING, RUNNING, FAILED]
    with pytest.raises(ZeroDivisionError), soft.deployment("v1", "staging"):
        1 / 0  # noqa: B018
    assert peer.asked[-1].body == {
        "status": "failed",
        "metadata": {"replicas": 3, "error": "ZeroDivisionError: division by zero"},
    }
    assert caplog.records == []


def test_ctrl_c_while_a_failure_is_reported_ends_the_wait(registry, version, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught, registry.deployment(version, "staging"):  # noqa: PT012
        monkeypatch.setattr(type(registry), "get_deployment", interrupted)
        raise ValueError("first")
    assert isinstance(caught.value.__context__, ValueError)
