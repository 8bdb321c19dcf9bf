"""`Idempotency-Key`: a POST that is sent again gives the first answer again, and does nothing."""

import re

import pytest
from rolecases import CASES, filled, set_up
from stage import NOWHERE, TABLES, Api, refusal

from catapult.actions import sweeping

KEY = {"Idempotency-Key": "a-key"}
POST = re.compile("POST (?!/api-keys|/me/keys|/webhooks$|/webhooks/{hook}/rotate)")  # replayed without their secrets


def kept(sql):
    return len(sql("SELECT key FROM idempotent_answers"))


@pytest.mark.parametrize("case", [case for case in CASES if POST.match(case.call)], ids=lambda case: case.name)
def test_the_same_request_again_gives_the_first_answer_and_does_nothing(api, once, trail, case):
    ids = once(set_up, api)
    path, body = f"/api/v1{filled(case.call, ids).removeprefix('POST ')}", filled(case.body, ids)
    first = api.post(path, body, headers=KEY)
    written = len(trail())
    again = api.post(path, body, headers=KEY)
    assert first.status_code in (200, 201)
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (again.status_code, again.data) == (first.status_code, first.data)
    for header in ("ETag", "Location", "Content-Type"):
        assert again.headers.get(header) == first.headers.get(header)
    assert len(trail()) == written


def test_the_order_of_a_bodys_fields_does_not_matter(api):
    first = api.post("/api/v1/models", b'{"name":"org/new","storage_path":"x"}', headers=KEY)
    again = api.post("/api/v1/models", b'{ "storage_path":"x", "name":"org/new" }', headers=KEY)
    assert again.data == first.data


def test_a_replay_has_the_request_id_of_its_own_request(api):
    body = {"name": "org/new", "storage_path": "x"}
    api.post("/api/v1/models", body, headers={**KEY, "X-Request-ID": "one"})
    assert api.post("/api/v1/models", body, headers={**KEY, "X-Request-ID": "two"}).headers["X-Request-ID"] == "two"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/v1/models", {"name": "org/other", "storage_path": "x"}),
        ("/api/v1/models", {"name": "org/new", "storage_path": "x", "description": ""}),
        ("/api/v1/api-keys", {"name": "org/new"}),
    ],
)
def test_the_same_key_for_another_request_is_refused(api, trail, path, body):
    api.post("/api/v1/models", {"name": "org/new", "storage_path": "x"}, headers=KEY)
    written = len(trail())
    assert refusal(api.post(path, body, headers=KEY)) == "idempotency-mismatch"
    assert len(trail()) == written


def test_another_callers_key_is_another_key(api):
    first = api.post("/api/v1/models", {"name": "org/a", "storage_path": "x"}, headers=KEY)
    other = api.by("publisher").post("/api/v1/models", {"name": "org/b", "storage_path": "x"}, headers=KEY)
    assert (first.status_code, other.status_code) == (201, 201)
    assert "Idempotency-Replayed" not in other.headers


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "org/there", "storage_path": "x"}, 409),
        ({"name": "org/there"}, 422),
        ({"name": 1}, 422),
        (b"{", 400),
    ],
)
def test_only_a_success_is_kept(api, sql, body, status):
    api.model("org/there")
    for _ in range(2):
        assert api.post("/api/v1/models", body, headers=KEY).status_code == status
    assert kept(sql) == 0
    fixed = api.post("/api/v1/models", {"name": "org/fixed", "storage_path": "x"}, headers=KEY)
    assert fixed.status_code == 201
    assert "Idempotency-Replayed" not in fixed.headers


def test_nothing_is_kept_of_what_is_not_found_or_not_allowed(api, sql):
    assert api.post(f"/api/v1/versions/{NOWHERE}/promote", headers=KEY).status_code == 404
    assert api.by("viewer").post("/api/v1/models", {"name": "a", "storage_path": "x"}, headers=KEY).status_code == 403
    assert kept(sql) == 0


def test_a_promotion_that_changes_nothing_is_kept_all_the_same(api, trail):
    version = api.version(api.model(), is_release=True)
    path = f"/api/v1/versions/{version['id']}"
    first = api.post(f"{path}/promote", headers=KEY)
    api.put(path, {"release_notes": "later"})
    again = api.post(f"{path}/promote", headers=KEY)
    assert (again.headers.get("Idempotency-Replayed"), again.data) == ("true", first.data)
    assert len(trail("version.promote")) == 1


