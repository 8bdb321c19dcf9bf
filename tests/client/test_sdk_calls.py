"""The SDK against the real application: every endpoint, and what a training job does."""

import itertools
import uuid
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from catapult_client import errors
from peer import DIGEST

numpy = pytest.importorskip("numpy")


@pytest.fixture
def model(registry):
    return registry.create_model("myorg/pytorch-model", "docker.io/myorg/pytorch-model", tags=["gpu"])


@pytest.fixture
def version(registry, model):
    return registry.create_version(model.name, "1.0.0", "v1.0.0", DIGEST, metadata={"accuracy": 0.95})


def test_a_version_belongs_to_a_model_named_by_record_or_id(registry, model):
    for name, reference in (("1", model), ("2", model.id), ("3", uuid.UUID(model.id))):
        version = registry.create_version(model_id=reference, version=name, tag="t", digest=DIGEST)
        assert version.model_name == model.name


def test_figures_arrive_as_numpy_had_them(registry, model):
    metadata = {"accuracy": numpy.float32(0.5), "rows": numpy.int64(1797), "ok": numpy.bool_(True), "seen": (1, 2)}
    version = registry.create_version(model.name, "1", "t", DIGEST, metadata=metadata, size_bytes=numpy.int64(10))
    assert registry.get_version(version).metadata == {"accuracy": 0.5, "rows": 1797, "ok": True, "seen": [1, 2]}
    assert version.size_bytes == 10


def test_a_version_is_found_by_its_names_and_changed(registry, version):
    assert registry.get_version(model_name="MYORG/pytorch-model", version="1.0.0").id == version.id
    with pytest.raises(errors.NotFound):
        registry.get_version(model_name=version.model_name, version="9")
    changed = registry.update_version(version, release_notes="Better.", metadata={"accuracy": 0.96})
    assert (changed.release_notes, changed.metadata, changed.tag) == ("Better.", {"accuracy": 0.96}, "v1.0.0")


def test_promoting_and_demoting_keep_the_reason(registry, version):
    assert registry.promote(version, reason="best so far").is_release
    assert not registry.demote(version.id, reason="it was not").is_release
    for action, reason in (("version.promote", "best so far"), ("version.demote", "it was not")):
        (entry,) = registry.list_audit_logs(action=action)
        assert entry.details["reason"] == reason


def test_latest_is_none_before_there_is_one(registry, model, version):
    assert registry.get_latest_version(model.name, is_release=True) is None
    assert registry.get_latest_version(model.name, environment="production") is None
    assert registry.get_latest_version("nobody/nothing") is None
    registry.deploy(version, "production")
    registry.create_version(model.name, "0.9.0", "t", DIGEST)
    assert registry.get_latest_version(model.name, environment="Production").id == version.id


def test_deployments_are_found_by_every_filter(registry, version):
    first = registry.deploy(version, "staging", endpoint_url="https://staging.example/")
    second = registry.deploy(version.id, "staging", status="failed")
    assert registry.get_deployment(first.id).endpoint_url == "https://staging.example/"
    assert [found.id for found in registry.list_deployments(environment="staging")] == [second.id, first.id]
    assert [found.id for found in registry.list_deployments(live=True, release_id=version)] == [first.id]
    failed = registry.list_deployments(status="failed", model_name=version.model_name)
    assert [found.id for found in failed] == [second.id]
    assert [found.id for found in registry.list_version_deployments(version)] == [second.id, first.id]


def test_lists_page_by_themselves(registry, model):
    names = [f"0.{number}.0" for number in reversed(range(7))]
    for name in reversed(names):
        registry.create_version(model.name, name, "t", DIGEST)
    for limit in (2, 7, None):
        assert [version.version for version in registry.list_versions(limit=limit)] == names
        assert [version.version for version in registry.list_model_versions(model, limit=limit)] == names
    assert [version.version for version in itertools.islice(registry.list_versions(limit=2), 3)] == names[:3]


def test_versions_are_found_by_every_filter(registry, model, version):
    registry.create_version(model.name, "2.0.0", "v2.0.0", "sha256:" + "f" * 64)
    registry.promote(version)
    registry.deploy(version, "production")
    hour = timedelta(hours=1)
    now = datetime.now(timezone(timedelta(hours=5)))
    filters: list[dict[str, Any]] = [
        {"model_name": model.name, "version": "1.0.0"},
        {"model_id": model, "tag": "v1.0.0"},
        {"digest": DIGEST},
        {"is_release": True},
        {"environment": "production", "status": "active"},
        {"created_after": now - hour, "created_before": now + hour, "version": "1.0.0"},
    ]
    for chosen in filters:
        assert [found.id for found in registry.list_versions(**chosen)] == [version.id], chosen
    assert list(registry.list_versions(created_before=now - hour)) == []
    with pytest.raises(errors.NotFound):
        list(registry.list_model_versions(uuid.uuid4()))


