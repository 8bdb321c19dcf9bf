"""Releases under control, through the SDK against the real application."""

import pickle
from datetime import UTC, datetime, timedelta

import pytest
from catapult_client import errors
from peer import MODEL, Answer, problem

from catapult import Gate, LiveVersion, Verdict


def test_an_environment_is_changed_field_by_field_frozen_and_thawed(admin):
    made = admin.put_environment("qa", rank=7, description="For testers")
    assert (made.name, made.rank, made.protected, made.frozen) == ("qa", 7, False, False)
    changed = admin.put_environment("QA", protected=True, description=None)
    assert (changed.name, changed.rank, changed.protected, changed.description) == ("qa", 7, True, None)
    admin.put_environment("first", rank=0)
    assert [environment.name for environment in admin.list_environments(limit=1)] == ["first", "qa"]
    until = datetime.now(UTC) + timedelta(hours=1)
    frozen = admin.freeze("qa", "Sale until Monday", until)
    assert (frozen.frozen, frozen.frozen_reason, frozen.frozen_until) == (True, "Sale until Monday", until)
    assert admin.freeze("qa", "For good").frozen_until is None
    assert (admin.thaw("qa").frozen_reason, admin.get_environment("qa").frozen) == (None, False)


def test_an_environment_may_have_segments(admin, version):
    name = "review/feature-x"
    assert admin.put_environment(name, rank=7).name == name
    deployed = admin.deploy(version, name)
    assert [row.id for row in admin.live(name)] == [deployed.id]
    assert admin.get_version(version.id).live_in == [name]
    admin.freeze(name, "Sale")
    assert admin.get_environment(name.upper()).frozen_reason == "Sale"
    admin.thaw(name)
    assert admin.retire(name, MODEL, "over").live is False
    admin.delete_environment(name)
    assert list(admin.list_environments()) == []


def test_a_change_based_on_an_older_state_is_refused(admin, version):
    environment = admin.put_environment("qa", rank=7)
    gate = admin.create_gate(MODEL, "release", "metric", path="accuracy", op=">=", value=0.9)
    deployment = admin.deploy(version, "staging", status="pending")
    admin.put_environment("qa", rank=8, if_match=environment)
    admin.update_gate(gate, value=0.8, if_match=gate)
    admin.update_deployment(deployment, metadata={"a": 1}, if_match=deployment)
    admin.update_version(version, release_notes="theirs", if_match=version)
    for change in (
        lambda: admin.put_environment("qa", rank=9, if_match=environment),
        lambda: admin.delete_environment("qa", if_match=environment),
        lambda: admin.update_gate(gate, value=0.7, if_match=gate),
        lambda: admin.update_deployment(deployment, metadata={}, if_match=deployment),
        lambda: admin.update_version(version, release_notes="mine", if_match=version.etag),
    ):
        with pytest.raises(errors.PreconditionFailed):
            change()


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


def test_a_blocked_promotion_holds_the_verdicts_in_any_process(registry, admin, version):
    assert registry.check_gates(version, "release") == []
    admin.create_gate(MODEL, "release", "metric", path="accuracy", op=">=", value=0.9)
    with pytest.raises(errors.Blocked) as refused:
        registry.promote(version)
    fault = refused.value
    assert (fault.status, fault.type, isinstance(fault, errors.Conflict)) == (409, "blocked", True)
    assert fault.gates == registry.check_gates(version, "release") == pickle.loads(pickle.dumps(fault)).gates != []


def test_a_blocked_answer_without_gates_has_none(peer, faulty):
    peer.answers = [problem(409, "blocked")]
    with pytest.raises(errors.Blocked) as refused:
        faulty.promote("v1")
    assert refused.value.gates == []


def test_an_approval_is_given_shown_and_withdrawn(admin, open_registry, version):
    admin.create_gate("*", "release", "approved", count=1, role="releaser")
    other = open_registry(str(admin.create_api_key("second", role="releaser").key))
    given = other.approve(version, "release", comment="Looked at it")
    assert (given.approved_by, given.version_id, given.target) == ("second", version.id, "release")
    (verdict,) = admin.check_gates(version, "release")
    (shown,) = verdict.approvals
    assert (verdict.passed, shown.id, shown.comment, shown.void) == (True, given.id, "Looked at it", None)
    other.withdraw_approval(version, given)
    (verdict,) = admin.check_gates(version, "release")
    assert (verdict.passed, verdict.approvals) == (False, [])


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


def test_a_rollback_goes_to_the_deployment_that_is_named(registry, version, newer):
    first, second = (registry.deploy(each, "production") for each in (version, newer))
    back = registry.rollback("Production", model_name=MODEL.upper(), reason="Latency doubled", to=first)
    assert (back.version, back.live, back.rollback_of) == ("1.0", True, second.id)
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
