"""Keys: made and revoked by admins, refused all alike, and what the audit log has of those that were refused."""

import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta

import pytest
from stage import NOWHERE, TIME, audited, refusal

from catapult.rules import key_format as forms

KEY = re.compile(r"cat_[A-Za-z0-9]{8}_[A-Za-z0-9]{49}")
KEYS = "/api/v1/api-keys"
ANY = "/api/v1/models"


def with_key(api, key, path=ANY, method="GET", **headers):
    return api.by(None).request(method, path, headers={"X-API-Key": key, **headers})


def id_of(api, name):
    return next(key["id"] for key in api.get(KEYS).json if key["name"] == name)


def same_but_for_the_request(response):
    return {name: value for name, value in response.json.items() if name not in ("request_id", "instance")}


# --- making


def test_a_key_is_in_the_answer_that_makes_it_and_in_no_other(api):
    made = api.make(KEYS, {"name": "training", "expires_at": "2999-01-01T02:00:00+02:00"})
    assert KEY.fullmatch(made["key"])
    assert made["key"].startswith(made["prefix"] + "_")
    assert made["expires_at"] == "2999-01-01T00:00:00.000000Z"
    assert api.get(KEYS).json[0] == {name: value for name, value in made.items() if name != "key"}


def test_a_key_is_stored_as_its_hash_under_the_salt(api, app, sql):
    made = api.make(KEYS, {"name": "training"})
    (row,) = sql("SELECT key_hash FROM api_keys WHERE id = :id", id=made["id"])
    salt = app.extensions["catapult"].api_key_salt
    assert bytes(row["key_hash"]) == hmac.new(salt.encode(), made["key"].encode(), hashlib.sha256).digest()


def test_a_revoked_key_stays_in_the_list_and_both_changes_are_audited(api, trail):
    made = api.make(KEYS, {"name": "training"})
    active = api.get(KEYS).json[0]
    revoked = api.delete(f"{KEYS}/{made['id']}")
    assert (revoked.status_code, revoked.data) == (204, b"")
    listed = api.get(KEYS).json[0]
    assert TIME.fullmatch(listed["revoked_at"])
    assert listed == {**active, "is_active": False, "revoked_at": listed["revoked_at"]}
    for entry in (trail("api_key.create")[0], trail("api_key.revoke")[0]):
        assert audited(entry)[1:] == (made["id"], "admin-key")
        assert (entry["details"]["name"], entry["details"]["role"]) == ("training", "publisher")


@pytest.mark.parametrize("role", ["viewer", "publisher", "releaser", "admin"])
def test_a_new_key_works_at_once_in_its_role(api, role):
    made = api.make(KEYS, {"name": "x", "role": role})
    assert made["role"] == role
    assert with_key(api, made["key"]).status_code == 200
    assert with_key(api, made["key"], KEYS).status_code == (200 if role == "admin" else 403)


# --- signing in


def test_a_key_is_taken_from_either_header(api, viewer_key):
    anybody = api.by(None)
    assert anybody.get(ANY, headers={"X-API-Key": viewer_key}).status_code == 200
    for scheme in ("Bearer", "bearer", "BEARER"):
        assert anybody.get(ANY, headers={"Authorization": f"{scheme} {viewer_key}"}).status_code == 200


@pytest.fixture
def ended(api, sql):
    """Keys that were good once, by what became of them."""
    expired, revoked = (api.make(KEYS, {"name": name}) for name in ("expired", "revoked"))
    sql("UPDATE api_keys SET expires_at = now() - interval '1 second' WHERE id = :id", id=expired["id"])
    api.delete(f"{KEYS}/{revoked['id']}")
    return {"expired": expired["key"], "revoked": revoked["key"]}


def test_the_answer_is_one_and_the_same_whatever_is_wrong_with_the_key(api, ended, viewer_key):
    anybody = api.by(None)
    typo = viewer_key[:-1] + ("a" if viewer_key[-1] != "a" else "b")
    refused = [
        anybody.get(ANY),
        anybody.get(f"{ANY}/{NOWHERE}"),
        *(
            with_key(api, key)
            for key in (
                "", "x", typo, viewer_key + "x", viewer_key.swapcase(), forms.make().key, *ended.values(), "é",
                "cat_12345678", "x" * 5_000, "' OR 1=1 --",
            )
        ),
        *(
            anybody.get(ANY, headers={"Authorization": value})
            for value in (
                f"Basic {viewer_key}", viewer_key, "Bearer", "Bearer x", f"Bearer {ended['expired']}", f"Bearer {ended['revoked']}",
            )
        ),
    ]  # fmt: skip
    for response in refused:
        assert response.status_code == 401
        assert response.content_type == "application/problem+json"
        assert response.headers["WWW-Authenticate"] == refused[0].headers["WWW-Authenticate"]
        assert same_but_for_the_request(response) == same_but_for_the_request(refused[0])
        assert set(response.headers.keys()) == set(refused[0].headers.keys())
    assert refused[0].json["type"] == "/docs/errors/unauthenticated"


