"""`POST /api/v1/registry-events`: which pushes become jobs, for which models, by which keys."""

import re

import pytest
from notifications import DIGEST, EVENT, HARBOR, TARGET, docker, harbor
from stage import Api, faults, refusal

AT = "/api/v1/registry-events"
MODEL = {"repository": "registry.corp:5000/team/bert", "register_tags": "v*"}


@pytest.fixture
def jobs(sql):
    """The jobs that there are, with their keys, in the order of the models' names."""
    query = (
        "SELECT jobs.key, jobs.payload, models.name FROM jobs JOIN models ON models.id::text = payload ->> 'model_id'"
        " WHERE kind = 'register_image' ORDER BY name, payload ->> 'image'"
    )
    return lambda: sql(query)


def accepted(answer):
    assert answer.status_code == 202, answer.text
    return answer.json["accepted"]


def test_a_push_becomes_a_job_of_the_model_that_asks_for_it(api, jobs):
    model = api.model(**MODEL)
    assert accepted(api.by("publisher").post(AT, docker())) == 1
    (job,) = jobs()
    key_id = next(key["id"] for key in api.get("/api/v1/api-keys").json if key["name"] == "publisher-key")
    image = "registry.corp:5000/team/bert:v3"
    assert job["payload"] == {"model_id": model["id"], "image": image, "digest": DIGEST, "key_id": key_id}


@pytest.mark.parametrize("media_type", ["application/json", "application/vnd.docker.distribution.events.v1+json"])
@pytest.mark.parametrize("header", ["X-API-Key", "Authorization"])
def test_it_is_sent_as_registries_send_it(api, keys, media_type, header):
    api.model(**MODEL)
    key = keys["publisher"]
    headers = {header: key if header == "X-API-Key" else f"Bearer {key}"}
    assert accepted(api.by(None).post(AT, docker(), headers=headers, content_type=media_type)) == 1


def test_other_endpoints_take_json_alone(api):
    sent = api.post("/api/v1/models", {"name": "x"}, content_type="application/vnd.docker.distribution.events.v1+json")
    assert refusal(sent) == "unsupported-media-type"


def test_harbor_tells_it_too(api, jobs):
    api.model(storage_path="harbor.corp/team/bert", register_tags="*")
    assert accepted(api.post(AT, HARBOR)) == 1
    assert jobs()[0]["payload"]["image"] == "harbor.corp/team/bert:v3"


def test_what_is_told_twice_is_one_job_that_the_last_key_registers_by(api, jobs):
    api.model(**MODEL)
    for role in ("publisher", "publisher", "releaser"):
        assert accepted(api.by(role).post(AT, docker())) == 1
    (job,) = jobs()
    assert job["payload"]["key_id"] in [
        key["id"] for key in api.get("/api/v1/api-keys").json if key["role"] == "releaser"
    ]
    assert accepted(api.post(AT, docker({"digest": "sha256:" + "b" * 64}))) == 1
    assert len(jobs()) == 2


@pytest.mark.parametrize(
    ("fields", "asks"),
    [
        (MODEL, True),
        ({**MODEL, "repository": "Registry.Corp:5000/team/bert"}, True),
        ({"storage_path": "registry.corp:5000/team/bert", "register_tags": "v3"}, True),
        ({**MODEL, "register_tags": "*3"}, True),
        ({**MODEL, "register_tags": "V*"}, False),
        ({**MODEL, "register_tags": "v"}, False),
        ({**MODEL, "register_tags": "v*.*"}, False),
        ({"repository": MODEL["repository"]}, False),
        ({**MODEL, "repository": "registry.corp/team/bert"}, False),
        ({**MODEL, "repository": "registry.corp:5000/team/bert2"}, False),
        ({**MODEL, "repository": "ghcr.io/team/bert", "storage_path": MODEL["repository"]}, False),
        ({"storage_path": "s3://registry.corp:5000/team/bert", "register_tags": "v*"}, False),
    ],
)
def test_a_model_asks_by_its_repository_and_its_pattern(api, jobs, fields, asks):
    api.model(**fields)
    assert accepted(api.post(AT, docker())) == len(jobs()) == asks


def test_every_model_that_asks_gets_it_and_a_deleted_one_does_not(api, jobs):
    for name in ("org/a", "org/b", "org/gone"):
        made = api.model(name, **MODEL)
    api.delete(f"/api/v1/models/{made['id']}")
    assert accepted(api.post(AT, docker())) == 2
    assert [job["name"] for job in jobs()] == ["org/a", "org/b"]


def test_the_bounds_of_the_key_hold(api, jobs):
    for name in ("org/a", "nlp/b"):
        api.model(name, **MODEL)
    for models, names in (([], []), (["nlp/*"], ["nlp/b"]), (["org/*", "nlp/*"], ["nlp/b", "org/a"])):
        key = api.make("/api/v1/api-keys", {"name": "bound", "models": models, "environments": []})["key"]
        bound = Api(api.app, {"bound": key}, "bound")
        assert accepted(bound.post(AT, docker())) == len(names)
        assert [job["name"] for job in jobs()] == names


def test_a_viewer_tells_nothing(api, jobs):
    api.model(**MODEL)
    assert refusal(api.by("viewer").post(AT, docker())) == "forbidden"
    assert jobs() == []


@pytest.mark.parametrize(
    "body",
    [{"events": []}, docker(action="pull"), docker({"tag": ""}), harbor(type="TEST_ENDPOINT"), docker({"tag": "-x"})],
)
def test_what_is_no_push_of_a_tag_is_accepted_and_forgotten(api, jobs, body):
    api.model(**MODEL)
    assert accepted(api.post(AT, body)) == 0
    assert jobs() == []


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({}, "events"),
        ({"event": []}, "events"),
        ({"events": "x"}, "events"),
        ({"events": [1]}, "events"),
        ({"events": [EVENT] * 101}, "events"),
        ({"type": 1}, "type"),
        ({"type": "PUSH_ARTIFACT", "event_data": []}, "event_data"),
    ],
)
def test_what_is_no_notification_is_refused(api, body, fault):
    assert faults(api.post(AT, body)) == {fault}


def test_many_events_are_one_request(api, jobs):
    api.model(**MODEL)
    events = [{**EVENT, "target": {**TARGET, "tag": f"v{number}"}} for number in range(100)]
    assert accepted(api.post(AT, {"events": events})) == len(jobs()) == 100


def test_models_are_found_by_an_index(api, statements, sql):
    api.model(**MODEL)
    sql(
        "INSERT INTO models (id, name, storage_path, register_tags) SELECT gen_random_uuid(), 'm/' || n, 'x.corp/m/' || n, '*'"
        " FROM generate_series(1, 3000) AS n"
    )
    sql("ANALYZE models")
    with statements() as sent:
        assert accepted(api.post(AT, docker())) == 1
    (query,) = [statement for statement in sent if "register_tags" in statement]
    condition = re.sub(r"%\(.*?\)s", "'registry.corp:5000/team/bert'", query[query.index("WHERE") :])
    plan = sql(f"EXPLAIN SELECT id FROM models {condition}")
    assert "ix_models_register_tags" in str(plan), (query, plan)
