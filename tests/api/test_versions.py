"""Versions: of which model, found by which filters, promoted and demoted, archived and deleted."""

import pytest
from api.conftest import as_listed
from stage import NOWHERE, TIME, audited, faults, refusal

VERSIONS = "/api/v1/versions"
DIGEST = "sha256:" + "a" * 64
MINIMUM = {"model_name": "org/bert", "version": "1.0.0", "tag": "v1", "digest": DIGEST}


@pytest.fixture
def model(api):
    return api.model("org/bert")


@pytest.fixture
def version(api, model):
    return api.version(model)


def at(version, *steps):
    return "/".join([VERSIONS, version["id"], *steps])


# --- creating


def test_the_model_is_named_by_its_id_or_by_its_name_with_case_ignored(api, model):
    body = {name: value for name, value in MINIMUM.items() if name != "model_name"}
    by_id = api.make(VERSIONS, {**body, "model_id": model["id"]})
    by_name = api.make(VERSIONS, {**body, "model_name": "ORG/Bert", "version": "2"})
    by_both = api.make(VERSIONS, {**body, "model_name": "ORG/bert", "model_id": model["id"], "version": "3"})
    assert {v["model_id"] for v in (by_id, by_name, by_both)} == {model["id"]}
    assert {v["model_name"] for v in (by_id, by_name, by_both)} == {"org/bert"}


@pytest.mark.parametrize(
    "which",
    [{"model_name": "org/none"}, {"model_id": NOWHERE}, {"model_id": "no-uuid"}, {"model_name": "not a name at all"}],
)
def test_a_version_of_an_unknown_model_is_a_404(api, model, which):
    assert refusal(api.post(VERSIONS, {"version": "1", "tag": "v1", "digest": DIGEST, **which})) == "not-found"


def test_an_id_and_a_name_of_two_models_are_refused(api, model):
    api.model("org/other")
    assert api.post(VERSIONS, {**MINIMUM, "model_name": "org/other", "model_id": model["id"]}).status_code == 422
    assert api.get(VERSIONS).json == []


def test_the_same_version_of_a_model_is_a_conflict(api, model, version, trail):
    before = len(trail())
    assert refusal(api.post(VERSIONS, {**MINIMUM, "tag": "other", "digest": "sha256:other"})) == "conflict"
    assert len(trail()) == before
    assert len(api.get(VERSIONS).json) == 1


def test_versions_are_numbered_in_their_model_and_no_number_comes_twice(api, model, sql):
    """Not after a conflict, nor after a version that a gate held back, and not after the newest one is deleted."""
    other = api.model("org/other")
    numbers = [api.version(model, "1")["number"], api.version(other, "1")["number"], api.version(model, "2")["number"]]
    assert numbers == [1, 1, 2]
    assert api.post(VERSIONS, {**MINIMUM, "version": "2"}).status_code == 409
    api.make("/api/v1/gates", {"model": "*", "target": "release", "kind": "approved", "count": 1})
    assert refusal(api.post(VERSIONS, {**MINIMUM, "version": "3", "is_release": True})) == "blocked"
    third = api.version(model, "3")
    assert api.delete(at(third)).status_code == 204
    again = api.version(model, "3")
    assert (third["number"], again["number"]) == (3, 4)
    assert [version["number"] for version in api.get(f"{VERSIONS}?model_name=org/bert").json] == [4, 2, 1]
    assert [row["number"] for row in sql("SELECT number FROM versions WHERE deleted_at IS NOT NULL")] == [3]


def test_neither_tag_nor_digest_is_unique_nor_a_version_of_two_models(api, model):
    first = api.version(model, "1", tag="same")
    second = api.version(model, "2", tag="same")
    assert (first["tag"], first["digest"]) == (second["tag"], second["digest"])
    assert api.version(api.model("org/other"), "1")["version"] == "1"


@pytest.mark.parametrize("field", ["auto_build", "build_config"])
def test_builds_that_older_clients_ask_for_are_refused_and_their_empty_fields_are_dropped(api, model, field):
    for asked in (True, "false", 0, {}, *([False] if field == "build_config" else [])):
        assert faults(api.post(VERSIONS, {**MINIMUM, field: asked})) == {field}
    for number, empty in enumerate([None] if field == "build_config" else [None, False]):
        assert field not in api.make(VERSIONS, {**MINIMUM, "version": str(number), field: empty})


def test_creating_with_is_release_makes_a_release_and_writes_two_entries(api, model, trail):
    before = len(trail())
    version = api.by("releaser").version(model, is_release=True)
    assert (version["is_release"], version["released_by"]) == (True, "releaser-key")
    assert TIME.fullmatch(version["released_at"])
    promote, create = trail()[:-before]
    assert (create["action"], promote["action"]) == ("version.create", "version.promote")
    assert {str(create["resource_id"]), str(promote["resource_id"])} == {version["id"]}


