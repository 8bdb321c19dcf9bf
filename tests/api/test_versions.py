from datetime import datetime, timedelta

import pytest
from stage import NOWHERE, TIME, UUID7, audited, faults, refusal

FIELDS = {
    "id", "model_id", "model_name", "version", "tag", "digest", "digest_status", "image", "size_bytes", "platform",
    "quantization", "release_notes", "ceph_path", "metadata", "status", "is_release", "released_at", "released_by",
    "live_in", "created_by", "created_at", "updated_at",
}  # fmt: skip
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


def metrics(sql, version):
    return {
        row["path"]: row["value"]
        for row in sql("SELECT path, value FROM metrics WHERE version_id = :id", id=version["id"])
    }


# --- creating


def test_a_version_answers_with_every_field_and_no_other(api, version):
    assert set(version) == FIELDS
    assert set(api.get(at(version)).json) == FIELDS
    assert set(api.get(VERSIONS).json[0]) == FIELDS
    assert set(api.get(f"{VERSIONS}/latest?model_name=org/bert").json) == FIELDS
    assert set(api.put(at(version), {"quantization": "int8"}).json) == FIELDS
    assert set(api.post(at(version, "promote")).json) == FIELDS
    assert set(api.post(at(version, "demote")).json) == FIELDS


def test_a_version_that_says_little_has_defaults(api, model):
    version = api.make(VERSIONS, {**MINIMUM})
    assert UUID7.fullmatch(version["id"])
    assert TIME.fullmatch(version["created_at"])
    assert TIME.fullmatch(version["updated_at"])
    assert {name: version[name] for name in FIELDS - {"id", "created_at", "updated_at"}} == {
        "model_id": model["id"],
        "model_name": "org/bert",
        "version": "1.0.0",
        "tag": "v1",
        "digest": DIGEST,
        "digest_status": "unverified",
        "image": f"docker.io/org/bert@{DIGEST}",
        "size_bytes": None,
        "platform": "linux/amd64",
        "quantization": None,
        "release_notes": None,
        "ceph_path": None,
        "metadata": {},
        "status": "active",
        "is_release": False,
        "released_at": None,
        "released_by": None,
        "live_in": [],
        "created_by": "admin-key",
    }


def test_a_version_keeps_all_it_was_told(api, model):
    told = {
        "version": "1.0.0-rc.1+build",
        "tag": "_V1.0-x",
        "digest": "sha512:" + "0" * 128,
        "size_bytes": 2**63 - 1,
        "platform": "linux/arm64/v8",
        "quantization": "int8",
        "release_notes": "Trained on October's data\n🙂",
        "ceph_path": "models/bert",
        "metadata": {"accuracy": 0.95, "eval": {"f1": 1, "classes": ["a", None, True, "ü"]}},
    }
    version = api.make(VERSIONS, {**told, "model_id": model["id"]})
    assert {name: version[name] for name in told} == told
    assert api.get(at(version)).json == version


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


@pytest.mark.parametrize(
    ("digest", "status"),
    [
        (DIGEST, "unverified"),
        ("sha512:" + "0f" * 64, "unverified"),
        ("blake3:abc", "unverified"),
        ("sha256+b64:LCa0a2j_xo=", "unverified"),
        ("sha256:abc123...", "malformed"),
        ("sha256:...", "malformed"),
        ("sha256:" + "A" * 64, "malformed"),
        ("sha256:" + "a" * 63, "malformed"),
        ("A.b_c-D+e:!\"'<>~", "malformed"),
        ("x:" + "y" * 200, "unverified"),
    ],
)
def test_a_digest_is_kept_as_sent_and_its_status_says_whether_oci_would_take_it(api, model, digest, status):
    version = api.version(model, digest=digest)
    assert (version["digest"], version["digest_status"]) == (digest, status)
    assert version["image"] == (f"docker.io/org/bert@{digest}" if status == "unverified" else None)
    assert api.get(at(version)).json == version


