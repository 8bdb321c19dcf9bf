"""MLflow's door: a caller of its endpoints, and a real server for the stock client."""

import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from stage import Api
from werkzeug.test import TestResponse

sys.path.insert(0, str(Path(__file__).parent.parent / "live"))

from up import Up, for_a_team

ANSWERS = {"INVALID_PARAMETER_VALUE": 400, "RESOURCE_ALREADY_EXISTS": 400, "PERMISSION_DENIED": 403}
ANSWERS |= {"RESOURCE_DOES_NOT_EXIST": 404, "ENDPOINT_NOT_FOUND": 404, "UNAUTHENTICATED": 401, "BAD_REQUEST": 400}
ANSWERS |= {"REQUEST_LIMIT_EXCEEDED": 429, "TEMPORARILY_UNAVAILABLE": 503}


class Door:
    """A caller of MLflow's endpoints with a key: `door.ok("POST", "model-versions/create", name="m", source="s3://x")`."""

    def __init__(self, api: Api, prefix: str = "/api/2.0/mlflow") -> None:
        self.api, self.prefix = api, prefix

    def by(self, role: str | None) -> "Door":
        return Door(self.api.by(role), self.prefix)

    def call(self, method: str, path: str, **fields: Any) -> TestResponse:
        address = f"{self.prefix}/{path}"
        if method == "GET":
            return self.api.get(address, query_string=fields)
        return self.api.request(method, address, fields)

    def ok(self, method: str, path: str, **fields: Any) -> dict[str, Any]:
        answer = self.call(method, path, **fields)
        assert (answer.status_code, answer.content_type) == (200, "application/json"), answer.text
        message: dict[str, Any] = answer.json
        return message

    def refused(self, code: str, method: str, path: str, **fields: Any) -> str:
        """Check that the call is refused with this code. Returns the message."""
        return message_of(self.call(method, path, **fields), code)

    def model(self, name: str, **fields: Any) -> dict[str, Any]:
        created: dict[str, Any] = self.ok("POST", "registered-models/create", name=name, **fields)["registered_model"]
        return created

    def version(self, name: str, source: str = "s3://models/m", **fields: Any) -> dict[str, Any]:
        answer = self.ok("POST", "model-versions/create", name=name, source=source, **fields)
        created: dict[str, Any] = answer["model_version"]
        return created

    def get(self, name: str, version: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ok("GET", "model-versions/get", name=name, version=version)["model_version"]
        return found

    def move(self, name: str, version: str, stage: str, archive: bool = False) -> dict[str, Any]:
        fields = {"name": name, "version": version, "stage": stage, "archive_existing_versions": archive}
        moved: dict[str, Any] = self.ok("POST", "model-versions/transition-stage", **fields)["model_version"]
        return moved


def message_of(answer: TestResponse, code: str) -> str:
    assert answer.json["error_code"] == code, answer.text
    assert (answer.status_code, answer.content_type) == (ANSWERS[code], "application/json")
    assert set(answer.json) == {"error_code", "message"}
    return str(answer.json["message"])


def tags(**values: str) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in values.items()]


@pytest.fixture
def door(api: Api) -> Door:
    """The door by an admin's key."""
    return Door(api)


@pytest.fixture(scope="session")
def server(make_database: Callable[[], str]) -> Iterator[Up]:
    """A real server, with a key of each role. At the end it must have logged no fault."""
    with tempfile.TemporaryDirectory(prefix="catapult-mlflow-", ignore_cleanup_errors=True) as folder:
        server = Up(Path(folder), **for_a_team(make_database()))
        try:
            server.ready().make_keys()
            yield server
            assert server.lines("fault") == []
        finally:
            server.close()
