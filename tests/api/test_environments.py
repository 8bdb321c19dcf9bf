"""Environments: made by whoever deploys there, ranked, protected, frozen, deleted, and made again."""

from dataclasses import replace

import pytest
from gatecases import gate
from stage import environments, faults, refusal

from catapult.actions import environments as actions

ENVIRONMENTS = "/api/v1/environments"
NEW = {
    "protected": False,
    "frozen": False,
    "frozen_reason": None,
    "frozen_until": None,
    "description": None,
    "deploy_within": None,
}
FREEZE = {"frozen": True, "frozen_reason": "Sale until Monday"}
LATER = "2099-01-01T00:00:00.000000Z"


@pytest.fixture
def version(api):
    return api.version(api.model())


def put(api, name, **fields):
    answer = api.put(f"{ENVIRONMENTS}/{name}", fields)
    assert answer.status_code == 200, answer.text
    return answer.json


def get(api, name):
    return api.get(f"{ENVIRONMENTS}/{name}").json


def names(api):
    return [place["name"] for place in api.get(ENVIRONMENTS).json]


def deploy(api, version, environment="production", **fields):
    return api.post("/api/v1/deployments", {"release_id": version["id"], "environment": environment, **fields})


def as_new(place):
    """All of it but its times."""
    return {name: value for name, value in place.items() if name not in ("created_at", "updated_at")}


# --- made


@pytest.mark.parametrize("status", ["success", "pending", "running", "failed"])
def test_a_deployment_to_an_unknown_name_makes_it(api, version, trail, status):
    put(api, "dev", rank=7)
    api.by("publisher").deployment(version, "Production", status=status)
    assert as_new(get(api, "production")) == {**NEW, "name": "Production", "rank": 8, "created_by": "publisher-key"}
    assert trail()[0]["details"]["made_environment"] is True
    api.deployment(version, "production", status=status)
    assert "made_environment" not in trail()[0]["details"]
    assert names(api) == ["dev", "Production"]


def test_a_name_with_segments_is_one_at_every_address(api):
    name, base = "review/feature-x", "Review/Base/v1.2"
    model = api.model()
    one, two = (api.version(model, number) for number in ("1", "2"))
    put(api, name, rank=3)
    put(api, base)
    assert get(api, "REVIEW/Feature-X")["name"] == name
    assert names(api) == [name, base]
    first, second = api.deployment(one, name.upper()), api.deployment(two, name)
    at = f"{ENVIRONMENTS}/{name}"
    assert [row["id"] for row in api.get(f"{at}/live").json] == [second["id"]]
    assert [row["id"] for row in api.get(f"{at}/live?at={first['live_from']}").json] == [first["id"]]
    assert api.get(f"/api/v1/versions?environment={name}").json[0]["live_in"] == [name]
    assert len(api.get(f"/api/v1/deployments?environment={name}").json) == 2
    back = api.make(f"{at}/rollback", {"model_name": "org/bert", "reason": "slow"})
    assert (back["version"], back["environment"], back["rollback_of"]) == ("1", name, second["id"])
    assert api.get("/api/v1/live").json[0]["environments"][name]["version"] == "1"
    soaked = {"model": "*", "target": name, "kind": "soaked", "environment": base, "seconds": 1}
    made = api.make("/api/v1/gates", soaked)
    assert (made["target"], made["environment"]) == (name, base.lower())
    refused = deploy(api, two, name)
    assert f"It may not go to {name}: it is not live in {base.lower()}" in refused.json["detail"]
    assert api.delete(f"/api/v1/gates/{made['id']}").status_code == 204
    approved = api.make("/api/v1/gates", {"model": "*", "target": name, "kind": "approved", "role": "viewer"})
    assert api.by("releaser").post(f"/api/v1/versions/{two['id']}/approvals", {"target": name}).status_code == 201
    assert api.get(f"/api/v1/versions/{two['id']}/gates?target={name}").json[0]["passed"] is True
    assert api.delete(f"/api/v1/gates/{approved['id']}").status_code == 204
    put(api, name, **FREEZE)
    assert deploy(api, two, name).json["detail"] == f"{name} is frozen: Sale until Monday"
    put(api, name, frozen=False)
    bounds = {"role": "publisher", "environments": [name.upper()]}
    bounded = type(api)(api.app, {**api.keys, "it": api.make("/api/v1/api-keys", {"name": "x", **bounds})["key"]}, "it")
    assert deploy(bounded, two, base).status_code == 403
    assert bounded.post(f"{at}/retire", {"model_name": "org/bert", "reason": "over"}).json["live"] is False
    assert api.delete(at).status_code == 204
    assert api.get(at).status_code == 404
    assert names(api) == [base]


