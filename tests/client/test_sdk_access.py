"""People, their keys, what keys may do and when they end, through the SDK against the real application."""

import logging
from datetime import UTC, datetime, timedelta

import pytest
from catapult_client import errors
from peer import MODEL, Answer, problem
from stage import NOWHERE

from catapult import Bounds, Conflict, Forbidden, PersonRef, SecretLost, Validation

EXPIRES = "Catapult-Key-Expires"


@pytest.fixture
def dana(admin):
    """A releaser with an email address, and no key."""
    return admin.create_person("Dana Ortiz", "dana@example.com", "releaser")


@pytest.fixture
def by_dana(admin, open_registry, dana):
    return open_registry(str(admin.create_api_key("laptop", role="releaser", person_id=dana).key))


def test_a_person_is_added_listed_and_changed(admin, dana, by_dana):
    assert (dana.name, dana.email, dana.role, dana.active) == ("Dana Ortiz", "dana@example.com", "releaser", True)
    assert list(admin.list_people()) == [dana]
    changed = by_dana.update_person(dana, name="Dana O.", email=None, if_match=admin.get_person(dana.id))
    assert (changed.name, changed.email) == ("Dana O.", None)
    with pytest.raises(errors.PreconditionFailed):
        admin.update_person(dana, name="Dana", if_match=dana)
    with pytest.raises(Forbidden):
        by_dana.update_person(dana, role="admin")
    with pytest.raises(Conflict):
        admin.create_person("Other", email="x@example.com") and admin.create_person("Third", email="x@example.com")


def test_a_deactivated_person_has_no_key_that_works(admin, dana, by_dana):
    assert by_dana.me().person == PersonRef(dana.id, "Dana Ortiz")
    assert admin.update_person(dana, active=False).active is False
    with pytest.raises(errors.Unauthenticated):
        by_dana.me()


def test_me_is_the_key_and_its_person(registry, dana, by_dana):
    me = by_dana.me()
    assert (me.name, me.role, me.key_name, me.email) == ("Dana Ortiz", "releaser", "laptop", "dana@example.com")
    assert (me.bounds, me.expires_at) == (Bounds(), None)
    service = registry.me()
    assert (service.name, service.person, service.email) == (service.key_name, None, None)


def test_people_make_rotate_and_revoke_their_own_keys(open_registry, by_dana, registry):
    made = by_dana.create_my_key("ci", models=["org/*"], environments=["staging"])
    assert (made.role, made.models, made.environments) == ("releaser", ["org/*"], ["staging"])
    assert made.person.name == "Dana Ortiz"
    bounded = open_registry(made.key)
    assert bounded.me().bounds == Bounds(["org/*"], ["staging"])
    with pytest.raises(Forbidden):
        bounded.create_my_key("wider", models=["*"])
    new = bounded.rotate_api_key(bounded.me().key_id, overlap_seconds=0)
    assert (new.replaces_id, new.models, new.key != made.key) == (made.id, ["org/*"], True)
    assert abs(new.old_expires_at - datetime.now(UTC)) < timedelta(minutes=1)
    with pytest.raises(errors.Unauthenticated):
        bounded.me()
    assert [key.name for key in by_dana.list_my_keys()] == ["ci", "ci", "laptop"]
    by_dana.revoke_api_key(new)
    with pytest.raises(Forbidden):
        registry.create_my_key("a service has none")


def test_an_admin_changes_a_key_and_none_is_no_bound(admin, registry, version):
    me = registry.me()
    key = next(key for key in admin.list_api_keys() if key.id == me.key_id)
    assert (key.last_used_at is not None, key.person, key.replaces_id) == (True, None, None)
    narrow = admin.update_api_key(key, name="narrow", models=["other/*"], environments=[])
    assert (narrow.name, narrow.role, narrow.models, narrow.environments) == ("narrow", "releaser", ["other/*"], [])
    with pytest.raises(Forbidden, match="other"):
        registry.promote(version)
    assert admin.update_api_key(key, models=None, environments=None).models is None
    assert registry.promote(version).is_release


