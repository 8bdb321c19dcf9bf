"""client/examples/train_digits.py against a running server, and what it registered."""

import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import sklearn
from up import ROOT, Up, environment, python, run

from catapult import Registry

pytestmark = pytest.mark.live
EXAMPLE = "client/examples/train_digits.py"
CLASSIFIERS = ("logistic", "forest", "svm")


def trained(live: Up, *arguments: str) -> subprocess.CompletedProcess[str]:
    settings = {"REGISTRY_URL": f"{live.url}/api", "REGISTRY_API_KEY": live.keys["releaser"]}
    return python("-W", "error", EXAMPLE, "--model", "live/digits", *arguments, **settings)


@pytest.fixture(scope="module")
def runs(live: Up) -> list[subprocess.CompletedProcess[str]]:
    """A run, and the same run again as after a restart of the job."""
    return [trained(live, "--run", "one") for _ in range(2)]


@pytest.fixture
def registry(live: Up) -> Iterator[Registry[Any]]:
    with Registry(live.url, live.keys["viewer"]) as registry:
        yield registry


def test_every_run_succeeds_and_prints_what_it_did(runs: list[subprocess.CompletedProcess[str]], live: Up) -> None:
    for result in runs:
        assert (result.returncode, result.stderr) == (0, "")
        for classifier in CLASSIFIERS:
            assert re.search(rf"^one-{classifier}: accuracy 0\.9\d+, sha256:[0-9a-f]{{12}}", result.stdout, re.M)
        assert re.search(r"^one-\w+ is a release$", result.stdout, re.M)
        assert re.search(r"^one-\w+ is live in staging$", result.stdout, re.M)
        assert live.keys["releaser"] not in result.stdout


@pytest.mark.usefixtures("runs")
def test_three_versions_are_registered_with_their_metadata(registry: Registry[Any]) -> None:
    versions = list(registry.list_versions(model_name="live/digits"))
    assert sorted(version.version for version in versions) == sorted(f"one-{name}" for name in CLASSIFIERS)
    for version in versions:
        assert version.digest_status == "unverified"
        assert version.size_bytes > 1000
        assert 0.9 < version.metadata["accuracy"] <= 1
        assert 0.9 < version.metadata["f1_macro"] <= 1
        assert version.metadata["dataset"] == {"name": "sklearn.load_digits", "train_rows": 1347, "test_rows": 450}
        assert version.metadata["libraries"]["scikit-learn"] == sklearn.__version__
        assert version.metadata.get("git_commit") == commit()


def commit() -> str | None:
    """Return the commit of the checkout; None where git refuses, for instance in another user's folder."""
    result = run(["git", "rev-parse", "HEAD"], environment(), (ROOT / EXAMPLE).parent)
    return result.stdout.strip() if result.returncode == 0 else None


@pytest.mark.usefixtures("runs")
def test_the_best_was_promoted_once_and_deployed_once(registry: Registry[Any]) -> None:
    versions = list(registry.list_versions(model_name="live/digits"))
    (best,) = [version for version in versions if version.is_release]
    assert best.metadata["accuracy"] == max(version.metadata["accuracy"] for version in versions)
    (deployment,) = registry.list_deployments(model_name="live/digits")
    assert (deployment.version, deployment.environment, deployment.live) == (best.version, "staging", True)
    assert deployment.metadata == {"replicas": 1}
    (promoted,) = registry.list_audit_logs(resource_id=best.id, action="version.promote")
    assert promoted.details["reason"] == "the best of run one"


@pytest.mark.parametrize(
    ("role", "status", "names"), [(None, 2, ["REGISTRY_URL", "REGISTRY_API_KEY"]), ("viewer", 1, ["publisher"])]
)
def test_a_refusal_is_told_without_a_traceback(live: Up, role: str | None, status: int, names: list[str]) -> None:
    settings = {"REGISTRY_URL": live.url, "REGISTRY_API_KEY": live.keys[role]} if role else {}
    result = python(EXAMPLE, **settings)
    assert result.returncode == status
    assert [name for name in names if name in result.stderr] == names
    assert "Traceback" not in result.stderr
