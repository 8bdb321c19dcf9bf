"""Bounds of keys: which models and environments a key may change, at every operation of the OpenAPI document."""

import re
from fnmatch import fnmatchcase

import pytest
from pages.conftest import Browser
from rolecases import AT, CASES, FREE, METRIC, MODEL, RoleCase, filled, operation_of, set_up
from stage import Api, refusal

from catapult.actions import audit_seal

KEYS, PEOPLE, GATES, ENVIRONMENTS = "/api/v1/api-keys", "/api/v1/people", "/api/v1/gates", "/api/v1/environments"
ALL = "all"
"""What concerns all models or environments: only a key without that bound may change it."""

CONCERNS = {
    "create a model": ("org/new", None),
    "update a model": (MODEL, None),
    "rename a model": ("org/other", None),
    "delete a model": ("org/other", None),
    "create a version": (MODEL, None),
    "create a release": (MODEL, None),
    "update a version": (MODEL, None),
    "tag a version": (MODEL, None),
    "archive a version": (MODEL, None),
    "activate a version": (MODEL, None),
    "promote by an update": (MODEL, None),
    "demote by an update": (MODEL, None),
    "delete a version": (MODEL, ALL),
    "promote a version": (MODEL, None),
    "promote by force": (MODEL, None),
    "demote a version": (MODEL, None),
    "point an alias": (MODEL, None),
    "point an alias by force": (MODEL, None),
    "remove an alias": (MODEL, None),
    "approve": (MODEL, "empty"),
    "withdraw an approval": (MODEL, "empty"),
    "comment": (MODEL, None),
    "ask for changes": (MODEL, None),
    "delete a comment": (MODEL, None),
    "deploy": (MODEL, "staging"),
    "deploy where it is protected": (MODEL, "edge"),
    "deploy by force": (MODEL, "empty"),
    "update a deployment": (MODEL, "staging"),
    "update a deployment where it is protected": (MODEL, "edge"),
    "roll back": (MODEL, "staging"),
    "retire a model": (MODEL, "staging"),
    "create an environment": (ALL, "new"),
    "update an environment": (ALL, "empty"),
    "freeze an environment": (ALL, "empty"),
    "thaw an environment": (ALL, "frozen"),
    "delete an environment": (ALL, "production"),
    "create a gate": ("other/*", None),
    "create a gate of an environment": ("other/*", "staging"),
    "update a gate": ("other/*", None),
    "delete a gate": ("other/*", None),
    "create a key": (ALL, ALL),
    "create a bounded key": ("org/b*", "edge"),
    "update a key": (ALL, ALL),
    "rotate a key": (ALL, ALL),
    "revoke a key": (ALL, ALL),
    "create a key of one's own": (None, None),
    "rotate a key of one's own": (ALL, ALL),
    "revoke a key of one's own": (ALL, ALL),
    "add a person": (ALL, ALL),
    "update a person": (ALL, ALL),
    "update oneself": (None, None),
    "save a view": (None, None),
    "delete a view": (None, None),
    "add a file": (MODEL, None),
    "register a file on the mount": (MODEL, None),
    "remove a file": (MODEL, None),
    "trust a key": (ALL, ALL),
    "update a trusted key": (ALL, ALL),
    "delete a trusted key": (ALL, ALL),
    "add a registry": (ALL, ALL),
    "update a registry": (ALL, ALL),
    "delete a registry": (ALL, ALL),
    "create a webhook": (ALL, ALL),
    "update a webhook": (ALL, ALL),
    "rotate a webhook's secret": (ALL, ALL),
    "test a webhook": (ALL, ALL),
    "delete a webhook": (ALL, ALL),
    "replay a delivery": (ALL, ALL),
    "retry a job": (ALL, ALL),
}
"""The models and the environments that each case of `rolecases` and `MORE` changes, each as a pattern; None is nothing."""

MORE = [
    RoleCase(
        *("withdraw an approval", "publisher", "approval.withdraw"),
        *("DELETE /versions/{version}/approvals/{approval}", None),
        own=True,
    ),
    RoleCase(
        *("create a gate of an environment", "admin", "gate.create"),
        *("POST /gates", {**METRIC, "target": "staging"}),
    ),
    RoleCase(
        *("create a bounded key", "admin", "api_key.create"),
        *("POST /api-keys", {"name": "new", "models": ["org/b*"], "environments": ["Edge"]}),
    ),
]
TABLE = [*CASES, *MORE]
EVERY_CASE = pytest.mark.parametrize("case", TABLE, ids=lambda case: case.name)


def holding(concerned):
    """The least bound that holds what is concerned."""
    return None if concerned is ALL else [] if concerned is None else [concerned]


