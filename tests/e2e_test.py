#!/usr/bin/env python3
"""End-to-end tests of a running server, with the SDK only. Set TEST_API_URL, and TEST_API_KEY to an administrator's key.

They need the SDK and pytest. Everything that they create has a mark of the run in its name and is deleted at the end, except in
the audit log. Without the two variables, pytest starts a server for them, and the script prints what is missing.
"""

import os
import secrets
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from catapult import Blocked, Conflict, Forbidden, NotFound, Registry, Unauthenticated, Validation

ADDRESS, KEY = "TEST_API_URL", "TEST_API_KEY"
MISSING = (
    f"Set {ADDRESS} to the server's address, as http://localhost/api, and {KEY} to an administrator's key: "
    "`flask keys create --name e2e --role admin` prints one."
)
DIGEST = "sha256:" + "e" * 64


@dataclass
class Run:
    """One run against one server. `mark` is part of every name that it creates."""

    url: str
    admin: Registry
    mark: str = field(default_factory=lambda: f"e2e-{secrets.token_hex(4)}")

    def name(self, what: str) -> str:
        return f"{self.mark}-{what}"

    def model(self, what: str, **fields: Any) -> Any:
        return self.admin.create_model(
            name=f"{self.mark}/{what}", storage_path=f"docker.io/{self.mark}/{what}", **fields
        )

    def version(self, model: Any, version: str = "1.0.0", **fields: Any) -> Any:
        return self.admin.create_version(model_id=model.id, version=version, tag=f"v{version}", digest=DIGEST, **fields)

    def ours(self, records: Iterable[Any]) -> list[Any]:
        """Return the records with the mark of this run in their names."""
        return [record for record in records if record.name.startswith(self.mark)]

    def gates(self) -> list[Any]:
        return [gate for gate in self.admin.list_gates() if gate.model.startswith(self.mark)]

    def keys(self) -> list[Any]:
        return [key for key in self.ours(self.admin.list_api_keys()) if key.is_active]

    def remaining(self) -> list[Any]:
        """Return what this run has not deleted."""
        models, environments = self.admin.list_models(search=self.mark), self.admin.list_environments()
        return [*models, *self.gates(), *self.ours(environments), *self.keys()]

    def tidy(self) -> None:
        """Delete everything that this run created. Gates go first: they keep models and environments from being deleted."""
        for gate in self.gates():
            self.admin.delete_gate(gate.id)
        for model in list(self.admin.list_models(search=self.mark)):
            self.admin.delete_model(model.id, force=True)
        for environment in self.ours(self.admin.list_environments()):
            self.admin.delete_environment(environment.name, force=True)
        for key in self.keys():
            self.admin.revoke_api_key(key.id)


def own_server() -> Iterator[tuple[str, str]]:
    """Yield the address and the first key of a server that runs during the tests."""
    sys.path.insert(0, str(Path(__file__).parent / "live"))
    from up import Up

    with tempfile.TemporaryDirectory(prefix="catapult-e2e-", ignore_cleanup_errors=True) as folder:
        server = Up(Path(folder))
        try:
            server.ready()
            yield server.url, server.key
            assert server.end() == 0
        finally:
            server.close()


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, str]]:
    url, key = os.environ.get(ADDRESS), os.environ.get(KEY)
    if url and key:
        yield url, key
    elif url or key:
        pytest.fail(MISSING)  # one variable without the other is a mistake
    else:
        yield from own_server()


@pytest.fixture(scope="module")
def run(server: tuple[str, str]) -> Iterator[Run]:
    url, key = server
    with Registry(url, key) as admin:
        started = Run(url, admin)
        try:
            yield started
        finally:
            started.tidy()
        assert started.remaining() == []


def test_it_is_healthy_and_says_what_runs_there(run: Run) -> None:
    health, info = run.admin.health(), run.admin.info()
    assert (health.status, health.database) == ("healthy", "ok")
    assert (info.name, info.api_version) == ("catapult", "v1")
    assert set(info.counts) == {"models", "versions", "deployments"}
    assert abs(info.time - datetime.now(UTC)) < timedelta(minutes=1)


def test_a_model_is_created_read_changed_and_deleted(run: Run) -> None:
    created = run.model("life", description="For a moment", tags=["e2e"], metadata={"owner": "tests"})
    assert run.admin.get_model(created.id) == run.admin.get_model(created) == created
    assert run.admin.get_model_by_name(created.name.upper()).id == created.id
    assert [model.id for model in run.admin.list_models(search=created.name, tag="e2e")] == [created.id]
    changed = run.admin.update_model(created.id, description="For longer")
    assert (changed.description, changed.tags, changed.metadata) == ("For longer", ["e2e"], {"owner": "tests"})
    run.admin.delete_model(created.id)
    with pytest.raises(NotFound):
        run.admin.get_model(created.id)


