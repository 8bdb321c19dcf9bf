"""One method an endpoint: the SDK reaches all that the OpenAPI document has, and nothing else."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

from peer import Answer

from catapult import Registry

ID = "0190f1a2-0000-7000-8000-000000000000"
CALLS: dict[str, Callable[[Registry], Any]] = {
    "GET /api/health": lambda sdk: sdk.health(),
    "GET /api/v1/info": lambda sdk: sdk.info(),
    "GET /api/v1/models": lambda sdk: list(sdk.list_models()),
    "POST /api/v1/models": lambda sdk: sdk.create_model("a/b", "x"),
    "GET /api/v1/models/{}": lambda sdk: sdk.get_model(ID),
    "PUT /api/v1/models/{}": lambda sdk: sdk.update_model(ID),
    "DELETE /api/v1/models/{}": lambda sdk: sdk.delete_model(ID),
    "GET /api/v1/models/{}/versions": lambda sdk: list(sdk.list_model_versions(ID)),
    "GET /api/v1/versions": lambda sdk: list(sdk.list_versions()),
    "POST /api/v1/versions": lambda sdk: sdk.create_version("a/b", "1", "t", "a:b"),
    "GET /api/v1/versions/latest": lambda sdk: sdk.get_latest_version("a/b"),
    "GET /api/v1/versions/compare": lambda sdk: sdk.compare_versions(ID, ID),
    "GET /api/v1/versions/{}": lambda sdk: sdk.get_version(ID),
    "PUT /api/v1/versions/{}": lambda sdk: sdk.update_version(ID),
    "DELETE /api/v1/versions/{}": lambda sdk: sdk.delete_version(ID),
    "POST /api/v1/versions/{}/promote": lambda sdk: sdk.promote_version(ID),
    "POST /api/v1/versions/{}/demote": lambda sdk: sdk.promote_version(ID, is_release=False),
    "GET /api/v1/versions/{}/gates": lambda sdk: sdk.check_gates(ID, "release"),
    "POST /api/v1/versions/{}/approvals": lambda sdk: sdk.approve(ID, "release"),
    "DELETE /api/v1/versions/{}/approvals/{}": lambda sdk: sdk.withdraw_approval(ID, ID),
    "GET /api/v1/versions/{}/deployments": lambda sdk: list(sdk.list_version_deployments(ID)),
    "GET /api/v1/deployments": lambda sdk: list(sdk.list_deployments()),
    "POST /api/v1/deployments": lambda sdk: sdk.deploy(ID, "staging"),
    "GET /api/v1/deployments/{}": lambda sdk: sdk.get_deployment(ID),
    "PUT /api/v1/deployments/{}": lambda sdk: sdk.update_deployment(ID),
    "GET /api/v1/environments": lambda sdk: list(sdk.list_environments()),
    "GET /api/v1/environments/{}": lambda sdk: sdk.get_environment("staging"),
    "PUT /api/v1/environments/{}": lambda sdk: sdk.put_environment("staging"),
    "DELETE /api/v1/environments/{}": lambda sdk: sdk.delete_environment("staging"),
    "GET /api/v1/environments/{}/live": lambda sdk: list(sdk.live("staging")),
    "POST /api/v1/environments/{}/rollback": lambda sdk: sdk.rollback("staging", model_name="a/b", reason="slow"),
    "GET /api/v1/live": lambda sdk: list(sdk.live_matrix()),
    "GET /api/v1/gates": lambda sdk: list(sdk.list_gates()),
    "POST /api/v1/gates": lambda sdk: sdk.create_gate("*", "staging", "released"),
    "PUT /api/v1/gates/{}": lambda sdk: sdk.update_gate(ID),
    "DELETE /api/v1/gates/{}": lambda sdk: sdk.delete_gate(ID),
    "POST /api/v1/api-keys": lambda sdk: sdk.create_api_key("ci"),
    "GET /api/v1/api-keys": lambda sdk: list(sdk.list_api_keys()),
    "DELETE /api/v1/api-keys/{}": lambda sdk: sdk.revoke_api_key(ID),
    "GET /api/v1/audit-logs": lambda sdk: list(sdk.list_audit_logs()),
}
PROBES = {"GET /livez", "GET /readyz"}
LISTS = re.compile(r"(s|/live|/gates)$")


def asked_for(asked):
    path = unquote(urlsplit(asked.path).path).replace(ID, "{}")
    return f"{asked.method} {path.replace('/staging', '/{}')}"


def answer(asked):
    """A list to what lists, else an object."""
    is_list = asked.method == "GET" and LISTS.search(urlsplit(asked.path).path)
    return Answer(200, [] if is_list else {"id": ID, "key": "secret"})


def test_every_endpoint_of_the_openapi_document_has_a_method(app, peer, faulty):
    document: dict[str, Any] = app.test_client().get("/openapi.json").json
    there = {
        f"{method.upper()} {re.sub(r'{[^}]*}', '{}', path)}"
        for path, operations in document["paths"].items()
        for method in operations
        if method in ("get", "post", "put", "delete")
    }
    assert there - PROBES == set(CALLS)
    peer.answers = [answer]
    for call in CALLS.values():
        call(faulty)
    assert [asked_for(asked) for asked in peer.asked] == list(CALLS)