def bounds_of(case):
    """Bounds by what they hold, as a key has them."""
    models, environments = map(holding, CONCERNS[case.name])
    return {
        "both": {"models": models, "environments": environments},
        "not the model": {"models": ["nlp/*", "org/bertha", "*x"], "environments": environments},
        "not the environment": {"models": models, "environments": ["canary", "stag"]},
        "nothing": {"models": [], "environments": []},
    }


def is_held(bound, concerned):
    if bound is None or concerned is None:
        return True
    return concerned is not ALL and any(fnmatchcase(concerned.lower(), each.lower()) for each in bound)


@pytest.fixture
def ids(api, once):
    """The ids of `rolecases`, and an approval that the person `holder` gave."""
    return once(with_approval, api)


def with_approval(api):
    ids = set_up(api)
    approver = with_key(api, "publisher", person_id=ids["holder"])
    approval = approver.make(f"/api/v1/versions/{ids['version']}/approvals", {"target": "empty"})
    return {**ids, "approval": approval["id"]}


def with_key(api, role, **fields):
    """A client with a new key of that role."""
    key = api.make(KEYS, {"name": "bounded", "role": role, **fields})
    client = Api(api.app, {"bounded": key["key"]}, "bounded")
    client.key = key
    return client


def broken(bounds, concerned):
    """The words of each bound that does not hold what is concerned, of which a refusal names one."""
    return [
        f"the {name} {', '.join(sorted(bound) if name == 'environments' else bound)}" if bound else f"no {name}"
        for (name, bound), each in zip(bounds.items(), concerned, strict=True)
        if not is_held(bound, each)
    ]


@EVERY_CASE
def test_a_key_changes_what_its_bounds_hold_and_nothing_else(api, ids, trail, undone, case):
    outcomes = {}
    for what, bounds in bounds_of(case).items():
        allowed = all(map(is_held, bounds.values(), CONCERNS[case.name]))
        with undone():
            person = {"person_id": ids["holder"]} if case.own else {}
            client = with_key(api, case.role, **bounds, **person)
            method, path = filled(case.call, ids).split()
            before = len(trail())
            answer = client.request(method, f"/api/v1{path}", filled(case.body, ids))
            outcomes[what] = allowed
            if allowed:
                assert answer.status_code in (200, 201, 204), (what, answer.text)
                assert case.entry in {entry["action"] for entry in trail()[:-before]}, what
            else:
                assert refusal(answer) == "forbidden", what
                detail = answer.json["detail"]
                assert any(words in detail for words in broken(bounds, CONCERNS[case.name])), (what, detail)
                assert {entry["action"] for entry in trail()[:-before]} <= {"auth.forbidden"}, what
    assert outcomes["both"]
    assert outcomes["nothing"] is (CONCERNS[case.name] == (None, None))


def operations(api):
    """Every operation of the OpenAPI document, with the names of its path's parameters."""
    document = api.by(None).get("/openapi.json").json
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method != "parameters":
                yield method.upper(), path, operation


def test_every_operation_that_changes_something_has_its_row(api):
    there = {f"{method} {re.sub('{[a-z_]+}', '{id}', path)}" for method, path, _ in operations(api) if method != "GET"}
    # These change nothing, or what an image registry answers; test_registry_events.py and test_image_trust.py have their bounds.
    told = {"POST /api/v1/registry-events", "POST /api/v1/versions/{id}/verify"}
    assert {operation_of(case) for case in TABLE} == there - told
    assert {case.name for case in TABLE} == set(CONCERNS)


@pytest.mark.parametrize("role", ["viewer", "admin"])
def test_reading_is_never_bounded(api, ids, role):
    """What a key without any bound reads, one that may change nothing reads too."""
    query = {
        "/api/v1/versions/latest": f"?model_name={MODEL}",
        "/api/v1/versions/compare": f"?ids={ids['version']},{ids['live']}",
        "/api/v1/versions/{version_id}/gates": "?target=empty",
        "/api/v1/audit-logs/consistency": "?from=1&to=2",
    }
    with api.app.app_context():
        audit_seal.seal(audit_seal.signer(api.app.extensions["catapult"]))
    decision = api.get(f"/api/v1/versions/{ids['live']}/decisions").json[0]["id"]
    parameters = {f"{name}_id": value for name, value in ids.items()} | {"name": "staging", "decision_id": decision}
    parameters["deployment_id"] = ids["moving"]
    parameters["entry_id"] = api.get("/api/v1/audit-logs").json[-1]["id"]
    free, bounded = (
        with_key(api, role, person_id=ids["holder"], **bounds) for bounds in ({}, {"models": [], "environments": []})
    )
    unbounded = ("/api/v1/webhooks", "/api/v1/registries")  # those take a key without bounds
    others = {"/api/v1/me", "/api/v1/info", "/api/health"}  # the key itself, and times
    for method, path, operation in operations(api):
        if method != "GET" or path in others or path.startswith(unbounded):
            continue
        if operation["x-role"] == "viewer" or role == "admin":
            address = path.format(**parameters) + query.get(path, "")
            answers = [client.get(address) for client in (free, bounded)]
            assert [answer.status_code for answer in answers] == [200, 200], address
            assert answers[0].data == answers[1].data, address