def test_a_list_is_complete_over_several_pages(run: Run) -> None:
    created = [run.model(f"listed-{number}").id for number in range(5)]
    listed = [model.id for model in run.admin.list_models(search=run.mark, limit=2)]
    assert [id_ for id_ in listed if id_ in created] == created[::-1]


def test_a_version_keeps_what_it_was_registered_with(run: Run) -> None:
    metadata = {"accuracy": 0.95, "nested": {"deep": [1, None, "é"]}, "count": 123456789012345678}
    created = run.version(run.model("kept"), metadata=metadata, size_bytes=5_000_000_000, platform="linux/amd64")
    version = run.admin.get_version(created.id)
    assert version == created
    assert (version.metadata, version.size_bytes, version.is_release) == (metadata, 5_000_000_000, False)
    assert version.image == f"docker.io/{run.mark}/kept@{DIGEST}"


def test_the_latest_version_is_the_newest_or_the_highest_or_a_release(run: Run) -> None:
    model = run.model("latest")
    old, new = run.version(model, "2.0.0"), run.version(model, "1.9.9")
    run.admin.promote(old)
    latest = run.admin.get_latest_version
    assert latest(model_name=model.name).id == new.id
    assert latest(model_name=model.name, order="semver").id == old.id
    assert latest(model_name=model.name, is_release=True).id == old.id


def test_the_newest_success_is_live_until_a_rollback(run: Run) -> None:
    model, environment = run.model("deployed"), run.name("staging")
    versions = [run.version(model, f"{number}.0.0") for number in (1, 2)]
    first, second = (run.admin.deploy(version, environment, metadata={"replicas": 3}) for version in versions)
    assert [live.id for live in run.admin.live(environment)] == [second.id]
    assert [live.id for live in run.admin.live(environment, at=first.deployed_at)] == [first.id]
    back = run.admin.rollback(environment, model_name=model.name, reason="end to end")
    assert (back.version, back.rollback_of) == ("1.0.0", second.id)
    assert run.admin.get_version(versions[0].id).live_in == [environment]


def test_a_key_works_within_its_role_until_it_is_revoked(run: Run) -> None:
    end = datetime.now(UTC) + timedelta(hours=1)
    created = run.admin.create_api_key(run.name("viewer"), role="viewer", expires_at=end)
    assert abs(created.expires_at - end) < timedelta(milliseconds=1)
    with Registry(run.url, created.key) as viewer:
        assert viewer.info().name == "catapult"
        with pytest.raises(Forbidden) as refused:
            viewer.create_model(name=f"{run.mark}/forbidden", storage_path="docker.io/a/b")
        assert "publisher" in refused.value.detail
        run.admin.revoke_api_key(created.id)
        with pytest.raises(Unauthenticated):
            viewer.info()
    (listed,) = [key for key in run.admin.list_api_keys() if key.id == created.id]
    assert (listed.is_active, listed.key) == (False, None)


def test_from_training_to_production_with_a_gate_and_an_audit_trail(run: Run) -> None:
    roles = {role: run.admin.create_api_key(run.name(role), role=role).key for role in ("publisher", "releaser")}
    model, production = run.model("workflow"), run.name("production")
    run.admin.put_environment(production, protected=True)
    run.admin.create_gate(model.name, "release", "metric", path="accuracy", op=">=", value=0.9)
    content = {"model_name": model.name, "tag": "v1", "digest": DIGEST}
    with Registry(run.url, roles["publisher"]) as training, Registry(run.url, roles["releaser"]) as release:
        weak = training.create_version(version="1.0.0", metadata={"accuracy": 0.89}, **content)
        good = training.create_version(version="1.1.0", metadata={"accuracy": 0.95}, **content)
        with pytest.raises(Blocked) as blocked:
            release.promote(weak)
        assert not blocked.value.gates[0].passed
        assert release.promote(good, reason="it is better").is_release
        with pytest.raises(Forbidden):
            training.deploy(good, production)
        assert release.deploy(good, production).live
    trail = [entry.action for entry in run.admin.list_audit_logs(resource_id=good.id)]
    assert trail[:2] == ["version.promote", "version.create"]


def test_every_invalid_field_is_named_at_once(run: Run) -> None:
    with pytest.raises(Validation) as refused:
        run.admin.create_model(name="no//name", storage_path="", tags=["not a tag"])
    assert {"name", "storage_path"} <= set(refused.value.errors)
    assert refused.value.request_id


def test_a_taken_name_is_a_conflict(run: Run) -> None:
    run.model("taken")
    with pytest.raises(Conflict):
        run.model("taken")


if __name__ == "__main__":
    if not (os.environ.get(ADDRESS) and os.environ.get(KEY)):
        sys.exit(MISSING)
    sys.exit(pytest.main([__file__, "--noconftest", "-q", "-p", "no:cacheprovider", *sys.argv[1:]]))
