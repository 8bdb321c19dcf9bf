"""`/api/v1/trusted-keys`: the public keys that files may be signed for."""

import pytest
from signed_files import fingerprint_of, new_key, pem_of
from stage import NOWHERE, Api, audited, faults

KEYS = "/api/v1/trusted-keys"
KEY = new_key()
BODY = {"name": "release-2026", "public_key": pem_of(KEY)}
FULL = {**BODY, "model": "org/*", "not_after": "2027-01-01T00:00:00.000000Z"}


@pytest.mark.parametrize("kind", ["P-256", "Ed25519", "RSA 2048"])
def test_a_key_answers_with_every_field(api, kind):
    key = new_key(kind)
    made = api.post(KEYS, {**FULL, "public_key": pem_of(key).replace("\n", "\r\n")})
    assert made.status_code == 201, made.text
    own = {**FULL, "public_key": pem_of(key), "fingerprint": fingerprint_of(key), "created_by": "admin-key"}
    assert made.json == {**own, **{name: made.json[name] for name in ("id", "created_at", "updated_at")}}
    assert made.headers["Location"] == f"{KEYS}/{made.json['id']}"
    got = api.by("viewer").get(made.headers["Location"])
    assert (got.json, got.headers["ETag"]) == (made.json, made.headers["ETag"])
    assert api.by("viewer").get(KEYS).json == [made.json]


def test_what_a_key_has_when_it_says_little(api):
    made = api.make(KEYS, BODY)
    assert (made["model"], made["not_after"]) == (None, None)


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        *(("name", name) for name in ("", "x" * 256, 1, None)),
        *(("public_key", key) for key in ("", "x", 1, None, "x" * 4_097, pem_of(new_key("P-384")))),
        ("public_key", pem_of(KEY).replace("PUBLIC", "PRIVATE")),
        *(("model", model) for model in ("", "org/", "a  b", 1)),
        *(("not_after", time) for time in ("2027-01-01", "soon", 1)),
        ("fingerprint", "0" * 64),
    ],
)
def test_bad_fields_are_named(api, field, bad):
    refused = api.post(KEYS, {**BODY, field: bad})
    assert faults(refused) == {field}
    assert "PRIVATE" not in refused.text
    assert api.get(KEYS).json == []


def test_what_is_no_public_key_is_told_how_to_print_one(api):
    refused = api.post(KEYS, {**BODY, "public_key": "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"})
    assert "openssl pkey -in key.pem -pubout" in refused.json["errors"]["public_key"][0]


def test_a_name_is_taken_once_and_is_free_after_a_deletion(api):
    made, other = api.make(KEYS, BODY), api.make(KEYS, {**BODY, "name": "other"})
    for answer in (
        api.post(KEYS, {**BODY, "name": "RELEASE-2026"}),
        api.put(f"{KEYS}/{other['id']}", {"name": "Release-2026"}),
    ):
        assert answer.status_code == 409
        assert "already exists" in answer.json["detail"]
    assert api.delete(f"{KEYS}/{made['id']}").status_code == 204
    assert api.make(KEYS, BODY)["id"] != made["id"]


def test_fields_change_one_by_one_and_the_key_itself_never(api, trail):
    at = f"{KEYS}/{api.make(KEYS, FULL)['id']}"
    changed = api.put(at, {"not_after": None, "name": "old"})
    assert (changed.json["name"], changed.json["model"], changed.json["not_after"]) == ("old", "org/*", None)
    assert faults(api.put(at, {"public_key": pem_of(new_key())})) == {"public_key"}
    (entry,) = trail("trusted_key.update")
    assert entry["details"] == {
        "name": "old",
        "fingerprint": fingerprint_of(KEY),
        "changes": {
            "name": {"old": "release-2026", "new": "old"},
            "not_after": {"old": FULL["not_after"], "new": None},
        },
    }
    assert api.put(at, {"name": "old"}).headers["ETag"] == changed.headers["ETag"]
    assert len(trail("trusted_key.update")) == 1


def test_etags_and_repeated_posts(api):
    made = api.post(KEYS, BODY, headers={"Idempotency-Key": "1"})
    again = api.post(KEYS, BODY, headers={"Idempotency-Key": "1"})
    assert (again.json, again.headers["Idempotency-Replayed"]) == (made.json, "true")
    at, old = made.headers["Location"], {"If-Match": made.headers["ETag"]}
    assert api.put(at, {"model": "a/*"}, headers=old).status_code == 200
    assert api.put(at, {"model": "b/*"}, headers=old).status_code == 412
    assert api.delete(at, headers=old).status_code == 412
    assert api.get(at).json["model"] == "a/*"


def test_every_change_has_its_entry(api, trail):
    made = api.make(KEYS, FULL)
    api.delete(f"{KEYS}/{made['id']}")
    for action in ("trusted_key.create", "trusted_key.delete"):
        (entry,) = trail(action)
        assert audited(entry) == (action, made["id"], "admin-key")
        shown = {name: FULL[name] for name in ("name", "model", "not_after")}
        assert entry["details"] == {**shown, "fingerprint": made["fingerprint"]}


def test_an_admin_with_bounds_changes_none(api):
    made = api.make(KEYS, BODY)
    for bounds in ({"models": ["org/*"]}, {"environments": ["staging"]}):
        key = api.make("/api/v1/api-keys", {"name": "bound", "role": "admin", **bounds})["key"]
        bound = Api(api.app, {"bound": key}, "bound")
        for answer in (
            bound.post(KEYS, {**BODY, "name": "other", "model": "org/bert"}),
            bound.put(f"{KEYS}/{made['id']}", {"name": "other"}),
            bound.delete(f"{KEYS}/{made['id']}"),
        ):
            assert answer.status_code == 403
            assert "trusted keys" in answer.json["detail"]
        assert bound.get(KEYS).json == [made]


def test_there_are_fifty_at_most(api, sql):
    made = api.make(KEYS, BODY)
    sql(
        "INSERT INTO trusted_keys (id, name, public_key, fingerprint, created_by) SELECT gen_random_uuid(), n::text,"
        " public_key, fingerprint, 'x' FROM trusted_keys, generate_series(2, 50) AS n"
    )
    refused = api.post(KEYS, {**BODY, "name": "one more"})
    assert (refused.status_code, refused.json["detail"][:25]) == (409, "There are 50 trusted keys")
    api.delete(f"{KEYS}/{made['id']}")
    api.make(KEYS, {**BODY, "name": "one more"})


def test_one_that_is_not_there(api):
    at = f"{KEYS}/{NOWHERE}"
    assert {answer.status_code for answer in (api.get(at), api.put(at, {"name": "x"}), api.delete(at))} == {404}
