"""One of each noun, for the tests that walk through all of them."""

import pytest

PATHS = {
    "model": "/api/v1/models",
    "version": "/api/v1/versions",
    "deployment": "/api/v1/deployments",
    "environment": "/api/v1/environments",
    "gate": "/api/v1/gates",
    "key": "/api/v1/api-keys",
}


def address(noun, thing):
    return f"{PATHS[noun]}/{thing['name'] if noun == 'environment' else thing['id']}"


def listed(api, noun, thing):
    """The thing as the list of its noun has it now."""
    (now,) = [each for each in api.get(PATHS[noun]).json if address(noun, each) == address(noun, thing)]
    return now


def as_listed(thing):
    """The thing as lists have it: only one deployment alone has the whole of its decision."""
    return {name: value for name, value in thing.items() if name != "decision"}


@pytest.fixture
def things(api, once):
    """One of each, by its noun."""
    return once(one_of_each, api)


def one_of_each(api):
    model = api.model(description="x", repository="r", metadata={"a": 1}, tags=["a"])
    told = {"release_notes": "x", "quantization": "int8", "ceph_path": "p", "metadata": {"a": 1}, "size_bytes": 1}
    version = api.version(model, **told)
    return {
        "model": listed(api, "model", model),
        "version": version,
        "deployment": api.deployment(version, "dev", status="pending", log_url="https://x", endpoint_url="https://y"),
        "environment": api.put("/api/v1/environments/production", {"rank": 3, "description": "x"}).json,
        "gate": api.make(PATHS["gate"], {"model": "x", "target": "release", "kind": "approved"}),
        "key": api.make(PATHS["key"], {"name": "spare"}),
    }
