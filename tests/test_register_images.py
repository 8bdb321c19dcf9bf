"""Register on push, from the notification of a real image registry to the version: what the registry says is registered, once."""

import json
import os
import time

import pytest
from image_layouts import image
from image_registry import image_registry
from receiver import Receiver
from stage import Api

from catapult.config import Allowed
from catapult.jobs.worker import Worker

AT, NOWHERE = "/api/v1/registry-events", "sha256:" + "e" * 64
ALLOWED = (Allowed.of("localhost"), Allowed.of("127.0.0.1"))
REPOSITORY = "team/bert"
FIRST, SECOND = (image(labels={"number": number}) for number in ("1", "2"))
PUSHED = "application/vnd.docker.distribution.events.v1+json"


@pytest.fixture(scope="module")
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture(scope="module")
def images(receiver, tmp_path_factory):
    """An image registry that tells the receiver what is pushed."""
    endpoint = {"name": "catapult", "url": f"{receiver.url}/events", "timeout": "5s", "threshold": 5, "backoff": "1s"}
    endpoint["headers"] = {"Authorization": ["Bearer cat_x"]}
    setting = "REGISTRY_NOTIFICATIONS_ENDPOINTS"
    os.environ[setting] = json.dumps([endpoint])
    try:
        with image_registry(tmp_path_factory.mktemp("images")) as registry:
            yield registry
    finally:
        del os.environ[setting]


@pytest.fixture
def desk(app_with, keys):
    return Api(app_with(egress_allow=ALLOWED), keys)


@pytest.fixture
def model(desk, images):
    """A model that asks for what is pushed, at a registry that may be asked by http."""
    desk.make("/api/v1/registries", {"host": images.host, "repositories": ["team/*"], "allow_http": True})
    return desk.model("org/bert", repository=f"{images.host}/{REPOSITORY}", register_tags="v*")


@pytest.fixture
def publisher(desk):
    """A client with a publisher's key of its own, which has a `key`."""
    key = desk.make("/api/v1/api-keys", {"name": "images", "expires_at": "2099-01-01T00:00:00Z"})
    client = Api(desk.app, {"images": key["key"]}, "images")
    client.key = key
    return client


@pytest.fixture
def work(desk):
    return lambda: Worker(desk.app, ["register_image"]).drain()


@pytest.fixture
def jobs(sql):
    return lambda: sql("SELECT * FROM jobs WHERE kind = 'register_image'")


def told(images, tag, digest):
    """A notification by which docker-registry tells of a push."""
    target = {"digest": digest, "repository": REPOSITORY, "tag": tag, "mediaType": FIRST.media_type}
    return {"events": [{"action": "push", "target": target, "request": {"host": images.host}}]}


def versions(desk):
    return [(each["version"], each["tag"], each["digest"]) for each in desk.get("/api/v1/versions").json]


def test_what_a_real_registry_tells_becomes_a_version_once(desk, images, receiver, model, publisher, work, trail, jobs):
    receiver.got.clear()
    digest = images.push(REPOSITORY, FIRST, "v1")
    give_up = time.monotonic() + 20
    while not any(event["target"].get("tag") == "v1" for got in receiver.got for event in got.json["events"]):
        assert time.monotonic() < give_up, receiver.got
        time.sleep(0.05)
    accepted = 0
    for got in receiver.got * 2:
        assert (got.headers["content-type"], got.headers["authorization"]) == (PUSHED, "Bearer cat_x")
        accepted += publisher.post(AT, got.body, content_type=PUSHED).json["accepted"]
    assert (accepted, len(jobs())) == (2, 1)
    for _ in range(2):
        work()
        publisher.post(AT, told(images, "v1", digest))
    work()
    (made,) = desk.get("/api/v1/versions").json
    assert (made["version"], made["tag"], made["digest"]) == ("v1", "v1", digest)
    assert (made["created_by"], made["is_release"]) == ("images", False)
    (entry,) = trail("version.create")
    assert (entry["api_key_name"], entry["details"]["door"]) == ("images", "registry")
    assert jobs() == []


def test_what_is_told_is_not_believed(desk, images, model, publisher, work):
    digest = images.push(REPOSITORY, FIRST, "v2-lie")
    publisher.post(AT, told(images, "v2-lie", NOWHERE))
    work()
    assert versions(desk) == [("v2-lie", "v2-lie", digest)]


