"""The SDK against the real application: every endpoint, and what a training job does."""

import itertools
import uuid
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from catapult_client import errors
from catapult_client.transport import Ask
from peer import DIGEST

numpy = pytest.importorskip("numpy")


@pytest.fixture
def model(registry):
    return registry.create_model("myorg/pytorch-model", "docker.io/myorg/pytorch-model", tags=["gpu"])


@pytest.fixture
def version(registry, model):
    return registry.create_version(model.name, "1.0.0", "v1.0.0", DIGEST, metadata={"accuracy": 0.95})


def some_versions(registry, model, count):
    """The names of new versions, newest first."""
    names = [f"0.{number}.0" for number in range(count)]
    for name in names:
        registry.create_version(model.name, name, f"v{name}", DIGEST)
    return names[::-1]


def test_the_first_lines_that_anybody_writes_run_to_the_letter(registry):
    model = registry.create_model(
        name="myorg/pytorch-model", storage_path="docker.io/myorg/pytorch-model", description="My PyTorch model"
    )
    version = registry.create_version(
        model_name="myorg/pytorch-model",
        version="1.0.0",
        tag="v1.0.0",
        digest="sha256:abc123...",
        metadata={"pytorch_version": "2.1.0", "accuracy": 0.95, "git_commit": "abc123"},
    )
    registry.promote_version(version.id, is_release=True)
    deployment = registry.deploy(release_id=version.id, environment="production", metadata={"replicas": 3})
    latest = registry.get_latest_version(model_name="myorg/pytorch-model")

    assert model.description == "My PyTorch model"
    assert version.digest_status == "malformed"
    assert version.metadata == {"pytorch_version": "2.1.0", "accuracy": 0.95, "git_commit": "abc123"}
    assert (deployment.release_id, deployment.environment, deployment.live) == (version.id, "production", True)
    assert deployment.metadata == {"replicas": 3}
    assert latest is not None
    assert (latest.id, latest.is_release, latest.live_in) == (version.id, True, ["production"])


def test_health_needs_no_key_that_opens_anything(open_registry):
    nobody = open_registry("not-a-key")
    assert nobody.health().ok
    with pytest.raises(errors.Unauthenticated):
        nobody.info()


def test_info_says_what_runs_there_and_how_much_it_holds(registry, version):
    info = registry.info()
    assert info.name
    assert info.version
    assert info.python
    assert info.migration
    assert info.database
    assert info.time is not None
    assert abs(datetime.now(UTC) - info.time) < timedelta(minutes=1)
    assert info.counts == {"models": 1, "versions": 1, "deployments": 0}


def test_a_model_is_made_found_changed_and_deleted(registry, admin, model):
    assert registry.get_model(model.id) == registry.get_model(uuid.UUID(model.id)) == registry.get_model(model)
    assert registry.get_model(name="MyOrg/PyTorch-Model").id == registry.get_model_by_name(model.name).id == model.id
    assert [found.id for found in registry.list_models(search="TORCH", tag="gpu")] == [model.id]
    changed = registry.update_model(model, description="New", metadata={"owner": "vision"})
    assert (changed.description, changed.metadata, changed.tags) == ("New", {"owner": "vision"}, ["gpu"])
    assert not registry.update_model(model, description=None).description
    admin.delete_model(model)
    with pytest.raises(errors.NotFound):
        registry.get_model(model)
    with pytest.raises(errors.NotFound):
        registry.get_model(name=model.name)


def test_a_name_that_another_one_contains_is_not_mixed_up_with_it(registry):
    first = registry.create_model("myorg/model", "x")
    registry.create_model("myorg/model-large", "x")
    assert registry.get_model(name="myorg/model").id == first.id


def test_a_version_is_found_changed_and_deleted(registry, admin, version):
    assert registry.get_version(version.id).digest == DIGEST
    assert registry.get_version(model_name="MYORG/pytorch-model", version="1.0.0").id == version.id
    with pytest.raises(errors.NotFound):
        registry.get_version(model_name=version.model_name, version="9")
    changed = registry.update_version(version, release_notes="Better.", metadata={"accuracy": 0.96})
    assert (changed.release_notes, changed.metadata, changed.tag) == ("Better.", {"accuracy": 0.96}, "v1.0.0")
    assert registry.update_version(version, status="archived").status == "archived"
    admin.delete_version(version)
    with pytest.raises(errors.NotFound):
        registry.get_version(version)


def test_a_version_belongs_to_a_model_named_by_record_or_id(registry, model):
    for name, reference in (("1", model), ("2", model.id), ("3", uuid.UUID(model.id))):
        version = registry.create_version(model_id=reference, version=name, tag="t", digest=DIGEST)
        assert version.model_name == model.name


def test_figures_arrive_as_numpy_had_them(registry, model):
    metadata = {"accuracy": numpy.float32(0.5), "rows": numpy.int64(1797), "ok": numpy.bool_(True), "seen": (1, 2)}
    version = registry.create_version(model.name, "1", "t", DIGEST, metadata=metadata, size_bytes=numpy.int64(10))
    assert registry.get_version(version).metadata == {"accuracy": 0.5, "rows": 1797, "ok": True, "seen": [1, 2]}
    assert version.size_bytes == 10


