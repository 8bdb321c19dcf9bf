"""Roles, at every door: `rolecases` says which role each change takes, and the tables here who may read."""

import re
from contextlib import nullcontext
from urllib.parse import urlsplit

import pytest
import requests
from client.wsgi_adapter import WSGIAdapter
from pages.conftest import Browser
from pages.markup import Page, is_whole
from rolecases import CASES, filled, operation_of, set_up
from stage import NOWHERE, Api

from catapult import Forbidden, Registry

ROLES = ["viewer", "publisher", "releaser", "admin"]

READERS = {
    None: ["health"],
    "viewer": [
        *(
            "v1/info",
            "v1/models",
            "v1/models/{id}",
            "v1/models/{id}/versions",
            "v1/models/{id}/aliases",
            "v1/versions",
            "v1/versions/latest",
        ),
        *("v1/versions/compare", "v1/versions/{id}", "v1/versions/{id}/deployments", "v1/versions/{id}/gates"),
        *("v1/versions/{id}/decisions", "v1/decisions/{id}", "v1/people", "v1/people/{id}", "v1/me", "v1/me/keys"),
        "v1/me/views",
        *("v1/deployments", "v1/deployments/{id}", "v1/audit-logs", "v1/environments", "v1/environments/{id}"),
        *("v1/environments/{id}/live", "v1/live", "v1/gates", "v1/trusted-keys", "v1/trusted-keys/{id}"),
        "v1/versions/{id}/signature",
        *("v1/versions/{id}/comments", "v1/versions/{id}/artifacts", "v1/artifacts/{id}", "v1/artifacts/{id}/content"),
        *("v1/audit-logs/checkpoint", "v1/audit-logs/key", "v1/audit-logs/{id}/proof", "v1/audit-logs/consistency"),
    ],
    "publisher": ["v1/storage/files"],
    "admin": [
        *("v1/api-keys", "v1/webhooks", "v1/webhooks/{id}", "v1/webhooks/{id}/deliveries", "v1/jobs"),
        *("v1/registries", "v1/registries/{id}"),
    ],
}
READS = {f"GET /api/{path}": role for role, paths in READERS.items() for path in paths}
WITHDRAW = {"DELETE /api/v1/versions/{id}/approvals/{id}": "publisher"}  # and only the key that gave it
OF_ONES_OWN = {
    *("GET /api/v1/me/keys", "POST /api/v1/me/keys", "PUT /api/v1/people/{id}"),
    *("POST /api/v1/api-keys/{id}/rotate", "DELETE /api/v1/api-keys/{id}"),
}
"""Operations that any role may do with what is one's own, and an admin with all."""
SIGNING_IN = ("auth.forbidden", "session.create")
PAGES = {
    "viewer": [
        "/",
        "/models",
        "/models/org/bert",
        "/versions",
        "/deployments",
        "/environments",
        "/gates",
        "/trusted-keys",
        "/audit",
        "/search",
    ],
    "publisher": ["/inbox", "/new/model", "/new/version", "/new/deployment"],
    "releaser": ["/environments/staging/-/rollback?model_name=org/bert"],
    "admin": [
        *("/webhooks", "/new/webhook", "/jobs", "/new/trusted-key"),
        *("/registries", "/new/registry"),
        *("/keys", "/new/key", "/new/gate", "/new/environment", "/models/org/bert/-/delete"),
        *(f"/environments/staging/-/{form}" for form in ("freeze", "settings", "delete")),
    ],
}


def writes():
    """The least role that any case of an operation takes."""
    least = {}
    for case in CASES:
        least.setdefault(operation_of(case), []).append(case.role)
    return {call: min(roles, key=ROLES.index) for call, roles in least.items()}


TOLD = {
    "POST /api/v1/registry-events": "publisher",  # makes jobs alone, which write the entries
    "POST /api/v1/versions/{id}/verify": "publisher",  # writes one if a registry answers; test_image_trust.py asks one
}
TABLE = {**READS, **WITHDRAW, **TOLD, **writes()}
GUARDED = {call: role for call, role in TABLE.items() if role}


def needed(case, role):
    """The role that a refusal names: first the operation's own, then that of what is sent."""
    own = GUARDED[operation_of(case)]
    return own if ROLES.index(role) < ROLES.index(own) else case.role


def give_to_holder(sql, ids):
    """Make the keys that the tests ask with those of a person."""
    sql("UPDATE api_keys SET person_id = :person WHERE name LIKE '%-key'", person=ids["holder"])


def by_api(app, keys, case, role, ids, allowed):
    method, path = filled(case.call, ids).split()
    answer = Api(app, keys, role).request(method, f"/api/v1{path}", filled(case.body, ids))
    if allowed:
        assert answer.status_code in (200, 201, 204), (role, answer.text)
    else:
        assert (answer.status_code, answer.json["type"]) == (403, "/docs/errors/forbidden"), role
        assert re.search(rf"\b{needed(case, role)}\b", answer.json["detail"]), role


def by_sdk(app, keys, case, role, ids, allowed):
    with requests.Session() as session:
        session.mount("http://", WSGIAdapter(app))
        registry = Registry("http://localhost/api", keys[role], session=session)
        with nullcontext() if allowed else pytest.raises(Forbidden, match=needed(case, role)):
            case.sdk(registry, ids)


