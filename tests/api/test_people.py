"""People: who holds which keys, what they may do for themselves, and what deactivating them ends."""

from datetime import UTC, datetime, timedelta

import pytest
from stage import Api, faults, refusal

PEOPLE, KEYS, ME = "/api/v1/people", "/api/v1/api-keys", "/api/v1/me"


class Holder(Api):
    """A client with the key in its hands."""

    def __init__(self, app, key):
        super().__init__(app, {"own": key}, "own")


@pytest.fixture
def person(api):
    """A function that adds a person with a key, and returns the person, the key and a client."""

    def add(name="Dana Ortiz", role="releaser", **fields):
        created = api.make(PEOPLE, {"name": name, "role": role})
        key = api.make(KEYS, {"name": f"{name}'s laptop", "role": role, "person_id": created["id"], **fields})
        return created, key, Holder(api.app, key["key"])

    return add


def test_a_person_has_a_name_a_role_and_an_email_address_that_only_they_and_admins_see(api, person):
    dana, _, by_dana = person()
    api.put(f"{PEOPLE}/{dana['id']}", {"email": "dana@example.com"})
    assert by_dana.get(f"{PEOPLE}/{dana['id']}").json["email"] == "dana@example.com"
    assert api.get(f"{PEOPLE}/{dana['id']}").json["email"] == "dana@example.com"
    assert api.by("releaser").get(f"{PEOPLE}/{dana['id']}").json["email"] is None
    assert [row["email"] for row in api.by("viewer").get(PEOPLE).json] == [None]


def test_the_audit_log_says_that_an_email_address_changed_and_not_which(api, trail):
    dana = api.make(PEOPLE, {"name": "Dana", "email": "dana@example.com"})
    api.put(f"{PEOPLE}/{dana['id']}", {"email": "other@example.com", "name": "Dana Ortiz"})
    (changed,) = [entry["details"]["changes"] for entry in trail("person.update")]
    assert changed["email"] == {"old": "not shown", "new": "not shown"}
    assert changed["name"] == {"old": "Dana", "new": "Dana Ortiz"}
    assert "example.com" not in api.by("viewer").get("/api/v1/audit-logs").text


@pytest.mark.parametrize(
    "character", [*map(chr, [*range(0x21), *range(0x7F, 0xA1), 0x1680, 0x2003, 0x2028, 0x3000, 0xFEFF])]
)
def test_an_email_address_has_no_blank_and_no_control_character_of_any_kind(api, character):
    for address in (f"da{character}na@example.com", f"dana@{character}"):
        assert faults(api.post(PEOPLE, {"name": "Dana", "email": address})) == {"email"}


def test_two_people_cannot_have_the_same_email_address(api):
    api.make(PEOPLE, {"name": "Dana", "email": "dana@example.com"})
    assert refusal(api.post(PEOPLE, {"name": "Dan", "email": "DANA@example.com"})) == "conflict"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": "  "}, "name"),
        ({"name": "x", "email": "nobody"}, "email"),
        ({"name": "x", "role": "boss"}, "role"),
    ],
)
def test_a_person_that_cannot_be_is_refused_by_field(api, body, field):
    assert faults(api.post(PEOPLE, body)) == {field}


def test_people_change_their_own_name_and_not_their_role(person):
    dana, _, by_dana = person()
    at = f"{PEOPLE}/{dana['id']}"
    assert by_dana.put(at, {"name": "Dana O."}).json["name"] == "Dana O."
    assert refusal(by_dana.put(at, {"role": "admin"})) == "forbidden"
    assert refusal(by_dana.put(at, {"active": False})) == "forbidden"


def test_people_do_not_change_each_other(person):
    _, _, by_dana = person()
    sam, _, _ = person("Sam")
    assert refusal(by_dana.put(f"{PEOPLE}/{sam['id']}", {"name": "Sammy"})) == "forbidden"


def test_me_says_whose_key_asks(api, person):
    dana, key, by_dana = person(models=["nlp/*"])
    me = by_dana.get(ME).json
    assert (me["name"], me["person"], me["key_id"]) == (
        "Dana Ortiz",
        {"id": dana["id"], "name": "Dana Ortiz"},
        key["id"],
    )
    assert me["bounds"] == {"models": ["nlp/*"], "environments": None}
    assert api.get(ME).json["person"] is None


def test_the_names_of_people_stand_where_those_of_keys_stood_as_they_were_then(api, person, trail):
    dana, _, by_dana = person()
    version = by_dana.version(by_dana.model())
    api.put(f"{PEOPLE}/{dana['id']}", {"name": "Dana Smith"})
    assert version["created_by"] == "Dana Ortiz"
    entry = api.get("/api/v1/audit-logs?action=version.create").json[0]
    assert entry["person"] == {"id": dana["id"], "name": "Dana Ortiz"}
    assert entry["api_key_name"] == "Dana Ortiz's laptop"
    assert api.get("/api/v1/audit-logs?action=person.create").json[0]["person"] is None