@pytest.mark.parametrize("wrong", ["a/.b", "a b", "a/b!", "é", "a/" * 31 + "ab", "release"])
def test_a_name_that_no_environment_may_have_is_refused(api, version, wrong):
    answer = api.put(f"{ENVIRONMENTS}/{wrong}", {})
    assert (answer.status_code, list(answer.json["errors"])) == (422, ["name"])
    assert deploy(api, version, wrong).status_code == 422
    assert names(api) == []


@pytest.mark.parametrize("word", ["live", "Rollback", "RETIRE", "-"])
def test_a_word_of_the_addresses_is_no_later_segment_of_a_name(api, version, word):
    assert api.put(f"{ENVIRONMENTS}/a/{word}", {}).status_code in (404, 405)
    assert api.put(f"{ENVIRONMENTS}/a/{word}/b", {}).status_code == 404
    refused = deploy(api, version, f"a/{word}")
    assert refused.status_code == 422
    assert "environment" in refused.json["errors"]
    api.deployment(version, "live/retired")
    assert names(api) == ["live/retired"]


def test_the_last_rank_that_there_is_may_be_shared(api, version):
    put(api, "a", rank=2**31 - 1)
    api.deployment(version, "b")
    assert get(api, "b")["rank"] == 2**31 - 1


def test_the_first_one_is_ranked_first(api, version):
    for name in ("b", "a", "c"):
        api.deployment(version, name)
    assert [(place["name"], place["rank"]) for place in api.get(ENVIRONMENTS).json] == [("b", 1), ("a", 2), ("c", 3)]


def test_a_deployment_that_was_refused_makes_none(api, version):
    assert deploy(api, version, "new", endpoint_url="x").status_code == 422
    api.put(f"/api/v1/versions/{version['id']}", {"status": "archived"})
    assert deploy(api, version, "new").status_code == 409
    assert names(api) == []


def test_a_put_makes_one(api, trail):
    told = {"rank": 3, "protected": True, "description": "where customers are", "deploy_within": 600}
    told |= {**FREEZE, "frozen_until": LATER}
    made = put(api, "Production", **told)
    assert as_new(made) == {**told, "name": "Production", "created_by": "admin-key"}
    assert get(api, "PRODUCTION") == made
    (entry,) = trail("environment.create")
    assert entry["resource_type"] == "environment"
    assert (entry["details"]["name"], entry["details"]["rank"]) == ("Production", 3)


def test_a_put_without_a_field_makes_one_ranked_last(api):
    put(api, "a", rank=5)
    assert as_new(put(api, "b")) == {**NEW, "name": "b", "rank": 6, "created_by": "admin-key"}


@pytest.mark.parametrize("before", [{}, {"rank": 3}])
def test_a_put_is_answered_though_it_is_deleted_right_after(api, sql, monkeypatch, before):
    if before:
        put(api, "production", **before)

    def deleted_after(*args, **kwargs):
        try:
            return change(*args, **kwargs)
        finally:
            sql("UPDATE environments SET deleted_at = now()")

    change = actions.put
    monkeypatch.setattr(actions, "put", deleted_after)
    assert put(api, "production", rank=4, **FREEZE)["rank"] == 4
    assert names(api) == []


