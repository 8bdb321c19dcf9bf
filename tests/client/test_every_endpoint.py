"""The SDK reaches every endpoint that the OpenAPI document has, and no other. `rolecases` has its calls that change anything."""

import re
import tempfile
from collections import defaultdict
from urllib.parse import unquote, urlsplit

import pytest
from peer import Answer
from rolecases import CASES

from catapult import Artifact, Model, RegistryError

ID = "0190f1a2-0000-7000-8000-000000000000"
READS = [
    lambda sdk: sdk.health(),
    lambda sdk: sdk.info(),
    lambda sdk: list(sdk.list_models()),
    lambda sdk: sdk.get_model(ID),
    lambda sdk: list(sdk.list_model_versions(ID)),
    lambda sdk: list(sdk.list_versions()),
    lambda sdk: list(sdk.aliases(Model(id=ID))),
    lambda sdk: sdk.version_of("a/b", "champion"),
    lambda sdk: sdk.get_latest_version("a/b"),
    lambda sdk: sdk.compare_versions(ID, ID),
    lambda sdk: sdk.get_version(ID),
    lambda sdk: sdk.check_gates(ID, "release"),
    lambda sdk: list(sdk.list_version_deployments(ID)),
    lambda sdk: list(sdk.list_deployments()),
    lambda sdk: sdk.get_deployment(ID),
    lambda sdk: list(sdk.list_environments()),
    lambda sdk: sdk.get_environment("staging"),
    lambda sdk: list(sdk.live("staging")),
    lambda sdk: list(sdk.live_matrix()),
    lambda sdk: list(sdk.list_gates()),
    lambda sdk: list(sdk.list_api_keys()),
    lambda sdk: list(sdk.list_audit_logs()),
    lambda sdk: sdk.checkpoint(),
    lambda sdk: sdk.audit_key(),
    lambda sdk: sdk.proof(ID),
    lambda sdk: sdk.consistency(1, 2),
    lambda sdk: sdk.me(),
    lambda sdk: list(sdk.list_my_keys()),
    lambda sdk: list(sdk.list_my_views()),
    lambda sdk: list(sdk.list_people()),
    lambda sdk: sdk.get_person(ID),
    lambda sdk: list(sdk.decisions(ID)),
    lambda sdk: sdk.get_decision(ID),
    lambda sdk: list(sdk.list_comments(ID)),
    lambda sdk: list(sdk.artifacts(ID)),
    lambda sdk: sdk.get_artifact(ID),
    lambda sdk: list(sdk.mount_files("runs")),
    lambda sdk: _download(sdk),
    lambda sdk: sdk.check_signature(ID),
    lambda sdk: list(sdk.list_trusted_keys()),
    lambda sdk: sdk.get_trusted_key(ID),
    lambda sdk: list(sdk.registries()),
    lambda sdk: sdk.get_registry(ID),
    lambda sdk: list(sdk.list_webhooks()),
    lambda sdk: sdk.get_webhook(ID),
    lambda sdk: list(sdk.list_deliveries(ID)),
    lambda sdk: list(sdk.list_jobs()),
]


def _download(sdk):
    """The peer's answer is not that file."""
    with tempfile.TemporaryDirectory() as folder, pytest.raises(RegistryError, match="SHA-256 differs"):
        sdk.download_artifact(Artifact(id=ID, path="a", sha256="0" * 64, size_bytes=1), to=folder)


WRITES = [lambda sdk: sdk.withdraw_approval(ID, ID), lambda sdk: sdk.verify_version(ID)]
"""Calls that `rolecases` does not have."""
PROBES = {"GET /livez", "GET /readyz"}
TOLD = {"POST /api/v1/registry-events"}
"""Image registries send it, in their own format."""
LISTS = re.compile(r"(s|/live|/gates|/people|/deliveries)$")


def asked_for(asked):
    path = unquote(urlsplit(asked.path).path).replace(ID, "{}")
    return f"{asked.method} {re.sub('(?<=/environments/)[a-z]+|(?<=/aliases/)[a-z]+|(?<=/artifacts/)a.py', '{}', path)}"


def answer(asked):
    """A list to what lists, else an object."""
    path = urlsplit(asked.path).path
    is_list = LISTS.search(path) if asked.method == "GET" else path.endswith("/artifacts")
    return Answer(200, [] if is_list else {"id": ID, "key": "secret"})


def test_every_endpoint_of_the_openapi_document_has_a_method(app, peer, faulty):
    there = {
        f"{method.upper()} {re.sub(r'{[^}]*}', '{}', path)}"
        for path, operations in app.test_client().get("/openapi.json").json["paths"].items()
        for method in operations
        if method != "parameters"
    }
    peer.answers = [answer]
    for read in READS:
        read(faulty)
    for case in CASES:
        if case.sdk:
            case.sdk(faulty, defaultdict(lambda: ID))
    for write in WRITES:
        write(faulty)
    assert {asked_for(asked) for asked in peer.asked} == there - PROBES - TOLD