def test_the_audit_log_says_who_did_what(registry, viewer, version):
    entries = list(viewer.list_audit_logs(resource_type="version", since=datetime.now(UTC) - timedelta(hours=1)))
    assert [(entry.action, entry.resource_id) for entry in entries] == [("version.create", version.id)]
    assert entries[0].api_key_name
    assert list(viewer.list_audit_logs(until="2001-01-01T00:00:00Z")) == []


def test_ensuring_again_gives_what_is_there(registry):
    first = registry.ensure_model("a/b", "docker.io/a/b", tags=["x", "y"], metadata={"rows": 10**23})
    again = registry.ensure_model("A/B", "docker.io/a/b", tags=["y", "x"], metadata={"rows": 1e23})
    assert first.id == again.id == registry.ensure_model("a/b", "docker.io/a/b").id
    content: dict[str, Any] = {"tag": "t", "digest": DIGEST, "size_bytes": 5, "metadata": {"a": 1, "b": [0.1, None]}}
    version = registry.ensure_version("a/b", "1", **content)
    content["metadata"] = {"b": (numpy.float64(0.1), None), "a": 1.0}
    assert registry.ensure_version("a/b", "1", **content).id == version.id
    assert registry.ensure_version(model_id=first, version="1", tag="t", digest=DIGEST).id == version.id
    assert first.version_count == 0
    assert registry.get_model(first).version_count == 1


def test_what_people_edited_since_is_no_difference_unless_it_is_asked_for(registry, version):
    first = {"tag": "v1.0.0", "digest": version.digest, "release_notes": "as it was first"}
    named = (version.model_name, "1.0.0")
    model = registry.get_model_by_name(version.model_name)
    registry.update_version(version, release_notes="corrected")
    registry.update_model(model, description="corrected", tags=["corrected"])
    assert registry.ensure_version(*named, **first).release_notes == "corrected"
    assert registry.ensure_model(model.name, model.storage_path, description="x", tags=["x"]).id == model.id
    with pytest.raises(errors.Conflict, match="release_notes is 'corrected'"):
        registry.ensure_version(*named, **first, compare=["tag", "release_notes"])
    with pytest.raises(errors.Conflict, match="tags"):
        registry.ensure_model(model.name, model.storage_path, tags=["x"], compare="tags")
    assert registry.ensure_version(*named, tag="other", digest=version.digest, compare=["digest"]).id == version.id
    with pytest.raises(errors.InvalidArgument, match="compare names 'notes'"):
        registry.ensure_version(*named, **first, compare=["notes"])


def test_ensuring_other_content_is_a_conflict_that_shows_the_difference(registry, version):
    with pytest.raises(errors.Conflict) as caught:
        registry.ensure_version(
            version.model_name, "1.0.0", tag="v1", digest=DIGEST, metadata={"accuracy": 0.9, "f1": 1}
        )
    fault = caught.value
    metadata = ({"accuracy": 0.95}, {"accuracy": 0.9, "f1": 1})
    assert fault.difference == {"tag": ("v1.0.0", "v1"), "metadata": metadata}
    assert "metadata.accuracy is 0.95, but 0.9 was sent" in str(fault)
    assert "metadata.f1 is not set, but 1 was sent" in str(fault)
    assert fault.status == 409
    with pytest.raises(errors.Conflict, match="storage_path"):
        registry.ensure_model(version.model_name, "elsewhere")


def test_lists_are_filtered_and_sorted_by_content(registry):
    model = registry.create_model("org/filtered", "docker.io/org/filtered", tags=["nlp"])
    for name, accuracy in (("1", 0.7), ("2", 0.95), ("3", 0.9)):
        metadata = {"accuracy": accuracy}
        registry.create_version(model_id=model, version=name, tag="t", digest=DIGEST, metadata=metadata)
    best = registry.list_model_versions(model, filter="metadata.accuracy >= 0.9", sort="-metadata.accuracy", limit=1)
    assert [version.version for version in best] == ["2", "3"]
    named = registry.list_versions(filter='model_name = "org/filtered" and metadata.accuracy < 0.9')
    assert [version.version for version in named] == ["1"]
    assert [found.id for found in registry.list_models(filter='tags = "nlp"', sort="name")] == [model.id]
    with pytest.raises(errors.Validation) as refused:
        list(registry.list_models(filter="tag = 1"))
    assert "column 1" in refused.value.errors["filter"][0]
