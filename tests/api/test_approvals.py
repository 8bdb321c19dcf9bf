"""Approvals: whose count and how many, for what, how long, and who may take one back."""

import pytest
from gatecases import gate, key_of
from stage import NOWHERE, Api, audited, refusal

TIME_FIELDS = {"id", "version_id", "target", "comment", "approved_by", "created_at"}


def path_of(version, *rest):
    return "/".join(("/api/v1/versions", version["id"], *rest))


@pytest.fixture
def version(api):
    """Registered by a publisher."""
    api.put("/api/v1/environments/production", {})
    return api.by("publisher").version(api.model())


def approve(api, version, target="release", **fields):
    return api.make(path_of(version, "approvals"), {"target": target, **fields})


def verdict(api, version, target="release"):
    """What the gate that asks for approvals says."""
    found = api.get(f"{path_of(version, 'gates')}?target={target}").json
    (one,) = [verdict for verdict in found if verdict["gate"]["kind"] == "approved"]
    return one


def voids(api, version, target="release"):
    """By each approval's maker, why it does not count."""
    return {word["approved_by"]: word["void"] for word in verdict(api, version, target)["approvals"]}


def promoted(api, version):
    answer = api.post(path_of(version, "promote"))
    assert answer.status_code in (200, 409), answer.text
    return answer.status_code == 200


# --- given


def test_an_approval_answers_with_every_field_and_is_audited(api, version, trail):
    api.make("/api/v1/gates", gate("approved", "production"))
    made = approve(api.by("releaser"), version, "Production", comment="looked at it")
    assert set(made) == TIME_FIELDS
    assert {name: made[name] for name in TIME_FIELDS - {"id", "created_at"}} == {
        "version_id": version["id"],
        "target": "production",
        "comment": "looked at it",
        "approved_by": "releaser-key",
    }
    entry = trail()[0]
    assert audited(entry) == ("approval.create", made["id"], "releaser-key")
    assert entry["details"] == {
        "model": "org/bert",
        "version": "1.0.0",
        "version_id": version["id"],
        "target": "production",
        "comment": "looked at it",
    }


def test_the_gate_names_the_approvals_that_there_are(api, version):
    api.make("/api/v1/gates", gate("approved"))
    made = approve(api.by("releaser"), version, comment="fine")
    (word,) = verdict(api, version)["approvals"]
    told = {name: made[name] for name in ("id", "approved_by", "comment", "created_at")}
    assert word == {**told, "void": None, "note": None}


def test_tags_are_no_content_so_approvals_stay_and_a_release_takes_no_reason(api, version, trail):
    api.make("/api/v1/gates", gate("approved"))
    approve(api.by("releaser"), version)
    changed = api.by("publisher").put(f"/api/v1/versions/{version['id']}", {"tags": ["candidate"]})
    assert (changed.status_code, changed.json["tags"]) == (200, ["candidate"])
    assert trail()[0]["details"]["changes"] == {"tags": {"old": [], "new": ["candidate"]}}
    assert voids(api, version) == {"releaser-key": None}
    assert api.post(f"/api/v1/versions/{version['id']}/promote").status_code == 200
    assert api.by("publisher").put(f"/api/v1/versions/{version['id']}", {"tags": None}).json["tags"] == []


def test_the_same_key_approves_once(api, version, trail):
    for target in ("release", "production"):
        api.make("/api/v1/gates", gate("approved", target))
    releaser = api.by("releaser")
    approve(releaser, version)
    again = releaser.post(path_of(version, "approvals"), {"target": "RELEASE", "comment": "again"})
    assert refusal(again) == "conflict"
    assert len(trail("approval.create")) == 1
    approve(releaser, version, "production")


def test_an_archived_or_deleted_version_takes_none_and_a_deleted_one_gives_none_back(api, version):
    api.make("/api/v1/gates", gate("approved"))
    made = approve(api, version)
    api.put(path_of(version), {"status": "archived"})
    assert refusal(api.by("releaser").post(path_of(version, "approvals"), {"target": "release"})) == "conflict"
    api.delete(path_of(version))
    assert api.post(path_of(version, "approvals"), {"target": "release"}).status_code == 404
    assert api.delete(path_of(version, "approvals", made["id"])).status_code == 404


# --- counted


def namesake(api, role):
    """The API with another key of the same role and name as that of the tests."""
    other = api.make("/api/v1/api-keys", {"name": f"{role}-key", "role": role})
    return Api(api.app, {**api.keys, role: other["key"]}, role)


def test_each_key_counts_once_and_two_of_one_name_are_two(api, version):
    """A key that approved, and approved again after a change, is one key."""
    api.make("/api/v1/gates", gate("approved", count=2))
    approve(api.by("releaser"), version)
    api.make("/api/v1/gates", gate("metadata_present", "release", paths=["x"]))
    approve(api.by("releaser"), version)
    found = verdict(api, version)
    assert found["passed"] is False
    assert found["detail"].startswith("it has 1 of 2 approvals with the role")
    assert len(found["approvals"]) == 2
    approve(namesake(api, "releaser"), version)
    assert verdict(api, version)["passed"] is True


def test_what_was_approved_of_one_version_and_target_counts_for_no_other(api, version):
    other = api.by("publisher").version({"id": version["model_id"]}, "2.0.0")
    for target in ("release", "production"):
        api.make("/api/v1/gates", gate("approved", target))
    approve(api.by("releaser"), version)
    assert verdict(api, version)["passed"] is True
    assert verdict(api, version, "production")["passed"] is False
    assert verdict(api, other)["passed"] is False