def test_a_key_of_a_person_may_not_do_more_than_they_may(admin, dana):
    with pytest.raises(Validation):
        admin.create_api_key("x", role="admin", person_id=dana.id)


@pytest.mark.parametrize(
    "make",
    [
        lambda sdk: sdk.create_api_key("x"),
        lambda sdk: sdk.create_my_key("x"),
        lambda sdk: sdk.rotate_api_key("k1"),
    ],
)
def test_a_secret_that_was_lost_with_the_answer_names_the_key_to_revoke(peer, faulty, make):
    peer.answers = [Answer(201, {"id": "k2", "name": "x"})]
    with pytest.raises(SecretLost, match="k2") as lost:
        make(faulty)
    assert lost.value.api_key_id == "k2"


# --- the end of a key


def ends_in(api, sql, key, days):
    sql("UPDATE api_keys SET expires_at = now() + make_interval(hours => :hours) WHERE prefix = :prefix",
        hours=round(days * 24), prefix=key[:12])  # fmt: skip
    return api.by(None).get("/api/v1/models", headers={"X-API-Key": key})


@pytest.mark.parametrize(("days", "is_warned"), [(8, False), (7.1, False), (6.9, True), (0.1, True)])
def test_answers_say_when_a_key_ends_from_seven_days_before(api, sql, viewer_key, days, is_warned):
    header = ends_in(api, sql, viewer_key, days).headers.get(EXPIRES)
    if is_warned:
        assert abs(datetime.fromisoformat(header) - datetime.now(UTC) - timedelta(days=days)) < timedelta(hours=1)
    else:
        assert header is None


def test_so_do_refusals_but_not_answers_without_a_key_that_works(api, sql, viewer_key):
    ends_in(api, sql, viewer_key, 1)
    for path, status in ((f"/api/v1/models/{NOWHERE}", 404), ("/api/v1/models?x=1", 422), ("/api/v1/api-keys", 403)):
        answer = api.by(None).get(path, headers={"X-API-Key": viewer_key})
        assert (answer.status_code, EXPIRES in answer.headers) == (status, True)
    ended = ends_in(api, sql, viewer_key, -1)
    assert (ended.status_code, EXPIRES in ended.headers) == (401, False)
    assert EXPIRES not in api.by(None).get("/api/health", headers={"X-API-Key": viewer_key}).headers


def test_the_sdk_logs_once_that_its_key_ends_soon(api, sql, viewer, viewer_key, caplog):
    caplog.set_level(logging.WARNING, "catapult")
    ends_in(api, sql, viewer_key, 2)
    for _ in range(3):
        viewer.info()
    (record,) = caplog.records
    assert f"expires at {datetime.now(UTC) + timedelta(days=2):%Y-%m-%d}" in record.getMessage()
    assert viewer_key not in caplog.text


@pytest.mark.parametrize("answer", [Answer(200, {}), problem(404, "not-found")])
def test_an_end_that_is_no_time_is_ignored_and_another_one_is_logged_again(peer, at_peer, answer, caplog):
    caplog.set_level(logging.WARNING, "catapult")
    ends = ["soon\x1b[2J", "2026-11-23T10:15:30Z", "2026-11-23T10:15:30Z", "2026-11-24T10:15:30Z"]
    peer.answers = [Answer(answer.status, answer.body, {**answer.headers, EXPIRES: end}) for end in ends]
    registry = at_peer(on_error="warn")
    for _ in ends:
        registry.info()
    told = [record.getMessage() for record in caplog.records if "expires" in record.getMessage()]
    assert ["2026-11-23 10:15 UTC" in told[0], "2026-11-24 10:15 UTC" in told[1], len(told)] == [True, True, 2]


# --- decisions