@pytest.mark.parametrize(
    ("places", "source"),
    [
        ({"repository": "ghcr.io/org/a", "storage_path": "docker.io/org/b"}, "ghcr.io/org/a"),
        ({"repository": None, "storage_path": "docker.io/org/b"}, "docker.io/org/b"),
        ({"repository": None, "storage_path": "localhost:5000/b"}, "localhost:5000/b"),
        ({"repository": None, "storage_path": "s3://bucket.example.com/b"}, None),
        ({"repository": None, "storage_path": "org/b"}, None),
    ],
)
def test_an_image_is_pulled_from_the_repository_or_from_a_storage_path_that_is_one(api, places, source):
    model = api.model("a", **places)
    version = api.version(model)
    assert version["image"] == (f"{source}@{DIGEST}" if source else None)
    api.put(f"/api/v1/models/{model['id']}", {"repository": "ghcr.io/new/place"})
    assert api.get(at(version)).json["image"] == f"ghcr.io/new/place@{DIGEST}"


def test_the_same_version_of_a_model_is_a_conflict(api, model, version, trail):
    before = len(trail())
    assert refusal(api.post(VERSIONS, {**MINIMUM, "tag": "other", "digest": "sha256:other"})) == "conflict"
    assert len(trail()) == before
    assert len(api.get(VERSIONS).json) == 1


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
        assert set(api.make(VERSIONS, {**MINIMUM, "version": str(number), field: empty})) == FIELDS


def test_creating_with_is_release_makes_a_release(api, model):
    assert api.by("publisher").post(VERSIONS, {**MINIMUM, "is_release": False}).status_code == 201
    made = api.by("releaser").make(VERSIONS, {**MINIMUM, "version": "2", "is_release": True})
    assert (made["is_release"], made["released_by"]) == (True, "releaser-key")
    assert TIME.fullmatch(made["released_at"])


def test_creating_with_is_release_writes_two_entries(api, model, trail):
    before = len(trail())
    version = api.version(model, is_release=True)
    promote, create = trail()[:-before]
    assert (create["action"], promote["action"]) == ("version.create", "version.promote")
    assert {str(create["resource_id"]), str(promote["resource_id"])} == {version["id"]}


# --- reading


def test_a_versions_deployments_are_listed_newest_first(api, model, version):
    other = api.version(model, "2.0.0")
    first, second = api.deployment(version, "staging"), api.deployment(version, "production", status="failed")
    api.deployment(other, "staging")
    found = api.get(at(version, "deployments")).json
    assert [deployment["id"] for deployment in found] == [second["id"], first["id"]]
    assert found[0] == second
    assert api.get(at(version, "deployments") + "?limit=1").json == [second]


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


def test_versions_are_found_by_when_they_were_created(api, model):
    first, second, third = (api.version(model, v) for v in ("1", "2", "3"))

    def between(one, other):
        one, other = (datetime.fromisoformat(version["created_at"]) for version in (one, other))
        return (one + (other - one) / 2).isoformat(timespec="microseconds").replace("+00:00", "Z")

    early, late = between(first, second), between(second, third)
    for query, found in (
        (f"created_after={early}", ["3", "2"]),
        (f"created_before={late}", ["2", "1"]),
        (f"created_after={early}&created_before={late}", ["2"]),
        (f"created_after={late}&created_before={early}", []),
    ):
        assert [version["version"] for version in api.get(f"{VERSIONS}?{query}").json] == found


def test_a_time_may_have_any_zone(api, version):
    zoned = datetime.fromisoformat(version["created_at"]) + timedelta(hours=3, seconds=-1)
    query = zoned.replace(tzinfo=None).isoformat() + "%2B03:00"
    assert api.get(f"{VERSIONS}?created_after={query}").json == [version]
    assert api.get(f"{VERSIONS}?created_before={query}").json == []


# --- changing