def test_they_are_listed_by_rank_and_name(api):
    for name, rank in (("c", 2), ("a", 10), ("b", 2), ("D", 0)):
        put(api, name, rank=rank)
    assert names(api) == ["D", "b", "c", "a"]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"rank": -1}, {"rank"}),
        ({"rank": 2**31}, {"rank"}),
        ({"rank": 1.5, "protected": "yes", "frozen": 1}, {"rank", "protected", "frozen"}),
        ({"rank": None, "protected": None, "frozen": None}, {"rank", "protected", "frozen"}),
        ({"description": "x" * 10_001, "frozen_until": "tomorrow"}, {"description", "frozen_until"}),
        ({**FREEZE, "frozen_reason": ""}, {"frozen_reason"}),
        ({**FREEZE, "frozen_reason": "x" * 1_025}, {"frozen_reason"}),
        ({**FREEZE, "frozen_until": "2099-01-01T00:00:00"}, {"frozen_until"}),
        ({**FREEZE, "frozen_until": "2001-01-01T00:00:00Z"}, {"frozen_until"}),
        ({"frozen": True}, {"frozen_reason"}),
        ({"frozen": True, "frozen_reason": None}, {"frozen_reason"}),
        ({"frozen_reason": "x"}, {"frozen_reason"}),
        ({"frozen": False, "frozen_reason": "x"}, {"frozen_reason"}),
        ({"frozen_until": LATER}, {"frozen_until"}),
        *(({"deploy_within": seconds}, {"deploy_within"}) for seconds in (0, -1, 1.5, "1", 2**31)),
        ({"name": "other"}, {"name"}),
        ({"created_by": "me"}, {"created_by"}),
    ],
)
def test_every_bad_field_is_named_whether_there_is_one_or_not(api, fields, named):
    assert faults(api.put(f"{ENVIRONMENTS}/production", fields)) == named
    assert names(api) == []
    before = put(api, "production")
    assert faults(api.put(f"{ENVIRONMENTS}/production", fields)) == named
    assert get(api, "production") == before


@pytest.mark.parametrize("name", [".a", "-a", "a b", "a%2F.b", "é", "a\u2028", "x" * 64, "release", "Release", "a%00"])
def test_bad_names_are_refused(api, name):
    refused = api.put(f"{ENVIRONMENTS}/{name}", {"rank": 1})
    assert refused.status_code in (404, 422), refused.text
    if refused.status_code == 422:
        assert set(refused.json["errors"]) == {"name"}
    assert names(api) == []


@pytest.mark.parametrize("name", ["nowhere", "a%20b", "release", "%00", "x" * 300])
def test_what_is_not_there_is_a_404(api, name):
    for answer in (
        api.get(f"{ENVIRONMENTS}/{name}"),
        api.delete(f"{ENVIRONMENTS}/{name}"),
        api.get(f"{ENVIRONMENTS}/{name}/live"),
    ):
        assert refusal(answer) == "not-found"


def test_a_change_of_what_was_deleted_meanwhile_makes_nothing(api):
    put(api, "production", rank=1)
    path = f"{ENVIRONMENTS}/production"
    tag = api.get(path).headers["ETag"]
    api.delete(path)
    assert api.put(path, {"rank": 2}, headers={"If-Match": tag}).status_code == 412
    assert names(api) == []
    assert api.put(f"{ENVIRONMENTS}/never", {}, headers={"If-Match": tag}).status_code == 412
    assert names(api) == []


def test_a_deployment_does_not_change_the_tag_of_its_environment(api, version):
    put(api, "production")
    tag = api.get(f"{ENVIRONMENTS}/production").headers["ETag"]
    api.deployment(version, "production")
    assert api.get(f"{ENVIRONMENTS}/production").headers["ETag"] == tag


# --- frozen


def test_a_frozen_one_refuses_deployments_with_the_reason(api, version, trail):
    put(api, "production", **FREEZE)
    before = len(trail())
    force = {"force": True, "reason": "please"}
    for fields in ({"status": "success"}, {"status": "pending"}, {"status": "running"}, force):
        refused = deploy(api, version, "PRODUCTION", **fields)
        assert refusal(refused) == "frozen"
        assert refused.json["detail"] == "production is frozen: Sale until Monday"
    assert (api.get("/api/v1/deployments").json, len(trail())) == ([], before)
    assert deploy(api, version, "staging").status_code == 201


def test_what_failed_is_recorded_in_a_frozen_one(api, version):
    put(api, "production", **FREEZE)
    assert api.deployment(version, status="failed")["status"] == "failed"


