"""How many statements a request sends: a read three at most, a create four without Idempotency-Key, a page ten.

A deployment takes four too: that of the key, one that locks its environment, model and gates and reads them, one for the gates'
facts, and one for all changes with its decision. Without gates it takes three. It takes eight where it creates its environment,
and so does a version that is a release at once.
"""

import pytest
from stage import counted

from catapult.actions import sessions
from catapult.web import auth

READ, CREATE, RELEASE, DEPLOY, DEPLOY_TO_NEW = 3, 4, 8, 3, 8
PROMOTE = 4
PAGE = 10


@pytest.fixture
def things(api):
    """One of each, and a key that was used this minute."""
    model = api.model(tags=["nlp"], description="a model")
    version = api.version(model, metadata={"accuracy": 0.9})
    files = {
        "README.md": b"# Card\n![Plot](plot.png) [Notes](notes.md)",
        "MLmodel": b"run_id: a",
        "plot.png": b"\x89PNG",
    }
    for path, content in files.items():
        put = api.put(
            f"/api/v1/versions/{version['id']}/artifacts/{path}", content, content_type="application/octet-stream"
        )
    assert api.post(f"/api/v1/versions/{version['id']}/promote").status_code == 200
    deployment = api.deployment(version)
    assert api.put(f"/api/v1/models/{model['id']}/aliases/champion", {"version_id": version["id"]}).status_code == 200
    ids = {"model": model["id"], "version": version["id"], "deployment": deployment["id"], "file": put.json["id"]}
    return {**ids, "name": model["name"]}


@pytest.mark.parametrize(
    "path",
    [
        *("/api/v1/info", "/api/v1/models", "/api/v1/models?search=model&tag=nlp&name=org/bert&count=true"),
        *("/api/v1/models/{model}", "/api/v1/images/{model}", "/api/v1/models/{model}/versions"),
        "/api/v1/models/{model}/versions?environment=production&is_release=true",
        *("/api/v1/models/{model}/versions?count=true", "/api/v1/versions/{version}/deployments?count=true"),
        *("/api/v1/versions", "/api/v1/versions?count=true"),
        "/api/v1/versions?model_name={name}&environment=production&status=active&is_release=true&tag=v1.0.0",
        "/api/v1/versions?model_name={name}&filter=metadata.accuracy>0.5&count=true",
        "/api/v1/models/{model}/versions?filter=metadata.accuracy>0.5&sort=-metadata.accuracy&count=true",
        "/api/v1/models?filter=version_count>0&sort=-metadata.accuracy&count=true",
        *("/api/v1/versions/latest?model_name={name}", "/api/v1/versions/latest?model_name={name}&alias=champion"),
        "/api/v1/models/{model}/aliases",
        "/api/v1/versions/latest?model_name={name}&environment=production&order=semver&is_release=true",
        *("/api/v1/versions/{version}", "/api/v1/versions/{version}/deployments", "/api/v1/deployments"),
        "/api/v1/deployments?environment=production&release_id={version}&model_name={name}&live=true&count=true",
        *("/api/v1/deployments/{deployment}", "/api/v1/api-keys", "/api/v1/api-keys?count=true"),
        *("/api/v1/audit-logs", "/api/v1/audit-logs?action=model.create&resource_id={model}&count=true"),
    ],
)
def test_a_read_takes_three_statements_at_most(api, app, things, path):
    with counted(app) as statements:
        assert api.get(path.format(**things)).status_code == 200
    assert len(statements) <= READ, statements


def test_a_read_of_what_is_unchanged_takes_no_more(api, app, things):
    path = f"/api/v1/versions/{things['version']}"
    tag = api.get(path).headers["ETag"]
    with counted(app) as statements:
        assert api.get(path, headers={"If-None-Match": tag}).status_code == 304
    assert len(statements) <= READ, statements


def test_the_health_of_the_registry_takes_one_statement(api, app):
    with counted(app) as statements:
        api.by(None).get("/api/health")
    assert len(statements) == 1


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/v1/models", {"name": "org/new", "storage_path": "x", "tags": ["a"], "metadata": {"a": 1}}),
        ("/api/v1/versions", {"model_name": "{name}", "version": "2", "tag": "t", "digest": "sha256:x"}),
        (
            "/api/v1/versions",
            {
                "model_id": "{model}",
                "version": "2",
                "tag": "t",
                "digest": "a:b",
                "is_release": True,
                "metadata": {"a": 1},
            },
        ),
        ("/api/v1/deployments", {"release_id": "{version}", "environment": "production"}),
        ("/api/v1/deployments", {"release_id": "{version}", "environment": "new", "metadata": {"replicas": 3}}),
        ("/api/v1/deployments", {"release_id": "{version}", "environment": "production", "status": "failed"}),
        ("/api/v1/api-keys", {"name": "ci"}),
        ("/api/v1/api-keys", {"name": "ci", "expires_at": "2100-01-01T00:00:00Z"}),
    ],
)
def test_a_create_takes_four_statements_at_most_and_a_release_or_a_new_environment_eight(api, app, things, path, body):
    body = {name: value.format(**things) if isinstance(value, str) else value for name, value in body.items()}
    with counted(app) as statements:
        api.make(path, body)
    deploy = DEPLOY_TO_NEW if body.get("environment") == "new" else DEPLOY
    most = deploy if "environment" in body else RELEASE if "is_release" in body else CREATE
    assert len(statements) <= most, statements