def by_page(app, keys, case, role, ids, allowed):
    browser, submit = Browser(app, keys, role), case.page
    address = filled(submit.address, ids)
    for offered_at in submit.offered_at:
        page = Page(browser.get(filled(offered_at, ids)))
        offered = {urlsplit(link).path for link in [*page.links, *page.actions]}
        assert (address in offered and submit.button in ["", *page.texts("button")]) is allowed, (role, offered_at)
    answer = browser.post(address, filled(submit.form, ids))
    if allowed:
        assert answer.status_code in (200, 303), (role, answer.text)
    else:
        assert (answer.status_code, is_whole(answer)) == (403, True), role
        assert re.search(r"the role (publisher|releaser|admin)\b", answer.text), role


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_at_every_door_a_role_that_may_leaves_its_entry_and_any_other_only_that_of_its_refusal(
    app, api, keys, trail, once, undone, sql, case
):
    ids = once(set_up, api)
    for door in (by_api, by_sdk, *([by_page] if case.page else [])):
        for role in ROLES:
            allowed = ROLES.index(role) >= ROLES.index(case.role)
            with undone():
                if case.own:
                    give_to_holder(sql, ids)
                before = len(trail())
                door(app, keys, case, role, ids, allowed)
                entries = [entry for entry in trail()[:-before] if entry["action"] not in SIGNING_IN]
            assert {entry["api_key_name"] for entry in entries} <= {f"{role}-key"}
            assert (case.entry in {entry["action"] for entry in entries}) is allowed, (door, role)
            assert allowed or not entries, (door, role)


@pytest.mark.parametrize("needed", PAGES)
def test_pages_open_to_the_roles_they_are_for(app, api, keys, once, needed):
    once(set_up, api)
    for role in ROLES:
        for address in PAGES[needed]:
            answer = Browser(app, keys, role).get(address)
            assert is_whole(answer)
            allowed = ROLES.index(role) >= ROLES.index(needed)
            assert answer.status_code == (200 if allowed else 403), (role, address)
            assert allowed or f"the role {needed}" in answer.text


# --- the document and the keys of the API


def operations(api):
    return {
        f"{method.upper()} {re.sub('{[a-z_]+}', '{id}', path)}": operation
        for path, item in api.by(None).get("/openapi.json").json["paths"].items()
        for method, operation in item.items()
        if method != "parameters"
    }


def send(api, call):
    method, path = call.replace("{id}", NOWHERE).split()
    return api.request(method, path, {} if method in ("POST", "PUT") else None)


def test_the_document_has_the_contracts_operations_with_the_contracts_roles(api):
    assert {call: operation.get("x-role") for call, operation in operations(api).items()} == TABLE


def test_the_server_answers_to_no_other_calls_than_the_document_names(app):
    routes = {
        f"{method} {re.sub('<[^>]+>', '{id}', rule.rule)}"
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if rule.rule.startswith("/api/") and not rule.rule.startswith(MLFLOW)
    }
    assert routes == set(TABLE) | set(older()) | TUS


MLFLOW = "/api/2.0/mlflow/"
"""The addresses of MLflow's protocol, which are no part of the document either; tests/mlflow_door has their roles."""
TUS = {"POST /api/v1/uploads", "PATCH /api/v1/uploads/{id}", "DELETE /api/v1/uploads/{id}"}
"""They speak a protocol of their own, which is no part of the document; tests/live/test_resumable_uploads.py has their roles."""


def older():
    """The operations that older clients ask for by another name, with their roles."""
    return {call.replace("/models", "/images", 1): role for call, role in TABLE.items() if "/v1/models" in call}


def test_the_document_names_the_refusals_of_keys_and_roles(api):
    for call, operation in operations(api).items():
        role = operation.get("x-role")
        assert ("401" in operation["responses"]) is (role is not None), call
        assert ("403" in operation["responses"]) is (role not in (None, "viewer") or call in OF_ONES_OWN), call
        assert (operation.get("security") == []) is (role is None), call


@pytest.mark.parametrize(("call", "needed"), {**GUARDED, **older()}.items())
def test_no_call_works_without_a_key_or_with_a_lower_role(api, sql, call, needed):
    ids = {"holder": api.make("/api/v1/people", {"name": "Sam Field", "role": "admin"})["id"]}
    give_to_holder(sql, ids)
    call = call.replace("/people/{id}", f"/people/{ids['holder']}")
    refused = send(api.by(None), call)
    assert (refused.status_code, refused.json["type"]) == (401, "/docs/errors/unauthenticated")
    assert refused.headers["WWW-Authenticate"].startswith("Bearer")
    for role in ROLES:
        allowed = ROLES.index(role) >= ROLES.index(needed)
        assert (send(api.by(role), call).status_code != 403) is allowed, role


@pytest.mark.parametrize(
    "path", ["/api/health", "/livez", "/readyz", "/openapi.json", "/docs", "/docs/errors/conflict"]
)
def test_what_is_for_everybody_takes_no_key(api, path):
    assert api.by(None).get(path).status_code == 200
    assert api.by(None).get(path, headers={"X-API-Key": "wrong"}).status_code == 200
