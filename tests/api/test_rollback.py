"""Rollback: one step back to the last good version, whatever gates and freezes say, and what its entry tells."""

import pytest
from gatecases import gate
from stage import NOWHERE, audited, faults, refusal

PATH = "/api/v1/environments/production/rollback"
NOTHING = "There is no earlier version of org/bert in production to go back to"


@pytest.fixture
def model(api):
    return api.model()


@pytest.fixture
def versions(api, model):
    """1.0 to 1.3."""
    return {name: api.version(model, name) for name in ("1.0", "1.1", "1.2", "1.3")}


@pytest.fixture
def deployed(api, versions):
    """1.0, 1.1 and 1.2, one after the other, in production."""
    return {name: api.deployment(versions[name]) for name in ("1.0", "1.1", "1.2")}


def ask(api, path=PATH, **fields):
    return api.post(path, {"model_name": "org/bert", "reason": "latency doubled", **fields})


def back(api, **fields):
    """The version that a rollback ends on."""
    answer = ask(api, **fields)
    assert answer.status_code == 201, answer.text
    return answer.json["version"]


def refused(api, **fields):
    answer = ask(api, **fields)
    assert refusal(answer) == "conflict", answer.text
    return answer.json["detail"]


def live(api):
    return [one["version"] for one in api.get("/api/v1/environments/production/live").json]


# --- where it goes


@pytest.mark.parametrize(
    ("history", "goes_to"),
    [
        ("1.0", ""),
        ("1.0 1.1:failed", ""),
        ("1.0 1.1 1.2", "1.1 1.0"),
        ("1.0 1.1 1.1 1.1", "1.0"),  # to another version, not to another deployment
        ("1.0 1.1 1.2 back 1.2", "1.1 1.0"),
        ("1.0 1.1 1.2 back 1.3", "1.1 1.2 1.0"),
        ("1.0 1.1 1.2 back 1.3:failed", "1.0"),
        ("1.0 1.1 1.2 back 1.3:pending", "1.0"),
        ("1.0 1.1 1.2 back 1.3:running", "1.0"),
    ],
)
def test_each_goes_one_step_back_and_a_deployment_that_goes_live_begins_anew(api, versions, history, goes_to):
    for step in history.split():
        name, _, status = step.partition(":")
        if name == "back":
            back(api)
        else:
            api.deployment(versions[name], status=status or "success")
    assert [back(api) for _ in goes_to.split()] == goes_to.split()
    assert NOTHING in refused(api)
    assert live(api) == [history[:3]]


def test_one_that_goes_live_later_begins_anew(api, versions, deployed):
    pending = api.deployment(versions["1.3"], status="pending")
    api.put(f"/api/v1/deployments/{pending['id']}", {"status": "success"})
    assert back(api) == "1.2"


def test_other_environments_and_models_do_not_count(api, versions):
    other = api.model("org/other")
    api.deployment(api.version(other, "9"))
    api.deployment(versions["1.0"], "staging")
    api.deployment(versions["1.1"])
    assert NOTHING in refused(api)


@pytest.mark.parametrize(("method", "body"), [("PUT", {"status": "archived"}), ("DELETE", None)])
def test_archived_and_deleted_versions_are_left_out(api, versions, deployed, method, body):
    api.request(method, f"/api/v1/versions/{versions['1.1']['id']}", body)
    assert back(api) == "1.0"


def test_an_archived_version_comes_back_with_its_status(api, versions, deployed):
    path = f"/api/v1/versions/{versions['1.1']['id']}"
    api.put(path, {"status": "archived"})
    api.put(path, {"status": "active"})
    assert back(api) == "1.1"


def test_where_nothing_is_live_there_is_nothing_to_go_back_from(api, versions):
    api.deployment(versions["1.0"], status="pending")
    assert "Nothing of org/bert in production is live" in refused(api)


# --- to one that is named


def test_to_names_a_deployment(api, deployed):
    answer = ask(api, to=deployed["1.0"]["id"])
    assert (answer.status_code, answer.json["version"]) == (201, "1.0")


def test_to_may_name_one_that_was_rolled_back_from(api, deployed):
    back(api)
    assert back(api, to=deployed["1.2"]["id"]) == "1.2"


@pytest.mark.parametrize("which", ["live", "elsewhere", "failed", "of another model", "nowhere"])
def test_to_has_to_name_an_earlier_live_one_of_this_model_there(api, versions, deployed, which):
    others = {
        "live": lambda: deployed["1.2"],
        "elsewhere": lambda: api.deployment(versions["1.0"], "staging"),
        "failed": lambda: api.deployment(versions["1.0"], status="failed"),
        "of another model": lambda: api.deployment(api.version(api.model("org/other"))),
        "nowhere": lambda: {"id": NOWHERE},
    }
    assert faults(ask(api, to=others[which]()["id"])) == {"to"}
    assert live(api).count("1.2") == 1


