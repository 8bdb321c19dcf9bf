"""Aliases: where they point now and pointed then, the gates that guard them, and what they hold back."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest
from gatecases import gate
from stage import NOWHERE, faults, refusal

from catapult.actions import versions as actions
from catapult.audit import CLI
from catapult.errors import Conflict
from catapult.extensions import db

FIELDS = {
    *("id", "model_id", "model_name", "name", "version_id", "version", "since", "until", "set_by", "reason"),
    *("override", "decision_id"),
}


@pytest.fixture
def model(api):
    return api.model()


@pytest.fixture
def versions(api, model):
    """Three versions that a publisher registered, oldest first."""
    return [api.by("publisher").version(model, f"{number}.0.0") for number in (1, 2, 3)]


@pytest.fixture
def path(model):
    return f"/api/v1/models/{model['id']}/aliases"


def point(api, path, version, alias="champion", **fields):
    return api.put(f"{path}/{alias}", {"version_id": version["id"], **fields})


def pointed(api, path, version, alias="champion", **fields):
    answer = point(api, path, version, alias, **fields)
    assert answer.status_code == 200, answer.text
    return answer.json


def at(api, path, time=None):
    """What the aliases of the model are at, at that time."""
    query = "" if time is None else f"?at={time.isoformat().replace('+00:00', 'Z')}"
    return {row["name"]: row["version"] for row in api.walk(f"{path}{query}")}


# --- where they point


def test_an_alias_moves_with_who_when_from_to_and_why(api, path, versions, model, trail):
    first = pointed(api.by("publisher"), path, versions[0])
    assert set(first) == FIELDS
    assert {name: first[name] for name in FIELDS - {"id", "since"}} == {
        "model_id": model["id"],
        "model_name": "org/bert",
        "name": "champion",
        "version_id": versions[0]["id"],
        "version": "1.0.0",
        "until": None,
        "set_by": "publisher-key",
        "reason": None,
        "override": False,
        "decision_id": None,
    }
    second = pointed(api, path, versions[1], "CHAMPION", reason="Better recall")
    assert (second["name"], second["version"], second["reason"]) == ("champion", "2.0.0", "Better recall")
    assert api.get(path).json == [second]
    moved = {"model": "org/bert", "alias": "champion"}
    assert [entry["details"] for entry in trail("alias.move")] == [
        {**moved, "version": "2.0.0", "from_version": "1.0.0", "reason": "Better recall"},
        {**moved, "version": "1.0.0"},
    ]
    assert api.delete(f"{path}/Champion?reason=over").status_code == 204
    assert trail()[0]["details"] == {**moved, "version": "2.0.0", "reason": "over"}
    assert refusal(api.delete(f"{path}/champion")) == "not-found"
    assert api.get(path).json == []


def test_pointing_where_it_points_already_changes_nothing(api, path, versions, trail):
    first = pointed(api, path, versions[0], reason="one")
    assert pointed(api, path, versions[0], "Champion", reason="two") == first
    assert len(trail("alias.move")) == 1


def test_a_time_finds_what_was_pointed_at_from_its_beginning_until_just_before_its_end(api, path, versions):
    moment = timedelta(microseconds=1)
    since = [datetime.fromisoformat(pointed(api, path, version)["since"]) for version in versions[:2]]
    api.delete(f"{path}/champion")
    again = datetime.fromisoformat(pointed(api, path, versions[2])["since"])
    (until,) = [row["until"] for row in api.get(f"{path}?at={(since[1]).isoformat()[:-6]}Z").json]
    until = datetime.fromisoformat(until)
    expected = {
        since[0] - moment: {},
        since[0]: {"champion": "1.0.0"},
        since[1] - moment: {"champion": "1.0.0"},
        since[1]: {"champion": "2.0.0"},
        until - moment: {"champion": "2.0.0"},
        until: {},
        again - moment: {},
        again: {"champion": "3.0.0"},
    }
    assert {time: at(api, path, time) for time in expected} == expected
    assert at(api, path) == {"champion": "3.0.0"}


def test_times_do_not_overlap_if_the_clock_was_set_back(api, path, versions, sql):
    pointed(api, path, versions[0])
    sql("UPDATE aliases SET since = since + interval '1 hour'")
    pointed(api, path, versions[1])
    api.delete(f"{path}/champion")
    pointed(api, path, versions[2])
    rows = sql("SELECT since, until FROM aliases ORDER BY since")
    assert rows[0]["until"] == rows[1]["since"] > rows[0]["since"]
    assert rows[1]["until"] == rows[2]["since"]


def test_aliases_are_listed_by_name_in_pages_and_on_their_versions(api, path, versions, statements):
    for name in ("next", "Champion", "b", "a"):
        pointed(api, path, versions[name == "next"], name)
    assert [row["name"] for row in api.walk(f"{path}?limit=1")] == ["a", "b", "Champion", "next"]
    with statements() as sent:
        listed = api.get("/api/v1/versions").json
    assert {row["version"]: row["aliases"] for row in listed} == {
        "3.0.0": [],
        "2.0.0": ["next"],
        "1.0.0": ["a", "b", "Champion"],
    }
    assert sum("FROM aliases" in statement for statement in sent) == 1
    assert api.get(f"/api/v1/versions/{versions[1]['id']}").json["aliases"] == ["next"]
    assert api.put(f"/api/v1/versions/{versions[1]['id']}", {"tags": ["x"]}).json["aliases"] == ["next"]
    assert api.post(f"/api/v1/versions/{versions[1]['id']}/promote").json["aliases"] == ["next"]


def test_the_version_that_an_alias_points_at(api, path, versions):
    latest = "/api/v1/versions/latest?model_name=ORG/bert&alias="
    pointed(api, path, versions[0])
    pointed(api, path, versions[1], "next")
    assert api.get(f"{latest}CHAMPION").json["version"] == "1.0.0"
    assert api.get(f"{latest}champion&is_release=false").json["version"] == "1.0.0"
    for query in ("champion&is_release=true", "none", "champion&environment=staging", "@champion", "champion%00"):
        answer = api.get(latest + query)
        assert answer.status_code == (422 if "%00" in query else 404), query
    other = api.version(api.model("org/other"))
    pointed(api, f"/api/v1/models/{other['model_id']}/aliases", other)
    assert api.get(f"{latest}champion").json["id"] == versions[0]["id"]


@pytest.mark.parametrize("name", ["latest", "V7", "a.b", "a%20b", "x" * 63, "%40champion", "a%00"])
def test_what_cannot_be_an_alias(api, path, versions, name):
    assert faults(point(api, path, versions[0], name)) == {"alias"}
    assert refusal(api.delete(f"{path}/{name}")) == "not-found"


def test_what_an_alias_cannot_point_at(api, path, versions, trail):
    other = api.version(api.model("org/other"))
    assert faults(point(api, path, other)) == {"version_id"}
    assert refusal(point(api, path, {"id": NOWHERE})) == "not-found"
    assert refusal(point(api, f"/api/v1/models/{NOWHERE}/aliases", versions[0])) == "not-found"
    assert refusal(api.get(f"/api/v1/models/{NOWHERE}/aliases")) == "not-found"
    api.put(f"/api/v1/versions/{versions[0]['id']}", {"status": "archived"})
    refused = point(api, path, versions[0])
    assert (refusal(refused), "1.0.0 is archived" in refused.json["detail"]) == ("conflict", True)
    assert not trail("alias.move")


def test_a_model_has_a_hundred_aliases_at_most(api, path, versions, sql):
    sql(
        "INSERT INTO aliases (id, model_id, name, version_id, since, set_by) SELECT gen_random_uuid(), model_id, 'a-' || n, id,"
        " now(), 'x' FROM versions, generate_series(1, 100) AS n WHERE version = '1.0.0'"
    )
    assert "has 100 aliases" in point(api, path, versions[0]).json["detail"]
    assert point(api, path, versions[1], "a-1").status_code == 200


# --- what they hold back


@pytest.mark.parametrize(
    ("aliases", "expected"),
    [
        (["champion"], "champion points at 1.0.0. Move or remove the alias first."),
        (["b", "A", "c"], "A, b and c point at 1.0.0. Move or remove these aliases first."),
    ],
)
def test_what_an_alias_points_at_is_neither_deleted_nor_archived(api, path, versions, trail, aliases, expected):
    version = f"/api/v1/versions/{versions[0]['id']}"
    for alias in aliases:
        pointed(api, path, versions[0], alias)
    for answer in (api.delete(version), api.put(version, {"status": "archived"})):
        assert (refusal(answer), answer.json["detail"]) == ("conflict", expected)
    assert trail()[0]["action"] == "alias.move"
    for alias in aliases:
        pointed(api, path, versions[1], alias)
    assert api.put(version, {"status": "archived"}).status_code == 200
    assert api.delete(version).status_code == 204


def test_aliases_end_with_their_model(api, path, model, versions, trail):
    then = datetime.fromisoformat(pointed(api, path, versions[0])["since"])
    assert api.delete(f"/api/v1/models/{model['id']}").status_code == 204
    assert trail()[0]["details"]["ended_aliases"] == ["champion"]
    assert refusal(api.get(path)) == "not-found"
    assert at(api, path, then) == {"champion": "1.0.0"}
    again = api.version(api.model())
    assert pointed(api, f"/api/v1/models/{again['model_id']}/aliases", again)["version"] == "1.0.0"


# --- gates before them


def guard(api, kind="approved", **own):
    return api.make("/api/v1/gates", gate(kind, "@champion", **own))


def approve(api, version):
    return api.make(f"/api/v1/versions/{version['id']}/approvals", {"target": "@Champion"})


def decisions(api, version):
    return [(row["kind"], row["target"]) for row in api.get(f"/api/v1/versions/{version['id']}/decisions").json]


def test_a_guarded_alias_moves_when_it_is_approved_and_keeps_the_decision(api, path, versions, trail):
    pointed(api.by("publisher"), path, versions[0])
    guard(api)
    releaser = api.by("releaser")
    assert refusal(point(api.by("publisher"), path, versions[1])) == "forbidden"
    refused = point(releaser, path, versions[1])
    assert refusal(refused) == "blocked"
    assert refused.json["detail"].startswith("It may not be @champion: it has 0 of 1 approvals")
    assert at(api, path) == {"champion": "1.0.0"}
    assert pointed(api.by("publisher"), path, versions[1], "next")["decision_id"] is None
    approve(api, versions[1])
    moved = pointed(releaser, path, versions[1], reason="Better")
    decision = api.get(f"/api/v1/decisions/{moved['decision_id']}").json
    assert (decision["kind"], decision["target"], decision["override"]) == ("move", "@champion", False)
    assert [given["by"] for given in decision["approvals"]] == ["admin-key"]
    entry = trail()[0]
    assert (entry["action"], entry["details"]["decision_sha256"]) == ("alias.move", decision["sha256"])
    assert decisions(api, versions[0]) == []


def test_a_change_of_content_or_of_the_gate_voids_the_approval(api, path, versions):
    written = guard(api)
    for change in (
        lambda: api.by("publisher").put(f"/api/v1/versions/{versions[1]['id']}", {"metadata": {"a": 1}}),
        lambda: api.put(f"/api/v1/gates/{written['id']}", {"role": "publisher"}),
    ):
        given = approve(api, versions[1])
        assert change().status_code == 200
        assert refusal(point(api.by("releaser"), path, versions[1])) == "blocked"
        api.delete(f"/api/v1/versions/{versions[1]['id']}/approvals/{given['id']}")
    approve(api, versions[1])
    assert refusal(point(api, path, versions[1])) == "blocked"  # by whoever approved it
    assert point(api.by("releaser"), path, versions[1]).status_code == 200


def test_force_takes_an_admin_and_a_reason_and_is_kept_as_an_override(api, path, versions, trail):
    guard(api)
    assert refusal(point(api.by("releaser"), path, versions[0], force=True, reason="now")) == "forbidden"
    assert faults(point(api, path, versions[0], force=True)) == {"reason"}
    moved = pointed(api, path, versions[0], force=True, reason="now")
    assert moved["override"] is True
    assert [entry["action"] for entry in trail()[:2]] in (
        ["gate.override", "alias.move"],
        ["alias.move", "gate.override"],
    )
    (entry,) = trail("gate.override")
    assert (entry["details"]["target"], entry["details"]["alias"]) == ("@champion", "champion")


def test_a_version_is_deleted_with_its_aliases_unless_a_gate_guards_one(api, path, versions, trail):
    """As a door may ask for whose protocol has it so."""

    def delete():
        with api.app.app_context():
            try:
                actions.delete(UUID(versions[0]["id"]), actor=CLI, with_aliases=True)
            finally:
                db.session.remove()

    for alias in ("champion", "next"):
        pointed(api, path, versions[0], alias)
    guard(api)
    with pytest.raises(Conflict, match="champion points at"):
        delete()
    assert set(at(api, path)) == {"champion", "next"}
    approve(api, versions[1])
    pointed(api.by("releaser"), path, versions[1])
    delete()
    assert at(api, path) == {"champion": "2.0.0"}
    assert {entry["action"] for entry in trail()[:2]} == {"alias.remove", "version.delete"}
    assert refusal(api.get(f"/api/v1/versions/{versions[0]['id']}")) == "not-found"


def test_removing_a_guarded_alias_obeys_the_gates_too(api, path, versions):
    pointed(api, path, versions[0])
    guard(api)
    releaser = api.by("releaser")
    assert refusal(api.by("publisher").delete(f"{path}/champion")) == "forbidden"
    assert refusal(releaser.delete(f"{path}/champion")) == "blocked"
    assert faults(api.delete(f"{path}/champion?force=true")) == {"reason"}
    approve(api, versions[0])
    assert releaser.delete(f"{path}/champion").status_code == 204
    assert decisions(api, versions[0]) == [("remove", "@champion")]
    pointed(releaser, path, versions[0])
    assert api.delete(f"{path}/champion?force=true&reason=now").status_code == 204
    assert decisions(api, versions[0]) == [("remove", "@champion"), ("move", "@champion"), ("remove", "@champion")]


def test_the_content_of_what_a_guarded_alias_points_at_takes_a_releaser_and_a_reason(api, path, model, versions):
    """As that of a release: it was judged when the alias was let there."""
    version, publisher = f"/api/v1/versions/{versions[0]['id']}", api.by("publisher")
    pointed(api, path, versions[0])
    assert publisher.put(version, {"metadata": {"a": 1}}).status_code == 200
    pointed(api, path, versions[1])
    guard(api)
    approve(api, versions[0])
    pointed(api.by("releaser"), path, versions[0])
    assert refusal(publisher.put(version, {"metadata": {"a": 2}})) == "forbidden"
    refused = api.by("releaser").put(version, {"metadata": {"a": 2}})
    assert (faults(refused), "what @champion points at" in refused.json["detail"]) == ({"reason"}, True)
    assert refusal(api.put(f"{version}/artifacts/a.json", {"a": 1})) == "conflict"
    assert refusal(publisher.put(f"/api/v1/models/{model['id']}", {"storage_path": "x"})) == "forbidden"
    assert publisher.put(version, {"tags": ["x"]}).status_code == 200
    assert api.by("releaser").put(version, {"metadata": {"a": 2}, "reason": "Typo"}).status_code == 200
    assert at(api, path) == {"champion": "1.0.0"}


def test_a_gate_of_another_alias_or_model_guards_nothing(api, path, versions):
    api.make("/api/v1/gates", gate("approved", "@next"))
    api.make("/api/v1/gates", {**gate("approved", "@champion"), "model": "org/other"})
    assert pointed(api.by("publisher"), path, versions[0])["decision_id"] is None


def test_no_regression_compares_with_what_the_alias_points_at_or_pointed_at_last(api, path, model):
    good, bad = (api.version(model, name, metadata={"f1": f1}) for name, f1 in (("1.0.0", 0.9), ("2.0.0", 0.8)))
    pointed(api, path, good)
    guard(api, "no_regression", path="f1", direction="higher")
    detail = "f1 is 0.8; it must not be lower than the 0.9 of what @champion {}, 1.0.0"
    assert detail.format("points at") in point(api, path, bad).json["detail"]
    assert api.delete(f"{path}/champion").status_code == 204
    assert detail.format("pointed at last") in point(api, path, bad).json["detail"]
    assert point(api, path, good).status_code == 200


def test_a_gate_is_tried_and_changed_for_an_alias_as_for_an_environment(api, versions):
    written = guard(api, "metadata_present", paths=["card"])
    assert written["target"] == "@champion"
    (verdict,) = api.get(f"/api/v1/versions/{versions[0]['id']}/gates?target=@Champion").json
    assert (verdict["passed"], verdict["gate"]["target"]) == (False, "@champion")
    assert api.put(f"/api/v1/gates/{written['id']}", {"target": "@next"}).json["target"] == "@next"
    for target in ("@", "@latest", "@v1", "@a.b"):
        assert faults(api.put(f"/api/v1/gates/{written['id']}", {"target": target})) == {"target"}
        assert faults(api.get(f"/api/v1/versions/{versions[0]['id']}/gates?target={target}")) == {"target"}
    assert faults(api.post("/api/v1/gates", gate("soaked", "@a", environment="@champion", seconds=1))) == {
        "environment"
    }


def test_a_key_bounded_to_environments_changes_aliases_and_their_gates(api, path, versions):
    key = api.make("/api/v1/api-keys", {"name": "b", "role": "admin", "environments": [], "models": ["org/*"]})
    bounded = {"headers": {"X-API-Key": key["key"]}}
    made = api.post("/api/v1/gates", gate("approved", "@champion"), **bounded)
    assert made.status_code == 201, made.text
    approval = api.post(f"/api/v1/versions/{versions[0]['id']}/approvals", {"target": "@champion"}, **bounded)
    assert approval.status_code == 201, approval.text
    assert point(api.by("releaser"), path, versions[0]).status_code == 200


def test_what_an_alias_pointed_at_before_its_gate_came_is_evidence_too(api, path, model, versions):
    publisher, first = api.by("publisher"), f"/api/v1/versions/{versions[0]['id']}"
    pointed(publisher, path, versions[0])
    assert publisher.put(first, {"metadata": {"accuracy": 0.9}}).status_code == 200
    api.make(
        "/api/v1/gates",
        {"model": "*", "target": "@champion", "kind": "no_regression", "path": "accuracy", "direction": "higher"},
    )
    for address, change in (
        (first, {"metadata": {"accuracy": 0.05}}),
        (first, {"ceph_path": "/elsewhere"}),
        (f"/api/v1/models/{model['id']}", {"storage_path": "docker.io/elsewhere"}),
    ):
        assert publisher.put(address, change).status_code == 403, address
    assert publisher.put(f"{first}/artifacts/new.bin", b"x").status_code == 409
    assert (
        api.by("releaser").put(first, {"metadata": {"accuracy": 0.91}, "reason": "Measured again"}).status_code == 200
    )
