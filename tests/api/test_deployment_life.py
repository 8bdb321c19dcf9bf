"""The life of a deployment: which state follows which, what success ends and cancels, and when each state was."""

import itertools

import pytest
from stage import audited, refusal

DEPLOYMENTS = "/api/v1/deployments"
AFTER = {
    "pending": {"running", "success", "failed", "cancelled"},
    "running": {"success", "failed", "cancelled"},
    "success": set(),
    "failed": set(),
    "cancelled": set(),
}
STATES = list(AFTER)


@pytest.fixture
def model(api):
    return api.model()


@pytest.fixture
def version(api, model):
    return api.version(model)


def move(api, deployment, status, **fields):
    return api.put(f"{DEPLOYMENTS}/{deployment['id']}", {"status": status, **fields})


def get(api, deployment):
    return api.get(f"{DEPLOYMENTS}/{deployment['id']}").json


def in_state(api, version, status, environment="production"):
    """A deployment that came to that state."""
    if status != "cancelled":
        return api.deployment(version, environment, status=status)
    made = api.deployment(version, environment, status="pending")
    return move(api, made, "cancelled").json


def states(sql, deployment):
    """Every state that it came to, with its time, oldest first."""
    rows = sql(
        "SELECT status, at FROM deployment_states WHERE deployment_id = :id ORDER BY at, status", id=deployment["id"]
    )
    return [(row["status"], row["at"].strftime("%Y-%m-%dT%H:%M:%S.%fZ")) for row in rows]


# --- from state to state


@pytest.mark.parametrize(("now", "then"), [(a, b) for a, b in itertools.permutations(STATES, 2)])
def test_which_state_follows_which(api, version, trail, now, then):
    made = in_state(api, version, now)
    before = len(trail())
    answer = move(api, made, then)
    if then in AFTER[now]:
        assert answer.status_code == 200
        assert answer.json["status"] == then
        assert answer.json["live"] is (then == "success")
        return
    assert refusal(answer) == "conflict"
    assert f"is {now} and can't become {then}" in answer.json["detail"]
    follow = answer.json["detail"].partition("It can become ")[2]
    assert {state for state in STATES if state in follow} == AFTER[now]
    assert (get(api, made), len(trail())) == (made, before)


@pytest.mark.parametrize("status", STATES)
def test_the_state_that_it_has_changes_nothing(api, version, trail, status):
    made = in_state(api, version, status)
    before = len(trail())
    answer = move(api, made, status)
    assert (answer.status_code, answer.json, len(trail())) == (200, made, before)


def test_every_state_is_a_row_with_its_time(api, version, sql):
    made = api.deployment(version, status="pending")
    running = move(api, made, "running").json
    done = move(api, made, "success").json
    assert states(sql, made) == [
        ("pending", made["deployed_at"]),
        ("running", running["updated_at"]),
        ("success", done["updated_at"]),
    ]
    assert done["live_from"] == done["updated_at"] > running["updated_at"] > made["deployed_at"]
    for status in ("success", "failed", "running"):
        at_once = api.deployment(version, status=status)
        api.put(f"{DEPLOYMENTS}/{at_once['id']}", {"status": status, "log_url": "https://x"})
        assert states(sql, at_once) == [(status, at_once["deployed_at"])]
        assert at_once["updated_at"] == at_once["deployed_at"]


def test_an_archived_version_goes_live_no_more(api, version):
    made = api.deployment(version, status="pending")
    api.put(f"/api/v1/versions/{version['id']}", {"status": "archived"})
    for status in ("running", "success"):
        refused = move(api, made, status)
        assert refusal(refused) == "conflict"
        assert "archived" in refused.json["detail"]
    assert move(api, made, "failed").json["status"] == "failed"


# --- what success does


def test_success_ends_the_one_before_at_that_very_moment(api, model, version):
    first = api.deployment(version)
    pending = api.deployment(api.version(model, "2"), status="pending")
    assert get(api, first)["live"] is True
    second = move(api, pending, "success").json
    ended = get(api, first)
    assert (ended["live"], ended["status"]) == (False, "success")
    assert ended["ended_at"] == second["live_from"]
    assert ended["superseded_by"] == second["id"]
    assert (second["live"], second["ended_at"], second["superseded_by"]) == (True, None, None)