def test_times_come_back_aware(version):
    assert version.created_at is not None
    assert version.created_at.utcoffset() == timedelta(0)


def test_promoting_and_demoting_give_the_version_and_keep_the_reason(registry, version):
    assert registry.promote(version, reason="best so far").is_release
    assert not registry.demote(version.id, reason="it was not").is_release
    assert registry.promote_version(version).is_release
    assert not registry.promote_version(version, is_release=False).is_release
    actions = [entry.action for entry in registry.list_audit_logs(resource_id=version.id)]
    assert actions[:4] == ["version.demote", "version.promote"] * 2
    told = [
        entry for entry in registry.list_audit_logs(action="version.promote") if "best so far" in str(entry.details)
    ]
    assert len(told) == 1


def test_latest_is_none_before_there_is_one(registry, model, version):
    assert registry.get_latest_version(model.name, is_release=True) is None
    assert registry.get_latest_version(model.name, environment="production") is None
    assert registry.get_latest_version("nobody/nothing") is None
    registry.deploy(version, "production")
    newer = registry.create_version(model.name, "0.9.0", "t", DIGEST)
    by_order = [registry.get_latest_version(model.name, order=order) for order in ("created", "semver")]
    live = registry.get_latest_version(model.name, environment="Production")
    assert [found and found.id for found in (*by_order, live)] == [newer.id, version.id, version.id]


def test_deployments_are_found_by_every_filter(registry, version):
    first = registry.deploy(version, "staging", endpoint_url="https://staging.example/")
    second = registry.deploy(version.id, "staging", status="failed")
    assert registry.get_deployment(first.id).endpoint_url == "https://staging.example/"
    assert [found.id for found in registry.list_deployments(environment="staging")] == [second.id, first.id]
    assert [found.id for found in registry.list_deployments(live=True, release_id=version)] == [first.id]
    assert [found.id for found in registry.list_deployments(status="failed", model_name=version.model_name)] == [
        second.id
    ]
    assert [found.id for found in registry.list_version_deployments(version)] == [second.id, first.id]


def test_lists_page_by_themselves(registry, model):
    names = some_versions(registry, model, 7)
    for limit in (1, 2, 3, 7, 8, None):
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


def test_keys_are_made_listed_and_revoked(admin, open_registry):
    made = admin.create_api_key("ci", role="viewer", expires_at=datetime.now(UTC) + timedelta(days=1))
    assert made.key is not None
    assert made.key not in repr(made)
    theirs = open_registry(made.key)
    assert list(theirs.list_models()) == []
    with pytest.raises(errors.Forbidden):
        theirs.create_model("a/b", "x")
    listed = next(key for key in admin.list_api_keys() if key.id == made.id)
    assert (listed.name, listed.role, listed.key) == ("ci", "viewer", None)
    admin.revoke_api_key(made)
    with pytest.raises(errors.Unauthenticated):
        theirs.info()


def test_the_audit_log_says_who_did_what(registry, viewer, version):
    entries = list(viewer.list_audit_logs(resource_type="version", since=datetime.now(UTC) - timedelta(hours=1)))
    assert [(entry.action, entry.resource_id) for entry in entries] == [("version.create", version.id)]
    assert entries[0].api_key_name
    assert list(viewer.list_audit_logs(until="2001-01-01T00:00:00Z")) == []


def test_if_match_keeps_another_ones_change(registry, version):
    mine = registry.get_version(version)
    assert mine.etag
    registry.update_version(version, release_notes="theirs")
    for tag in (mine, mine.etag):
        with pytest.raises(errors.PreconditionFailed):
            registry.update_version(version, release_notes="mine", if_match=tag)
    fresh = registry.get_version(version)
    assert registry.update_version(version, release_notes="mine", if_match=fresh).release_notes == "mine"


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


def test_ensuring_other_content_is_a_conflict_that_shows_the_difference(registry, version):
    with pytest.raises(errors.Conflict) as caught:
        registry.ensure_version(
            version.model_name, "1.0.0", tag="v1", digest=DIGEST, metadata={"accuracy": 0.9, "f1": 1}
        )
    fault = caught.value
    assert fault.difference == {
        "tag": ("v1.0.0", "v1"),
        "metadata": ({"accuracy": 0.95}, {"accuracy": 0.9, "f1": 1}),
    }
    assert "metadata.accuracy is 0.95, but 0.9 was sent" in str(fault)
    assert "metadata.f1 is not set, but 1 was sent" in str(fault)
    assert fault.status == 409
    with pytest.raises(errors.Conflict, match="storage_path"):
        registry.ensure_model(version.model_name, "elsewhere")


def test_what_is_wrong_is_told_field_by_field(registry):
    with pytest.raises(errors.Validation) as caught:
        registry.create_model("a//b", "x", description="x" * 20_000)
    assert {"name", "description"} <= set(caught.value.errors)
    assert caught.value.request_id
    with pytest.raises(errors.Validation):
        list(registry.list_versions(status="nonsense"))


def test_an_address_that_is_none_is_not_found(registry):
    with pytest.raises(errors.NotFound):
        registry._send(Ask("GET", "/v1/nothing"))
    with pytest.raises(errors.NotFound):
        registry.get_model("not-there")


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
