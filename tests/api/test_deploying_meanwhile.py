"""A deployment to an environment without gates, to which something happened after it was looked at, and before the locks."""

from functools import partial

import pytest
from stage import Api, after_next, counted

from catapult.actions import locks
from catapult.rules import decisions
from catapult.rules.json_text import rfc3339

STAGING = {"environment": "staging"}


@pytest.fixture
def model(api):
    return api.model("live/model")


@pytest.fixture
def version(api, model):
    return api.version(model, metadata={"accuracy": 0.9})


@pytest.fixture
def before(api, model):
    """The deployment that is live in staging at first."""
    return api.deployment(api.version(model, "0.9.0"), "staging")


@pytest.fixture
def deploy(version):
    return lambda by: by.post("/api/v1/deployments", {"release_id": version["id"], **STAGING})


@pytest.fixture
def meanwhile(monkeypatch, before):
    """A function: what it is given happens once, after the next look."""
    return partial(after_next, monkeypatch, locks, "look")


def live(api):
    return [row["version"] for row in api.get("/api/v1/environments/staging/live").json]


def entry(trail, action="deployment.create"):
    return trail(action)[0]["details"]


def gate(api, model, **own):
    api.make("/api/v1/gates", {"model": model["name"], "target": "staging", "kind": "approved", **own})


def put(api, path, body):
    answer = api.put(path, body)
    assert answer.status_code == 200, answer.text


def test_it_is_three_statements_and_writes_what_the_locks_would(app, api, before, version, deploy, trail, sql):
    with counted(app) as sent:
        answer = deploy(api).json
    assert len(sent) == 3
    assert api.get(f"/api/v1/deployments/{answer['id']}").json == answer
    at_once, event = entry(trail), sql("SELECT data FROM events ORDER BY id DESC LIMIT 1")[0]["data"]
    other = api.version({"id": version["model_id"]}, "1.1.0", metadata={"accuracy": 0.9})
    key = {"Idempotency-Key": "kept"}  # its answer is saved with it, under the locks
    locked = api.make("/api/v1/deployments", {"release_id": other["id"], **STAGING}, headers=key)
    later, later_event = entry(trail), sql("SELECT data FROM events ORDER BY id DESC LIMIT 1")[0]["data"]
    assert {name for name in locked if locked[name] is None} == {name for name in answer if answer[name] is None}
    assert at_once.keys() == later.keys()
    assert event.keys() == later_event.keys()
    assert (at_once["ended_deployment"], later["ended_deployment"]) == (before["id"], answer["id"])
    assert answer["deployed_at"] == answer["live_from"] == answer["updated_at"] == answer["decision"]["at"]


def test_its_decision_has_the_hash_of_its_document(api, version, deploy, before, trail, sql):
    answer = deploy(api).json
    (row,) = sql("SELECT * FROM decisions WHERE id = :id", id=answer["decision"]["id"])
    named = {"kind_": "kind", "freeze": "freeze_reason"}
    sha256 = decisions.sha256(*(row[named.get(name, name)] for name in decisions.ATTRIBUTES))
    assert entry(trail)["decision_sha256"] == answer["decision"]["sha256"] == sha256
    assert answer["decision"]["content"]["numbers"] == {"accuracy": 0.9}


def test_one_before_that_began_long_after_now_ends_when_this_begins(api, before, deploy, sql, trail):
    """The clock was set back. What happened is told at its time, and in its order."""
    sql("UPDATE deployments SET live_from = now() + interval '1 day' RETURNING id")
    answer = deploy(api).json
    ended = api.get(f"/api/v1/deployments/{before['id']}").json
    assert ended["live_from"] < ended["ended_at"] == answer["live_from"]
    assert ended["superseded_by"] == answer["id"]
    assert answer["decision"]["at"] < ended["live_from"]
    (event,) = sql("SELECT created_at FROM events ORDER BY id DESC LIMIT 1")
    assert rfc3339(event["created_at"]) == rfc3339(trail()[0]["created_at"]) == answer["decision"]["at"]


def test_another_that_went_live_is_ended(api, model, version, deploy, meanwhile, before, trail):
    others = []
    third = api.version(model, "1.1.0")
    meanwhile(lambda: others.append(api.deployment(third, "staging")))
    assert deploy(api).status_code == 201
    assert live(api) == ["1.0.0"]
    assert entry(trail)["ended_deployment"] == others[0]["id"]


