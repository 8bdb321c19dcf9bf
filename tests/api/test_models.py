import re

import pytest
from stage import NOWHERE, TIME, UUID7, audited, refusal

FIELDS = {
    "id", "name", "storage_path", "repository", "description", "tags", "metadata", "version_count", "latest_version",
    "created_at", "updated_at",
}  # fmt: skip
MODELS = "/api/v1/models"


def names(response):
    assert response.status_code == 200, response.text
    return [model["name"] for model in response.json]


def test_a_model_answers_with_every_field_and_no_other(api):
    model = api.model()
    assert set(model) == FIELDS
    assert set(api.get(f"{MODELS}/{model['id']}").json) == FIELDS
    assert set(api.get(MODELS).json[0]) == FIELDS
    assert set(api.put(f"{MODELS}/{model['id']}", {"description": "x"}).json) == FIELDS


def test_a_model_that_says_little_has_defaults(api):
    model = api.make(MODELS, {"name": "org/bert", "storage_path": "nfs/bert"})
    assert UUID7.fullmatch(model["id"])
    assert TIME.fullmatch(model["created_at"])
    assert TIME.fullmatch(model["updated_at"])
    kept = {name: model[name] for name in FIELDS - {"id", "created_at", "updated_at"}}
    assert kept == {
        "name": "org/bert",
        "storage_path": "nfs/bert",
        "repository": None,
        "description": None,
        "tags": [],
        "metadata": {},
        "version_count": 0,
        "latest_version": None,
    }


def test_a_model_keeps_all_it_was_told(api):
    told = {
        "name": "org/Bert.v2_x-1",
        "storage_path": "s3://bucket/bert",
        "repository": "ghcr.io/org/bert",
        "description": "Sentiment — reviews 🙂",
        "tags": ["nlp", "gpu ready"],
        "metadata": {"git_url": "https://example.com/x", "nested": {"a": [1, 2.5, None, True, "ü"]}},
    }
    model = api.make(MODELS, told)
    assert {name: model[name] for name in told} == told
    assert api.get(f"{MODELS}/{model['id']}").json == model


def test_the_storage_path_is_the_repository_where_it_is_not_given(api):
    assert api.make(MODELS, {"name": "a", "repository": "ghcr.io/org/a"})["storage_path"] == "ghcr.io/org/a"
    assert (
        api.make(MODELS, {"name": "b", "repository": "ghcr.io/org/b", "storage_path": None})["storage_path"]
        == "ghcr.io/org/b"
    )


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


def test_a_put_changes_the_fields_sent_and_leaves_the_others(api):
    model = api.model(description="old", tags=["a"], metadata={"x": 1}, repository="ghcr.io/org/bert")
    changed = api.put(f"{MODELS}/{model['id']}", {"description": "new", "tags": ["b", "c"]})
    assert changed.status_code == 200
    assert changed.json["updated_at"] > model["updated_at"]
    expected = {**model, "description": "new", "tags": ["b", "c"], "updated_at": changed.json["updated_at"]}
    assert changed.json == expected
    assert api.get(f"{MODELS}/{model['id']}").json == expected


def test_an_update_is_audited_with_old_and_new_values(api, trail):
    model = api.model(description="old")
    api.put(f"{MODELS}/{model['id']}", {"description": "new", "metadata": {"a": 1}, "tags": []})
    entry = trail()[0]
    assert audited(entry) == ("model.update", model["id"], "admin-key")
    assert entry["details"]["changes"] == {
        "description": {"old": "old", "new": "new"},
        "metadata": {"old": {}, "new": {"a": 1}},
    }


def test_an_update_that_changes_nothing_writes_no_entry(api, trail):
    model = api.model(description="same")
    before = len(trail())
    assert api.put(f"{MODELS}/{model['id']}", {"description": "same"}).json == model
    assert api.put(f"{MODELS}/{model['id']}", {}).json == model
    assert len(trail()) == before


def test_a_one_that_becomes_true_is_a_change(api):
    model = api.model(metadata={"flag": 1})
    assert api.put(f"{MODELS}/{model['id']}", {"metadata": {"flag": True}}).json["metadata"] == {"flag": True}


