"""Releases under control, through the SDK against the real application."""

import pickle
from datetime import UTC, datetime, timedelta

import pytest
from catapult_client import errors
from peer import MODEL, Answer, problem

from catapult import Gate, LiveVersion, Registry, Verdict


@pytest.fixture
def gate(admin):
    return admin.create_gate(MODEL, "release", "metric", path="accuracy", op=">=", value=0.9)


def test_an_environment_is_made_changed_listed_and_deleted(admin):
    made = admin.put_environment("qa", rank=7, description="For testers")
    assert (made.name, made.rank, made.protected, made.frozen) == ("qa", 7, False, False)
    changed = admin.put_environment("QA", protected=True)
    assert (changed.name, changed.rank, changed.protected, changed.description) == ("qa", 7, True, "For testers")
    assert not admin.put_environment("qa", description=None).description
    assert admin.get_environment("qa").protected
    with pytest.raises(errors.PreconditionFailed):
        admin.put_environment("qa", rank=3, if_match=made)
    with pytest.raises(errors.PreconditionFailed):
        admin.delete_environment("qa", if_match=made)
    admin.put_environment("first", rank=0)
    assert next(admin.list_environments(limit=1)).name == "first"
    admin.delete_environment("qa")
    with pytest.raises(errors.NotFound):
        admin.get_environment("qa")


def test_a_frozen_environment_refuses_with_the_reason_until_it_is_thawed(admin, registry, version):
    until = datetime.now(UTC) + timedelta(hours=1)
    frozen = admin.freeze("production", "Sale until Monday", until)
    assert (frozen.frozen, frozen.frozen_reason, frozen.frozen_until) == (True, "Sale until Monday", until)
    with pytest.raises(errors.Frozen, match="Sale until Monday") as refused:
        registry.deploy(version, "production")
    assert isinstance(refused.value, errors.Conflict)
    assert admin.freeze("production", "For good").frozen_until is None
    thawed = admin.thaw("production")
    assert (thawed.frozen, thawed.frozen_reason) == (False, None)
    assert registry.deploy(version, "production").live


@pytest.mark.parametrize("wrong", ["", "a/b", "../info", "a b", None, 5, "é", "x" * 64])
def test_what_can_be_no_environment_is_refused_before_it_becomes_another_address(wrong):
    registry = Registry("http://127.0.0.1:1", "key")
    for ask in (
        lambda: registry.get_environment(wrong),
        lambda: registry.delete_environment(wrong),
        lambda: registry.live(wrong),
        lambda: registry.rollback(wrong, model_name="a/b", reason="x"),
        lambda: registry.check_gates("v1", wrong),
    ):
        with pytest.raises(errors.InvalidArgument, match="is"):
            ask()


def test_fields_that_are_not_given_are_not_sent_and_none_is_null(peer, faulty):
    peer.answers = [Answer(200, {"name": "qa"})]
    faulty.put_environment("qa", frozen_until=None, rank=0)
    faulty.update_gate("g1", value=0.5)
    faulty.update_deployment("d1", log_url=None)
    faulty.thaw("qa")
    assert [asked.body for asked in peer.asked] == [
        {"frozen_until": None, "rank": 0},
        {"value": 0.5},
        {"log_url": None},
        {"frozen": False},
    ]


def test_what_only_admins_force_is_sent_only_when_it_is_asked_for(peer, faulty):
    peer.answers = [Answer(200, {"id": "x"})]
    faulty.promote_version("v1")
    faulty.deploy("v1", "staging")
    faulty.promote("v1", "urgent", force=True)
    faulty.deploy("v1", "staging", force=True, reason="urgent", log_url="https://ci/1")
    assert [sorted(asked.body) for asked in peer.asked] == [
        [],
        ["environment", "release_id", "status"],
        ["force", "reason"],
        ["environment", "force", "log_url", "reason", "release_id", "status"],
    ]