@pytest.mark.parametrize("at_once", [False, True])
def test_success_cancels_older_ones_that_are_on_their_way_and_no_newer_ones(api, version, sql, at_once):
    older = [api.deployment(version, "Production", status=status) for status in ("pending", "running")]
    this = api.deployment(version, status="success" if at_once else "running")
    newer = [api.deployment(version, status=status) for status in ("pending", "running")]
    assert at_once or move(api, this, "success").json["live"] is True
    assert [get(api, one)["status"] for one in older] == ["cancelled", "cancelled"]
    assert [get(api, one)["status"] for one in newer] == ["pending", "running"]
    for one in older:
        assert states(sql, one)[-1] == ("cancelled", get(api, one)["updated_at"])
        assert move(api, one, "success").status_code == 409
    assert move(api, newer[0], "success").json["live"] is True
    assert get(api, this)["superseded_by"] == newer[0]["id"]
    assert get(api, newer[1])["status"] == "running"


def test_success_leaves_other_environments_models_and_what_is_over(api, model, version):
    others = [
        api.deployment(version, "staging", status="pending"),
        api.deployment(api.version(api.model("org/other")), status="pending"),
        api.deployment(version, status="failed"),
    ]
    api.deployment(version)
    assert [get(api, one) for one in others] == others


@pytest.mark.parametrize("status", ["running", "failed", "cancelled"])
def test_what_is_no_success_ends_and_cancels_nothing(api, version, status):
    live = api.deployment(version)
    older = api.deployment(version, status="pending")
    move(api, api.deployment(version, status="pending"), status)
    assert (get(api, live)["live"], get(api, older)["status"]) == (True, "pending")


# --- what may follow later


@pytest.mark.parametrize("status", STATES)
def test_addresses_and_metadata_may_follow_in_any_state(api, version, status):
    made = in_state(api, version, status)
    told = {"endpoint_url": "https://bert.example.com", "log_url": "https://ci.example.com/1", "metadata": {"pods": 3}}
    changed = api.put(f"{DEPLOYMENTS}/{made['id']}", told).json
    assert changed == {**made, **told, "updated_at": changed["updated_at"]}


# --- said


def test_an_entry_says_what_a_success_did(api, model, version, trail):
    live = api.deployment(version)
    older = api.deployment(version, status="running")
    made = api.deployment(api.version(model, "2"), status="pending")
    moved = move(api.by("publisher"), made, "success", log_url="https://x").json
    entry = trail()[0]
    assert audited(entry) == ("deployment.update", made["id"], "publisher-key")
    assert entry["details"] == {
        "model": "org/bert",
        "version": "2",
        "version_id": made["release_id"],
        "environment": "production",
        "status": "success",
        "ended_deployment": live["id"],
        "cancelled_deployments": [older["id"]],
        "decision_id": moved["decision_id"],
        "decision_sha256": moved["decision"]["sha256"],
        "changes": {"status": {"old": "pending", "new": "success"}, "log_url": {"old": None, "new": "https://x"}},
    }


def test_a_deleted_version_cancels_what_was_on_its_way(api, version, trail, sql):
    made = [api.deployment(version, "staging", status=status) for status in ("pending", "running")]
    done = api.deployment(version, "staging", status="failed")
    assert api.delete(f"/api/v1/versions/{version['id']}").status_code == 204
    rows = sql("SELECT id, status FROM deployments")
    assert {str(row["id"]): row["status"] for row in rows} == {
        **{one["id"]: "cancelled" for one in made},
        done["id"]: "failed",
    }
    details = trail("version.delete")[0]["details"]
    assert set(details["cancelled_deployments"]) == {one["id"] for one in made}
    assert details["deployments"] == 3
    assert [move(api, one, "success").status_code for one in made] == [404, 404]
