"""Evidence that stays: each way to get around a gate or an approval, tried, and what is kept of a decision."""

import hashlib
import json

import pytest
from stage import Api, faults, refusal

from catapult.rules.json_text import as_stored

GATES, KEYS, PEOPLE = "/api/v1/gates", "/api/v1/api-keys", "/api/v1/people"
METRIC = {"model": "*", "target": "release", "kind": "metric", "path": "accuracy", "op": ">=", "value": 0.9}
APPROVED = {"model": "*", "target": "release", "kind": "approved"}
NO_REGRESSION = {"model": "*", "target": "release", "kind": "no_regression", "path": "accuracy", "direction": "higher"}


def at(version, verb):
    return f"/api/v1/versions/{version['id']}/{verb}"


def holder(api, role="releaser", **fields):
    """A client with a new key of that role."""
    key = api.make(KEYS, {"name": "another", "role": role, **fields})
    client = Api(api.app, {"own": key["key"]}, "own")
    client.key = key
    return client


@pytest.fixture
def candidate(api):
    """A version of accuracy 0.95, registered by the publisher, that needs an approval."""
    api.make(GATES, APPROVED)
    return api.by("publisher").version(api.model(), metadata={"accuracy": 0.95})


def approval_gate(api, version):
    """The verdict of the gate that asks for approvals."""
    verdicts = api.get(at(version, "gates") + "?target=release").json
    return next(verdict for verdict in verdicts if verdict["gate"]["kind"] == "approved")


# --- approvals are of a content


CONTENT = [
    {"metadata": {"accuracy": 0.99}},
    {"quantization": "int4"},
    {"ceph_path": "elsewhere"},
]
SAID = {
    "metadata": "accuracy changed from 0.95 to 0.99",
    "quantization": "quantization was added as int4",
    "ceph_path": "ceph_path was added as elsewhere",
}


@pytest.mark.parametrize("change", CONTENT, ids=["metadata", "quantization", "ceph_path"])
def test_a_change_of_content_voids_the_approval_and_says_what_changed(api, candidate, change):
    approval = api.by("releaser").make(at(candidate, "approvals"), {"target": "release"})
    api.by("publisher").put(f"/api/v1/versions/{candidate['id']}", change)
    refused = api.post(at(candidate, "promote"))
    assert refusal(refused) == "blocked"
    (given,) = approval_gate(api, candidate)["approvals"]
    assert given["void"].endswith("by publisher-key")
    (name,) = change
    assert SAID[name] in given["void"]
    entry = api.get("/api/v1/audit-logs?action=version.update").json[0]
    assert entry["details"]["voided_approvals"] == [approval["id"]]


@pytest.mark.parametrize("change", [{"repository": "ghcr.io/other/bert"}, {"storage_path": "docker.io/other/bert"}])
def test_another_place_of_the_image_voids_it_too(api, candidate, change):
    api.by("releaser").make(at(candidate, "approvals"), {"target": "release"})
    api.by("publisher").put(f"/api/v1/models/{candidate['model_id']}", change)
    assert approval_gate(api, candidate)["approvals"][0]["void"] is not None
    assert refusal(api.post(at(candidate, "promote"))) == "blocked"


def test_changing_it_back_does_not_bring_it_back(api, candidate):
    api.by("releaser").make(at(candidate, "approvals"), {"target": "release"})
    for accuracy in (0.99, 0.95):
        api.by("publisher").put(f"/api/v1/versions/{candidate['id']}", {"metadata": {"accuracy": accuracy}})
    assert refusal(api.post(at(candidate, "promote"))) == "blocked"


def test_content_that_changed_behind_the_registrys_back_voids_it_as_well(api, candidate, sql):
    api.by("releaser").make(at(candidate, "approvals"), {"target": "release"})
    sql("UPDATE versions SET tag = 'other' WHERE id = :id", id=candidate["id"])
    assert approval_gate(api, candidate)["approvals"][0]["void"] == "the content has changed since"


def test_what_is_no_content_leaves_it(api, candidate):
    api.by("releaser").make(at(candidate, "approvals"), {"target": "release"})
    api.put(f"/api/v1/versions/{candidate['id']}", {"release_notes": "better"})
    api.put(f"/api/v1/models/{candidate['model_id']}", {"description": "words"})
    assert api.post(at(candidate, "promote")).status_code == 200


