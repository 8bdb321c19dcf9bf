"""The SDK as its first page shows it, over a real connection."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from up import Up, at_once

from catapult import Registry, Unauthenticated

pytestmark = pytest.mark.live


@pytest.fixture
def base_url(live: Up, request: pytest.FixtureRequest) -> Iterator[str]:
    """The live server's address with this end; what the test made there is removed after it."""
    yield live.url + request.param
    with Registry(live.url, live.keys["admin"]) as admin:
        for model in admin.list_models(name="myorg/pytorch-model"):
            admin.delete_model(model.id, force=True)


@pytest.mark.parametrize("base_url", ["/api", "", "/", "/api/", "/api/v1"], indirect=True)
def test_the_lines_of_the_first_page_run_to_the_letter(live: Up, base_url: str) -> None:
    registry = Registry(base_url=base_url, api_key=live.keys["releaser"])
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


def test_settings_may_come_from_the_environment(live: Up, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_URL", f"{live.url}/api")
    monkeypatch.setenv("REGISTRY_API_KEY", live.keys["viewer"])
    with Registry.from_env() as registry:
        assert registry.info().name == "catapult"
        assert registry.health().status == "healthy"


def test_a_wrong_key_is_told_at_once_and_not_shown(live: Up) -> None:
    with Registry(live.url, "cat_wrong") as registry, pytest.raises(Unauthenticated) as refused:
        registry.info()
    assert "cat_wrong" not in str(refused.value)


@pytest.fixture
def releaser(live: Up) -> Iterator[Registry[Any]]:
    with Registry(live.url, live.keys["releaser"]) as registry:
        yield registry


def test_threads_that_share_a_registry_agree_on_one_model(releaser: Registry[Any]) -> None:
    def ensure() -> str:
        return releaser.ensure_model("sdk/shared", "docker.io/sdk/shared").id

    assert len(set(at_once(*[ensure] * 16))) == 1


def test_lists_page_by_themselves_over_everything(releaser: Registry[Any]) -> None:
    releaser.create_model("sdk/pages", "docker.io/sdk/pages")

    def create(n: int) -> Callable[[], None]:
        return lambda: releaser.create_version("sdk/pages", f"1.0.{n}", tag="v1", digest="sha256:" + "a" * 64)

    at_once(*[create(n) for n in range(25)])
    found = [version.version for version in releaser.list_versions(model_name="sdk/pages", limit=4)]
    assert sorted(found) == sorted(f"1.0.{n}" for n in range(25))