def test_a_promotion_takes_three_statements_beside_that_of_the_key(api, app, things):
    version = api.version({"id": things["model"]}, "2.0.0")
    with counted(app) as statements:
        assert api.post(f"/api/v1/versions/{version['id']}/promote").status_code == 200
    assert len(statements) <= PROMOTE, statements


@pytest.fixture
def browser(app, keys):
    """Somebody who is signed in, with a session that was used this minute."""
    client = app.test_client()
    with app.test_request_context():
        client.set_cookie(auth.session_cookie(), sessions.sign_in(actor=auth.bearer_of(keys["admin"])))
    client.get("/models")
    return client


@pytest.mark.parametrize(
    "path",
    [
        *("/versions", "/versions?filter=is_release&sort=-metadata.accuracy", "/versions/-/completions?filter=a"),
        *("/", "/models", "/models?search=model&tag=nlp&sort=name", "/models/{name}", "/models/{name}/-/deployments"),
        *("/models/{name}/-/activity", "/models/{name}/-/settings", "/models/{name}/versions/1.0.0"),
        *("/models/{name}/versions/1.0.0/-/edit", "/environments", "/environments/production"),
        *("/environments?days=90&lanes=all", "/environments?environment=production&at=2100-01-01T00:00"),
        *("/environments/production?at=2100-01-01T00:00", "/environments/production/-/history"),
        *("/environments/production/-/freeze", "/environments/production/-/settings"),
        *("/environments/production/-/delete", "/environments/production/-/rollback?model_name={name}"),
        *(
            "/deployments",
            "/deployments/{deployment}",
            "/audit",
            "/keys",
            "/search",
            "/search?q=e",
            "/search?q={name}+9",
        ),
        *("/new/version", "/new/environment", "/docs", "/docs/guides/api", "/docs/errors/conflict"),
        *("/models/{name}/-/card", "/artifacts/{file}/preview", "/models/{name}/versions/1.0.0/-/mount?path=runs"),
    ],
)
def test_a_page_takes_ten_statements_at_most_and_no_transaction(app, browser, things, path):
    with counted(app) as statements:
        assert browser.get(path.format(**things)).status_code == 200
    assert len(statements) <= PAGE, statements
    assert all(statement.lstrip().startswith(("SELECT", "(SELECT", "WITH")) for statement in statements), statements


@pytest.mark.parametrize(
    ("path", "part", "most"),
    [
        *(("/environments", "main", 7), ("/", "main", 9), ("/inbox", "main", 4), ("/deployments", "main", 5)),
        *(("/models/{name}", "main", 10), ("/models/{name}/versions/1.0.0", "main", 10)),
        ("/deployments/{deployment}", "main", 8),
    ],
)
def test_what_polls_takes_no_more_than_it_shows(app, browser, things, path, part, most):
    with counted(app) as statements:
        answer = browser.get(path.format(**things), headers={"HX-Request": "true", "HX-Target": part, "X-Poll": "1"})
    assert "<html" not in answer.text
    assert len(statements) <= most, statements


@pytest.mark.parametrize(("target", "most"), [("version-x", 7), ("main", 13), ("ready", 9)])
def test_a_promotion_in_a_page_takes_few_statements_and_one_changes_all(app, api, browser, things, target, most):
    api.version({"id": things["model"]}, "2.0.0", metadata={"accuracy": 0.95})
    headers = {"HX-Request": "true", "HX-Target": target, "Sec-Fetch-Site": "same-origin"}
    with counted(app) as statements:
        answer = browser.post(f"/models/{things['name']}/versions/2.0.0/-/promote", headers=headers)
    assert answer.status_code == 200
    assert len(statements) <= most, statements
    (changes,) = [statement for statement in statements if statement.lstrip().startswith(("UPDATE", "INSERT"))]
    assert "UPDATE versions" in changes
    assert "INSERT INTO decisions" in changes
    assert "INSERT INTO audit_logs" in changes
