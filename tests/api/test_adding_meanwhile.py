"""A file that is added to a version to which something happened after the version was looked at, and before it was locked."""

import io
from functools import partial

import pytest
from stage import Api, after_next, counted

from catapult.extensions import db
from catapult.web.incoming import Received

CONTENT = b"weights"


@pytest.fixture
def model(api):
    return api.model("add/model")


@pytest.fixture
def version(api, model):
    return api.version(model)


@pytest.fixture
def add(api, version):
    address = f"/api/v1/versions/{version['id']}/artifacts/w.bin"
    return lambda by=api, content=CONTENT: by.put(address, content, content_type="application/octet-stream")


@pytest.fixture
def meanwhile(monkeypatch):
    """A function: what it is given happens once, when the bytes of the next file are in the storage."""
    return partial(after_next, monkeypatch, Received, "store")


def alias(api, model, version):
    assert api.put(f"/api/v1/models/{model['id']}/aliases/champion", {"version_id": version["id"]}).status_code == 200


def guard(api, model):
    api.make("/api/v1/gates", {"model": model["name"], "target": "@champion", "kind": "approved"})


def rename(api, model):
    assert api.post(f"/api/v1/models/{model['id']}/rename", {"name": "add/other"}).status_code == 200


def added(trail):
    return [row["details"] for row in trail("artifact.create")]


def test_a_new_file_takes_three_statements(app, api, version):
    address = f"/api/v1/versions/{version['id']}/artifacts/"
    api.put(f"{address}first", b"first")
    with counted(app) as sent:
        answer = api.put(f"{address}second", b"second")
    assert (answer.status_code, len(sent)) == (201, 3)
    listed = {file["path"]: file for file in api.get(address.rstrip("/")).json}
    assert listed["second"] == answer.json
    assert listed["first"]["created_at"] < listed["second"]["created_at"]


def test_a_version_that_went_live_takes_no_file(api, version, add, meanwhile):
    meanwhile(lambda: api.deployment(version))
    answer = add()
    assert answer.status_code == 409
    assert "1.0.0 is live in production" in answer.json["detail"]
    assert api.get(f"/api/v1/versions/{version['id']}/artifacts").json == []


def test_a_version_that_became_a_release_takes_no_file(api, version, add, meanwhile):
    meanwhile(lambda: api.post(f"/api/v1/versions/{version['id']}/promote"))
    assert "1.0.0 is a release" in add().json["detail"]
    assert api.get(f"/api/v1/versions/{version['id']}/artifacts").json == []


def test_an_approval_that_came_is_void(api, model, version, add, meanwhile, trail, sql):
    api.make("/api/v1/gates", {"model": model["name"], "target": "release", "kind": "approved"})
    approvals = f"/api/v1/versions/{version['id']}/approvals"
    meanwhile(lambda: api.by("releaser").make(approvals, {"target": "release"}))
    assert add(api.by("publisher")).status_code == 201
    assert [row["void_reason"] for row in sql("SELECT void_reason FROM approvals")] == [
        "the file w.bin was added by publisher-key"
    ]
    assert len(added(trail)[0]["voided_approvals"]) == 1


def test_an_alias_that_came_does_not_stop_it(api, model, version, add, meanwhile):
    meanwhile(lambda: alias(api, model, version))
    assert add().status_code == 201


def test_a_guarded_alias_that_came_does(api, model, version, add, meanwhile):
    def both():
        alias(api, model, version)
        guard(api, model)

    meanwhile(both)
    answer = add()
    assert answer.status_code == 409
    assert "@champion" in answer.json["detail"]


def test_a_path_that_was_taken_is_refused_whatever_its_content(api, version, add, meanwhile):
    other = f"/api/v1/versions/{version['id']}/artifacts/W.bin"
    meanwhile(lambda: api.put(other, b"other", content_type="application/octet-stream"))
    assert add().status_code == 409
    assert [file["path"] for file in api.get(f"/api/v1/versions/{version['id']}/artifacts").json] == ["W.bin"]


def test_a_version_that_was_deleted_is_missing(api, version, add, meanwhile):
    meanwhile(lambda: api.delete(f"/api/v1/versions/{version['id']}"))
    assert add().status_code == 404


def test_a_model_that_was_renamed_is_named_as_it_is_now(api, model, add, meanwhile, trail):
    meanwhile(lambda: rename(api, model))
    assert add().status_code == 201
    assert added(trail)[0]["model"] == "add/other"


def test_a_key_for_the_old_name_alone_adds_nothing(app, api, model, version, add, meanwhile):
    bounded = api.make("/api/v1/api-keys", {"name": "bounded", "role": "publisher", "models": ["add/model"]})
    meanwhile(lambda: rename(api, model))
    assert add(Api(app, {"bounded": bounded["key"]}, "bounded")).status_code == 403
    assert api.get(f"/api/v1/versions/{version['id']}/artifacts").json == []


class Arriving(io.BytesIO):
    """The body of a request, all of which is here or not. Counts the connections of the database in use while it is read."""

    def __init__(self, pool, is_here):
        super().__init__(CONTENT)
        self.pool, self.is_here, self.in_use = pool, is_here, set()

    def has_arrived(self):
        return self.is_here

    def readinto(self, buffer):
        self.in_use.add(self.pool.checkedout())
        return super().readinto(buffer)

    def read(self, size=-1):
        self.in_use.add(self.pool.checkedout())
        return super().read(size)


@pytest.mark.parametrize("is_here", [True, False])
def test_a_client_that_is_waited_for_holds_no_connection(app, api, version, is_here):
    with app.app_context():
        pool = db.engine.pool
    before = pool.checkedout()
    body = Arriving(pool, is_here)
    address = f"/api/v1/versions/{version['id']}/artifacts/w.bin"
    options = {"input_stream": body, "content_type": "application/octet-stream", "content_length": len(CONTENT)}
    assert api.request("PUT", address, **options).status_code == 201
    assert body.in_use == {before + is_here}
    assert pool.checkedout() == before