def test_it_may_be_given_again_for_the_new_content(api, candidate):
    api.by("releaser").make(at(candidate, "approvals"), {"target": "release"})
    api.by("publisher").put(f"/api/v1/versions/{candidate['id']}", {"metadata": {"accuracy": 0.99}})
    api.by("releaser").make(at(candidate, "approvals"), {"target": "release"})
    assert api.post(at(candidate, "promote")).status_code == 200


def test_whoever_changed_the_content_cannot_approve_it(api, candidate):
    api.by("releaser").put(f"/api/v1/versions/{candidate['id']}", {"metadata": {"accuracy": 0.99}})
    refused = api.by("releaser").post(at(candidate, "approvals"), {"target": "release"})
    assert refusal(refused) == "conflict"
    assert "changed the content" in refused.json["detail"]


def test_a_gate_says_how_its_number_was_changed(api, sql):
    api.make(GATES, METRIC)
    version = api.by("publisher").version(api.model(), metadata={"accuracy": 0.5, "eval": {"f1": 1}})
    sql("UPDATE versions SET created_at = created_at - interval '2 hours'")
    path = f"/api/v1/versions/{version['id']}"
    for accuracy in (0.5, 0.99):
        api.by("releaser").put(path, {"metadata": {"accuracy": accuracy, "note": "x"}})
    (verdict,) = api.get(at(version, "gates") + "?target=release").json
    changed = "changed from 0.5 by releaser-key, 2 hours after registration"
    assert verdict["detail"] == f"accuracy is 0.99 ({changed}); it must be >= 0.9"


# --- one holder, one voice


def test_the_successor_of_a_key_is_the_same_holder(api):
    api.make(GATES, APPROVED)
    registrar = holder(api)
    version = registrar.version(api.model())
    new = registrar.make(f"{KEYS}/{registrar.key['id']}/rotate", {})
    successor = Api(api.app, {"own": new["key"]}, "own")
    assert refusal(successor.post(at(version, "approvals"), {"target": "release"})) == "conflict"


def test_two_keys_of_a_person_are_one_voice(api):
    api.make(GATES, {**APPROVED, "count": 2})
    version = api.by("publisher").version(api.model())
    dana = api.make(PEOPLE, {"name": "Dana", "role": "releaser"})
    first, second = (holder(api, person_id=dana["id"]) for _ in range(2))
    first.make(at(version, "approvals"), {"target": "release"})
    assert refusal(second.post(at(version, "approvals"), {"target": "release"})) == "conflict"
    assert "1 of 2" in approval_gate(api, version)["detail"]


def test_a_person_may_withdraw_with_another_key(api, candidate):
    dana = api.make(PEOPLE, {"name": "Dana", "role": "releaser"})
    first, second = (holder(api, person_id=dana["id"]) for _ in range(2))
    given = first.make(at(candidate, "approvals"), {"target": "release"})
    assert second.delete(at(candidate, f"approvals/{given['id']}")).status_code == 204


def test_a_person_does_not_approve_their_own_request_with_another_key(api, candidate):
    dana = api.make(PEOPLE, {"name": "Dana", "role": "releaser"})
    first, second = (holder(api, person_id=dana["id"]) for _ in range(2))
    first.make(at(candidate, "approvals"), {"target": "release"})
    assert refusal(second.post(at(candidate, "promote"))) == "blocked"
    assert api.by("releaser").post(at(candidate, "promote")).status_code == 200


def expire(api, sql, key):
    sql("UPDATE api_keys SET expires_at = statement_timestamp() - interval '1 second' WHERE id = :id", id=key["id"])


def revoke(api, sql, key):
    api.delete(f"{KEYS}/{key['id']}")


def lower(api, sql, key):
    api.put(f"{KEYS}/{key['id']}", {"role": "publisher"})


@pytest.mark.parametrize(
    ("end", "why"),
    [(expire, "its key has expired"), (revoke, "its key was revoked"), (lower, "its key has the role publisher")],
)
def test_an_approval_is_void_once_its_key_is(api, candidate, sql, end, why):
    approver = holder(api)
    approver.make(at(candidate, "approvals"), {"target": "release"})
    end(api, sql, approver.key)
    assert refusal(api.post(at(candidate, "promote"))) == "blocked"
    assert approval_gate(api, candidate)["approvals"][0]["void"] == why