def test_one_that_was_begun_is_cancelled(api, model, version, deploy, meanwhile, trail):
    pending = []
    third = api.version(model, "1.1.0")
    meanwhile(lambda: pending.append(api.deployment(third, "staging", status="pending")))
    assert deploy(api).status_code == 201
    assert entry(trail)["cancelled_deployments"] == [pending[0]["id"]]


def test_a_gate_that_came_is_asked(api, model, deploy, meanwhile):
    meanwhile(lambda: gate(api, model))
    answer = deploy(api)
    assert (answer.status_code, answer.json["type"]) == (409, "/docs/errors/blocked")
    assert live(api) == ["0.9.0"]
    assert deploy(api).json["type"] == "/docs/errors/blocked"


def test_a_gate_of_an_environment_costs_no_look_once_it_is_known(app, api, model, before, deploy):
    gate(api, model, kind="metric", path="accuracy", op=">=", value=0.5)
    assert deploy(api).status_code == 201
    with counted(app) as sent:
        assert deploy(api).status_code == 201
    assert len(sent) == 4
    for each in api.get("/api/v1/gates").json:
        assert api.delete(f"/api/v1/gates/{each['id']}").status_code == 204
    assert deploy(api).status_code == 201
    with counted(app) as sent:
        assert deploy(api).status_code == 201
    assert len(sent) == 3


def test_a_freeze_that_came_stops_it(api, deploy, meanwhile):
    freeze = {"frozen": True, "frozen_reason": "Sale"}
    meanwhile(lambda: put(api, "/api/v1/environments/staging", freeze))
    answer = deploy(api)
    assert answer.json["type"] == "/docs/errors/frozen"
    assert live(api) == ["0.9.0"]
    assert deploy(api).json["type"] == "/docs/errors/frozen"


def test_an_environment_that_is_protected_now_needs_a_releaser(api, deploy, meanwhile):
    meanwhile(lambda: put(api, "/api/v1/environments/staging", {"protected": True}))
    assert deploy(api.by("publisher")).status_code == 403
    assert live(api) == ["0.9.0"]


def test_a_version_that_was_archived_stays_where_it_is(api, version, deploy, meanwhile):
    meanwhile(lambda: put(api, f"/api/v1/versions/{version['id']}", {"status": "archived"}))
    answer = deploy(api)
    assert (answer.status_code, "is archived" in answer.json["detail"]) == (409, True)
    assert live(api) == ["0.9.0"]


def test_content_that_was_changed_is_what_the_decision_has(api, version, deploy, meanwhile):
    meanwhile(lambda: put(api, f"/api/v1/versions/{version['id']}", {"metadata": {"accuracy": 0.1}}))
    assert deploy(api).json["decision"]["content"]["numbers"] == {"accuracy": 0.1}


def test_an_image_that_was_asked_for_is_in_the_decision(api, version, deploy, meanwhile, sql):
    meanwhile(
        lambda: sql(
            "INSERT INTO image_checks (version_id, repository, digest_status, tag_status, detail, checked_at, verified_at)"
            " VALUES (:id, 'docker.io/org/bert', 'verified', 'current', '', now(), now()) RETURNING version_id",
            id=version["id"],
        )
    )
    assert "verification" in deploy(api).json["decision"]["content"]


def test_a_model_that_was_renamed_is_named_as_it_is_now(app, api, model, deploy, meanwhile, trail):
    bounded = api.make("/api/v1/api-keys", {"name": "bounded", "role": "publisher", "models": ["live/model"]})

    def rename():
        assert api.post(f"/api/v1/models/{model['id']}/rename", {"name": "live/other"}).status_code == 200

    meanwhile(rename)
    assert deploy(Api(app, {"bounded": bounded["key"]}, "bounded")).status_code == 403
    assert deploy(api).status_code == 201
    assert entry(trail)["model"] == "live/other"


def test_a_version_that_was_deleted_is_missing(api, version, deploy, meanwhile):
    meanwhile(lambda: api.delete(f"/api/v1/versions/{version['id']}"))
    assert deploy(api).status_code == 404
    assert live(api) == ["0.9.0"]


def test_an_environment_that_was_deleted_is_made_again(api, before, deploy, meanwhile, trail):
    def delete():
        api.post("/api/v1/environments/staging/retire", {"model_name": "live/model", "reason": "x"})
        assert api.delete("/api/v1/environments/staging").status_code == 204

    meanwhile(delete)
    assert deploy(api).status_code == 201
    assert entry(trail)["made_environment"] is True
