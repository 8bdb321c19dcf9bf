"""Stages of MLflow as what is live in environments, under gates, roles and freezes."""

import pytest
from mlflow_door.conftest import Door


@pytest.fixture
def two(door: Door) -> Door:
    """A model `m` with two versions."""
    door.model("m")
    door.version("m")
    door.version("m")
    return door


def stages(door):
    return [door.get("m", version)["current_stage"] for version in ("1", "2")]


def actions(trail, count):
    return [entry["action"] for entry in reversed(trail()[:count])]


def latest(door, *asked):
    answer = door.ok("POST", "registered-models/get-latest-versions", name="m", stages=list(asked))
    return {version["current_stage"]: version["version"] for version in answer["model_versions"]}


def test_production_and_staging_are_live_in_the_environment_of_that_name(two, api):
    assert two.move("m", "1", "staging")["current_stage"] == "Staging"
    assert two.move("m", "2", "Production", archive=True)["current_stage"] == "Production"
    live = api.get("/api/v1/deployments?live=true").json
    assert {(row["environment"], row["version"]) for row in live} == {("staging", "1"), ("production", "2")}
    assert latest(two) == {"Staging": "1", "Production": "2"}
    two.version("m")
    assert latest(two, "None", "PRODUCTION") == {"None": "3", "Production": "2"}


@pytest.mark.parametrize("archive", [True, False])
def test_the_one_before_ends_and_the_entry_tells_whether_that_was_asked_for(two, trail, archive):
    two.move("m", "1", "Production", archive)
    assert "ended_unasked" not in trail()[0]["details"]
    two.move("m", "2", "Production", archive)
    assert stages(two) == ["None", "Production"]
    details = trail()[0]["details"]
    assert details["ended_deployment"]
    assert details.get("ended_unasked", False) is not archive
    assert (details["door"], details["reason"]) == ("mlflow", "MLflow moved it to the stage Production.")


def test_a_stage_that_a_version_is_in_changes_nothing(two, trail):
    for stage in ("None", "Production", "Production", "Archived", "Archived"):
        two.move("m", "1", stage)
    assert actions(trail, 4)[-3:] == ["deployment.create", "deployment.retire", "version.update"]


def test_archived_ends_what_is_live_and_archives_in_one_transaction(two, api, trail, sql):
    two.move("m", "1", "Staging")
    two.move("m", "1", "Production")
    assert two.move("m", "1", "Archived")["current_stage"] == "Archived"
    assert actions(trail, 3) == ["deployment.retire", "deployment.retire", "version.update"]
    last = "SELECT xmin::text AS transaction FROM audit_logs ORDER BY created_at DESC, id DESC LIMIT 3"
    assert len({row["transaction"] for row in sql(last)}) == 1
    assert api.get("/api/v1/deployments?live=true").json == []
    assert two.move("m", "1", "Production")["current_stage"] == "Production"
    assert actions(trail, 2) == ["version.update", "deployment.create"]


def test_what_is_refused_leaves_all_as_it_was(two, api, trail):
    two.move("m", "1", "Staging")
    two.move("m", "1", "Production")
    api.put("/api/v1/environments/staging", {"protected": True})
    before = len(trail())
    call = ("POST", "model-versions/transition-stage")
    fields = {"name": "m", "version": "1", "stage": "Archived", "archive_existing_versions": False}
    assert "releaser" in two.by("publisher").refused("PERMISSION_DENIED", *call, **fields)
    assert stages(two)[0] == "Production"
    assert {entry["action"] for entry in trail()[:-before]} == {"auth.forbidden"}


def test_gates_and_freezes_refuse_in_their_own_sentences(two, api, sql):
    api.put("/api/v1/environments/production", {})
    api.make("/api/v1/gates", {"model": "m", "target": "production", "kind": "released"})
    call = {"name": "m", "version": "1", "archive_existing_versions": False}
    refused = two.refused("PERMISSION_DENIED", "POST", "model-versions/transition-stage", **call, stage="Production")
    assert "not a release" in refused
    assert sql("SELECT sum(refusals) AS refusals FROM gate_refusals") == [{"refusals": 1}]
    api.put("/api/v1/environments/staging", {"frozen": True, "frozen_reason": "sale"})
    refused = two.refused("PERMISSION_DENIED", "POST", "model-versions/transition-stage", **call, stage="Staging")
    assert "frozen: sale" in refused
    assert stages(two) == ["None", "None"]


def test_what_is_live_is_not_deleted(two):
    two.move("m", "1", "Production")
    refused = two.refused("PERMISSION_DENIED", "DELETE", "model-versions/delete", name="m", version="1")
    assert "is live in production" in refused
    assert "is live in production" in two.refused("PERMISSION_DENIED", "DELETE", "registered-models/delete", name="m")
    two.move("m", "1", "None")
    assert two.ok("DELETE", "model-versions/delete", name="m", version="1") == {}
    assert two.ok("DELETE", "registered-models/delete", name="m") == {}
    two.refused("RESOURCE_DOES_NOT_EXIST", "GET", "registered-models/get", name="m")


def test_the_end_of_one_version_leaves_the_rollout_of_another_alone(two, api):
    two.move("m", "1", "Production")
    two.move("m", "1", "Staging")
    second = api.get("/api/v1/versions?model_name=m&version=2").json[0]
    rollout = api.deployment(second, "production", status="running")
    two.move("m", "1", "None")
    assert api.get(f"/api/v1/deployments/{rollout['id']}").json["status"] == "running"
    assert api.put(f"/api/v1/deployments/{rollout['id']}", {"status": "success"}).status_code == 200
    assert stages(two) == ["None", "Production"]


def test_a_version_keeps_a_name_whatever_others_are_called(two):
    for name in ("5", "5.mlflow"):
        two.version("m", tags=[{"key": "catapult.version", "value": name}])
    fifth = two.version("m")
    assert fifth["version"] == "5"
    two.version("m")
    names = {row["version"] for row in two.api.get("/api/v1/versions?model_name=m").json}
    assert names == {"1", "2", "5", "5.mlflow", "5.mlflow.2", "6"}