def test_a_gate_is_written_changed_listed_and_deleted(admin):
    gate = admin.create_gate("org/*", "release", "metric", path="eval.f1", op=">=", value=0.9)
    assert (gate.model, gate.target, gate.kind) == ("org/*", "release", "metric")
    assert (gate.path, gate.op, gate.value) == ("eval.f1", ">=", 0.9)
    assert gate.paths is None
    assert [found.id for found in admin.list_gates()] == [gate.id]
    changed = admin.update_gate(gate, value=0.8, if_match=gate)
    assert (changed.value, changed.path) == (0.8, "eval.f1")
    with pytest.raises(errors.PreconditionFailed):
        admin.update_gate(gate.id, value=0.7, if_match=gate)
    admin.delete_gate(gate)
    assert list(admin.list_gates()) == []
    with pytest.raises(errors.NotFound):
        admin.delete_gate(gate)


def test_a_blocked_promotion_says_what_every_gate_says(registry, admin, version, gate):
    admin.create_gate("org/*", "release", "metadata_present", paths=["accuracy"])
    with pytest.raises(errors.Blocked) as refused:
        registry.promote_version(version.id, is_release=True)
    fault = refused.value
    assert [(verdict.passed, verdict.detail) for verdict in fault.gates] == [
        (False, "accuracy is 0.89; it must be >= 0.9"),
        (True, "its metadata has accuracy"),
    ]
    assert fault.gates[0].gate.id == gate.id
    assert (fault.status, fault.type, isinstance(fault, errors.Conflict)) == (409, "blocked", True)
    assert [verdict.detail for verdict in pickle.loads(pickle.dumps(fault)).gates] == [
        verdict.detail for verdict in fault.gates
    ]
    assert registry.check_gates(version, "release") == fault.gates
    assert admin.promote_version(version, True, "urgent", force=True).is_release
    overrides = list(admin.list_audit_logs(action="gate.override"))
    assert [entry.details["reason"] for entry in overrides] == ["urgent"]


def test_no_gate_for_a_version_is_an_empty_list(registry, version):
    assert registry.check_gates(version, "release") == []
    with pytest.raises(errors.NotFound):
        registry.check_gates("0190f1a2-0000-7000-8000-000000000000", "release")
    with pytest.raises(errors.Validation):
        registry.check_gates(version, "nowhere")


def test_a_blocked_answer_without_gates_has_none(peer, faulty):
    peer.answers = [problem(409, "blocked")]
    with pytest.raises(errors.Blocked) as refused:
        faulty.promote("v1")
    assert refused.value.gates == []


def test_an_approval_counts_until_it_is_withdrawn(registry, admin, open_registry, version):
    admin.create_gate("*", "release", "approved", count=1, role="releaser")
    other = open_registry(str(admin.create_api_key("second", role="releaser").key))
    given = other.approve(version, "release", comment="Looked at it")
    assert (given.approved_by, given.version_id, given.target) == ("second", version.id, "release")
    (verdict,) = registry.check_gates(version, "release")
    assert (verdict.passed, [(approval.id, approval.comment, approval.void) for approval in verdict.approvals]) == (
        True,
        [(given.id, "Looked at it", None)],
    )
    with pytest.raises(errors.Conflict):
        other.approve(version, "release")
    with pytest.raises(errors.Forbidden):
        registry.withdraw_approval(version, given)
    other.withdraw_approval(version.id, given.id)
    with pytest.raises(errors.Blocked, match="0 of 1"):
        registry.promote(version)
    mine = registry.approve(version, "release")
    (verdict,) = registry.check_gates(version, "release")
    assert [(approval.id, approval.void) for approval in verdict.approvals] == [
        (mine.id, "its key registered the version")
    ]


