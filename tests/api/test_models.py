import re

import pytest

FIELDS = {
    "id", "name", "storage_path", "repository", "description", "tags", "metadata", "version_count", "latest_version",
    "created_at", "updated_at",
}  # fmt: skip
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
NOWHERE = "019ab2f0-7c1e-7d52-a1f3-2b7c9d0e4f11"
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


def test_the_location_of_a_new_model_leads_to_it(api):
    made = api.post(MODELS, {"name": "a", "repository": "ghcr.io/org/a"})
    assert made.headers["Location"] == f"{MODELS}/{made.json['id']}"
    assert api.get(made.headers["Location"]).json == made.json


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


def test_every_bad_field_of_a_new_model_is_named_at_once(api):
    refused = api.post(MODELS, {"name": "a//b", "storage_path": 1, "tags": "x", "metadata": [], "colour": "red"})
    assert refused.status_code == 422
    assert set(refused.json["errors"]) == {"name", "storage_path", "tags", "metadata", "colour"}
    assert all(refused.json["errors"].values())


def test_null_in_a_new_model_is_the_same_as_leaving_it_out(api):
    nulls = dict.fromkeys(["repository", "description", "tags", "metadata"])
    model = api.model(**nulls)
    assert (model["repository"], model["description"], model["tags"], model["metadata"]) == (None, None, [], {})
    assert api.post(MODELS, {"name": None, "storage_path": "x"}).status_code == 422


@pytest.mark.parametrize(
    "name", ["a", "9", "org/bert", "a/b/c/d", "A.b_c-D/x..y", "version", "versionsx/comparer", "new", "x" * 255]
)
def test_names_that_are_taken(api, name):
    assert api.model(name)["name"] == name


@pytest.mark.parametrize(
    "name",
    [
        "", "/a", "a/", "a//b", ".a", "-a", "_a", "a/.b", "a/-b", "a b", "a\n", "\na", "ä", "a:b", "a@b", "..", "a/../b", "-/edit",
        "versions", "compare", "org/versions", "versions/x", "org/Compare/x", "VERSIONS", "x" * 256, 7, ["a"], {"a": 1}, True,
    ],
)  # fmt: skip
def test_names_that_are_refused(api, name):
    refused = api.post(MODELS, {"name": name, "storage_path": "x"})
    assert refused.status_code == 422, refused.text
    assert "name" in refused.json["errors"]


def test_a_name_is_unique_with_case_ignored(api, trail):
    api.model("org/Bert")
    before = len(trail())
    for name in ("org/Bert", "ORG/bert"):
        taken = api.post(MODELS, {"name": name, "storage_path": "x"})
        assert (taken.status_code, taken.json["type"]) == (409, "/docs/errors/conflict")
    assert len(trail()) == before
    assert names(api.get(MODELS)) == ["org/Bert"]


@pytest.mark.parametrize(
    ("field", "longest"), [("description", 10_000), ("storage_path", 1_024), ("repository", 1_024)]
)
def test_texts_have_a_longest_length(api, field, longest):
    assert api.model("a", **{field: "é" * longest})[field] == "é" * longest
    refused = api.post(MODELS, {"name": "b", "storage_path": "x", field: "é" * (longest + 1)})
    assert refused.status_code == 422
    assert set(refused.json["errors"]) == {field}


def test_a_put_changes_the_fields_sent_and_leaves_the_others(api):
    model = api.model(description="old", tags=["a"], metadata={"x": 1}, repository="ghcr.io/org/bert")
    changed = api.put(f"{MODELS}/{model['id']}", {"description": "new", "tags": ["b", "c"]})
    assert changed.status_code == 200
    assert changed.json["updated_at"] > model["updated_at"]
    expected = {**model, "description": "new", "tags": ["b", "c"], "updated_at": changed.json["updated_at"]}
    assert changed.json == expected
    assert api.get(f"{MODELS}/{model['id']}").json == expected


def test_a_put_replaces_metadata_whole(api):
    model = api.model(metadata={"a": 1, "b": {"c": 2}})
    assert api.put(f"{MODELS}/{model['id']}", {"metadata": {"b": {}}}).json["metadata"] == {"b": {}}


@pytest.mark.parametrize(
    ("field", "cleared"), [("repository", None), ("description", None), ("metadata", {}), ("tags", [])]
)
def test_null_in_a_put_clears_the_field(api, field, cleared):
    full = {"repository": "ghcr.io/org/bert", "description": "old", "tags": ["a"], "metadata": {"x": 1}}
    model = api.model(**full)
    changed = api.put(f"{MODELS}/{model['id']}", {field: None})
    assert changed.status_code == 200, changed.text
    assert changed.json == {**model, field: cleared, "updated_at": changed.json["updated_at"]}


