"""Whatever the OpenAPI document allows and whatever it forbids, each endpoint answers as the document says."""

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, assume, given, settings
from rolecases import REGISTRY, TRUSTED, failed
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    positive_data_acceptance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from stage import settings_for

from catapult.app import create_app

DOCUMENT = create_app(settings_for("postgresql:///nowhere")).test_client().get("/openapi.json").json
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
SCHEMA.config.generation.update(allow_x00=False)  # no pattern of the document's forbids it; test_bodies.py does
OPERATIONS = {operation.label: operation for operation in (result.ok() for result in SCHEMA.get_all_operations())}
NOTHING_TO_GET_WRONG = {"GET /api/health"}
NEEDS_REASON = {
    *("PUT /api/v1/models/{model_id}", "PUT /api/v1/versions/{version_id}"),
    *("POST /api/v1/environments/{name}/rollback", "POST /api/v1/environments/{name}/retire"),
}
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]
GATE = {"target": "release", "kind": "metadata_present", "paths": ["accuracy"]}
OWN = (
    "path",
    "op",
    "value",
    "direction",
    "tolerance",
    "paths",
    "environment",
    "seconds",
    "count",
    "role",
    "max_age",
    "tag",
)
EXAMPLES = settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def there(api, once):
    """The ids of things that are there, by the name of the path parameter."""
    return once(one_of_each, api)


def one_of_each(api):
    model = api.model(tags=["nlp"], metadata={"accuracy": 0.9})
    version = api.version(model, metadata={"accuracy": 0.95, "eval": {"f1": 1}})
    deployment = api.deployment(version)
    key = api.make("/api/v1/api-keys", {"name": "another"})
    hook = api.make("/api/v1/webhooks", {"url": "https://93.184.215.14/in"})
    failures = failed(api.app, hook["id"])
    return {
        "webhook_id": hook["id"],
        "delivery_id": failures["delivery"],
        "job_id": failures["job"],
        "model_id": model["id"],
        "version_id": version["id"],
        "deployment_id": deployment["id"],
        "key_id": key["id"],
        "person_id": api.make("/api/v1/people", {"name": "Dana"})["id"],
        "decision_id": deployment["decision_id"],
        "registry_id": api.make("/api/v1/registries", REGISTRY)["id"],
        "trusted_key_id": api.make("/api/v1/trusted-keys", TRUSTED)["id"],
        "name": "production",
        "gate_id": api.make("/api/v1/gates", {**GATE, "model": "nothing/*"})["id"],
    }


@pytest.fixture
def every(app, admin_key, there, undone):
    """Runs the checks on cases of an operation, each on the same database. Half of them are of what is there."""

    def run(label, mode, check, prepare):
        operation = OPERATIONS[label]
        named = {name: there[name] for name in there if f"{{{name}}}" in operation.path}
        found = operation.as_strategy(generation_mode=mode)
        if named:
            found |= operation.as_strategy(generation_mode=mode, path_parameters=named)

        @EXAMPLES
        @given(case=found)
        def answered_as_documented(case):
            prepare(case)
            with undone():
                headers = {"X-API-Key": admin_key, "Accept-Encoding": "identity"}  # over WSGI it decodes nothing
                case.call_and_validate(app=app, headers=headers, checks=[*CHECKS, check])

        answered_as_documented()

    return run


def agree(case):
    """What the document allows each of, and not together: which part of a list, where a new thing belongs, and texts
    with a grammar."""
    for name in ("cursor", "size", "page", "filter", "sort"):
        case.query.pop(name, None)
    case.headers.pop("If-Match", None)
    if isinstance(case.body, dict):
        for name in ("expires_at", "not_after", "force", "frozen", "frozen_reason", "frozen_until", "to"):
            case.body.pop(name, None)
        if case.operation.label in NEEDS_REASON:
            case.body["reason"] = "it was wrong"
        if "public_key" in case.body:
            case.body["public_key"] = TRUSTED["public_key"]
        if "/webhooks" in case.operation.path and "url" in case.body:
            case.body |= {"url": "https://93.184.215.14/in", "format": "standard"}  # nothing is sent to most addresses
            case.body.pop("active", None)
        elif "/webhooks/" in case.operation.path:
            case.body.pop("format", None)
    if case.operation.path.startswith("/api/v1/registries") and isinstance(case.body, dict):
        case.body |= {"host": REGISTRY["host"], "allow_http": False}  # nothing is sent to most addresses
        for name in ("ca", "username", "secret"):
            case.body.pop(name, None)  # they name what this server does not have
    if case.operation.path.endswith("/registry-events"):
        case.body.setdefault("events", [])
    if case.operation.path.endswith("/comments") and isinstance(case.body, dict):
        case.body["text"] = f"x{case.body['text']}"[:2_000]  # it must show something
    if case.operation.label == "PUT /api/v1/environments/{name}":
        case.path_parameters["name"] = "production"
    if case.operation.path.startswith("/api/v1/gates") and isinstance(case.body, dict):
        for name in OWN:
            case.body.pop(name, None)
        case.body = {**case.body, **GATE} if case.operation.method.upper() == "POST" else {"target": "release"}
    if "target" in case.query or case.operation.path.endswith("/approvals"):
        place = case.query if "target" in case.query else case.body
        place["target"] = "release"
    if case.operation.path.endswith("/aliases/{alias}"):
        case.path_parameters["alias"] = "champion"  # that of an alias is in words, too
        case.query.pop("force", None)
    if case.operation.path.endswith("/artifacts/{path}"):
        case.path_parameters["path"] = "weights/model.bin"  # it has a grammar, which the document says in words
    if "mount_path" in (case.body if isinstance(case.body, dict) else {}):
        case.body = {"mount_path": "runs/model.bin", "path": "weights"}
    if case.operation.path.endswith("/storage/files"):
        case.query["path"] = "runs"
    if case.operation.label == "POST /api/v1/models":
        case.body.setdefault("storage_path", "docker.io/org/bert")
    if case.operation.label == "POST /api/v1/versions":
        case.body.setdefault("model_name", "org/bert")
        case.body |= {"tag": "v1", "digest": f"sha256:{'a' * 64}"}  # together, or neither with a source
        for name in ("image", "resolved_by_client"):
            case.body.pop(name, None)  # instead of both


def hold_no_null(case):
    """`null` in a POST is the same as leaving the field out, which the document does not repeat at every field."""
    assume(not (isinstance(case.body, dict) and None in case.body.values()))


@pytest.mark.parametrize("label", OPERATIONS)
def test_what_the_document_allows_is_answered_as_it_says(every, label):
    every(label, GenerationMode.POSITIVE, positive_data_acceptance, agree)


@pytest.mark.parametrize("label", sorted(OPERATIONS.keys() - NOTHING_TO_GET_WRONG))
def test_what_the_document_forbids_is_refused_as_it_says(every, label):
    every(label, GenerationMode.NEGATIVE, negative_data_rejection, hold_no_null)
