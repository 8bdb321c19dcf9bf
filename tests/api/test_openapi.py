"""`/openapi.json`: valid, whole, and true."""

import re

import pytest
from jsonschema_rs import Draft202012Validator
from schemathesis.openapi import from_dict
from stage import NOWHERE

from catapult.version import VERSION

METHODS = ("get", "post", "put", "delete")


@pytest.fixture
def document(api):
    return api.by(None).get("/openapi.json").json


def operations(document):
    return [
        (path, method, item[method]) for path, item in document["paths"].items() for method in METHODS if method in item
    ]


def parts(value):
    """Every object within it, itself included."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from parts(inner)


def test_the_document_is_valid_openapi_3_1(document):
    assert document["openapi"].startswith("3.1.")
    assert document["info"]["version"] == VERSION
    assert not [server for server in document.get("servers", []) if server["url"] not in ("", "/")]
    from_dict(document).validate()


def test_every_schema_in_it_is_valid_json_schema(document):
    for schema in document["components"]["schemas"].values():
        Draft202012Validator({**schema, "components": document["components"]})


def test_every_reference_in_it_leads_somewhere(document):
    for part in parts(document):
        if isinstance(reference := part.get("$ref"), str):
            found = document
            for step in reference.removeprefix("#/").split("/"):
                assert step in found, reference
                found = found[step]


def test_every_operation_is_described_and_named_once(document):
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z_]+", name) for name in names)
    assert all(operation["summary"] for _, _, operation in operations(document))


def test_every_operation_names_the_statuses_that_any_can_give(document):
    for path, method, operation in operations(document):
        expected = {"422", "500", "503"}
        if "{" in path:
            expected |= {"404"}
        if method in ("post", "put"):
            expected |= {"400", "413", "415"}
        if method == "post":
            expected |= {"409"}
        assert expected <= operation["responses"].keys(), (method, path)
        refusals = [status for status in operation["responses"] if status >= "400"]
        assert refusals == sorted(refusals)


ANSWERS = [
    ("GET", "/api/v1/models/{model}", None, {"If-None-Match": "*"}, 304),
    ("GET", "/api/v1/versions/{version}", None, {"If-None-Match": "*"}, 304),
    ("GET", "/api/v1/deployments/{deployment}", None, {"If-None-Match": "*"}, 304),
    ("GET", "/api/v1/versions/latest?model_name=org/bert", None, {"If-None-Match": "*"}, 304),
    ("GET", "/api/v1/versions/latest?model_name=none", None, {}, 404),
    ("PUT", "/api/v1/models/{model}", {}, {"If-Match": '"9-x"'}, 412),
    ("DELETE", "/api/v1/models/{model}", None, {}, 409),
    ("DELETE", "/api/v1/models/{model}", None, {"If-Match": '"9-x"'}, 412),
    ("POST", "/api/v1/versions", {"model_name": "no", "version": "1", "tag": "t", "digest": "a:b"}, {}, 404),
    ("PUT", "/api/v1/versions/{version}", {"status": "archived"}, {}, 409),
    ("PUT", "/api/v1/versions/{version}", {}, {"If-Match": '"9-x"'}, 412),
    ("DELETE", "/api/v1/versions/{version}", None, {}, 409),
    ("DELETE", "/api/v1/versions/{version}", None, {"If-Match": '"9-x"'}, 412),
    ("POST", "/api/v1/deployments", {"release_id": NOWHERE, "environment": "e"}, {}, 404),
]
"""Statuses that only some operations of a method can give."""


@pytest.mark.parametrize(("method", "path", "body", "headers", "status"), ANSWERS)
def test_a_status_that_is_given_is_in_the_document(api, document, method, path, body, headers, status):
    model = api.model()
    version = api.version(model)
    things = {"model": model["id"], "version": version["id"], "deployment": api.deployment(version)["id"]}
    response = api.request(method, path.format(**things), body, headers=headers)
    assert response.status_code == status, response.text
    assert str(status) in documented(document, method, path)["responses"]


def documented(document, method, path):
    """The operation of this address."""
    pattern = re.sub(r"\{\w*\}", "{}", path.partition("?")[0])
    return next(
        item[method.lower()] for known, item in document["paths"].items() if re.sub(r"\{\w+\}", "{}", known) == pattern
    )


def test_problems_are_documented_as_problems(document):
    for response in document["components"]["responses"].values():
        assert response["content"].keys() == {"application/problem+json"}
        assert response["content"]["application/problem+json"]["schema"] == {"$ref": "#/components/schemas/Problem"}
    for path, method, operation in operations(document):
        for status, response in operation["responses"].items():
            is_problem = status >= "400" and (path, status) != ("/api/health", "503")
            refers = response.get("$ref", "").startswith("#/components/responses/")
            assert refers is is_problem, (method, path, status)


def test_every_field_says_what_it_is(document):
    for name, schema in document["components"]["schemas"].items():
        for field, value in schema["properties"].items():
            assert value.get("description") or "$ref" in value or "allOf" in value, f"{name}.{field}"


def test_bodies_are_closed_and_answers_promise_their_fields(document):
    schemas = document["components"]["schemas"]
    for name, schema in schemas.items():
        if name.endswith("In") or name.endswith("Edit") or name == "Reason":
            assert schema["additionalProperties"] is False, name
    for name in ("ModelOut", "VersionOut", "DeploymentOut", "KeyOut", "AuditOut"):
        assert set(schemas[name]["required"]) == set(schemas[name]["properties"]), name
    assert "key" not in schemas["NewKeyOut"]["required"]


@pytest.mark.parametrize(
    ("path", "parameter", "expected"),
    [
        ("/api/v1/versions", "created_after", {"type": "string", "format": "date-time"}),
        ("/api/v1/audit-logs", "until", {"type": "string", "format": "date-time"}),
        ("/api/v1/versions", "is_release", {"type": "boolean"}),
        ("/api/v1/versions", "model_id", {"type": "string", "format": "uuid"}),
        ("/api/v1/deployments", "limit", {"type": "integer", "minimum": 1, "maximum": 1000}),
    ],
)
def test_a_parameter_has_its_type(document, path, parameter, expected):
    found = next(each for each in document["paths"][path]["get"]["parameters"] if each.get("name") == parameter)
    assert expected.items() <= found["schema"].items()


def test_times_are_times(document):
    schemas = document["components"]["schemas"]
    assert schemas["KeyIn"]["properties"]["expires_at"]["format"] == "date-time"
    for field in ("created_at", "released_at"):
        assert schemas["VersionOut"]["properties"][field]["format"] == "date-time"
    assert schemas["VersionOut"]["properties"]["released_at"]["type"] == ["string", "null"]


def test_patterns_are_those_of_ecma_and_bind_the_whole_text(document):
    patterns = [part["pattern"] for part in parts(document) if isinstance(part.get("pattern"), str)]
    assert patterns
    for pattern in patterns:
        assert pattern.startswith("^")
        assert pattern.endswith("$")
        assert not re.search(r"\\[AZz]", pattern)


def test_the_document_can_be_asked_for_again_cheaply(api):
    first = api.by(None).get("/openapi.json")
    again = api.by(None).get("/openapi.json", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_its_page_takes_nothing_from_elsewhere(api):
    page = api.by(None).get("/docs")
    assert page.status_code == 200
    assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", page.text)
    assert "<script>" not in page.text
    for address in re.findall(r"""(?:src|href)=["'](/[^"']+)""", page.text):
        with api.by(None).get(address) as response:
            assert response.status_code == 200, address