def test_an_image_is_pulled_from_where_the_model_is_now(api):
    model = api.model(storage_path="docker.io/org/b")
    version = api.version(model)
    assert version["image"] == f"docker.io/org/b@{DIGEST}"
    api.put(f"/api/v1/models/{model['id']}", {"repository": "ghcr.io/org/a"})
    assert api.get(at(version)).json["image"] == f"ghcr.io/org/a@{DIGEST}"


def test_a_version_by_a_repository_from_before_the_rule_has_no_image_and_says_why(api, model, sql):
    version = api.version(model)
    assert version["image_fault"] is None
    sql("UPDATE models SET repository = 'ghcr.io/Acme/bert'")
    answer = api.get(at(version)).json
    assert answer["image"] is None
    assert answer["image_fault"].endswith("it must be in lower case after the host: ghcr.io/acme/bert.")


def test_a_change_of_metadata_leaves_the_metrics_of_other_versions(api, model, sql):
    changed, other = (api.version(model, name, metadata={"a": 1}) for name in ("1", "2"))
    api.put(at(changed), {"metadata": {"b": 5}})
    rows = sql("SELECT version_id, path FROM metrics")
    assert {(str(row["version_id"]), row["path"]) for row in rows} == {(changed["id"], "b"), (other["id"], "a")}


# --- reading


def test_a_versions_deployments_are_listed_newest_first(api, model, version):
    other = api.version(model, "2.0.0")
    first, second = api.deployment(version, "staging"), api.deployment(version, "production", status="failed")
    api.deployment(other, "staging")
    found = api.get(at(version, "deployments")).json
    assert [deployment["id"] for deployment in found] == [second["id"], first["id"]]
    assert found[0] == as_listed(second)
    assert api.get(at(version, "deployments") + "?limit=1").json == [as_listed(second)]


@pytest.fixture
def shelf(api):
    bert, resnet = api.model("org/Bert"), api.model("org/resnet")
    made = {
        "b1": api.version(bert, "1.0.0", tag="old", digest="sha256:one", is_release=True),
        "b2": api.version(bert, "2.0.0", tag="new", digest="sha256:two"),
        "b3": api.version(bert, "3.0.0", tag="new", digest="sha256:two"),
        "r1": api.version(resnet, "1.0.0", tag="new", digest="sha256:one", is_release=True),
    }
    api.deployment(made["b1"], "production")
    api.deployment(made["r1"], "Production")
    api.deployment(made["b2"], "staging")
    api.deployment(made["b2"], "production", status="failed")
    api.put(at(made["b3"]), {"status": "archived"})
    made["bert"] = bert
    return made


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", "r1 b3 b2 b1"),
        ("model_name=ORG/bert", "b3 b2 b1"),
        ("model_name=org/none", ""),
        ("model_id={bert}", "b3 b2 b1"),
        (f"model_id={NOWHERE}", ""),
        ("version=1.0.0", "r1 b1"),
        ("version=1.0", ""),
        ("tag=new", "r1 b3 b2"),
        ("digest=sha256:two", "b3 b2"),
        ("is_release=true", "r1 b1"),
        ("is_release=false", "b3 b2"),
        ("status=archived", "b3"),
        ("status=active", "r1 b2 b1"),
        ("environment=PRODUCTION", "r1 b1"),
        ("environment=staging", "b2"),
        ("environment=nowhere", ""),
        ("model_name=org/bert&tag=new", "b3 b2"),
        ("model_name=org/bert&tag=new&status=active", "b2"),
        ("environment=production&model_name=org/resnet", "r1"),
        ("is_release=true&digest=sha256:one&version=1.0.0&model_id={bert}&environment=production", "b1"),
        ("is_release=true&environment=staging", ""),
    ],
)
def test_filters_of_the_list_of_versions(api, shelf, query, found):
    names = {made["id"]: name for name, made in shelf.items()}
    listed = api.get(f"{VERSIONS}?{query.replace('{bert}', shelf['bert']['id'])}")
    assert listed.status_code == 200, listed.text
    assert " ".join(names[version["id"]] for version in listed.json) == found


# --- promoting


def test_a_promoted_version_is_a_release(api, version, trail):
    promoted = api.by("releaser").post(at(version, "promote"), {"reason": "Best recall"})
    assert promoted.status_code == 200
    assert (promoted.json["is_release"], promoted.json["released_by"]) == (True, "releaser-key")
    assert TIME.fullmatch(promoted.json["released_at"])
    assert api.get(at(version)).json == promoted.json
    entry = trail()[0]
    assert audited(entry) == ("version.promote", version["id"], "releaser-key")
    assert entry["details"]["reason"] == "Best recall"