def test_that_of_a_deactivated_person_is_void(api, candidate):
    dana = api.make(PEOPLE, {"name": "Dana", "role": "releaser"})
    holder(api, person_id=dana["id"]).make(at(candidate, "approvals"), {"target": "release"})
    api.put(f"{PEOPLE}/{dana['id']}", {"active": False})
    assert approval_gate(api, candidate)["approvals"][0]["void"] == "Dana was deactivated"


def test_an_expired_key_with_a_successor_that_works_still_counts(api, candidate, sql):
    approver = holder(api)
    approver.make(at(candidate, "approvals"), {"target": "release"})
    new = approver.make(f"{KEYS}/{approver.key['id']}/rotate", {})
    expire(api, sql, approver.key)
    assert approval_gate(api, candidate)["approvals"][0]["void"] is None
    api.delete(f"{KEYS}/{new['id']}")
    assert approval_gate(api, candidate)["approvals"][0]["void"] == "its key has expired"


def test_an_approval_by_a_key_that_the_registrant_made_says_so(api):
    api.make(GATES, APPROVED)
    version = api.version(api.model())  # by the admin, who also makes the key
    holder(api).make(at(version, "approvals"), {"target": "release"})
    (given,) = approval_gate(api.by("viewer"), version)["approvals"]
    assert (given["void"], given["note"]) == (None, "its key was created by whoever registered the version")


# --- an approval that cannot count is refused


def test_an_approval_that_cannot_count_is_refused_at_once(api):
    version = api.by("publisher").version(api.model())
    path, body = at(version, "approvals"), {"target": "release"}
    nothing_asks = api.by("releaser").post(path, body)
    api.make(GATES, {**APPROVED, "role": "admin"})
    too_small = api.by("releaser").post(path, body)
    own = api.by("publisher").post(path, body)
    assert [refusal(answer) for answer in (nothing_asks, too_small, own)] == ["conflict"] * 3
    assert "No gate asks" in nothing_asks.json["detail"]
    assert "role releaser" in too_small.json["detail"]
    assert refusal(api.by("viewer").post(path, body)) == "forbidden"


# --- the content of what is released or live


def release(api, **fields):
    version = api.version(api.model(), metadata={"accuracy": 0.95}, **fields)
    api.post(at(version, "promote"), {})
    return version


def put_live(api):
    version = api.version(api.model(), metadata={"accuracy": 0.95})
    api.deployment(version, "staging")
    return version


@pytest.mark.parametrize("make", [release, put_live])
@pytest.mark.parametrize("change", CONTENT, ids=["metadata", "quantization", "ceph_path"])
def test_changing_what_is_released_or_live_takes_a_releaser_and_a_reason(api, make, change):
    path = f"/api/v1/versions/{make(api)['id']}"
    assert refusal(api.by("publisher").put(path, {**change, "reason": "typo"})) == "forbidden"
    assert faults(api.by("releaser").put(path, change)) == {"reason"}
    assert api.by("releaser").put(path, {**change, "reason": "typo"}).status_code == 200
    assert api.get("/api/v1/audit-logs?action=version.update").json[0]["details"]["reason"] == "typo"


@pytest.mark.parametrize("field", ["repository", "storage_path"])
def test_so_does_another_place_of_its_image(api, field):
    path = f"/api/v1/models/{release(api)['model_id']}"
    change = {field: "ghcr.io/other/bert"}
    assert refusal(api.by("publisher").put(path, {**change, "reason": "moved"})) == "forbidden"
    assert faults(api.by("releaser").put(path, change)) == {"reason"}
    assert api.by("releaser").put(path, {**change, "reason": "moved"}).status_code == 200


def test_archiving_a_release_takes_a_releaser(api):
    path = f"/api/v1/versions/{release(api)['id']}"
    assert refusal(api.by("publisher").put(path, {"status": "archived"})) == "forbidden"
    assert api.by("releaser").put(path, {"status": "archived"}).status_code == 200


# --- no_regression keeps its base


def empty(api, version):
    return api.put(f"/api/v1/versions/{version['id']}", {"metadata": {}, "reason": "x"})


