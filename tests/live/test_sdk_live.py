"""The first example of the SDK, over a real connection."""

from functools import partial

import pytest
from up import Up, at_once

from catapult import Registry

pytestmark = pytest.mark.live


def test_the_first_example_runs(live: Up) -> None:
    registry = Registry(base_url=f"{live.url}/api", api_key=live.keys["releaser"])
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
    registry.close()

    assert (model.name, model.description) == ("myorg/pytorch-model", "My PyTorch model")
    assert (deployment.release_id, deployment.environment, deployment.live) == (version.id, "production", True)
    assert deployment.metadata == {"replicas": 3}
    assert latest.id == version.id
    assert (latest.version, latest.tag, latest.digest) == ("1.0.0", "v1.0.0", "sha256:abc123...")
    assert latest.metadata == {"pytorch_version": "2.1.0", "accuracy": 0.95, "git_commit": "abc123"}
    assert latest.is_release
    assert latest.live_in == ["production"]


def test_threads_that_share_a_registry_agree_on_one_model(live: Up) -> None:
    with Registry(live.url, live.keys["releaser"]) as registry:
        models = at_once(*[partial(registry.ensure_model, "sdk/shared", "docker.io/sdk/shared")] * 16)
    assert len({model.id for model in models}) == 1