def test_to_what_is_live_by_another_deployment_is_refused(api, deployed):
    """Pressed twice: the second would roll back the good version, and the next rollback would then pass it over."""
    assert back(api, to=deployed["1.0"]["id"]) == "1.0"
    assert faults(ask(api, to=deployed["1.0"]["id"])) == {"to"}


def test_to_an_archived_or_deleted_version_is_refused(api, versions, deployed):
    path = f"/api/v1/versions/{versions['1.0']['id']}"
    api.put(path, {"status": "archived"})
    assert "archived" in refused(api, to=deployed["1.0"]["id"])
    api.delete(path)
    assert ask(api, to=deployed["1.0"]["id"]).status_code == 422


# --- what it is


def test_it_makes_a_deployment_of_its_own(api, versions):
    kept = {"metadata": {"pods": 3}, "endpoint_url": "https://bert.example.com"}
    first = api.deployment(versions["1.0"], **kept)
    second = api.deployment(versions["1.1"], "Production", log_url="https://x")
    pending = api.deployment(versions["1.2"], status="pending")
    answer = ask(api.by("releaser"), "/api/v1/environments/PRODUCTION/rollback", model_name="ORG/Bert")
    made = answer.json
    told = {
        **kept, "release_id": versions["1.0"]["id"], "status": "success", "live": True, "rollback_of": second["id"],
        "log_url": None, "deployed_by": "releaser-key", "environment": "production", "superseded_by": None,
    }  # fmt: skip
    assert {name: made[name] for name in told} == told
    assert made["id"] not in (first["id"], second["id"])
    assert answer.headers["Location"] == f"/api/v1/deployments/{made['id']}"
    assert api.get(answer.headers["Location"]).json == made
    ended = api.get(f"/api/v1/deployments/{second['id']}").json
    assert (ended["superseded_by"], ended["ended_at"]) == (made["id"], made["live_from"])
    assert api.get(f"/api/v1/deployments/{pending['id']}").json["status"] == "cancelled"


def test_its_entry_tells_from_where_to_where_and_why(api, versions, deployed, trail):
    pending = api.deployment(versions["1.0"], status="pending")
    before = len(trail())
    made = ask(api.by("releaser")).json
    entry = trail()[0]
    assert len(trail()) == before + 1
    assert audited(entry) == ("deployment.rollback", made["id"], "releaser-key")
    assert entry["details"] == {
        "model": "org/bert",
        "version": "1.1",
        "version_id": versions["1.1"]["id"],
        "environment": "production",
        "status": "success",
        "reason": "latency doubled",
        "rollback_of": deployed["1.2"]["id"],
        "from_version": "1.2",
        "to": deployed["1.1"]["id"],
        "ended_deployment": deployed["1.2"]["id"],
        "cancelled_deployments": [pending["id"]],
        "decision_id": made["decision_id"],
        "decision_sha256": made["decision"]["sha256"],
    }


def test_neither_gates_nor_a_freeze_stop_it_and_its_entry_says_which(api, versions, deployed, trail):
    api.make("/api/v1/gates", gate("released", "production"))
    api.make("/api/v1/gates", gate("metric", "production", path="accuracy", op=">", value=0.9))
    api.make("/api/v1/gates", gate("approved", "production"))
    assert api.post(f"/api/v1/versions/{versions['1.1']['id']}/promote").status_code == 200
    api.put("/api/v1/environments/production", {"frozen": True, "frozen_reason": "Sale until Monday"})
    deployment = {"release_id": versions["1.1"]["id"], "environment": "production"}
    assert api.post("/api/v1/deployments", deployment).status_code == 409
    assert back(api) == "1.1"
    details = trail("deployment.rollback")[0]["details"]
    assert [(passed["kind"], passed["detail"]) for passed in details["passed_gates"]] == [
        ("metric", "its metadata has no accuracy"),
        ("approved", "it has 0 of 1 approvals with the role releaser or higher"),
    ]
    assert details["passed_freeze"] == "Sale until Monday"
    assert trail("gate.override") == []


def test_an_entry_names_no_freeze_that_is_over(api, deployed, sql, trail):
    freeze = {"frozen": True, "frozen_reason": "x", "frozen_until": "2099-01-01T00:00:00Z"}
    api.put("/api/v1/environments/production", freeze)
    sql("UPDATE environments SET frozen_until = now() - interval '1 day'")
    back(api)
    assert "passed_freeze" not in trail("deployment.rollback")[0]["details"]


# --- who and what


def test_what_is_not_there_is_a_404(api, deployed):
    for answer in (
        ask(api, model_name="org/none"),
        ask(api, "/api/v1/environments/nowhere/rollback"),
        ask(api, "/api/v1/environments/%00/rollback"),
        ask(api, to="no-uuid"),
    ):
        assert refusal(answer) == "not-found"


def test_a_deleted_environment_and_a_deleted_model_are_not_there(api, model, deployed):
    api.delete("/api/v1/environments/production?force=true")
    assert ask(api).status_code == 404
    api.delete(f"/api/v1/models/{model['id']}")
    api.put("/api/v1/environments/production", {})
    assert ask(api).status_code == 404
