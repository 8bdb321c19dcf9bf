"""The audit log: what an entry says, which filters find it, and that there is no change without one."""

from datetime import datetime

import pytest
from rolecases import CASES, filled, set_up
from stage import NOWHERE, TIME, UUID7

FIELDS = {
    "id", "action", "resource_type", "resource_id", "api_key_name", "person", "details", "ip_address", "request_id",
    "created_at",
}  # fmt: skip
AUDIT = "/api/v1/audit-logs"


def actions(response):
    assert response.status_code == 200, response.text
    return [entry["action"] for entry in response.json]


@pytest.fixture
def told(api):
    """One of each change: by whom, on what."""
    publisher, releaser = api.by("publisher"), api.by("releaser")
    model = publisher.model()
    version = publisher.version(model)
    releaser.post(f"/api/v1/versions/{version['id']}/promote")
    deployment = publisher.deployment(version)
    publisher.put(f"/api/v1/models/{model['id']}", {"description": "new"})
    return {"model": model, "version": version, "deployment": deployment}


def test_an_entry_answers_with_every_field_and_no_other(api, told):
    entries = api.by("viewer").get(AUDIT).json
    assert all(set(entry) == FIELDS for entry in entries)
    assert all(UUID7.fullmatch(entry["id"]) and TIME.fullmatch(entry["created_at"]) for entry in entries)
    assert all(entry["resource_type"] and isinstance(entry["details"], dict) for entry in entries)


def test_an_entry_says_who_what_when_and_from_where(api, trail, sql):
    made = api.by("publisher").request(
        "POST",
        "/api/v1/models",
        {"name": "a", "storage_path": "x"},
        headers={"X-Request-ID": "run-42"},
        environ_overrides={"REMOTE_ADDR": "192.0.2.7"},
    )
    entry = api.get(AUDIT).json[0]
    assert made.headers["X-Request-ID"] == "run-42"
    assert {name: entry[name] for name in FIELDS - {"id", "details", "created_at"}} == {
        "action": "model.create",
        "resource_type": "model",
        "resource_id": made.json["id"],
        "api_key_name": "publisher-key",
        "person": None,
        "ip_address": "192.0.2.7",
        "request_id": "run-42",
    }
    distance = datetime.fromisoformat(entry["created_at"]) - datetime.fromisoformat(made.json["created_at"])
    assert abs(distance.total_seconds()) < 5
    (key,) = sql("SELECT id FROM api_keys WHERE name = 'publisher-key'")
    assert trail()[0]["api_key_id"] == key["id"]


def test_a_request_id_that_was_replaced_stands_in_the_entry(api):
    made = api.post("/api/v1/models", {"name": "a", "storage_path": "x"}, headers={"X-Request-ID": "two words"})
    assert made.headers["X-Request-ID"] != "two words"
    assert api.get(AUDIT).json[0]["request_id"] == made.headers["X-Request-ID"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("action=version.promote", "version.promote"),
        ("action=version", ""),
        ("resource_type=version", "version.promote version.create"),
        ("resource_type=api_key&api_key_name=publisher-key", ""),
        ("resource_id={version}", "version.promote version.create"),
        ("resource_id={model}", "model.update model.create"),
        (f"resource_id={NOWHERE}", ""),
        ("api_key_name=releaser-key", "version.promote"),
        ("api_key_name=publisher-key", "model.update deployment.create version.create model.create"),
        ("api_key_name=nobody", ""),
        ("api_key_name=publisher-key&resource_type=model", "model.update model.create"),
        (
            "action=version.create&resource_type=version&resource_id={version}&api_key_name=publisher-key"
            "&since=2020-01-01T00:00:00Z&until=2999-01-01T00:00:00Z",
            "version.create",
        ),
        ("resource_id={version}&action=model.create", ""),
        ("resource_id={model}&until=2020-01-01T00:00:00Z", ""),
        ("resource_id={model}&since=2999-01-01T00:00:00Z", ""),
    ],
)
def test_filters_of_the_audit_log(api, told, query, found):
    for name, row in told.items():
        query = query.replace(f"{{{name}}}", row["id"])
    assert " ".join(actions(api.get(f"{AUDIT}?{query}"))) == found


def test_what_was_refused_writes_no_entry(api, told, trail):
    before = len(trail())
    model, version = told["model"], told["version"]
    assert api.post("/api/v1/models", {"name": model["name"], "storage_path": "x"}).status_code == 409
    assert api.delete(f"/api/v1/models/{model['id']}").status_code == 409
    assert api.delete(f"/api/v1/versions/{version['id']}").status_code == 409
    assert api.put(f"/api/v1/versions/{version['id']}", {"tag": "x"}).status_code == 422
    assert api.post(f"/api/v1/versions/{NOWHERE}/promote").status_code == 404
    assert len(trail()) == before


def test_there_is_no_change_without_its_entry(api, sql):
    ids = set_up(api)
    sql("UPDATE api_keys SET person_id = :person WHERE name = 'admin-key'", person=ids["holder"])
    nouns = ("models", "versions", "deployments", "environments", "gates", "api-keys", "people")
    before = [api.get(f"/api/v1/{noun}").json for noun in nouns]
    sql("ALTER TABLE audit_logs RENAME TO away")
    for case in CASES:
        method, path = filled(case.call, ids).split()
        assert api.request(method, f"/api/v1{path}", filled(case.body, ids)).status_code == 500, case.name
    sql("ALTER TABLE away RENAME TO audit_logs")
    assert [api.get(f"/api/v1/{noun}").json for noun in nouns] == before
