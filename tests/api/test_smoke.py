from catapult.extensions import db


def test_a_model_goes_all_the_way(api, trail):
    model = api.model()
    version = api.version(model, metadata={"accuracy": 0.95, "eval": {"f1": 1}})
    assert api.get(f"/api/v1/versions/{version['id']}").json == version
    promoted = api.post(f"/api/v1/versions/{version['id']}/promote", {"reason": "best"})
    assert promoted.json["is_release"] is True
    deployment = api.deployment(version)
    assert deployment["live"] is True
    assert api.get("/api/v1/versions/latest?model_name=ORG/bert&environment=Production").json["live_in"] == ["production"]
    assert [entry["action"] for entry in trail()][:4] == [
        "deployment.create", "version.promote", "version.create", "model.create",
    ]
    doc = api.get("/openapi.json").json
    assert doc["openapi"].startswith("3.1")
    assert api.get("/docs").status_code == 200
    for path in ("/api/v1/models", "/api/v1/versions", "/api/v1/deployments", "/api/v1/audit-logs", "/api/v1/api-keys", "/api/v1/images"):
        r = api.get(path)
        assert r.status_code == 200, (path, r.text)
        print(path, r.text[:300], dict(r.headers))
    assert api.delete(f"/api/v1/models/{model['id']}").status_code == 409
    assert api.delete(f"/api/v1/models/{model['id']}?force=true").status_code == 204
    assert api.get(f"/api/v1/models/{model['id']}").status_code == 404