def test_a_deployment_moves_on_and_never_back(registry, version):
    begun = registry.deploy(version, "staging", status="pending", log_url="https://ci.example/1")
    assert (begun.log_url, begun.live, begun.live_from) == ("https://ci.example/1", False, None)
    running = registry.update_deployment(begun, status="running", metadata={"replicas": 2})
    assert (running.status, running.metadata) == ("running", {"replicas": 2})
    done = registry.update_deployment(begun.id, status="success", endpoint_url="https://bert.example/", log_url=None)
    assert (done.live, done.log_url, done.endpoint_url) == (True, None, "https://bert.example/")
    assert done.live_from is not None
    with pytest.raises(errors.Conflict):
        registry.update_deployment(begun, status="running")
    with pytest.raises(errors.PreconditionFailed):
        registry.update_deployment(begun, metadata={}, if_match=begun)


def test_what_was_live_at_a_moment_is_exact_to_the_microsecond(registry, version, newer):
    first = registry.deploy(version, "production")
    second = registry.deploy(newer, "Production")
    assert [found.id for found in registry.live("production")] == [second.id]
    assert second.live_from is not None
    before = second.live_from - timedelta(microseconds=1)
    (then,) = registry.live("production", at=before)
    assert (then.id, then.superseded_by, then.ended_at) == (first.id, second.id, second.live_from)
    assert [found.id for found in registry.live("PRODUCTION", second.live_from)] == [second.id]
    assert list(registry.live("production", "2001-01-01T00:00:00Z")) == []
    with pytest.raises(errors.InvalidArgument, match="at is a datetime without a zone"):
        registry.live("production", at=datetime(2026, 1, 1))
    with pytest.raises(errors.NotFound):
        list(registry.live("nowhere"))


def test_the_matrix_says_how_far_each_environment_is_behind(registry, version, newer):
    registry.deploy(version, "production")
    registry.deploy(newer, "staging")
    (model,) = registry.live_matrix(limit=1)
    assert (model.model_name, model.latest_version) == (MODEL, "1.1")
    there = model.environments["production"]
    assert isinstance(there, LiveVersion)
    assert (there.version_id, there.version, there.behind) == (version.id, "1.0", 1)
    assert model.environments["staging"].behind == 0
    assert there.live_from is not None


def test_a_rollback_makes_the_version_before_live_again(registry, version, newer):
    first = registry.deploy(version, "production")
    with pytest.raises(errors.Conflict):
        registry.rollback("production", model_name=MODEL, reason="Latency doubled")
    second = registry.deploy(newer, "production")
    back = registry.rollback("Production", model_name=MODEL.upper(), reason="Latency doubled")
    assert (back.version, back.live, back.rollback_of) == ("1.0", True, second.id)
    again = registry.rollback("production", model_name=MODEL, reason="It was not that", to=second)
    assert (again.version, again.rollback_of) == ("1.1", back.id)
    reasons = [entry.details["reason"] for entry in registry.list_audit_logs(action="deployment.rollback")]
    assert reasons == ["It was not that", "Latency doubled"]
    with pytest.raises(errors.Validation):
        registry.rollback("production", model_name=MODEL, reason="x", to=first.release_id)


def test_versions_are_compared_key_by_key(registry, version, newer):
    compared = registry.compare_versions(version, newer.id)
    assert [record.version for record in compared.versions] == ["1.0", "1.1"]
    (key,) = compared.keys
    assert (key.key, key.path, key.differs) == ("accuracy", ["accuracy"], True)
    assert [(cell.state, cell.value, cell.difference) for cell in key.cells] == [
        ("base", 0.89, None),
        ("changed", 0.95, 0.06),
    ]
    with pytest.raises(errors.Validation):
        registry.compare_versions(version)


def test_nested_records_ignore_what_they_do_not_know_and_hash():
    verdict = Verdict.from_json(
        {"gate": {"id": "g", "later": 1, "paths": ["a"]}, "approvals": [{"id": "a"}], "passed": True}
    )
    assert (verdict.gate.id, verdict.gate.paths, verdict.approvals[0].id) == ("g", ["a"], "a")
    assert len({verdict, verdict}) == 1
    assert Verdict.from_json({"gate": None}).gate == Gate()