def test_a_deleted_model_leaves_every_list(api):
    model = api.model()
    version = api.version(model)
    deployment = api.deployment(version, status="failed")
    gone = api.delete(f"{MODELS}/{model['id']}")
    assert (gone.status_code, gone.data) == (204, b"")
    for path in (
        f"{MODELS}/{model['id']}",
        f"{MODELS}/{model['id']}/versions",
        f"/api/v1/versions/{version['id']}",
        f"/api/v1/versions/{version['id']}/deployments",
        f"/api/v1/deployments/{deployment['id']}",
        "/api/v1/versions/latest?model_name=org/bert",
    ):
        assert api.get(path).status_code == 404, path
    for path in (MODELS, f"{MODELS}?name=org/bert", "/api/v1/versions", "/api/v1/deployments"):
        assert api.get(path).json == [], path
    assert api.delete(f"{MODELS}/{model['id']}").status_code == 404
    assert api.put(f"{MODELS}/{model['id']}", {"description": "x"}).status_code == 404
    assert api.put(f"/api/v1/versions/{version['id']}", {"quantization": "x"}).status_code == 404
    assert api.post(f"/api/v1/versions/{version['id']}/promote").status_code == 404


def test_a_deleted_models_history_stays(api, sql, trail):
    model = api.model()
    version = api.version(model, metadata={"accuracy": 0.5})
    deployment = api.deployment(version, status="failed")
    api.delete(f"{MODELS}/{model['id']}")
    for table, row in (("models", model), ("versions", version), ("deployments", deployment)):
        (kept,) = sql(f"SELECT * FROM {table} WHERE id = :id", id=row["id"])
        assert kept["deleted_at"] is not None
    assert {"model.create", "version.create", "deployment.create", "model.delete"} <= {e["action"] for e in trail()}


def test_a_deleted_models_name_is_free_again(api):
    old = api.model("org/bert")
    api.version(old)
    api.delete(f"{MODELS}/{old['id']}")
    new = api.model("ORG/Bert")
    assert new["id"] != old["id"]
    assert (new["version_count"], new["latest_version"]) == (0, None)
    assert names(api.get(f"{MODELS}?name=org/bert")) == ["ORG/Bert"]
    assert api.version(new)["model_name"] == "ORG/Bert"


def test_a_model_that_is_live_is_deleted_only_by_force(api, trail, sql):
    model = api.model()
    live = [api.deployment(api.version(model, v), env) for v, env in (("1.0.0", "staging"), ("2.0.0", "production"))]
    refused = api.delete(f"{MODELS}/{model['id']}")
    assert refusal(refused) == "conflict"
    assert "force" in refused.json["detail"]
    assert api.delete(f"{MODELS}/{model['id']}?force=false").status_code == 409
    assert api.get(f"{MODELS}/{model['id']}").status_code == 200
    before = len(trail())
    assert api.delete(f"{MODELS}/{model['id']}?force=true").status_code == 204
    assert len(trail()) == before + 1
    entry = trail()[0]
    assert entry["action"] == "model.delete"
    assert all(deployment["id"] in str(entry["details"]) for deployment in live)
    rows = sql("SELECT ended_at >= live_from AS ended FROM deployments")
    assert [row["ended"] for row in rows] == [True, True]
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


IMAGES = "/api/v1/images"


def test_images_are_models_by_their_older_name(api):
    made = api.post(IMAGES, {"name": "org/bert", "storage_path": "x"})
    assert made.status_code == 201
    model = made.json
    assert api.get(made.headers["Location"]).json == model
    assert api.get(f"{IMAGES}/{model['id']}").json == model
    assert api.get(f"{MODELS}/{model['id']}").json == model
    assert names(api.get(f"{IMAGES}?search=bert")) == ["org/bert"]
    version = api.version(model)
    assert api.get(f"{IMAGES}/{model['id']}/versions").json == [version]
    assert api.put(f"{IMAGES}/{model['id']}", {"description": "x"}).json["description"] == "x"
    assert api.delete(f"{IMAGES}/{model['id']}").status_code == 204
    assert api.get(f"{MODELS}/{model['id']}").status_code == 404


def test_answers_to_images_say_that_the_name_is_old(api):
    model = api.model()
    deprecated = re.compile(r"@\d+")
    for response in (
        api.get(IMAGES),
        api.post(IMAGES, {"name": "a", "storage_path": "x"}),
        api.post(IMAGES, {}),
        api.get(f"{IMAGES}/{model['id']}"),
        api.get(f"{IMAGES}/{NOWHERE}"),
        api.get(f"{IMAGES}/{model['id']}/versions"),
        api.put(f"{IMAGES}/{model['id']}", {"description": "x"}),
        api.delete(f"{IMAGES}/{model['id']}"),
        api.by(None).get(IMAGES),
    ):
        assert deprecated.fullmatch(response.headers["Deprecation"]), response.text
    assert "Deprecation" not in api.get(MODELS).headers
