"""Models: their place, their name, their live deployments, and the lists of them and of their versions."""

import re

import pytest
from stage import NOWHERE, refusal

MODELS = "/api/v1/models"


def names(response):
    assert response.status_code == 200, response.text
    return [model["name"] for model in response.json]


@pytest.mark.parametrize("body", [{}, {"storage_path": None}])
def test_the_storage_path_is_the_repository_where_it_is_not_given(api, body):
    assert api.make(MODELS, {"name": "a", "repository": "ghcr.io/a", **body})["storage_path"] == "ghcr.io/a"


@pytest.mark.parametrize("body", [{}, {"storage_path": None}, {"storage_path": None, "repository": None}])
def test_a_model_needs_one_of_the_two_places(api, body):
    refused = api.post(MODELS, {"name": "a", **body})
    assert refused.status_code == 422
    assert "storage_path" in refused.json["errors"]


def test_a_name_is_unique_with_case_ignored(api, trail):
    api.model("org/Bert")
    before = len(trail())
    for name in ("org/Bert", "ORG/bert"):
        assert refusal(api.post(MODELS, {"name": name, "storage_path": "x"})) == "conflict"
    assert len(trail()) == before
    assert names(api.get(MODELS)) == ["org/Bert"]


def test_a_model_that_is_live_is_deleted_only_by_force(api, trail, sql):
    model = api.model()
    version = api.version(model)
    live = [api.deployment(version, environment) for environment in ("staging", "production")]
    pending = api.deployment(version, "staging", status="running")
    refused = api.delete(f"{MODELS}/{model['id']}")
    assert refusal(refused) == "conflict"
    assert "force" in refused.json["detail"]
    assert api.delete(f"{MODELS}/{model['id']}?force=false").status_code == 409
    assert api.get(f"/api/v1/deployments/{pending['id']}").json == pending
    before = len(trail())
    assert api.delete(f"{MODELS}/{model['id']}?force=true").status_code == 204
    assert len(trail()) == before + 1
    details = trail("model.delete")[0]["details"]
    assert details["cancelled_deployments"] == [pending["id"]]
    ended = [{"id": deployment["id"], "environment": deployment["environment"]} for deployment in live]
    assert sorted(details["ended_deployments"], key=lambda one: one["id"]) == ended
    rows = sql("SELECT status, ended_at > live_from AS ended FROM deployments ORDER BY id")
    assert [tuple(row.values()) for row in rows] == [("success", True), ("success", True), ("cancelled", None)]
    assert api.get("/api/v1/deployments?live=true").json == []
    assert api.delete(f"{MODELS}/{api.model('org/idle')['id']}?force=true").status_code == 204
    assert "ended_deployments" not in trail()[0]["details"]


def test_the_count_and_the_latest_version_follow_the_versions(api):
    model = api.model()

    def kept():
        found = api.get(f"{MODELS}/{model['id']}").json
        assert api.get(MODELS).json == [found]
        return found["version_count"], found["latest_version"]

    assert kept() == (0, None)
    first = api.version(model, "2.0.0")
    assert kept() == (1, "2.0.0")
    taken = {"model_id": model["id"], "version": "2.0.0", "tag": "x", "digest": "a:x"}
    assert refusal(api.post("/api/v1/versions", taken)) == "conflict"
    assert kept() == (1, "2.0.0")
    second = api.version(model, "1.0.0")
    assert kept() == (2, "1.0.0")
    api.put(f"/api/v1/versions/{second['id']}", {"status": "archived"})
    assert kept() == (2, "2.0.0")
    api.put(f"/api/v1/versions/{first['id']}", {"status": "archived"})
    assert kept() == (2, None)
    api.put(f"/api/v1/versions/{second['id']}", {"status": "active"})
    assert kept() == (2, "1.0.0")
    api.delete(f"/api/v1/versions/{second['id']}")
    assert kept() == (1, None)
    api.put(f"/api/v1/versions/{first['id']}", {"status": "active"})
    assert kept() == (1, "2.0.0")
    api.delete(f"/api/v1/versions/{first['id']}")
    assert kept() == (0, None)


@pytest.fixture
def shelf(api):
    api.model("org/Bert", description="Sentiment of reviews", tags=["nlp", "GPU"])
    api.model("org/resnet", description="Finds 100% of cats_and_dogs", tags=["vision"])
    api.model("team/bert-small", description=None, tags=["nlp"])


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["team/bert-small", "org/resnet", "org/Bert"]),
        ("search=bert", ["team/bert-small", "org/Bert"]),
        ("search=BERT", ["team/bert-small", "org/Bert"]),
        ("search=SENTIMENT", ["org/Bert"]),
        ("search=of", ["org/resnet", "org/Bert"]),
        ("search=100%25", ["org/resnet"]),
        ("search=0%25o", []),
        ("search=cats_and", ["org/resnet"]),
        ("search=catsxand", []),
        ("search=_", ["org/resnet"]),
        ("search=%5C", []),
        ("search=nothing", []),
        ("name=ORG/bert", ["org/Bert"]),
        ("name=org/ber", []),
        ("name=bert", []),
        ("tag=nlp", ["team/bert-small", "org/Bert"]),
        ("tag=vision", ["org/resnet"]),
        ("tag=vis", []),
        ("search=bert&tag=nlp", ["team/bert-small", "org/Bert"]),
        ("search=bert&tag=vision", []),
        ("search=reviews&tag=nlp&name=org/bert", ["org/Bert"]),
        ("search=reviews&tag=nlp&name=team/bert-small", []),
    ],
)
def test_filters_of_the_list_of_models(api, shelf, query, found):
    assert names(api.get(f"{MODELS}?{query}")) == found


def test_a_models_versions_are_listed_with_the_filters_of_versions(api):
    model, other = api.model("org/bert"), api.model("org/other")
    first = api.version(model, "1.0.0", is_release=True)
    second = api.version(model, "2.0.0", tag="gpu")
    api.version(other, "1.0.0")
    path = f"{MODELS}/{model['id']}/versions"

    def versions(query=""):
        return [version["id"] for version in api.get(path + query).json]

    assert versions() == [second["id"], first["id"]]
    assert versions("?is_release=true") == [first["id"]]
    assert versions("?tag=gpu") == [second["id"]]
    assert versions("?version=1.0.0") == [first["id"]]
    assert versions("?model_name=ORG/bert&status=active&limit=1") == [second["id"]]
    assert versions("?model_name=org/other") == []
    assert api.get(f"{path}?is_relase=true").status_code == 422


def test_images_are_models_by_their_older_name_and_say_that_it_is_old(api):
    images = "/api/v1/images"
    made = api.post(images, {"name": "org/bert", "storage_path": "x"})
    model = made.json
    assert api.get(made.headers["Location"]).json == model
    version = api.version(model)
    for answer, expected in (
        (made, model),
        (api.post(images, {}), None),
        (api.get(f"{images}?search=bert"), api.get(MODELS).json),
        (api.get(f"{images}/{model['id']}"), api.get(f"{MODELS}/{model['id']}").json),
        (api.get(f"{images}/{NOWHERE}"), None),
        (api.get(f"{images}/{model['id']}/versions"), [version]),
        (api.put(f"{images}/{model['id']}", {"description": "x"}), api.get(f"{MODELS}/{model['id']}").json),
        (api.delete(f"{images}/{model['id']}"), None),
        (api.by(None).get(images), None),
    ):
        assert re.fullmatch(r"@\d+", answer.headers["Deprecation"]), answer.request.path
        assert expected is None or answer.json == expected
    assert api.get(MODELS).json == []
    assert "Deprecation" not in api.get(MODELS).headers
