"""Versions that have a source instead of an image, or beside one."""

import hashlib

import pytest
from stage import Api, refusal

from catapult.rules.json_text import as_stored

VERSIONS, SOURCE = "/api/v1/versions", "s3://models/bert 2/ä"
NO_IMAGE = dict.fromkeys(("tag", "digest", "digest_status", "image"))
DIGEST = "sha256:" + "a" * 64


@pytest.fixture
def model(api):
    return api.model("org/bert")


def register(api, version="1", **fields):
    return api.make(VERSIONS, {"model_name": "org/bert", "version": version, "source": SOURCE, **fields})


def names(api, query):
    response = api.get(f"{VERSIONS}?{query}")
    assert response.status_code == 200, response.text
    return [version["version"] for version in response.json]


def test_a_version_of_a_source_has_no_image(api, model, trail):
    version = register(api)
    assert {name: version[name] for name in NO_IMAGE} == NO_IMAGE
    assert version["source"] == SOURCE
    assert "source" in version["image_fault"]
    assert api.get(f"{VERSIONS}/{version['id']}").json == version
    assert trail()[0]["details"] == {"model": "org/bert", "version": "1", "source": SOURCE}
    both = register(api, "2", tag="t", digest=DIGEST)
    assert (both["image"], both["source"]) == (f"docker.io/org/bert@{DIGEST}", SOURCE)


def test_a_source_never_changes(api, model):
    version = register(api)
    for source in (SOURCE, "elsewhere", None):
        assert refusal(api.put(f"{VERSIONS}/{version['id']}", {"source": source})) == "validation"


def test_it_is_promoted_deployed_rolled_back_and_latest_as_any_other(api, model):
    image, version = api.version(model, "1"), register(api, "2")
    api.deployment(image)
    assert api.post(f"{VERSIONS}/{version['id']}/promote", {}).json["is_release"]
    deployment = api.deployment(version)
    content = deployment["decision"]["content"]
    shown = {"tag": None, "digest": None, "image": None, "source": SOURCE, "numbers": {}}
    assert {name: value for name, value in content.items() if name != "hash"} == shown
    assert api.get(f"{VERSIONS}/latest?model_name=org/bert&environment=production").json["source"] == SOURCE
    back = api.post("/api/v1/environments/production/rollback", {"model_name": "org/bert", "reason": "worse"})
    assert back.json["version"] == "1"


def test_lists_find_and_sort_versions_with_and_without_an_image(api, model):
    register(api, "1")
    api.version(model, "2")
    register(api, "3", source="b", tag="t", digest=DIGEST)
    for query, found in (
        ('filter=source = "b"', ["3"]),
        ('filter=source ~ "MODELS"', ["1"]),
        ('filter=digest = "' + DIGEST + '"', ["3", "2"]),
        ("filter=not digest exists", ["1"]),
        ("filter=number >= 2", ["3", "2"]),
        ("sort=-number", ["3", "2", "1"]),
        ("sort=tag", ["3", "2", "1"]),
        ("sort=-tag", ["2", "3", "1"]),
        ("sort=source", ["3", "1", "2"]),
        (f"digest={DIGEST}", ["3", "2"]),
    ):
        assert names(api, query) == found, query
    walked = [version["version"] for version in api.walk(f"{VERSIONS}?sort=source&limit=1")]
    assert walked == ["3", "1", "2"]


def test_approvals_are_of_the_source_too(api, model):
    """Its hash is that of a version without one, and the source."""
    api.make("/api/v1/gates", {"model": "*", "target": "release", "kind": "approved", "count": 1, "role": "releaser"})
    version = register(api, metadata={"f1": 0.5})
    key = api.make("/api/v1/api-keys", {"name": "qa", "role": "releaser"})
    approver = Api(api.app, {"own": key["key"]}, "own")
    assert approver.post(f"{VERSIONS}/{version['id']}/approvals", {"target": "release"}).status_code == 201
    release = api.post(f"{VERSIONS}/{version['id']}/promote", {}).json
    of = {"tag": None, "digest": None, "repository": None, "storage_path": "docker.io/org/bert"}
    of |= {"metadata": {"f1": 0.5}, "ceph_path": None, "quantization": None, "source": SOURCE}
    decision = api.get(f"/api/v1/decisions/{release['decision_id']}").json
    assert decision["content"]["hash"] == hashlib.sha256(as_stored(of).encode()).hexdigest()
    assert [given["by"] for given in decision["approvals"]] == ["qa"]


def test_an_older_hash_is_that_of_a_version_without_a_source(api, model):
    release = api.post(f"{VERSIONS}/{api.version(model)['id']}/promote", {}).json
    of = {"tag": "v1.0.0", "digest": DIGEST, "repository": None, "storage_path": "docker.io/org/bert"}
    of |= {"metadata": {}, "ceph_path": None, "quantization": None}
    decision = api.get(f"/api/v1/decisions/{release['decision_id']}").json
    assert decision["content"]["hash"] == hashlib.sha256(as_stored(of).encode()).hexdigest()