@pytest.mark.parametrize("case", [case for case in TABLE if case.page], ids=lambda case: case.name)
def test_a_session_of_a_bounded_key_changes_no_more_than_the_key(api, ids, trail, case):
    client = with_key(api, case.role, models=[], environments=[], **({"person_id": ids["holder"]} if case.own else {}))
    browser = Browser(api.app, client.keys, "bounded")
    before = len(trail())
    answer = browser.post(filled(case.page.address, ids), filled(case.page.form, ids))
    if CONCERNS[case.name] == (None, None):
        assert answer.status_code in (200, 303)
    else:
        assert answer.status_code == 403, answer.text
        assert {entry["action"] for entry in trail()[:-before]} <= {"auth.forbidden"}


# --- what admins may do with a bound

ADMIN = {"models": ["org/*", "nlp/b*t"], "environments": ["edge", "staging"]}
WITHIN = [
    ("POST /gates", {**METRIC, "model": "org/*"}),
    ("POST /gates", {**METRIC, "model": "ORG/bert"}),
    ("POST /gates", {**METRIC, "model": "org/*-large", "target": "Staging"}),
    ("POST /gates", {**METRIC, "model": "nlp/b*er*t"}),
    ("PUT /gates/{inner}", {"target": "edge"}),
    ("PUT /gates/{inner}", {"model": "org/b*"}),
    ("DELETE /gates/{inner}", None),
    ("POST /api-keys", {"name": "x", **ADMIN}),
    ("POST /api-keys", {"name": "x", "role": "admin", "models": ["org/b*"], "environments": ["EDGE"]}),
    ("POST /api-keys", {"name": "x", "models": [], "environments": []}),
    ("PUT /api-keys/{bounded}", {"models": ["nlp/bert"]}),
    ("POST /api-keys/{bounded}/rotate", {}),
    ("DELETE /api-keys/{bounded}", None),
    ("POST /versions/{version}/promote", {"force": True, "reason": "urgent"}),
    ("POST /models/{other}/rename", {"name": "org/x other"}),
    ("DELETE /models/{other}", None),
]
BEYOND = [
    ("POST /gates", {**METRIC, "model": "*"}, "models"),
    ("POST /gates", {**METRIC, "model": "org*"}, "models"),
    ("POST /gates", {**METRIC, "model": "nlp/*"}, "models"),
    ("POST /gates", {**METRIC, "model": "org/*", "target": "production"}, "environments"),
    ("PUT /gates/{inner}", {"model": "*"}, "models"),
    ("PUT /gates/{inner}", {"target": "production"}, "environments"),
    ("PUT /gates/{outer}", {"model": "org/bert"}, "models"),
    ("PUT /gates/{elsewhere}", {"target": "staging"}, "environments"),
    ("DELETE /gates/{outer}", None, "models"),
    ("DELETE /gates/{elsewhere}", None, "environments"),
    ("PUT /environments/staging", {"description": "x"}, "models"),
    ("PUT /environments/production", {"description": "x"}, "models"),
    ("POST /api-keys", {"name": "x"}, "models"),
    ("POST /api-keys", {"name": "x", "models": ["org/*"]}, "environments"),
    ("POST /api-keys", {"name": "x", "environments": ["staging"]}, "models"),
    ("POST /api-keys", {"name": "x", "models": ["*"], "environments": ["staging"]}, "models"),
    ("POST /api-keys", {"name": "x", "models": ["org/x"], "environments": ["staging", "production"]}, "environments"),
    ("PUT /api-keys/{bounded}", {"models": None}, "models"),
    ("PUT /api-keys/{bounded}", {"environments": ["production"]}, "environments"),
    ("PUT /api-keys/{own_key}", {"models": None}, "models"),
    ("PUT /api-keys/{own_key}", {"environments": None}, "environments"),
    ("PUT /api-keys/{wide}", {"models": ["org/*"], "environments": []}, "models"),
    ("POST /api-keys/{wide}/rotate", {}, "models"),
    ("DELETE /api-keys/{wide}", None, "models"),
    ("POST /people", {"name": "x"}, "models"),
    ("POST /versions/{foreign}/promote", {"force": True, "reason": "urgent"}, "models"),
    (
        "POST /deployments",
        {"release_id": "{version}", "environment": "production", "force": True, "reason": "urgent"},
        "environments",
    ),
    ("POST /models/{other}/rename", {"name": "speech/other"}, "models"),
    ("POST /models/{other}/rename", {"name": "nlp/bert"}, "environments"),  # out of the gate of production
    ("POST /models/{speech}/rename", {"name": "org/asr"}, "models"),
    ("DELETE /models/{live}?force=true", None, "environments"),
]


