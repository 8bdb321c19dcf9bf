import pytest
from stage import NOWHERE, TIME, UUID7, audited, faults

FIELDS = {
    "id", "release_id", "model_name", "version", "environment", "status", "live", "endpoint_url", "metadata",
    "log_url", "deployed_by", "deployed_at", "updated_at", "live_from", "ended_at", "superseded_by", "rollback_of",
}  # fmt: skip
DEPLOYMENTS = "/api/v1/deployments"


@pytest.fixture
def model(api):
    return api.model("org/Bert")


@pytest.fixture
def version(api, model):
    return api.version(model)


def live_in(api, version):
    return api.get(f"/api/v1/versions/{version['id']}").json["live_in"]


def is_live(api, deployment):
    return api.get(f"{DEPLOYMENTS}/{deployment['id']}").json["live"]


def test_a_deployment_answers_with_every_field_and_no_other(api, version):
    deployment = api.deployment(version)
    assert set(deployment) == FIELDS
    assert set(api.get(f"{DEPLOYMENTS}/{deployment['id']}").json) == FIELDS
    assert set(api.get(DEPLOYMENTS).json[0]) == FIELDS
    assert set(api.get(f"/api/v1/versions/{version['id']}/deployments").json[0]) == FIELDS


def test_a_deployment_that_says_little_has_defaults(api, version):
    deployment = api.by("publisher").deployment(version, "staging")
    assert UUID7.fullmatch(deployment["id"])
    assert TIME.fullmatch(deployment["deployed_at"])
    assert TIME.fullmatch(deployment["updated_at"])
    assert {name: deployment[name] for name in FIELDS - {"id", "deployed_at", "updated_at"}} == {
        "release_id": version["id"],
        "model_name": "org/Bert",
        "version": "1.0.0",
        "environment": "staging",
        "status": "success",
        "live": True,
        "endpoint_url": None,
        "log_url": None,
        "metadata": {},
        "deployed_by": "publisher-key",
        "live_from": deployment["deployed_at"],
        "ended_at": None,
        "superseded_by": None,
        "rollback_of": None,
    }


def test_a_deployment_keeps_all_it_was_told(api, version):
    told = {
        "environment": "Prod-1_eu.west",
        "status": "running",
        "metadata": {"replicas": 3, "nodes": ["a", "b"]},
        "endpoint_url": "https://bert.example.com:8443/v1?x=1#y",
    }
    deployment = api.deployment(version, **told)
    assert {name: deployment[name] for name in told} == told
    assert api.get(f"{DEPLOYMENTS}/{deployment['id']}").json == deployment


def test_null_in_a_new_deployment_is_the_same_as_leaving_it_out(api, version):
    deployment = api.deployment(version, status=None, metadata=None, endpoint_url=None)
    assert (deployment["status"], deployment["metadata"], deployment["endpoint_url"]) == ("success", {}, None)
    assert faults(api.post(DEPLOYMENTS, {"release_id": None, "environment": None})) == {"release_id", "environment"}


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
    assert is_live(api, deployment) is live
    assert live_in(api, version) == (["staging"] if live else [])


def test_the_newest_success_takes_the_place_of_the_one_before(api, model, version, trail):
    first = api.deployment(version)
    newer = api.version(model, "2.0.0")
    second = api.deployment(newer)
    assert (is_live(api, first), is_live(api, second)) == (False, True)
    assert (live_in(api, version), live_in(api, newer)) == ([], ["production"])
    assert first["id"] in str(trail()[0]["details"])


def test_an_older_version_may_go_live_again(api, model, version):
    first, second, third = (api.deployment(v) for v in (version, api.version(model, "2.0.0"), version))
    assert [is_live(api, deployment) for deployment in (first, second, third)] == [False, False, True]
    assert live_in(api, version) == ["production"]


def test_case_does_not_make_another_environment(api, model, version):
    first = api.deployment(version, "Production")
    second = api.deployment(api.version(model, "2.0.0"), "PRODUCTION")
    assert (is_live(api, first), is_live(api, second)) == (False, True)
    latest = api.get("/api/v1/versions/latest?model_name=org/bert&environment=production").json
    assert (latest["version"], latest["live_in"]) == ("2.0.0", ["PRODUCTION"])


def test_each_environment_and_each_model_has_its_own_live_deployment(api, version):
    other = api.version(api.model("org/other"))
    for deployed, environment in ((version, "staging"), (version, "production"), (other, "production")):
        api.deployment(deployed, environment)
    assert len(api.get(f"{DEPLOYMENTS}?live=true").json) == 3
    assert live_in(api, version) == ["production", "staging"]
    assert live_in(api, other) == ["production"]


def test_the_database_refuses_a_second_live_deployment(api, version, sql):
    api.deployment(version, "Production")
    failed = api.deployment(version, "PRODUCTION", status="failed")
    with pytest.raises(Exception, match="uq_deployments_live"):
        sql("UPDATE deployments SET status = 'success', live_from = now() WHERE id = :id", id=failed["id"])


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


@pytest.mark.parametrize("status", ["pending", "success", "failed"])
def test_a_deployment_that_was_just_recorded_has_one_time(api, status):
    version = api.version(api.model())
    for _ in range(2):
        made = api.deployment(version, status=status)
        assert made["updated_at"] == made["deployed_at"]