def archive(api, version):
    return api.put(f"/api/v1/versions/{version['id']}", {"status": "archived"})


def demote(api, version):
    return api.post(at(version, "demote"), {})


def delete(api, version):
    return api.delete(f"/api/v1/versions/{version['id']}")


@pytest.mark.parametrize("take_away", [empty, archive, demote, delete])
def test_the_base_of_no_regression_stays_whatever_happens_to_the_release(api, take_away):
    first = release(api)
    api.make(GATES, NO_REGRESSION)
    worse = api.make(
        "/api/v1/versions",
        {"model_id": first["model_id"], "version": "2", "tag": "v2", "digest": "a:b", "metadata": {"accuracy": 0.1}},
    )
    assert take_away(api, first).status_code < 300
    refused = api.post(at(worse, "promote"))
    assert refusal(refused) == "blocked"
    assert "the 0.95 of" in refused.json["detail"]


WITHOUT_LISTS = """DO $$ BEGIN
SET LOCAL session_replication_role = replica;
UPDATE decisions SET content = content #- '{numbers,scores[0]}';
END $$"""


def test_a_decision_from_before_lists_were_read_leaves_their_numbers_to_its_version(api, sql):
    api.make(GATES, {**NO_REGRESSION, "path": "scores[0]"})
    model = api.model()
    api.version(model, "1", metadata={"scores": [0.9]}, is_release=True)
    sql(WITHOUT_LISTS)
    (verdict,) = api.get(at(api.version(model, "2", metadata={"scores": [0.8]}), "gates") + "?target=release").json
    assert "it must not be lower than the 0.9 of the current release, 1" in verdict["detail"]


def test_so_does_what_was_live_last(api):
    first = put_live(api)
    api.make(GATES, {**NO_REGRESSION, "target": "staging"})
    worse = api.make(
        "/api/v1/versions",
        {"model_id": first["model_id"], "version": "2", "tag": "v2", "digest": "a:b", "metadata": {"accuracy": 0.1}},
    )
    api.post("/api/v1/environments/staging/retire", {"model_name": "org/bert", "reason": "gone"})
    refused = api.post("/api/v1/deployments", {"release_id": worse["id"], "environment": "staging"})
    assert refusal(refused) == "blocked"
    assert "what was last live in staging" in refused.json["detail"]


# --- asked again when it succeeds


def freeze(api):
    api.put("/api/v1/environments/staging", {"frozen": True, "frozen_reason": "sale"})


def add_gate(api):
    api.make(GATES, {**METRIC, "target": "staging"})


@pytest.mark.parametrize(("hold", "kind"), [(freeze, "frozen"), (add_gate, "blocked")])
def test_a_deployment_is_held_to_freezes_and_gates_again_when_it_succeeds(api, hold, kind):
    version = api.version(api.model(), metadata={"accuracy": 0.5})
    running = api.deployment(version, "staging", status="running")
    hold(api)
    path = f"/api/v1/deployments/{running['id']}"
    assert refusal(api.put(path, {"status": "success"})) == kind
    assert api.get(path).json["status"] == "running"
    forced = api.put(path, {"status": "success", "force": True, "reason": "urgent"})
    assert (refusal(forced) == "frozen") if kind == "frozen" else forced.json["override"]


# --- environments, reasons


def test_a_protected_environment_comes_back_protected(api):
    api.put("/api/v1/environments/production", {"protected": True})
    api.delete("/api/v1/environments/production")
    version = api.by("publisher").version(api.model())
    body = {"release_id": version["id"], "environment": "production"}
    assert refusal(api.by("publisher").post("/api/v1/deployments", body)) == "forbidden"
    assert api.by("releaser").post("/api/v1/deployments", body).status_code == 201
    assert api.get("/api/v1/environments/production").json["protected"] is True


