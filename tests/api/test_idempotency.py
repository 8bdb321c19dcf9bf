"""`Idempotency-Key`: a POST that is sent again gives the first answer again, and does nothing."""

import pytest
from sqlalchemy import text
from stage import refusal

from catapult import audit
from catapult.api.wire import idempotency
from catapult.extensions import db

DIGEST = "sha256:" + "b" * 64
KEY = {"Idempotency-Key": "a-key"}


@pytest.fixture
def rows(app):
    """Runs a statement on what is kept, and returns its rows."""

    def run(statement, **parameters):
        with app.app_context():
            result = db.session.execute(text(statement), parameters)
            found = [tuple(row) for row in result] if result.returns_rows else []
            db.session.commit()
            return found

    return run


def kept(rows):
    return rows("SELECT count(*) FROM idempotent_answers")[0][0]


def bodies(api):
    model = api.model("org/there")
    version = api.version(model)
    for deployed in (version, api.version(model, "1.1.0")):
        api.deployment(deployed)
    return {
        "/api/v1/models": {"name": "org/new", "storage_path": "x"},
        "/api/v1/versions": {"model_id": model["id"], "version": "2", "tag": "t", "digest": DIGEST},
        "/api/v1/deployments": {"release_id": version["id"], "environment": "staging"},
        f"/api/v1/versions/{version['id']}/promote": {"reason": "good"},
        "/api/v1/images": {"name": "org/image", "storage_path": "x"},
        f"/api/v1/versions/{version['id']}/approvals": {"target": "release"},
        "/api/v1/gates": {"model": "*", "target": "release", "kind": "approved"},
        "/api/v1/environments/production/rollback": {"model_name": "org/there", "reason": "slow"},
    }


@pytest.mark.parametrize(
    "which",
    range(8),
    ids=["model", "version", "deployment", "promote", "image", "approval", "gate", "rollback"],
)
def test_the_same_request_again_gives_the_first_answer_and_does_nothing(api, trail, which):
    path, body = list(bodies(api).items())[which]
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
def test_only_a_success_is_kept(api, rows, body, status):
    api.model("org/there")
    assert api.post("/api/v1/models", body, headers=KEY).status_code == status
    assert kept(rows) == 0
    fixed = api.post("/api/v1/models", {"name": "org/fixed", "storage_path": "x"}, headers=KEY)
    assert fixed.status_code == 201
    assert "Idempotency-Replayed" not in fixed.headers


def test_nothing_is_kept_of_what_is_not_found_or_not_allowed(api, rows):
    nowhere = "019ab2f0-7c1e-7d52-a1f3-2b7c9d0e4f11"
    assert api.post(f"/api/v1/versions/{nowhere}/promote", headers=KEY).status_code == 404
    assert api.by("viewer").post("/api/v1/models", {"name": "a", "storage_path": "x"}, headers=KEY).status_code == 403
    assert kept(rows) == 0


def test_a_conflict_is_told_again_and_a_later_success_is_kept(api, rows):
    model = api.model("org/there")
    body = {"name": "org/there", "storage_path": "x"}
    assert api.post("/api/v1/models", body, headers=KEY).status_code == 409
    assert api.delete(f"/api/v1/models/{model['id']}").status_code == 204
    assert api.post("/api/v1/models", body, headers=KEY).status_code == 201
    assert kept(rows) == 1


def test_a_promotion_that_changes_nothing_is_kept_all_the_same(api, trail):
    version = api.version(api.model(), is_release=True)
    path = f"/api/v1/versions/{version['id']}"
    first = api.post(f"{path}/promote", headers=KEY)
    api.put(path, {"release_notes": "later"})
    again = api.post(f"{path}/promote", headers=KEY)
    assert (again.headers.get("Idempotency-Replayed"), again.data) == ("true", first.data)
    assert len(trail("version.promote")) == 1


def test_a_new_key_is_replayed_without_its_secret(api, rows):
    first = api.post("/api/v1/api-keys", {"name": "ci"}, headers=KEY)
    again = api.post("/api/v1/api-keys", {"name": "ci"}, headers=KEY)
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (201, "true")
    assert "key" not in again.json
    assert again.json == {name: value for name, value in first.json.items() if name != "key"}


def test_no_secret_is_stored_anywhere(api, rows):
    secret = api.post("/api/v1/api-keys", {"name": "ci"}, headers=KEY).json["key"]
    tables = [name for (name,) in rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    assert "idempotent_answers" in tables
    for table in tables:
        stored = "\n".join(row for (row,) in rows(f"SELECT t::text FROM {table} AS t"))
        for part in (secret, secret[13:], secret.encode().hex(), secret[13:40].encode().hex()):
            assert part not in stored


def test_after_a_day_the_key_is_free(api, rows):
    api.post("/api/v1/models", {"name": "org/a", "storage_path": "x"}, headers=KEY)
    rows("UPDATE idempotent_answers SET created_at = created_at - interval '23 hours 59 minutes'")
    body = {"name": "org/b", "storage_path": "x"}
    assert api.post("/api/v1/models", body, headers=KEY).status_code == 422
    rows("UPDATE idempotent_answers SET created_at = created_at - interval '2 minutes'")
    first = api.post("/api/v1/models", body, headers=KEY)
    assert first.status_code == 201
    assert "Idempotency-Replayed" not in first.headers
    assert api.post("/api/v1/models", body, headers=KEY).data == first.data
    assert kept(rows) == 1


def test_the_sweep_forgets_what_is_older_than_a_day_and_nothing_else(api, rows, app):
    for name in ("old", "new"):
        api.post("/api/v1/models", {"name": name, "storage_path": "x"}, headers={"Idempotency-Key": name})
    rows("UPDATE idempotent_answers SET created_at = created_at - interval '24 hours 1 second' WHERE key = 'old'")
    with app.app_context():
        audit.note(idempotency.sweep())
    assert rows("SELECT key FROM idempotent_answers") == [("new",)]


@pytest.mark.parametrize("key", ["", " ", "a b", "é", "x" * 256, "a\tb"])
def test_a_key_that_is_not_usable_is_refused(api, rows, key):
    response = api.post("/api/v1/models", {"name": "a", "storage_path": "x"}, headers={"Idempotency-Key": key})
    assert (response.status_code, kept(rows)) == (422, 0)


@pytest.mark.parametrize("key", ["x", "x" * 255, "!~", "550e8400-e29b-41d4-a716-446655440000"])
def test_a_key_has_1_to_255_visible_characters(api, key):
    response = api.post("/api/v1/models", {"name": "a", "storage_path": "x"}, headers={"Idempotency-Key": key})
    assert response.status_code == 201


def test_without_a_key_nothing_is_kept(api, rows):
    api.model()
    assert kept(rows) == 0


def test_other_methods_take_no_notice_of_the_key(api, rows):
    path = f"/api/v1/models/{api.model()['id']}"
    for description in ("one", "two"):
        assert api.put(path, {"description": description}, headers=KEY).json["description"] == description
    assert api.get(path, headers=KEY).json["description"] == "two"
    assert kept(rows) == 0