def test_null_in_a_put_is_refused_where_the_field_cannot_be_empty(api):
    refused = api.put(f"{MODELS}/{api.model()['id']}", {"storage_path": None})
    assert refused.status_code == 422
    assert set(refused.json["errors"]) == {"storage_path"}


@pytest.mark.parametrize("name", ["org/other", "org/bert", None, 7])
def test_a_name_never_changes(api, name):
    model = api.model("org/bert")
    refused = api.put(f"{MODELS}/{model['id']}", {"name": name, "description": "new"})
    assert refused.status_code == 422
    assert set(refused.json["errors"]) == {"name"}
    assert api.get(f"{MODELS}/{model['id']}").json == model


@pytest.mark.parametrize(
    "body", [{"id": NOWHERE}, {"version_count": 3}, {"created_at": "2026-01-01T00:00:00Z"}, {"x": 1}]
)
def test_a_put_takes_no_field_it_does_not_know(api, body):
    refused = api.put(f"{MODELS}/{api.model()['id']}", body)
    assert refused.status_code == 422
    assert set(refused.json["errors"]) == set(body)


def test_an_update_is_audited_with_old_and_new_values(api, trail):
    model = api.model(description="old")
    api.put(f"{MODELS}/{model['id']}", {"description": "new", "metadata": {"a": 1}, "tags": []})
    entry = trail()[0]
    assert (entry["action"], entry["resource_type"], str(entry["resource_id"])) == (
        "model.update",
        "model",
        model["id"],
    )
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


@pytest.mark.parametrize("method", ["get", "put", "delete"])
@pytest.mark.parametrize("model_id", [NOWHERE, "no-uuid", "1", NOWHERE + "0"])
def test_a_model_that_is_not_there_is_a_404(api, method, model_id):
    body = [{"description": "x"}] if method == "put" else []
    missing = getattr(api, method)(f"{MODELS}/{model_id}", *body)
    assert (missing.status_code, missing.json["type"]) == (404, "/docs/errors/not-found")
    assert api.get(f"{MODELS}/{model_id}/versions").status_code == 404


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


def test_a_model_that_is_live_is_deleted_only_by_force(api, trail):
    model = api.model()
    live = [api.deployment(api.version(model, v), env) for v, env in (("1.0.0", "staging"), ("2.0.0", "production"))]
    refused = api.delete(f"{MODELS}/{model['id']}")
    assert (refused.status_code, refused.json["type"]) == (409, "/docs/errors/conflict")
    assert "force" in refused.json["detail"]
    assert api.delete(f"{MODELS}/{model['id']}?force=false").status_code == 409
    assert api.get(f"{MODELS}/{model['id']}").status_code == 200
    before = len(trail())
    assert api.delete(f"{MODELS}/{model['id']}?force=true").status_code == 204
    assert len(trail()) == before + 1
    entry = trail()[0]
    assert entry["action"] == "model.delete"
    assert all(deployment["id"] in str(entry["details"]) for deployment in live)


def test_force_ends_the_deployments(api, sql):
    model = api.model()
    deployment = api.deployment(api.version(model))
    api.delete(f"{MODELS}/{model['id']}?force=true")
    (row,) = sql("SELECT live_from, ended_at FROM deployments WHERE id = :id", id=deployment["id"])
    assert row["ended_at"] >= row["live_from"]
    assert api.get("/api/v1/deployments?live=true").json == []


def test_force_on_a_model_that_is_not_live_ends_nothing(api, trail):
    model = api.model()
    assert api.delete(f"{MODELS}/{model['id']}?force=true").status_code == 204
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


def test_a_version_that_was_refused_counts_for_nothing(api):
    model = api.model()
    api.version(model)
    body = {"model_id": model["id"], "version": "1.0.0", "tag": "x", "digest": "sha256:x"}
    assert api.post("/api/v1/versions", body).status_code == 409
    assert api.get(f"{MODELS}/{model['id']}").json["version_count"] == 1


def test_the_version_count_of_one_model_is_not_anothers(api):
    one, other = api.model("a"), api.model("b")
    api.version(one)
    assert api.get(f"{MODELS}/{other['id']}").json["version_count"] == 0


def test_a_list_is_newest_first(api):
    for name in ("a", "c", "b"):
        api.model(name)
    assert names(api.get(MODELS)) == ["b", "c", "a"]


@pytest.fixture
def shelf(api):
    api.model("org/Bert", description="Sentiment of reviews", tags=["nlp", "GPU"])
    api.model("org/resnet", description="Finds 100% of cats_and_dogs", tags=["vision"])
    api.model("team/bert-small", description=None, tags=["nlp"])


@pytest.mark.parametrize(
    ("query", "found"),
    [
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


def test_images_are_not_in_the_document(api):
    assert not [path for path in api.get("/openapi.json").json["paths"] if "images" in path]