@pytest.mark.parametrize("blank", ["", " ", "\u200b", " \u2060\ufeff\t", "\u3164"])
def test_a_reason_that_shows_nothing_is_none(api, blank):
    version = put_live(api)
    api.make(GATES, {**METRIC, "value": 1})
    forced = api.post(at(version, "promote"), {"force": True, "reason": blank})
    there = {"model_name": "org/bert", "reason": blank}
    rolled_back = api.post("/api/v1/environments/staging/rollback", there)
    retired = api.post("/api/v1/environments/staging/retire", there)
    frozen = api.put("/api/v1/environments/staging", {"frozen": True, "frozen_reason": blank})
    assert faults(forced) == faults(rolled_back) == faults(retired) == {"reason"}
    assert faults(frozen) == {"frozen_reason"}


# --- retire


def test_retiring_ends_what_is_live_and_cancels_what_is_on_its_way(api):
    version = put_live(api)
    running = api.deployment(version, "staging", status="running")
    freeze(api)
    path, body = "/api/v1/environments/staging/retire", {"model_name": "ORG/bert", "reason": "replaced"}
    ended = api.by("publisher").post(path, body).json
    assert (ended["live"], ended["superseded_by"]) == (False, None)
    assert api.get("/api/v1/environments/staging/live").json == []
    assert api.get(f"/api/v1/deployments/{running['id']}").json["status"] == "cancelled"
    entry = api.get("/api/v1/audit-logs?action=deployment.retire").json[0]["details"]
    assert (entry["reason"], entry["passed_freeze"], entry["cancelled_deployments"]) == (
        "replaced",
        "sale",
        [running["id"]],
    )
    assert refusal(api.by("publisher").post(path, body)) == "conflict"
    (was,) = api.get(f"/api/v1/environments/staging/live?at={ended['live_from']}").json
    assert was["id"] == ended["id"]
    assert api.get(f"/api/v1/environments/staging/live?at={ended['ended_at']}").json == []


def test_retiring_takes_who_may_deploy_there(api):
    put_live(api)
    api.put("/api/v1/environments/staging", {"protected": True})
    body = {"model_name": "org/bert", "reason": "x"}
    assert refusal(api.by("publisher").post("/api/v1/environments/staging/retire", body)) == "forbidden"
    assert api.by("releaser").post("/api/v1/environments/staging/retire", body).status_code == 200


# --- decisions


def test_a_promotion_keeps_the_verdicts_their_numbers_and_the_approvals(api, candidate):
    api.make(GATES, METRIC)
    api.by("releaser").make(at(candidate, "approvals"), {"target": "release", "comment": "checked"})
    promoted = api.post(at(candidate, "promote"), {"reason": "best so far"}).json
    (kept,) = api.get(at(candidate, "decisions")).json
    assert kept == api.get(f"/api/v1/decisions/{promoted['decision_id']}").json
    assert (kept["kind"], kept["by"], kept["target"], kept["reason"]) == (
        "promote",
        "admin-key",
        "release",
        "best so far",
    )
    assert [(verdict["kind"], verdict["passed"]) for verdict in kept["verdicts"]] == [
        ("approved", True),
        ("metric", True),
    ]
    assert kept["verdicts"][1]["detail"] == "accuracy is 0.95; it must be >= 0.9"
    assert [(given["by"], given["comment"]) for given in kept["approvals"]] == [("releaser-key", "checked")]
    assert (kept["override"], promoted["override"]) == (False, False)
    assert kept["content"]["numbers"] == {"accuracy": 0.95}


def test_an_override_is_told_everywhere(api):
    api.make(GATES, METRIC)
    version = api.version(api.model(), metadata={"accuracy": 0.5})
    promoted = api.post(at(version, "promote"), {"force": True, "reason": "urgent"}).json
    assert promoted["override"] is True
    assert api.get("/api/v1/versions?is_release=true").json[0]["override"] is True
    (kept,) = api.get(at(version, "decisions")).json
    assert (kept["override"], kept["verdicts"][0]["passed"]) == (True, False)


@pytest.mark.parametrize(("registrar", "own"), [("admin", True), ("publisher", False)])
def test_an_override_by_who_registered_it_is_told_as_such(api, registrar, own):
    api.make(GATES, METRIC)
    version = api.by(registrar).version(api.model(), metadata={"accuracy": 0.5})
    api.post(at(version, "promote"), {"force": True, "reason": "urgent"})
    (kept,) = api.get(at(version, "decisions")).json
    assert (kept["override"], kept["override_by_registrant"]) == (True, own)


