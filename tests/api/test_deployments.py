"""Deployments: what is live where, and which filters find them."""

import pytest
from stage import NOWHERE, audited

DEPLOYMENTS = "/api/v1/deployments"


@pytest.fixture
def model(api):
    return api.model("org/Bert")


@pytest.fixture
def version(api, model):
    return api.version(model)


def live_in(api, version):
    return api.get(f"/api/v1/versions/{version['id']}").json["live_in"]


def test_a_deployment_is_audited(api, version, trail):
    deployment = api.by("publisher").deployment(version, "staging")
    entry = trail()[0]
    assert audited(entry) == ("deployment.create", deployment["id"], "publisher-key")


# --- live


@pytest.mark.parametrize(
    ("status", "live"), [("success", True), ("pending", False), ("running", False), ("failed", False)]
)
def test_only_success_is_live(api, version, status, live):
    deployment = api.deployment(version, "staging", status=status)
    assert deployment["live"] is live
    assert api.get(f"{DEPLOYMENTS}/{deployment['id']}").json == deployment
    assert live_in(api, version) == (["staging"] if live else [])


def test_the_newest_success_is_live_though_its_version_is_older(api, model, version, trail):
    newer = api.version(model, "2.0.0")
    first, second, third = (api.deployment(deployed) for deployed in (version, newer, version))
    assert [row["id"] for row in api.get(f"{DEPLOYMENTS}?live=true").json] == [third["id"]]
    assert (live_in(api, version), live_in(api, newer)) == (["production"], [])
    ended = [entry["details"].get("ended_deployment") for entry in trail("deployment.create")]
    assert ended == [second["id"], first["id"], None]


def test_case_does_not_make_another_environment(api, model, version):
    first = api.deployment(version, "Production")
    second = api.deployment(api.version(model, "2.0.0"), "PRODUCTION")
    assert [row["id"] for row in api.get(f"{DEPLOYMENTS}?live=true").json] == [second["id"]]
    assert api.get(f"{DEPLOYMENTS}/{first['id']}").json["superseded_by"] == second["id"]
    latest = api.get("/api/v1/versions/latest?model_name=org/bert&environment=production").json
    assert (latest["version"], latest["live_in"]) == ("2.0.0", ["PRODUCTION"])


def test_each_environment_and_each_model_has_its_own_live_deployment(api, version):
    other = api.version(api.model("org/other"))
    for deployed, environment in ((version, "staging"), (version, "production"), (other, "production")):
        api.deployment(deployed, environment)
    assert len(api.get(f"{DEPLOYMENTS}?live=true").json) == 3
    assert live_in(api, version) == ["production", "staging"]
    assert live_in(api, other) == ["production"]


# --- lists


@pytest.fixture
def shelf(api):
    bert, resnet = api.model("org/Bert"), api.model("org/resnet")
    b1, b2, r1 = api.version(bert, "1"), api.version(bert, "2"), api.version(resnet, "1")
    made = {
        "a": api.deployment(b1, "production"),
        "b": api.deployment(b2, "Production"),
        "c": api.deployment(b1, "staging"),
        "d": api.deployment(r1, "production", status="failed"),
        "e": api.deployment(r1, "staging", status="pending"),
        "f": api.deployment(b2, "dev", status="running"),
    }
    return {"b1": b1, "b2": b2}, made


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", "f e d c b a"),
        ("environment=PRODUCTION", "d b a"),
        ("environment=prod", ""),
        ("release_id={b1}", "c a"),
        (f"release_id={NOWHERE}", ""),
        ("model_name=ORG/bert", "f c b a"),
        ("model_name=org/none", ""),
        ("status=success", "c b a"),
        ("status=failed", "d"),
        ("status=pending", "e"),
        ("status=running", "f"),
        ("live=true", "c b"),
        ("live=true&environment=production", "b"),
        ("environment=production&model_name=org/bert&status=success", "b a"),
        ("environment=staging&release_id={b1}&status=success&live=true&model_name=org/bert", "c"),
        ("release_id={b2}&environment=staging", ""),
    ],
)
def test_filters_of_the_list_of_deployments(api, shelf, query, found):
    versions, made = shelf
    names = {deployment["id"]: name for name, deployment in made.items()}
    for name, version in versions.items():
        query = query.replace(f"{{{name}}}", version["id"])
    listed = api.get(f"{DEPLOYMENTS}?{query}")
    assert listed.status_code == 200, listed.text
    assert " ".join(names[deployment["id"]] for deployment in listed.json) == found
