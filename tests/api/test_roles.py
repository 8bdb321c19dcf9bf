import re

import pytest

NOWHERE = "019ab2f0-7c1e-7d52-a1f3-2b7c9d0e4f11"
ROLES = ["viewer", "publisher", "releaser", "admin"]

TABLE = {
    "GET /api/health": None,
    "GET /api/v1/info": "viewer",
    "GET /api/v1/models": "viewer",
    "POST /api/v1/models": "publisher",
    "GET /api/v1/models/{id}": "viewer",
    "PUT /api/v1/models/{id}": "publisher",
    "DELETE /api/v1/models/{id}": "admin",
    "GET /api/v1/models/{id}/versions": "viewer",
    "POST /api/v1/versions": "publisher",
    "GET /api/v1/versions": "viewer",
    "GET /api/v1/versions/latest": "viewer",
    "GET /api/v1/versions/compare": "viewer",
    "GET /api/v1/versions/{id}": "viewer",
    "PUT /api/v1/versions/{id}": "publisher",
    "DELETE /api/v1/versions/{id}": "admin",
    "GET /api/v1/versions/{id}/deployments": "viewer",
    "POST /api/v1/versions/{id}/promote": "releaser",
    "POST /api/v1/versions/{id}/demote": "releaser",
    "POST /api/v1/deployments": "publisher",
    "GET /api/v1/deployments": "viewer",
    "GET /api/v1/deployments/{id}": "viewer",
    "POST /api/v1/api-keys": "admin",
    "GET /api/v1/api-keys": "admin",
    "DELETE /api/v1/api-keys/{id}": "admin",
    "GET /api/v1/audit-logs": "viewer",
    "GET /api/v1/environments": "viewer",
    "GET /api/v1/environments/{id}": "viewer",
    "PUT /api/v1/environments/{id}": "admin",
    "DELETE /api/v1/environments/{id}": "admin",
    "GET /api/v1/environments/{id}/live": "viewer",
    "POST /api/v1/environments/{id}/rollback": "releaser",
    "GET /api/v1/live": "viewer",
    "PUT /api/v1/deployments/{id}": "publisher",
    "GET /api/v1/gates": "viewer",
    "POST /api/v1/gates": "admin",
    "PUT /api/v1/gates/{id}": "admin",
    "DELETE /api/v1/gates/{id}": "admin",
    "GET /api/v1/versions/{id}/gates": "viewer",
    "POST /api/v1/versions/{id}/approvals": "publisher",
    "DELETE /api/v1/versions/{id}/approvals/{id}": "publisher",
}
GUARDED = {call: role for call, role in TABLE.items() if role}


def document(api):
    return api.by(None).get("/openapi.json").json


def operations(api):
    return {
        f"{method.upper()} {re.sub('{[a-z_]+}', '{id}', path)}": operation
        for path, item in document(api)["paths"].items()
        for method, operation in item.items()
        if method != "parameters"
    }


def send(api, call):
    method, path = call.replace("{id}", NOWHERE).split()
    return api.request(method, path, {} if method in ("POST", "PUT") else None)


def test_the_document_has_the_contracts_operations_with_the_contracts_roles(api):
    assert {call: operation.get("x-role") for call, operation in operations(api).items()} == TABLE


def test_the_server_answers_to_no_other_calls_than_the_document_names(api, app):
    routes = {
        f"{method} {re.sub('<[^>]+>', '{id}', rule.rule)}"
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if rule.rule.startswith("/api/")
    }
    older = {call.replace("/models", "/images", 1) for call in TABLE if "/v1/models" in call}
    assert routes == set(TABLE) | older


def test_the_document_names_the_refusals_of_keys_and_roles(api):
    for call, operation in operations(api).items():
        role = operation.get("x-role")
        assert ("401" in operation["responses"]) is (role is not None), call
        assert ("403" in operation["responses"]) is (role not in (None, "viewer")), call
        assert (operation.get("security") == []) is (role is None), call


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("call", GUARDED)
def test_a_role_that_is_enough_gets_in_and_a_smaller_one_is_told_which_it_takes(api, call, role):
    needed = operations(api)[call]["x-role"]
    response = send(api.by(role), call)
    if ROLES.index(role) >= ROLES.index(needed):
        assert response.status_code in (200, 404, 422)
    else:
        assert response.status_code == 403
        assert response.json["type"] == "/docs/errors/forbidden"
        assert re.search(rf"\b{needed}\b", response.json["detail"])


@pytest.mark.parametrize("call", GUARDED)
def test_no_call_works_without_a_key(api, call):
    refused = send(api.by(None), call)
    assert refused.status_code == 401
    assert refused.json["type"] == "/docs/errors/unauthenticated"
    assert refused.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "path", ["/api/health", "/livez", "/readyz", "/openapi.json", "/docs", "/docs/errors/conflict"]
)
def test_what_is_for_everybody_takes_no_key(api, path):
    assert api.by(None).get(path).status_code == 200
    assert api.by(None).get(path, headers={"X-API-Key": "wrong"}).status_code == 200
