"""on_error="warn": whatever the registry does, the training run goes on, and soon."""

import logging
import time
from collections.abc import Callable
from typing import Any

import pytest
from peer import KEY, Answer, problem

from catapult import InvalidArgument, Registry


@pytest.fixture(autouse=True)
def log_level(caplog):
    caplog.set_level(logging.WARNING, "catapult")


def warnings(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize(
    "answer",
    [
        Answer(drop=True),
        Answer(hold=30),
        Answer(502, "<html>"),
        Answer(200, "<html>"),
        Answer(302, headers={"Location": "http://other/"}),
        problem(401, "unauthenticated"),
        problem(409, "conflict"),
        problem(500, "internal"),
    ],
)
def test_every_fault_of_the_registry_is_one_warning_and_none(peer, soft, answer, caplog):
    peer.answers = [answer]
    calls: list[Callable[[], Any]] = [
        lambda: soft.create_model("a/b", "x"),
        lambda: soft.ensure_version("a/b", "1", "t", "a:b"),
        lambda: soft.promote_version("v1"),
        lambda: soft.get_latest_version("a/b"),
        lambda: soft.delete_model("m1"),
        lambda: soft.check_gates("v1", "release"),
        lambda: soft.rollback("production", model_name="a/b", reason="slow"),
        lambda: soft.health(),
        lambda: soft.info(),
    ]
    for call in calls:
        caplog.clear()
        assert call() is None
        assert len(warnings(caplog)) == 1
    for listing in (soft.list_models(), soft.live("production"), soft.live_matrix()):
        caplog.clear()
        assert list(listing) == []
        assert len(warnings(caplog)) == 1
    assert KEY not in caplog.text


def test_a_registry_that_is_not_there_is_a_warning(caplog):
    registry = Registry("http://127.0.0.1:1", KEY, on_error="warn", retries=0)
    assert registry.create_model("a/b", "x") is None
    assert warnings(caplog)[0].startswith("create_model failed; continuing without it: POST /api/v1/models: no answer")


def test_values_that_cannot_be_sent_are_a_warning_that_names_them(peer, soft, caplog):
    assert soft.create_version("a/b", "1", "t", "a:b", metadata={"eval": {"loss": b"x"}}) is None
    assert list(soft.list_versions(created_after=5)) == []
    assert soft.get_model("a/b") is None
    assert soft.put_environment("a//b") is None
    assert ["metadata.eval.loss" in warnings(caplog)[0], len(warnings(caplog)), peer.asked] == [True, 4, []]


def test_a_figure_that_is_not_finite_is_null_and_the_rest_is_registered(peer, soft, at_peer, caplog):
    figures = {"acc": 1, "eval": [{"loss": float("nan")}, {"loss": float("-inf")}]}
    sent = {"acc": 1, "eval": [{"loss": None}, {"loss": None}]}
    for ask in (soft.create_version, soft.ensure_version):
        caplog.clear()
        peer.asked.clear()
        peer.answers = [Answer(201, {"id": "v1"})]
        assert ask("a/b", "1", "t", "a:b", metadata=figures).id == "v1"
        assert peer.asked[0].body["metadata"] == sent
        assert warnings(caplog) == [
            "metadata.eval[0].loss, metadata.eval[1].loss: not finite, which JSON cannot hold; null is registered instead."
        ]
    with pytest.raises(InvalidArgument, match="loss is nan"):
        at_peer().create_version("a/b", "1", "t", "a:b", metadata=figures)


def test_a_job_that_runs_again_with_a_figure_that_is_not_finite_finds_its_version(peer, soft, caplog):
    there = {"id": "v1", "version": "1", "metadata": {"loss": None}, "tag": "t", "digest": "a:b"}
    peer.answers = [problem(409, "conflict"), Answer(200, [there])]
    assert soft.ensure_version("a/b", "1", "t", "a:b", metadata={"loss": float("nan")}).id == "v1"
    assert len(warnings(caplog)) == 1


def test_what_works_and_no_latest_version_are_no_warning(peer, soft, caplog):
    peer.answers = [Answer(200, {"id": "m1", "name": "a/b"}), problem(404, "not-found")]
    assert soft.get_model("m1").name == "a/b"
    assert soft.get_latest_version("a/b") is None
    assert warnings(caplog) == []


def test_a_record_that_never_came_can_be_handed_on(peer, soft, caplog):
    peer.answers = [problem(503, "unavailable")]
    version = soft.create_version("a/b", "1", "t", "a:b")
    soft.promote_version(version)
    soft.deploy(version, "staging")
    assert len(warnings(caplog)) == 3
    assert "release_id is None" in warnings(caplog)[2]


def test_what_the_program_got_wrong_is_raised_all_the_same(soft):
    with pytest.raises(TypeError, match="nmae"):
        soft.create_model("a/b", nmae="a/b")
    with pytest.raises(TypeError, match="is_relase"):
        soft.list_versions(is_relase=True)
    with pytest.raises(InvalidArgument):
        Registry("nowhere", KEY, on_error="warn")


def test_a_server_that_trickles_cannot_hold_a_run_beyond_the_time_limit(peer, at_peer, caplog):
    peer.answers = [Answer(200, [{"id": "x" * 1000}], trickle=True)]  # a byte every 0.1 s: no socket time-out ends it
    registry = at_peer(on_error="warn", time_limit=0.5)
    began = time.monotonic()
    assert registry.info() is None
    assert list(registry.list_models()) == []
    assert time.monotonic() - began < 3
    assert "No answer within 0.5 s." in warnings(caplog)[0]


def test_an_iterator_gives_what_came_before_the_fault(peer, soft, caplog):
    peer.answers = [Answer(200, [{"id": "m1"}], {"Link": '<?cursor=2>; rel="next"'}), problem(500, "internal")]
    assert [model.id for model in soft.list_models()] == ["m1"]
    assert len(warnings(caplog)) == 1
