"""Aliases through MLflow's door, and a version that takes its own along when it is deleted."""

import pytest


@pytest.fixture
def two(door):
    door.model("m")
    door.version("m")
    door.version("m")
    return door


def alias(door, method, name="champion", **fields):
    return door.ok(method, "registered-models/alias", name="m", alias=name, **fields)


def test_an_alias_is_set_moved_found_and_removed(two, trail):
    assert alias(two, "POST", version="1") == {}
    assert alias(two, "GET")["model_version"]["version"] == "1"
    alias(two, "POST", version="2")
    assert alias(two, "GET", "CHAMPION")["model_version"]["aliases"] == ["champion"]
    model = two.ok("GET", "registered-models/get", name="m")["registered_model"]
    assert model["aliases"] == [{"alias": "champion", "version": "2"}]
    assert alias(two, "DELETE") == alias(two, "DELETE") == {}
    assert [entry["action"] for entry in trail()[:3]] == ["alias.remove", "alias.move", "alias.move"]
    assert {entry["details"]["door"] for entry in trail()[:3]} == {"mlflow"}
    refused = two.refused("INVALID_PARAMETER_VALUE", "GET", "registered-models/alias", name="m", alias="champion")
    assert refused == "Registered model alias champion not found."


def test_a_gate_before_an_alias_refuses_in_its_own_sentence(two, api):
    alias(two, "POST", version="1")
    api.make("/api/v1/gates", {"model": "m", "target": "@champion", "kind": "released"})
    refused = two.refused(
        "PERMISSION_DENIED", "POST", "registered-models/alias", name="m", alias="champion", version="2"
    )
    assert "not a release" in refused
    two.refused("PERMISSION_DENIED", "DELETE", "model-versions/delete", name="m", version="1")


def test_deleting_a_version_takes_its_aliases_along(two):
    alias(two, "POST", version="1")
    two.ok("DELETE", "model-versions/delete", name="m", version="1")
    two.refused("INVALID_PARAMETER_VALUE", "GET", "registered-models/alias", name="m", alias="champion")