def test_what_a_decision_kept_does_not_change_with_what_it_was_about(api, candidate):
    api.by("releaser").make(at(candidate, "approvals"), {"target": "release"})
    api.post(at(candidate, "promote"), {})
    before = api.get(at(candidate, "decisions")).json
    api.put(f"/api/v1/versions/{candidate['id']}", {"metadata": {}, "reason": "x"})
    for gate in api.get(GATES).json:
        api.delete(f"{GATES}/{gate['id']}")
    assert api.get(at(candidate, "decisions")).json == before


@pytest.mark.parametrize(
    "statement", ["UPDATE decisions SET reason = 'x'", "DELETE FROM decisions", "TRUNCATE decisions CASCADE"]
)
def test_the_database_changes_no_decision(api, database, statement):
    release(api)
    with pytest.raises(Exception, match="decisions can only be added to"):
        database.run(statement)


def document(decision):
    """The SHA-256 of the decision as somebody outside computes it: without its own hash, as PostgreSQL writes JSON."""
    whole = {name: value for name, value in decision.items() if name != "sha256"}
    return hashlib.sha256(as_stored(whole).encode()).hexdigest()


def test_the_entry_names_the_decision_and_its_hash(api):
    api.make(GATES, {**METRIC, "value": 1e-07})
    version = api.version(api.model(), metadata={"accuracy": 0.1, "small": 1e-07, "é": 12345678901234567890})
    api.post(at(version, "promote"), {"reason": "“quoted”"})
    details = api.get("/api/v1/audit-logs?action=version.promote").json[0]["details"]
    kept = json.loads(api.get(f"/api/v1/decisions/{details['decision_id']}").text)
    assert details["decision_sha256"] == kept["sha256"] == document(kept)


def test_deployments_rollbacks_and_retirements_keep_theirs(api):
    model = api.model()
    versions = [api.version(model, number) for number in ("1.0.0", "2.0.0")]
    deployed = [api.deployment(version, "staging") for version in versions]
    back = api.post("/api/v1/environments/staging/rollback", {"model_name": "org/bert", "reason": "slow"}).json
    api.post("/api/v1/environments/staging/retire", {"model_name": "org/bert", "reason": "gone"})
    kinds = [decision["kind"] for decision in api.get(at(versions[0], "decisions")).json]
    assert kinds == ["retire", "rollback", "deploy"]
    for deployment in (*deployed, back):
        shown = api.get(f"/api/v1/deployments/{deployment['id']}").json
        assert shown["decision"] == api.get(f"/api/v1/decisions/{shown['decision_id']}").json
    then = f"/api/v1/environments/staging/live?at={deployed[1]['live_from']}"
    assert api.get(then).json[0]["decision"]["id"] == deployed[1]["decision_id"]


def test_a_deployments_decision_is_first_the_one_that_let_it_begin_then_the_one_that_made_it_live(api):
    version = api.version(api.model())
    running = api.deployment(version, "staging", status="running")
    live = api.put(f"/api/v1/deployments/{running['id']}", {"status": "success"}).json
    assert running["decision_id"] != live["decision_id"]
    failed = api.deployment(version, "staging", status="failed")
    assert failed["decision_id"] is None


# --- the same gate twice


@pytest.mark.parametrize(
    "fields",
    [
        METRIC,
        {**NO_REGRESSION, "tolerance": 0.01},
        {"model": "*", "target": "release", "kind": "metadata_present", "paths": ["a", "b"]},
        {"model": "*", "target": "staging", "kind": "released"},
        {"model": "*", "target": "release", "kind": "soaked", "environment": "staging", "seconds": 60},
        APPROVED,
    ],
    ids=lambda fields: fields["kind"],
)
def test_the_same_gate_is_kept_once(api, fields):
    api.put("/api/v1/environments/staging", {})
    first = api.make(GATES, {**fields, "model": "Org/Bert"})
    again = api.post(GATES, {**fields, "model": "org/bERT"})
    assert refusal(again) == "conflict"
    assert first["id"] in again.json["detail"]
    other = api.make(GATES, {**fields, "model": "org/other"})
    assert refusal(api.put(f"{GATES}/{other['id']}", {"model": "org/bert"})) == "conflict"
    assert api.put(f"{GATES}/{first['id']}", {"model": "org/BERT"}).status_code == 200