def test_what_was_on_its_way_before_a_freeze_goes_on_and_is_live_only_after_it(api, version):
    made = api.deployment(version, status="pending")
    path = f"/api/v1/deployments/{made['id']}"
    put(api, "production", **FREEZE)
    assert api.put(path, {"status": "running"}).json["status"] == "running"
    assert refusal(api.put(path, {"status": "success"})) == "frozen"
    put(api, "production", frozen=False)
    assert api.put(path, {"status": "success"}).json["live"] is True


def test_it_may_fail_or_be_cancelled_while_frozen(api, version):
    deployments = [api.deployment(version, status="pending") for _ in range(2)]
    put(api, "production", **FREEZE)
    for made, status in zip(deployments, ("failed", "cancelled"), strict=True):
        assert api.put(f"/api/v1/deployments/{made['id']}", {"status": status}).json["status"] == status


def test_a_thaw_forgets_the_reason(api, version):
    before = put(api, "production")
    put(api, "production", **FREEZE, frozen_until=LATER)
    thawed = put(api, "production", frozen=False)
    assert thawed == {**before, "updated_at": thawed["updated_at"]}
    assert deploy(api, version).status_code == 201


def test_a_freeze_keeps_its_reason_while_its_end_moves(api):
    put(api, "production", **FREEZE, frozen_until=LATER)
    moved = put(api, "PRODUCTION", frozen_until=None)
    assert (moved["frozen"], moved["frozen_reason"], moved["frozen_until"]) == (True, "Sale until Monday", None)
    assert api.put(f"{ENVIRONMENTS}/production", {"frozen_reason": None}).status_code == 422


def test_a_freeze_says_when_it_ends(api, version):
    put(api, "production", **FREEZE, frozen_until="2099-12-24T18:00:00+01:00")
    refused = deploy(api, version)
    assert refused.json["detail"] == "production is frozen until 2099-12-24 17:00:00 UTC: Sale until Monday"


@pytest.fixture
def over(api, sql):
    """An environment whose freeze is over by itself."""
    put(api, "production", **FREEZE, frozen_until=LATER)
    sql("UPDATE environments SET frozen_until = statement_timestamp() - interval '1 second'")


def test_a_freeze_ends_by_itself(api, version, over):
    assert get(api, "production")["frozen"] is False
    assert deploy(api, version).status_code == 201


def test_a_freeze_after_one_that_is_over_holds(api, version, over):
    again = put(api, "production", frozen=True, frozen_reason="again")
    assert (again["frozen"], again["frozen_reason"], again["frozen_until"]) == (True, "again", None)
    assert deploy(api, version).json["type"] == "/docs/errors/frozen"


def test_a_freeze_that_is_over_lends_a_new_one_no_reason(api, over):
    assert faults(api.put(f"{ENVIRONMENTS}/production", {"frozen": True})) == {"frozen_reason"}
    assert api.put(f"{ENVIRONMENTS}/production", {"frozen_until": LATER}).status_code == 422


def test_a_freeze_that_is_over_may_be_cleared_and_is_in_nobodys_way(api, over, trail):
    changed = put(api, "production", rank=9)
    assert (changed["rank"], changed["frozen"]) == (9, False)
    assert get(api, "production") == changed
    assert set(trail()[0]["details"]["changes"]) == {"rank"}
    assert put(api, "production", frozen=False)["frozen_reason"] is None


# --- deleted


def test_an_empty_one_is_deleted_and_audited(api, trail):
    put(api, "Production")
    assert api.delete(f"{ENVIRONMENTS}/PRODUCTION").status_code == 204
    assert names(api) == []
    assert api.delete(f"{ENVIRONMENTS}/production").status_code == 404
    entry = trail()[0]
    assert (entry["action"], entry["details"]) == ("environment.delete", {"name": "Production"})