def test_a_wrong_key_is_refused_before_anything_is_said_of_the_request(api):
    anybody = api.by(None)
    for response in (
        anybody.post(ANY, {"name": "a", "storage_path": "x"}),
        anybody.post(ANY, b"{", content_type="text/plain"),
        anybody.get(f"{ANY}?typo=1"),
        anybody.put(f"{ANY}/{NOWHERE}", {"name": "x"}),
    ):
        assert response.status_code == 401
    assert api.get(ANY).json == []


# --- revoking


def test_revoking_a_revoked_key_changes_nothing_and_writes_no_entry(api, trail):
    made = api.make(KEYS, {"name": "x"})
    api.delete(f"{KEYS}/{made['id']}")
    listed, before = api.get(KEYS).json, len(trail())
    assert api.delete(f"{KEYS}/{made['id']}").status_code == 204
    assert api.get(KEYS).json == listed
    assert len(trail()) == before


def test_the_key_in_use_cannot_be_revoked(api):
    api.make(KEYS, {"name": "another admin", "role": "admin"})
    assert refusal(api.delete(f"{KEYS}/{id_of(api, 'admin-key')}")) == "conflict"
    assert api.get(KEYS).status_code == 200


def test_admins_may_revoke_each_other_but_not_the_last(api):
    first, other = (api.make(KEYS, {"name": name, "role": "admin"}) for name in ("one", "other"))
    assert with_key(api, first["key"], f"{KEYS}/{id_of(api, 'admin-key')}", "DELETE").status_code == 204
    assert api.get(KEYS).status_code == 401
    assert with_key(api, first["key"], f"{KEYS}/{other['id']}", "DELETE").status_code == 204
    assert with_key(api, first["key"], f"{KEYS}/{first['id']}", "DELETE").status_code == 409


# --- last use


def last_used(api, name):
    return next(key["last_used_at"] for key in api.get(KEYS).json if key["name"] == name)


@pytest.mark.parametrize(("ago", "written"), [("61 seconds", True), ("1 day", True), ("50 seconds", False)])
def test_the_last_use_is_right_to_the_minute(api, sql, ago, written):
    made = api.make(KEYS, {"name": "x"})
    sql(f"UPDATE api_keys SET last_used_at = now() - interval '{ago}' WHERE id = :id", id=made["id"])
    before = last_used(api, "x")
    with_key(api, made["key"])
    assert (last_used(api, "x") > before) is written
    age = datetime.now(UTC) - datetime.fromisoformat(last_used(api, "x"))
    assert (age < timedelta(seconds=45)) is written


def test_a_refused_request_of_a_good_key_is_a_use_and_one_of_a_bad_key_is_none(api, ended, sql):
    made = api.make(KEYS, {"name": "x"})
    assert with_key(api, made["key"], KEYS).status_code == 403
    assert last_used(api, "x") is not None
    for key in ended.values():
        with_key(api, key)
    assert last_used(api, "expired") is None
    assert last_used(api, "revoked") is None
    assert {key["name"]: key["is_active"] for key in api.get(KEYS).json}["expired"] is False


# --- refusals in the audit log


def test_refused_log_ins_are_audited_without_the_key(api, ended, trail):
    unknown = forms.make()
    for key in (unknown.key, ended["expired"], ended["revoked"]):
        with_key(api, key, **{"X-Request-ID": f"try-{key[:12]}"})
    entries = {entry["request_id"]: entry for entry in trail("auth.refused")}
    assert set(entries) == {f"try-{key[:12]}" for key in (unknown.key, *ended.values())}
    assert entries[f"try-{unknown.prefix}"]["api_key_name"] is None
    assert {entry["api_key_name"] for entry in entries.values()} == {None, "expired", "revoked"}
    for key in (unknown.key, *ended.values()):
        assert key[12:] not in str(trail())
    assert all(entry["resource_type"] and entry["ip_address"] for entry in entries.values())


def test_refused_roles_are_audited(api, trail):
    path = f"{ANY}/{NOWHERE}"
    api.by("viewer").delete(path, headers={"X-Request-ID": "refused"})
    (entry,) = trail("auth.forbidden")
    assert (entry["api_key_name"], entry["request_id"], entry["ip_address"]) == ("viewer-key", "refused", "127.0.0.1")
    assert (entry["details"]["method"], entry["details"]["path"]) == ("DELETE", path)


def test_refusals_are_audited_at_a_bounded_rate_and_leave_room_for_those_of_others(api, trail):
    for _ in range(40):
        assert api.by("viewer").delete(f"{ANY}/{NOWHERE}").status_code == 403
        with_key(api, forms.make().key)
    api.by("publisher").delete(f"{ANY}/{NOWHERE}")
    by = [entry["api_key_name"] for entry in trail("auth.forbidden")]
    assert 1 <= by.count("viewer-key") <= 20
    assert by.count("publisher-key") == 1
    assert 1 <= len(trail("auth.refused")) <= 20
    assert {entry["action"] for entry in api.get("/api/v1/audit-logs").json[:10]} == {"auth.forbidden", "auth.refused"}