def test_a_put_changes_the_fields_sent_and_leaves_the_others(api, model):
    version = api.version(model, release_notes="old", metadata={"a": 1}, ceph_path="x", quantization="int8")
    changed = api.put(at(version), {"release_notes": "new", "metadata": {"b": {"c": 2}}}).json
    assert changed["updated_at"] > version["updated_at"]
    expected = {"release_notes": "new", "metadata": {"b": {"c": 2}}, "updated_at": changed["updated_at"]}
    assert changed == {**version, **expected}
    assert api.get(at(version)).json == changed


def test_an_update_is_audited_with_old_and_new_values(api, version, trail):
    api.put(at(version), {"release_notes": "new", "metadata": {"a": 1}, "status": "archived", "ceph_path": None})
    entry = trail()[0]
    assert audited(entry) == ("version.update", version["id"], "admin-key")
    assert entry["details"]["changes"] == {
        "release_notes": {"old": None, "new": "new"},
        "metadata": {"old": {}, "new": {"a": 1}},
        "status": {"old": "active", "new": "archived"},
    }


def test_an_update_that_changes_nothing_writes_no_entry(api, version, trail):
    before = len(trail())
    assert api.put(at(version), {"metadata": {}, "status": "active", "quantization": None}).json == version
    assert api.put(at(version), {}).json == version
    assert len(trail()) == before


# --- promoting


def test_a_promoted_version_is_a_release(api, version, trail):
    promoted = api.by("releaser").post(at(version, "promote"), {"reason": "Best recall"})
    assert promoted.status_code == 200
    assert (promoted.json["is_release"], promoted.json["released_by"]) == (True, "releaser-key")
    assert TIME.fullmatch(promoted.json["released_at"])
    assert api.get(at(version)).json == promoted.json
    entry = trail()[0]
    assert (entry["action"], entry["api_key_name"], entry["details"]["reason"]) == (
        "version.promote",
        "releaser-key",
        "Best recall",
    )


def test_a_demoted_release_is_a_plain_version_again(api, model, trail):
    version = api.version(model, is_release=True)
    demoted = api.post(at(version, "demote"), {"reason": "Regression"})
    assert demoted.status_code == 200
    assert [demoted.json[name] for name in ("is_release", "released_at", "released_by")] == [False, None, None]
    assert api.get(at(version)).json == demoted.json
    assert (trail()[0]["action"], trail()[0]["details"]["reason"]) == ("version.demote", "Regression")


@pytest.mark.parametrize("body", [None, {}, {"reason": None}])
def test_a_reason_may_be_left_out(api, version, body, trail):
    assert api.post(at(version, "promote"), body).status_code == 200
    assert "reason" not in trail()[0]["details"]
    assert api.post(at(version, "demote"), body).status_code == 200
    assert "reason" not in trail()[0]["details"]


@pytest.mark.parametrize("body", [{"reason": 1}, {"reason": "x" * 10_001}, {"raeson": "x"}])
def test_a_reason_is_text(api, version, body):
    for verb in ("promote", "demote"):
        assert faults(api.post(at(version, verb), body)) == set(body)


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


def test_a_put_of_is_release_ends_in_the_same_entries(api, version, trail):
    releaser = api.by("releaser")
    before = len(trail())
    assert releaser.put(at(version), {"is_release": True}).json["released_by"] == "releaser-key"
    assert releaser.put(at(version), {"is_release": False}).json["is_release"] is False
    assert [entry["action"] for entry in trail()[:-before]] == ["version.demote", "version.promote"]


def test_a_put_of_is_release_and_more_writes_an_entry_for_each_verb(api, version, trail):
    before = len(trail())
    assert api.put(at(version), {"is_release": True, "quantization": "int8"}).json["is_release"] is True
    assert [entry["action"] for entry in trail()[:-before]] == ["version.promote", "version.update"]


@pytest.mark.parametrize("value", ["true", 1, 0, "yes", []])
def test_is_release_is_true_or_false(api, version, value):
    assert api.put(at(version), {"is_release": value}).status_code == 422


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