# --- keys of their own


def test_people_make_keys_like_the_one_that_asks(person):
    dana, key, by_dana = person(models=["nlp/*"], environments=["staging"])
    own = by_dana.make(f"{ME}/keys", {"name": "ci"})
    assert own["person"]["id"] == dana["id"]
    assert [own[field] for field in ("role", "models", "environments")] == ["releaser", ["nlp/*"], ["staging"]]
    assert {row["id"] for row in by_dana.get(f"{ME}/keys").json} == {key["id"], own["id"]}


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"role": "admin"}, 403),
        ({"models": ["*"]}, 403),
        ({"models": ["nlp/x", "cv/y"]}, 403),
        ({"environments": ["staging", "production"]}, 403),
        ({"expires_at": "2199-01-01T00:00:00Z"}, 422),
        ({"role": "publisher", "models": ["nlp/bert-*"], "environments": []}, 201),
    ],
    ids=["role", "all models", "other models", "other environments", "end", "less of everything"],
)
def test_a_key_of_ones_own_is_never_above_the_one_that_asks(person, fields, status):
    end = datetime.now(UTC) + timedelta(days=1)
    _, _, by_dana = person(models=["nlp/*"], environments=["staging"], expires_at=end.isoformat())
    assert by_dana.post(f"{ME}/keys", {"name": "more", **fields}).status_code == status


def test_a_key_made_without_an_end_ends_with_the_one_that_asks(person):
    end = datetime.now(UTC) + timedelta(days=1)
    _, key, by_dana = person(expires_at=end.isoformat())
    assert by_dana.make(f"{ME}/keys", {"name": "ci"})["expires_at"] == key["expires_at"]


def test_a_service_makes_no_key(api):
    assert refusal(api.post(f"{ME}/keys", {"name": "more"})) == "forbidden"


def test_people_revoke_their_own_keys_and_nobody_elses(person):
    _, _, by_dana = person()
    _, sams, _ = person("Sam")
    own = by_dana.make(f"{ME}/keys", {"name": "ci"})
    assert by_dana.delete(f"{KEYS}/{own['id']}").status_code == 204
    assert refusal(by_dana.delete(f"{KEYS}/{sams['id']}")) == "forbidden"


def test_a_bounded_key_does_not_get_at_its_persons_wider_one_by_rotating_it(person):
    _, wide, by_dana = person()
    narrow = by_dana.make(f"{ME}/keys", {"name": "narrow", "models": ["nlp/*"]})
    by_narrow = Holder(by_dana.app, narrow["key"])
    assert refusal(by_narrow.post(f"{KEYS}/{wide['id']}/rotate", {})) == "forbidden"
    assert refusal(by_narrow.delete(f"{KEYS}/{wide['id']}")) == "forbidden"


# --- roles and ends


def test_a_key_may_not_do_more_than_its_person(api, person):
    dana, key, _ = person(role="publisher")
    assert faults(api.post(KEYS, {"name": "x", "role": "releaser", "person_id": dana["id"]})) == {"role"}
    assert faults(api.put(f"{KEYS}/{key['id']}", {"role": "admin"})) == {"role"}


def test_a_lowered_role_lowers_the_keys_and_raising_it_again_leaves_them(api, person):
    dana, _, by_dana = person()
    at = f"{PEOPLE}/{dana['id']}"
    api.put(at, {"role": "viewer"})
    assert refusal(by_dana.post("/api/v1/models", {"name": "org/x", "storage_path": "y"})) == "forbidden"
    api.put(at, {"role": "admin"})
    assert by_dana.get(ME).json["role"] == "viewer"


def test_deactivating_somebody_ends_their_keys_and_sessions_for_good(api, person, sql):
    dana, key, by_dana = person()
    browser = api.app.test_client()
    browser.post("/login", data={"key": key["key"]}, headers={"Sec-Fetch-Site": "same-origin"})
    assert browser.get("/").status_code == 200
    at = f"{PEOPLE}/{dana['id']}"
    assert api.put(at, {"active": False}).json["active"] is False
    assert by_dana.get(ME).status_code == 401
    assert browser.get("/").status_code == 303
    assert sql("SELECT count(*) AS n FROM sessions")[0]["n"] == 0
    api.put(at, {"active": True})
    assert by_dana.get(ME).status_code == 401
    assert refusal(api.post(f"{KEYS}/{key['id']}/rotate", {})) == "conflict"


def test_an_inactive_person_gets_no_key(api, person):
    dana, _, _ = person()
    api.put(f"{PEOPLE}/{dana['id']}", {"active": False})
    assert refusal(api.post(KEYS, {"name": "x", "person_id": dana["id"], "role": "viewer"})) == "conflict"


def test_nobody_deactivates_themselves(person):
    dana, _, by_dana = person(role="admin")
    assert refusal(by_dana.put(f"{PEOPLE}/{dana['id']}", {"active": False})) == "conflict"


