"""Whatever the OpenAPI document allows and whatever it forbids, each endpoint answers as the document says."""

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
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

from catapult.app import create_app
from catapult.extensions import db
from conftest import settings_for

DOCUMENT = create_app(settings_for("postgresql:///nowhere")).test_client().get("/openapi.json").json
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
OPERATIONS = [result.ok() for result in SCHEMA.get_all_operations()]
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]
OF_MODE = {GenerationMode.POSITIVE: positive_data_acceptance, GenerationMode.NEGATIVE: negative_data_rejection}
EXAMPLES = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def connection(app):
    SCHEMA.app = app
    with app.app_context():
        return db.engines[None]


@pytest.fixture
def there(api):
    """The ids of things that are there, by the name of the path parameter."""
    model = api.model(tags=["nlp"], metadata={"accuracy": 0.9})
    version = api.version(model, metadata={"accuracy": 0.95, "eval": {"f1": 1}})
    deployment = api.deployment(version)
    key = api.make("/api/v1/api-keys", {"name": "another"})
    return {
        "model_id": model["id"],
        "version_id": version["id"],
        "deployment_id": deployment["id"],
        "key_id": key["id"],
    }


def cases(operation, mode, there):
    """Half of them of things that are there, where the path names one."""
    named = {name: there[name] for name in there if f"{{{name}}}" in operation.path}
    found = operation.as_strategy(generation_mode=mode)
    return st.one_of(found, operation.as_strategy(generation_mode=mode, path_parameters=named)) if named else found


def unnegatable(operation, mode):
    return mode is GenerationMode.NEGATIVE and operation.label in ("GET /api/health", "GET /api/v1/info")


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_an_endpoint_answers_as_the_document_says(connection, there, admin_key, operation, mode):
    @EXAMPLES
    @given(case=cases(operation, mode, there))
    def every_case(case):
        before = connection.begin_nested()
        try:
            case.call_and_validate(headers={"X-API-Key": admin_key}, checks=[*CHECKS, OF_MODE[mode]])
        finally:
            before.rollback()

    every_case()