def test_a_tag_that_was_moved_meanwhile_is_registered_as_it_is_now_and_only_once(desk, images, model, publisher, work):
    first = images.push(REPOSITORY, FIRST, "v3")
    publisher.post(AT, told(images, "v3", first))
    second = images.push(REPOSITORY, SECOND, "v3")
    publisher.post(AT, told(images, "v3", second))
    work()
    assert versions(desk) == [("v3", "v3", second)]
    images.push(REPOSITORY, FIRST, "v3")
    publisher.post(AT, told(images, "v3", first))
    work()
    assert versions(desk) == [("v3", "v3", second)]


def test_a_version_that_is_there_already_stays_as_it_is(desk, images, model, publisher, work):
    digest = images.push(REPOSITORY, FIRST, "v4")
    made = desk.version(model, "v4", release_notes="by hand")
    publisher.post(AT, told(images, "v4", digest))
    work()
    assert desk.get("/api/v1/versions").json == [made]


def test_an_image_that_is_not_there_ends_the_job(desk, images, model, publisher, work, jobs):
    publisher.post(AT, told(images, "v5-gone", FIRST.digest))
    work()
    assert (versions(desk), jobs()) == ([], [])


def test_a_registry_that_cannot_be_reached_is_asked_again(desk, images, publisher, work, jobs):
    host = "127.0.0.1:9"
    desk.model("org/far", repository=f"{host}/{REPOSITORY}", register_tags="*")
    publisher.post(AT, json.loads(json.dumps(told(images, "v6", FIRST.digest)).replace(images.host, host)))
    work()
    (job,) = jobs()
    assert (job["state"], job["attempts"]) == ("open", 1)
    assert host in job["last_error"]


def test_a_secret_that_is_gone_is_named_and_looked_for_again(desk, images, model, publisher, work, jobs, sql):
    sql("UPDATE registries SET secret = 'gone'")
    images.push(REPOSITORY, FIRST, "v7")
    publisher.post(AT, told(images, "v7", FIRST.digest))
    work()
    (job,) = jobs()
    assert "REGISTRY_SECRET_GONE" in job["last_error"]
    sql("UPDATE registries SET secret = NULL")
    sql("UPDATE jobs SET run_at = now()")
    work()
    assert [version for version, _, _ in versions(desk)] == ["v7"]


MEANWHILE = {
    "the key is revoked": ("DELETE", "/api/v1/api-keys/{key}", None),
    "the key may only read": ("PUT", "/api/v1/api-keys/{key}", {"role": "viewer"}),
    "the key is for other models": ("PUT", "/api/v1/api-keys/{key}", {"models": ["nlp/*"]}),
    "the model asks for no pushes": ("PUT", "/api/v1/models/{model}", {"register_tags": None}),
    "the model asks for other tags": ("PUT", "/api/v1/models/{model}", {"register_tags": "w*"}),
    "the model has another repository": ("PUT", "/api/v1/models/{model}", {"repository": "ghcr.io/team/bert"}),
    "the model is deleted": ("DELETE", "/api/v1/models/{model}", None),
}


@pytest.mark.parametrize("meanwhile", MEANWHILE)
def test_what_changes_meanwhile_counts(desk, images, model, publisher, work, jobs, trail, meanwhile):
    digest = images.push(REPOSITORY, FIRST, "v8")
    assert publisher.post(AT, told(images, "v8", digest)).json == {"accepted": 1}
    method, path, body = MEANWHILE[meanwhile]
    answer = desk.request(method, path.format(key=publisher.key["id"], model=model["id"]), body)
    assert answer.status_code in (200, 204), answer.text
    work()
    assert (versions(desk), jobs(), trail("version.create")) == ([], [], [])


def test_a_key_that_has_expired_registers_nothing(desk, images, model, publisher, work, jobs, sql):
    digest = images.push(REPOSITORY, FIRST, "v9")
    publisher.post(AT, told(images, "v9", digest))
    sql("UPDATE api_keys SET expires_at = now() WHERE name = 'images'")
    work()
    assert (versions(desk), jobs()) == ([], [])