NEW_KEYS = pytest.mark.parametrize(
    ("path", "body"),
    [("/api/v1/api-keys", {"name": "ci"}), ("/api/v1/me/keys", {"name": "ci"}), ("/api/v1/api-keys/{own}/rotate", {})],
)


@pytest.fixture
def holder(api):
    """A client with a key of a person, and the key's id."""
    person = api.make("/api/v1/people", {"name": "Dana", "role": "admin"})
    key = api.make("/api/v1/api-keys", {"name": "laptop", "role": "admin", "person_id": person["id"]})
    client = Api(api.app, {"own": key["key"]}, "own")
    client.own = key["id"]
    return client


@NEW_KEYS
def test_a_new_key_is_replayed_without_its_secret(holder, path, body):
    path = path.format(own=holder.own)
    first = holder.post(path, body, headers=KEY)
    again = holder.post(path, body, headers=KEY)
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (201, "true")
    assert "key" not in again.json
    assert again.json == {name: value for name, value in first.json.items() if name != "key"}


def test_the_secret_of_a_webhook_is_shown_once(api, sql):
    body = {"url": "https://93.184.215.14/in"}
    hook = api.post("/api/v1/webhooks", body, headers=KEY).json
    at = f"/api/v1/webhooks/{hook['id']}/rotate"
    for path, sent, first in (
        ("/api/v1/webhooks", body, hook),
        (at, {}, api.post(at, {}, headers={"Idempotency-Key": "another"}).json),
    ):
        again = api.post(path, sent, headers=KEY if path != at else {"Idempotency-Key": "another"})
        assert again.json == {name: value for name, value in first.items() if name != "secret"}
        assert first["secret"] not in str([sql(f"SELECT t::text FROM {table} AS t") for table in TABLES])


@NEW_KEYS
def test_no_secret_is_stored_anywhere(holder, sql, path, body):
    secret = holder.post(path.format(own=holder.own), body, headers=KEY).json["key"]
    for table in TABLES:
        stored = str(sql(f"SELECT t::text FROM {table} AS t"))
        for part in (secret, secret[13:], secret.encode().hex(), secret[13:40].encode().hex()):
            assert part not in stored


def test_after_a_day_the_key_is_free(api, sql):
    api.post("/api/v1/models", {"name": "org/a", "storage_path": "x"}, headers=KEY)
    sql("UPDATE idempotent_answers SET created_at = created_at - interval '23 hours 59 minutes'")
    body = {"name": "org/b", "storage_path": "x"}
    assert api.post("/api/v1/models", body, headers=KEY).status_code == 422
    sql("UPDATE idempotent_answers SET created_at = created_at - interval '2 minutes'")
    first = api.post("/api/v1/models", body, headers=KEY)
    assert first.status_code == 201
    assert "Idempotency-Replayed" not in first.headers
    assert api.post("/api/v1/models", body, headers=KEY).data == first.data
    assert kept(sql) == 1


def test_the_sweep_forgets_what_is_older_than_a_day_and_nothing_else(api, sql, app):
    for name in ("old", "new"):
        api.post("/api/v1/models", {"name": name, "storage_path": "x"}, headers={"Idempotency-Key": name})
    sql("UPDATE idempotent_answers SET created_at = created_at - interval '24 hours 1 second' WHERE key = 'old'")
    with app.app_context():
        assert sweeping.sweep()
    assert sql("SELECT key FROM idempotent_answers") == [{"key": "new"}]


@pytest.mark.parametrize("key", ["", " ", "a b", "é", "x" * 256, "a\tb"])
def test_a_key_that_is_not_usable_is_refused(api, sql, key):
    response = api.post("/api/v1/models", {"name": "a", "storage_path": "x"}, headers={"Idempotency-Key": key})
    assert (response.status_code, kept(sql)) == (422, 0)


@pytest.mark.parametrize("key", ["x", "x" * 255, "!~"])
def test_a_key_has_1_to_255_visible_characters(api, key):
    response = api.post("/api/v1/models", {"name": "a", "storage_path": "x"}, headers={"Idempotency-Key": key})
    assert response.status_code == 201


def test_without_a_key_nothing_is_kept(api, sql):
    api.model()
    assert kept(sql) == 0


def test_other_methods_take_no_notice_of_the_key(api, sql):
    path = f"/api/v1/models/{api.model()['id']}"
    for description in ("one", "two"):
        assert api.put(path, {"description": description}, headers=KEY).json["description"] == description
    assert api.get(path, headers=KEY).json["description"] == "two"
    assert kept(sql) == 0