@pytest.fixture
def admin(api, ids, once):
    """An admin with a bound, and the ids of what is within and beyond it."""
    return once(bounded_admin, api, ids)


def bounded_admin(api, ids):
    admin = with_key(api, "admin", **ADMIN)
    foreign, live = api.version(api.model("speech/asr")), api.version(api.model("org/live"))
    api.deployment(live, "production")
    gates = {
        "inner": {"model": "org/x*", "target": "staging"},
        "outer": {"model": "*", "target": "staging"},
        "elsewhere": {"model": "org/*", "target": "production"},
    }
    admin.ids = {
        **ids,
        **{name: api.make(GATES, {**METRIC, **fields})["id"] for name, fields in gates.items()},
        "bounded": api.make(KEYS, {"name": "x", **ADMIN})["id"],
        "wide": api.make(KEYS, {"name": "x", "models": ["org/*"]})["id"],
        "own_key": admin.key["id"],
        "foreign": foreign["id"],
        "speech": foreign["model_id"],
        "live": live["model_id"],
    }
    return admin


def send(client, call, body):
    method, path = filled(call, client.ids).split()
    return client.request(method, f"/api/v1{path}", filled(body, client.ids))


@pytest.mark.parametrize(("call", "body"), WITHIN)
def test_an_admin_with_a_bound_does_what_is_within_it(admin, call, body):
    answer = send(admin, call, body)
    assert answer.status_code in (200, 201, 204), answer.text


@pytest.mark.parametrize(("call", "body", "bound"), BEYOND)
def test_an_admin_with_a_bound_is_refused_what_reaches_beyond_it(admin, trail, call, body, bound):
    before = len(trail())
    answer = send(admin, call, body)
    assert refusal(answer) == "forbidden"
    assert f"the {bound} {', '.join(ADMIN[bound])}" in answer.json["detail"]
    assert {entry["action"] for entry in trail()[:-before]} <= {"auth.forbidden"}


def test_settings_of_environments_take_no_bound_of_models_and_are_within_that_of_environments(api, ids):
    of_all_models = with_key(api, "admin", environments=["staging", "new"])
    for name in ("staging", "STAGING", "new"):
        assert of_all_models.put(f"{ENVIRONMENTS}/{name}", {"description": "x"}).status_code == 200
    assert refusal(of_all_models.put(f"{ENVIRONMENTS}/edge", {"description": "x"})) == "forbidden"
    assert refusal(of_all_models.delete(f"{ENVIRONMENTS}/edge")) == "forbidden"
    every_name = with_key(api, "admin", models=["*"])
    assert refusal(every_name.put(f"{ENVIRONMENTS}/staging", {"description": "x"})) == "forbidden"


def test_a_narrower_bound_holds_from_the_next_request_on_in_sessions_too(api, ids):
    client = with_key(api, "publisher", models=["org/*"])
    browser = Browser(api.app, client.keys, "bounded")
    address = f"{AT}/{FREE}/-/edit"
    assert browser.post(address, {"quantization": "int8"}).status_code in (200, 303)
    api.put(f"{KEYS}/{client.key['id']}", {"models": ["nlp/*"]})
    assert browser.post(address, {"quantization": "int4"}).status_code == 403
    assert refusal(client.put(f"/api/v1/models/{ids['model']}", {"description": "x"})) == "forbidden"


def test_a_refused_deployment_makes_no_environment(api, ids):
    client = with_key(api, "publisher", models=["nlp/*"])
    body = {"release_id": ids["version"], "environment": "brand-new"}
    assert refusal(client.post("/api/v1/deployments", body)) == "forbidden"
    assert api.get(f"{ENVIRONMENTS}/brand-new").status_code == 404


def test_an_older_name_of_an_address_is_no_way_around(api, ids):
    client = with_key(api, "publisher", models=["nlp/*"])
    assert refusal(client.put(f"/api/v1/images/{ids['model']}", {"description": "x"})) == "forbidden"