def test_that_of_the_one_who_asks_counts_for_others_only(api, version):
    api.make("/api/v1/gates", gate("approved"))
    approve(api.by("releaser"), version)
    assert not promoted(api.by("releaser"), version)
    assert voids(api.by("releaser"), version) == {"releaser-key": "you cannot approve your own request"}
    assert promoted(api, version)


def test_another_service_of_the_registrars_name_counts(api, version):
    """Services are told apart by their keys, not by names."""
    api.make("/api/v1/gates", gate("approved", role="publisher"))
    approve(namesake(api, "publisher"), version)
    assert promoted(api, version)


# --- void


CHANGED = "a gate has changed since"


@pytest.fixture
def approved(api, version):
    """A version that would become a release, by a gate on its metadata and one on approvals."""
    other = api.make("/api/v1/gates", gate("metadata_present", paths=["x"]))
    api.put(path_of(version), {"metadata": {"x": 1}})
    asks = api.make("/api/v1/gates", gate("approved"))
    approve(api.by("releaser"), version)
    assert voids(api, version) == {"releaser-key": None}
    return {"other": other["id"], "asks": asks["id"]}


def make_changes(api, gates, *changes):
    """Send each change, as `PUT asks`, `DELETE other` or `POST` and a body."""
    for call, body in changes:
        method, _, which = call.partition(" ")
        path = f"/api/v1/gates/{gates[which]}" if which else "/api/v1/gates"
        assert api.request(method, path, body).status_code in (200, 201, 204), call


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param([("PUT asks", {"role": "publisher"})], id="the gate itself"),
        pytest.param([("PUT other", {"paths": ["x", "x"]})], id="another gate"),
        pytest.param([("PUT asks", {"role": "publisher"}), ("PUT asks", {"role": "releaser"})], id="and back"),
        pytest.param([("POST", {**gate("metadata_present", paths=["x"]), "model": "*"})], id="a new gate"),
        pytest.param([("DELETE other", None)], id="another gate is deleted"),
        pytest.param([("PUT other", {"target": "production"})], id="another gate leads elsewhere"),
        pytest.param([("DELETE asks", None), ("POST", gate("approved"))], id="the gate is written anew"),
    ],
)
def test_a_change_of_the_gates_voids_it_visibly(api, version, approved, changes):
    make_changes(api, approved, *changes)
    found = verdict(api, version)
    assert (found["passed"], [word["void"] for word in found["approvals"]]) == (False, [CHANGED])
    assert f"the approval by releaser-key does not count: {CHANGED}" in found["detail"]
    refused = api.post(path_of(version, "promote"))
    assert refused.status_code == 409
    assert CHANGED in refused.json["detail"]
    approve(api.by("releaser"), version)
    assert promoted(api, version)


def test_a_change_that_is_none_and_gates_for_others_leave_it(api, version, approved):
    api.put(f"/api/v1/gates/{approved['asks']}", {"role": "releaser"})
    api.make("/api/v1/gates", {**gate("metadata_present", paths=["y"]), "model": "other/*"})
    api.make("/api/v1/gates", gate("metadata_present", "production", paths=["y"]))
    assert voids(api, version) == {"releaser-key": None}
    assert promoted(api, version)


def test_one_that_was_given_for_a_gate_that_is_gone_does_not_count_for_a_new_one(api, version):
    before = api.make("/api/v1/gates", gate("approved"))
    approve(api.by("releaser"), version)
    api.delete(f"/api/v1/gates/{before['id']}")
    assert promoted(api, version)
    api.post(path_of(version, "demote"))
    api.make("/api/v1/gates", gate("approved", role="publisher"))
    assert voids(api, version) == {"releaser-key": CHANGED}
    assert not promoted(api, version)


# --- taken back


def test_its_maker_takes_it_back(api, version, trail):
    api.make("/api/v1/gates", gate("approved"))
    releaser = api.by("releaser")
    made = approve(releaser, version)
    path = path_of(version, "approvals", made["id"])
    assert releaser.delete(path).status_code == 204
    assert voids(api, version) == {}
    assert not promoted(api, version)
    entry = trail()[0]
    assert (entry["action"], str(entry["resource_id"])) == ("approval.withdraw", made["id"])
    assert entry["details"]["target"] == "release"
    assert releaser.delete(path).status_code == 204
    assert len(trail("approval.withdraw")) == 1
    approve(releaser, version)
    assert promoted(api, version)


@pytest.mark.parametrize("who", ["admin", "second releaser", "publisher"])
def test_nobody_else_takes_it_back(api, version, trail, who):
    api.make("/api/v1/gates", gate("approved"))
    made = approve(api.by("releaser"), version)
    refused = key_of(who, api).delete(path_of(version, "approvals", made["id"]))
    assert refusal(refused) == "forbidden"
    assert "releaser-key" in refused.json["detail"]
    assert verdict(api, version)["passed"] is True
    assert trail("approval.withdraw") == []


def test_one_that_is_not_there_or_of_another_version_is_a_404(api, version):
    api.make("/api/v1/gates", gate("approved"))
    other = api.version({"id": version["model_id"]}, "2.0.0")
    made = approve(api, version)
    for path in (path_of(other, "approvals", made["id"]), path_of(version, "approvals", NOWHERE)):
        assert api.delete(path).status_code == 404


def test_a_void_one_may_be_taken_back(api, version, approved):
    make_changes(api, approved, ("PUT asks", {"role": "publisher"}))
    (word,) = verdict(api, version)["approvals"]
    assert api.by("releaser").delete(path_of(version, "approvals", word["id"])).status_code == 204
    assert verdict(api, version)["approvals"] == []