def test_a_demoted_release_is_a_plain_version_again(api, model, trail):
    version = api.version(model, is_release=True)
    demoted = api.post(at(version, "demote"), {"reason": "Regression"})
    assert demoted.status_code == 200
    assert [demoted.json[name] for name in ("is_release", "released_at", "released_by")] == [False, None, None]
    assert api.get(at(version)).json == demoted.json
    assert (trail()[0]["action"], trail()[0]["details"]["reason"]) == ("version.demote", "Regression")


@pytest.mark.parametrize("body", [None, {}, {"reason": None}])
def test_a_reason_may_be_left_out(api, version, body, trail):
    for verb in ("promote", "demote"):
        assert api.post(at(version, verb), body).status_code == 200
        assert "reason" not in trail()[0]["details"]


def test_promoting_a_release_and_demoting_a_version_write_no_entry(api, version, trail):
    first = api.post(at(version, "promote")).json
    before = len(trail())
    assert api.post(at(version, "promote"), {"reason": "again"}).json == first
    assert api.put(at(version), {"is_release": True}).json == first
    assert len(trail()) == before
    plain = api.version({"id": version["model_id"]}, "2")
    before = len(trail())
    assert api.post(at(plain, "demote")).json == plain
    assert api.put(at(plain), {"is_release": False}).json == plain
    assert len(trail()) == before


def test_a_put_of_is_release_and_more_writes_an_entry_for_each_verb(api, version, trail):
    releaser = api.by("releaser")
    before = len(trail())
    put = releaser.put(at(version), {"is_release": True, "quantization": "int8"})
    assert (put.json["released_by"], put.json["quantization"]) == ("releaser-key", "int8")
    assert releaser.put(at(version), {"is_release": False}).json["is_release"] is False
    assert [entry["action"] for entry in trail()[:-before]] == ["version.demote", "version.promote", "version.update"]


# --- archiving


def test_an_archived_version_cannot_be_promoted(api, version, trail):
    api.put(at(version), {"status": "archived"})
    before = len(trail())
    assert api.post(at(version, "promote")).status_code == 409
    assert api.put(at(version), {"is_release": True, "quantization": "int8"}).status_code == 409
    assert api.get(at(version)).json["quantization"] is None
    assert len(trail()) == before


def test_a_put_cannot_archive_and_promote_at_once_but_bring_back_and_promote(api, version):
    assert api.put(at(version), {"status": "archived", "is_release": True}).status_code == 409
    assert api.get(at(version)).json == version
    api.put(at(version), {"status": "archived"})
    brought = api.put(at(version), {"status": "active", "is_release": True}).json
    assert (brought["status"], brought["is_release"]) == ("active", True)


def test_an_archived_version_cannot_be_deployed(api, version):
    api.put(at(version), {"status": "archived"})
    for status in ("success", "pending", "running", "failed"):
        body = {"release_id": version["id"], "environment": "production", "status": status}
        assert api.post("/api/v1/deployments", body).status_code == 409
    assert api.get("/api/v1/deployments").json == []


def test_a_live_version_can_neither_be_archived_nor_deleted(api, model, version, trail):
    api.deployment(version, "Production")
    before = len(trail())
    refused = api.put(at(version), {"status": "archived", "quantization": "int8"})
    assert refusal(refused) == "conflict"
    assert "Production" in refused.json["detail"]
    assert api.delete(at(version)).status_code == 409
    assert len(trail()) == before
    found = api.get(at(version)).json
    assert (found["status"], found["quantization"], found["live_in"]) == ("active", None, ["Production"])
    api.deployment(api.version(model, "2.0.0"), "production")
    assert api.put(at(version), {"status": "archived"}).status_code == 200


def test_an_archived_release_stays_a_release(api, model):
    version = api.version(model, is_release=True)
    archived = api.put(at(version), {"status": "archived"}).json
    assert (archived["status"], archived["is_release"]) == ("archived", True)
    assert api.post(at(version, "promote")).json["is_release"] is True
    assert api.post(at(version, "demote")).json["is_release"] is False


@pytest.mark.parametrize("name", ["version", "tag", "digest", "environment"])
def test_a_plus_that_was_not_encoded_is_named_and_not_an_empty_list(api, name):
    refused = api.get(f"/api/v1/versions?{name}=1.0.0+build.5")
    assert refusal(refused) == "validation"
    assert "write + as %2B" in refused.json["errors"][name][0]


def test_a_version_with_a_plus_is_found_by_its_encoded_name(api):
    version = api.version(api.model(), "1.0.0+build.5", tag="v1")
    assert [row["id"] for row in api.get("/api/v1/versions?version=1.0.0%2Bbuild.5").json] == [version["id"]]


@pytest.mark.parametrize(
    "path",
    ["versions/latest?model_name=a&environment=a+b", "deployments?environment=a+b"],
)
def test_every_list_names_it(api, path):
    assert refusal(api.get(f"/api/v1/{path}")) == "validation"