def test_one_where_something_is_live_is_not_deleted_without_force(api, version, trail):
    made = api.deployment(version, "Production")
    pending = api.deployment(version, "production", status="pending")
    refused = api.delete(f"{ENVIRONMENTS}/production")
    assert refusal(refused) == "conflict"
    assert "force=true" in refused.json["detail"]
    assert api.delete(f"{ENVIRONMENTS}/production?force=true").status_code == 204
    ended, cancelled = (api.get(f"/api/v1/deployments/{one['id']}").json for one in (made, pending))
    assert (ended["live"], ended["status"], ended["superseded_by"]) == (False, "success", None)
    assert ended["ended_at"] > ended["live_from"]
    assert cancelled["status"] == "cancelled"
    assert trail()[0]["details"] == {
        "name": "Production",
        "ended_deployments": [{"id": made["id"], "environment": "Production"}],
        "cancelled_deployments": [pending["id"]],
    }
    assert api.get(f"/api/v1/versions/{version['id']}").json["live_in"] == []


def test_what_is_only_on_its_way_there_is_cancelled_without_force(api, version):
    pending = api.deployment(version, status="running")
    assert api.delete(f"{ENVIRONMENTS}/production").status_code == 204
    assert api.get(f"/api/v1/deployments/{pending['id']}").json["status"] == "cancelled"


@pytest.mark.parametrize(
    "named",
    [gate("released", "production"), gate("soaked", environment="Production", seconds=1)],
    ids=lambda g: g["kind"],
)
def test_one_that_a_gate_names_is_not_deleted(api, named):
    put(api, "production")
    made = api.make("/api/v1/gates", named)
    for query in ("", "?force=true"):
        refused = api.delete(f"{ENVIRONMENTS}/production{query}")
        assert refusal(refused) == "conflict"
        assert "gates" in refused.json["detail"]
    api.delete(f"/api/v1/gates/{made['id']}")
    assert api.delete(f"{ENVIRONMENTS}/production").status_code == 204


@pytest.mark.parametrize("by", ["a deployment", "a put"])
def test_a_deleted_one_is_made_again_as_new_and_as_protected_as_it_was(api, version, trail, by):
    put(api, "first", rank=1)
    old = put(api, "Production", rank=7, protected=True, description="old", **FREEZE)
    api.delete(f"{ENVIRONMENTS}/production")
    if by == "a put":
        put(api, "PRODUCTION")
        assert trail()[0]["action"] == "environment.create"
    else:
        assert api.deployment(version, "PRODUCTION")["live"] is True
    new = get(api, "production")
    assert as_new(new) == {**NEW, "protected": True, "name": "PRODUCTION", "rank": 2, "created_by": "admin-key"}
    assert new["created_at"] > old["created_at"]


@pytest.mark.parametrize(("role", "may"), [("publisher", True), ("releaser", True), ("admin", False)])
def test_who_makes_one_by_deploying_is_a_setting(api, app, version, monkeypatch, role, may):
    monkeypatch.setitem(app.extensions, "catapult", replace(app.extensions["catapult"], environment_role=role))
    put(api, "staging")
    by = api.by("releaser")
    assert deploy(by, version, "staging").status_code == 201
    made = deploy(by, version, "canary")
    assert made.status_code == (201 if may else 403)
    assert may or made.json["detail"].startswith(
        "There is no environment canary, and creating one takes the role admin here"
    )
    assert names(api) == ["staging", "canary"][: 1 + may]
    assert deploy(api, version, "dev").status_code == 201


def test_there_are_no_more_than_pages_can_show(api, version, sql):
    sql(environments(numbered=actions.MOST))
    for answer in (deploy(api, version, "one-more"), api.put(f"{ENVIRONMENTS}/one-more", {})):
        assert refusal(answer) == "conflict"
        assert "Delete one" in answer.json["detail"]
    assert deploy(api, version, "env-7").status_code == 201
    assert api.delete(f"{ENVIRONMENTS}/env-8").status_code == 204
    assert deploy(api, version, "one-more").status_code == 201


def test_a_deployment_in_a_deleted_one_still_takes_its_log(api, version):
    made = api.deployment(version)
    api.delete(f"{ENVIRONMENTS}/production?force=true")
    path = f"/api/v1/deployments/{made['id']}"
    assert api.put(path, {"log_url": "https://ci.example.com/1"}).json["log_url"] == "https://ci.example.com/1"
    pending = api.deployment(version, status="pending")
    api.delete(f"{ENVIRONMENTS}/production")
    assert api.put(f"/api/v1/deployments/{pending['id']}", {"status": "running"}).status_code == 409