def take_away(api, dana, key, how):
    person, at = f"{PEOPLE}/{dana['id']}", f"{KEYS}/{key['id']}"
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    calls = {
        "deactivated": lambda: api.put(person, {"active": False}),
        "lowered person": lambda: api.put(person, {"role": "releaser"}),
        "revoked": lambda: api.delete(at),
        "lowered key": lambda: api.put(at, {"role": "releaser"}),
        "bounds of models": lambda: api.put(at, {"models": ["*"]}),
        "bounds of environments": lambda: api.put(at, {"environments": ["staging"]}),
        "an end": lambda: api.put(at, {"expires_at": soon}),
    }
    return calls[how]()


@pytest.mark.parametrize(
    "how",
    ["deactivated", "lowered person", "revoked", "lowered key", "bounds of models", "bounds of environments", "an end"],
)
def test_the_last_admin_key_without_bounds_stays(api, person, sql, how):
    dana, key, _ = person(role="admin")
    sql(
        "UPDATE api_keys SET expires_at = statement_timestamp() + interval '1 day' WHERE person_id IS NULL AND role = 'admin'"
    )
    assert refusal(take_away(api, dana, key, how)) == "conflict"
    sql("UPDATE api_keys SET expires_at = NULL WHERE person_id IS NULL AND role = 'admin'")
    assert take_away(api, dana, key, how).status_code in (200, 204)


# --- rotation


def test_a_key_rotates_itself_and_the_old_one_works_on_for_a_while(person):
    dana, key, by_dana = person(models=["nlp/*"])
    new = by_dana.make(f"{KEYS}/{key['id']}/rotate", {"overlap_seconds": 60})
    assert [new[field] for field in ("name", "role", "models", "replaces_id")] == [
        key["name"],
        "releaser",
        ["nlp/*"],
        key["id"],
    ]
    assert new["person"]["id"] == dana["id"]
    assert new["old_expires_at"] is not None
    assert by_dana.get(ME).status_code == Holder(by_dana.app, new["key"]).get(ME).status_code == 200


def test_without_overlap_the_old_key_ends_at_once(person):
    _, key, by_dana = person()
    by_dana.make(f"{KEYS}/{key['id']}/rotate", {"overlap_seconds": 0})
    assert by_dana.get(ME).status_code == 401


def test_a_key_is_rotated_once_and_revoking_it_names_its_successor(api, person, trail):
    _, key, by_dana = person()
    new = by_dana.make(f"{KEYS}/{key['id']}/rotate", {})
    again = by_dana.post(f"{KEYS}/{key['id']}/rotate", {})
    assert refusal(again) == "conflict"
    assert new["prefix"] in again.json["detail"]
    api.delete(f"{KEYS}/{key['id']}")
    assert trail("api_key.revoke")[0]["details"]["successor"] == new["prefix"]


def test_the_new_key_lasts_as_long_as_the_old_one_was_made_for(api, person):
    _, key, by_dana = person(expires_at=(datetime.now(UTC) + timedelta(days=30)).isoformat())
    new = by_dana.make(f"{KEYS}/{key['id']}/rotate", {})
    lasts = datetime.fromisoformat(new["expires_at"]) - datetime.fromisoformat(new["created_at"])
    assert abs(lasts - timedelta(days=30)) < timedelta(minutes=1)


@pytest.mark.parametrize("seconds", [-1, 604_801])
def test_an_overlap_is_at_most_seven_days(person, seconds):
    _, key, by_dana = person()
    assert faults(by_dana.post(f"{KEYS}/{key['id']}/rotate", {"overlap_seconds": seconds})) == {"overlap_seconds"}


def test_a_replayed_rotation_shows_no_key(person):
    _, key, by_dana = person()
    at, once = f"{KEYS}/{key['id']}/rotate", {"Idempotency-Key": "one"}
    first, again = (by_dana.post(at, {}, headers=once) for _ in range(2))
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json == {name: value for name, value in first.json.items() if name != "key"}


def test_release_is_no_environment_of_a_bound(api):
    assert faults(api.post(KEYS, {"name": "x", "environments": ["staging", "Release"]})) == {"environments"}


def test_a_bound_of_environments_holds_for_what_a_change_of_a_version_touches_there(api):
    model = api.model()
    version = api.version(model)
    api.deployment(version, "production", status="running")
    key = api.make(KEYS, {"name": "x", "role": "admin", "environments": ["staging"]})
    bounded = Holder(api.app, key["key"])
    assert refusal(bounded.delete(f"/api/v1/versions/{version['id']}")) == "forbidden"
    assert refusal(bounded.delete(f"/api/v1/models/{model['id']}?force=true")) == "forbidden"
    api.deployment(version, "production")
    change = {"metadata": {"a": 1}, "reason": "typo"}
    assert refusal(bounded.put(f"/api/v1/versions/{version['id']}", change)) == "forbidden"