# --- deleting


def test_a_deleted_version_leaves_every_list(api, model, version, sql, trail):
    deployment = api.deployment(version, status="failed")
    gone = api.delete(at(version))
    assert (gone.status_code, gone.data) == (204, b"")
    for path in (at(version), at(version, "deployments"), f"/api/v1/deployments/{deployment['id']}"):
        assert api.get(path).status_code == 404
    for path in (VERSIONS, f"/api/v1/models/{model['id']}/versions", "/api/v1/deployments"):
        assert api.get(path).json == []
    assert api.delete(at(version)).status_code == 404
    assert api.post("/api/v1/deployments", {"release_id": version["id"], "environment": "x"}).status_code == 404
    (row,) = sql("SELECT deleted_at FROM versions WHERE id = :id", id=version["id"])
    assert row["deleted_at"] is not None
    entry = trail()[0]
    assert (entry["action"], str(entry["resource_id"])) == ("version.delete", version["id"])


def test_a_deleted_versions_name_is_free_again(api, model, version):
    api.delete(at(version))
    again = api.version(model)
    assert again["id"] != version["id"]
    assert api.get(VERSIONS).json == [again]


# --- metrics


def test_numbers_in_metadata_are_kept_as_metrics(api, model, sql):
    metadata = {
        "accuracy": 0.95,
        "epochs": 3,
        "eval": {"f1": 1, "deep": {"er": -2.5e-3}},
        "converged": True,
        "eval2": {"ok": False},
        "name": "7",
        "none": None,
        "list": [1, 2],
    }
    assert metrics(sql, api.version(model, metadata=metadata)) == {
        "accuracy": 0.95,
        "epochs": 3.0,
        "eval.f1": 1.0,
        "eval.deep.er": -0.0025,
    }


def test_metrics_are_replaced_with_the_metadata_of_that_version_alone(api, model, sql):
    version, other = (api.version(model, v, metadata={"a": 1, "b": 2, "c": {"d": 3}}) for v in ("1", "2"))
    assert api.post(VERSIONS, {**MINIMUM, "version": "2", "metadata": {"refused": 1}}).status_code == 409
    assert {str(row["model_id"]) for row in sql("SELECT model_id FROM metrics")} == {model["id"]}
    api.put(at(version), {"metadata": {"b": 5, "c": 4}})
    assert metrics(sql, version) == {"b": 5.0, "c": 4.0}
    api.put(at(version), {"quantization": "int8"})
    assert metrics(sql, version) == {"b": 5.0, "c": 4.0}
    api.put(at(version), {"metadata": {"b": True}})
    assert metrics(sql, version) == {}
    api.put(at(version), {"metadata": {"e": 1}})
    api.put(at(version), {"metadata": None})
    assert metrics(sql, version) == {}
    assert metrics(sql, other) == {"a": 1.0, "b": 2.0, "c.d": 3.0}


def test_a_path_that_two_numbers_share_is_no_fault(api, model, sql):
    metadata = {"a.b": 1, "a": {"b": 2}}
    version = api.version(model, metadata=metadata)
    assert version["metadata"] == metadata
    assert set(metrics(sql, version)) == {"a.b"}


@pytest.mark.parametrize("number", [10**300, -(10**30), 2**63, 1.7976931348623157e308, 5e-324, 0, -0.0])
def test_large_and_small_numbers_are_metrics_too(api, model, sql, number):
    version = api.version(model, metadata={"n": number})
    assert float(api.get(at(version)).json["metadata"]["n"]) == float(number)
    assert metrics(sql, version) == {"n": float(number)}


def test_a_path_too_long_for_a_metric_is_only_metadata(api, model, sql):
    metadata = {"x" * 255: 1, "y" * 256: 2, "é" * 1000: {"é": 3}}
    version = api.version(model, metadata=metadata)
    assert version["metadata"] == metadata
    assert metrics(sql, version) == {"x" * 255: 1.0}