def test_a_decision_holds_what_let_it_through(admin, registry, dana, by_dana, version):
    admin.create_gate(MODEL, "release", "metric", path="accuracy", op=">=", value=0.8)
    admin.create_gate(MODEL, "release", "approved")
    by_dana.approve(version, "release", comment="Looked at it")
    released = admin.promote(version, "best so far")
    (decision,) = admin.decisions(version)
    assert decision == admin.get_decision(released.decision_id)
    assert (decision.kind, decision.target, decision.by, decision.reason) == (
        "promote", "release", admin.me().name, "best so far",
    )  # fmt: skip
    assert [verdict["passed"] for verdict in decision.verdicts] == [True, True]
    assert [(given["by"], given["comment"]) for given in decision.approvals] == [("Dana Ortiz", "Looked at it")]
    assert (decision.content["numbers"], decision.override, released.override) == ({"accuracy": 0.89}, False, False)
    assert decision.sha256 == next(admin.list_audit_logs(action="version.promote")).details["decision_sha256"]


def test_a_deployment_has_its_decision_and_one_from_a_list_its_id(admin, version):
    admin.put_environment("production")
    admin.create_gate("*", "production", "released")
    made = admin.deploy(version, "production", force=True, reason="urgent")
    (listed,) = admin.list_deployments(environment="production")
    assert (listed.decision_id, listed.override, listed.decision) == (made.decision.id, True, None)
    assert listed == made
    (live,) = admin.live("production")
    assert live.decision == made.decision == admin.get_decision(listed.decision_id)
    assert (made.decision.override, made.decision.reason) == (True, "urgent")


def test_a_model_is_taken_out_of_service(admin, registry, version):
    live = registry.deploy(version, "production")
    admin.freeze("production", "Sale until Monday")
    ended = registry.retire("production", MODEL, "Replaced by bert-2")
    assert (ended.id, ended.live, list(registry.live("production"))) == (live.id, False, [])
    assert [decision.kind for decision in registry.decisions(version)] == ["retire", "deploy"]
    assert next(registry.decisions(version)).freeze == "Sale until Monday"
    with pytest.raises(Conflict):
        registry.retire("production", MODEL, "again")


def test_content_of_a_release_changes_with_a_reason(registry, version):
    registry.promote(version)
    with pytest.raises(Validation) as refused:
        registry.update_version(version, metadata={"accuracy": 0.9})
    assert set(refused.value.errors) == {"reason"}
    assert registry.update_version(version, metadata={"accuracy": 0.9}, reason="typo").metadata == {"accuracy": 0.9}
    moved = registry.update_model(version.model_id, repository="ghcr.io/org/held", reason="new registry")
    assert moved.repository == "ghcr.io/org/held"


def test_success_is_held_to_gates_again_and_may_be_forced(admin, version):
    running = admin.deploy(version, "staging", status="running")
    admin.create_gate("*", "staging", "released")
    with pytest.raises(errors.Blocked):
        admin.update_deployment(running, status="success")
    assert admin.get_deployment(running).status == "running"
    forced = admin.update_deployment(running, status="success", force=True, reason="urgent")
    assert (forced.live, forced.override) == (True, True)


def test_a_forced_run_is_forced_when_it_succeeds_too(admin, version):
    admin.put_environment("staging")
    admin.create_gate("*", "staging", "released")
    with admin.deployment(version, "staging", force=True, reason="urgent") as d:
        pass
    assert (d.record.live, d.record.override) == (True, True)


def test_a_run_that_is_blocked_in_the_end_stays_as_it_is(admin, version):
    with pytest.raises(errors.Frozen), admin.deployment(version, "staging") as d:
        admin.freeze("staging", "Sale until Monday")
    assert admin.get_deployment(d.record).status == "running"


def test_an_environment_has_a_time_to_deploy_within(admin):
    assert admin.put_environment("qa", deploy_within=1800).deploy_within == 1800
    assert admin.put_environment("qa", deploy_within=None).deploy_within is None


def test_a_change_whose_answer_was_lost_is_recognized_in_spite_of_its_reason(peer, faulty):
    """The retry of a lost PUT with If-Match gets 412; a reason and force are in no record."""
    done = Answer(200, {"id": "v1", "quantization": "int8"})
    peer.answers = [Answer(drop=True), problem(412, "precondition-failed"), done, done]
    assert faulty.update_version("v1", quantization="int8", reason="typo", if_match='"1-x"').quantization == "int8"
