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
    """A run, the same run again as after a restart of the job, and another."""
    return [trained(live, "--run", "one"), trained(live, "--run", "one"), trained(live, "--run", "two")]


@pytest.fixture
def registry(live: Up) -> Iterator[Registry[Any]]:
    with Registry(live.url, live.keys["viewer"]) as registry:
        yield registry


def test_every_run_succeeds_and_prints_what_it_did(runs: list[subprocess.CompletedProcess[str]], live: Up) -> None:
    for result, name in zip(runs, ("one", "one", "two"), strict=True):
        assert (result.returncode, result.stderr) == (0, "")
        for classifier in CLASSIFIERS:
            assert re.search(rf"^{name}-{classifier}: accuracy 0\.9\d+, sha256:[0-9a-f]{{12}}", result.stdout, re.M)
        assert re.search(rf"^{name}-\w+ is a release$", result.stdout, re.M)
        assert re.search(rf"^{name}-\w+ is live in staging$", result.stdout, re.M)
        assert live.keys["releaser"] not in result.stdout


@pytest.mark.usefixtures("runs")
def test_three_versions_of_each_run_are_registered_with_their_metadata(registry: Registry[Any]) -> None:
    versions = list(registry.list_versions(model_name="live/digits"))
    assert {version.version for version in versions} == {f"{run}-{c}" for run in ("one", "two") for c in CLASSIFIERS}
    assert len(versions) == 6
    for version in versions:
        assert re.fullmatch(r"sha256:[0-9a-f]{64}", version.digest)
        assert version.digest_status == "unverified"
        assert version.size_bytes > 1000
        assert 0.9 < version.metadata["accuracy"] <= 1
        assert 0.9 < version.metadata["f1_macro"] <= 1
        assert version.metadata["dataset"] == {"name": "sklearn.load_digits", "train_rows": 1347, "test_rows": 450}
        assert version.metadata["libraries"]["scikit-learn"] == sklearn.__version__
        assert version.metadata.get("git_commit") == commit()
        assert version.created_by == "releaser-key"
    model = next(iter(registry.list_models(name="live/digits")))
    assert (model.version_count, model.latest_version) == (6, versions[0].version)


def commit() -> str | None:
    """Return the commit of the checkout; None where git refuses, for instance in another user's folder."""
    result = run(["git", "rev-parse", "HEAD"], environment(), (ROOT / EXAMPLE).parent)
    return result.stdout.strip() if result.returncode == 0 else None


@pytest.mark.usefixtures("runs")
def test_the_best_of_each_run_was_promoted_once_and_the_last_is_live_in_staging(
    registry: Registry[Any], live: Up
) -> None:
    versions = list(registry.list_versions(model_name="live/digits"))
    best = {}
    for name in ("one", "two"):
        of_run = [version for version in versions if version.version.startswith(name)]
        (best[name],) = [version for version in of_run if version.is_release]
        assert best[name].metadata["accuracy"] == max(version.metadata["accuracy"] for version in of_run)

    latest = registry.get_latest_version("live/digits", environment="staging")
    assert latest.id == best["two"].id
    assert latest.live_in == ["staging"]
    deployments = list(registry.list_deployments(model_name="live/digits"))
    assert [(d.version, d.environment, d.live, d.metadata) for d in deployments] == [
        (best["two"].version, "staging", True, {"replicas": 1}),
        (best["one"].version, "staging", False, {"replicas": 1}),
    ]
    promotions = [entry for version in best.values() for entry in registry.list_audit_logs(resource_id=version.id)]
    assert [entry.action for entry in promotions if entry.action == "version.promote"] == ["version.promote"] * 2
    reasons = {entry.details["reason"] for entry in promotions if entry.action == "version.promote"}
    assert reasons == {"the best of run one", "the best of run two"}


def test_without_settings_or_with_too_small_a_role_it_fails_with_the_reason(live: Up) -> None:
    settings = {"REGISTRY_URL": f"{live.url}/api", "REGISTRY_API_KEY": live.keys["viewer"]}
    for result, status, names in (
        (python(EXAMPLE), 2, ["REGISTRY_URL", "REGISTRY_API_KEY"]),
        (python(EXAMPLE, **settings), 1, ["publisher"]),
    ):
        assert result.returncode == status
        assert [name for name in names if name in result.stderr] == names
        assert "Traceback" not in result.stderr
