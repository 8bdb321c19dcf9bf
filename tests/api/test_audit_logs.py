from datetime import datetime

import pytest
from stage import NOWHERE, TIME, UUID7

FIELDS = {
    "id", "action", "resource_type", "resource_id", "api_key_name", "details", "ip_address", "request_id", "created_at",
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


def test_entries_are_newest_first(api, told):
    assert actions(api.get(f"{AUDIT}?limit=5")) == [
        "model.update",
        "deployment.create",
        "version.promote",
        "version.create",
        "model.create",
    ]


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


def test_entries_are_found_by_when_they_were_written(api, told):
    third, second, first = (
        datetime.fromisoformat(entry["created_at"]) for entry in api.get(f"{AUDIT}?limit=3").json
    )  # fmt: skip
    since, until = (
        (one + (other - one) / 2).isoformat(timespec="microseconds").replace("+00:00", "Z")
        for one, other in ((first, second), (second, third))
    )
    assert actions(api.get(f"{AUDIT}?since={since}")) == ["model.update", "deployment.create"]
    assert actions(api.get(f"{AUDIT}?until={until}&limit=2")) == ["deployment.create", "version.promote"]
    assert actions(api.get(f"{AUDIT}?since={since}&until={until}")) == ["deployment.create"]


def test_every_verb_has_its_action(api, trail):
    model = api.model()
    api.put(f"/api/v1/models/{model['id']}", {"description": "x"})
    version = api.version(model)
    path = f"/api/v1/versions/{version['id']}"
    api.put(path, {"quantization": "x"})
    api.post(f"{path}/promote")
    api.post(f"{path}/demote")
    api.deployment(version, status="failed")
    api.delete(path)
    api.delete(f"/api/v1/models/{model['id']}")
    key = api.make("/api/v1/api-keys", {"name": "x"})
    api.delete(f"/api/v1/api-keys/{key['id']}")
    assert [entry["action"] for entry in reversed(trail()[:11])] == [
        "model.create",
        "model.update",
        "version.create",
        "version.update",
        "version.promote",
        "version.demote",
        "deployment.create",
        "version.delete",
        "model.delete",
        "api_key.create",
        "api_key.revoke",
    ]


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
    model = api.model("org/bert")
    version = api.version(model)
    sql("ALTER TABLE audit_logs RENAME TO away")
    for method, path, body in (
        ("POST", "/api/v1/models", {"name": "a", "storage_path": "x"}),
        ("PUT", f"/api/v1/models/{model['id']}", {"description": "x"}),
        ("POST", "/api/v1/versions", {"model_id": model["id"], "version": "2", "tag": "x", "digest": "a:b"}),
        ("POST", f"/api/v1/versions/{version['id']}/promote", {}),
        ("PUT", f"/api/v1/versions/{version['id']}", {"metadata": {"a": 1}}),
        ("DELETE", f"/api/v1/versions/{version['id']}", None),
        ("POST", "/api/v1/deployments", {"release_id": version["id"], "environment": "x"}),
        ("POST", "/api/v1/api-keys", {"name": "x"}),
        ("DELETE", f"/api/v1/models/{model['id']}", None),
    ):
        assert api.request(method, path, body).status_code == 500
    sql("ALTER TABLE away RENAME TO audit_logs")
    assert api.get("/api/v1/versions").json == [version]
    assert api.get("/api/v1/models").json == [{**model, "version_count": 1, "latest_version": "1.0.0"}]
    assert api.get("/api/v1/deployments").json == []
    assert len(api.get("/api/v1/api-keys").json) == 4


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_logs SET action = 'x'",
        "UPDATE audit_logs SET action = 'x' WHERE false",
        "DELETE FROM audit_logs",
        "TRUNCATE audit_logs",
        "TRUNCATE audit_logs CASCADE",
        "INSERT INTO audit_logs SELECT * FROM audit_logs ON CONFLICT (id) DO UPDATE SET action = 'x'",
    ],
)
def test_the_database_refuses_to_change_or_delete_entries(told, sql, trail, statement):
    before = trail()
    with pytest.raises(Exception, match="audit_logs can only be added to"):
        sql(statement)
    assert trail() == before


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_entries_have_no_way_to_be_written(api, method):
    assert api.request(method, AUDIT).status_code == 405
    assert api.request(method, f"{AUDIT}/{NOWHERE}").status_code in (404, 405)
