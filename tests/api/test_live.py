"""What is live: in one environment, now and at a moment, and of every model by environment."""

from datetime import datetime, timedelta

import pytest

ENVIRONMENTS = "/api/v1/environments"
CELL = {"deployment_id", "version_id", "version", "is_release", "live_from", "deployed_by", "behind"}
ROW = {"model_id", "model_name", "latest_version", "environments"}
INSTANT = timedelta(microseconds=1)


@pytest.fixture
def model(api):
    return api.model()


def versions_live(api, environment="production", at=None):
    query = "" if at is None else f"?at={at}"
    answer = api.get(f"{ENVIRONMENTS}/{environment}/live{query}")
    assert answer.status_code == 200, answer.text
    return {one["model_name"]: one["version"] for one in answer.json}


def matrix(api, query=""):
    answer = api.get(f"/api/v1/live{query}")
    assert answer.status_code == 200, answer.text
    return answer.json


def cells(api):
    """By model, by environment: the version there, and how many are newer."""
    return {
        row["model_name"]: {place: (cell["version"], cell["behind"]) for place, cell in row["environments"].items()}
        for row in matrix(api)
    }


def moved(time, by):
    return (datetime.fromisoformat(time) + by).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


# --- in one environment


def test_what_is_live_now_is_a_list_of_deployments(api, model):
    api.deployment(api.version(model, "1"))
    made = api.deployment(api.version(model, "2"), "Production")
    api.deployment(api.version(model, "3"), status="pending")
    assert api.get(f"{ENVIRONMENTS}/PRODUCTION/live").json == [api.get(f"/api/v1/deployments/{made['id']}").json]


def test_one_deployment_a_model_the_newest_first(api, model):
    other = api.model("org/other")
    first = api.deployment(api.version(model))
    second = api.deployment(api.version(other))
    api.deployment(api.version(api.model("org/elsewhere")), "staging")
    assert [one["id"] for one in api.get(f"{ENVIRONMENTS}/production/live").json] == [second["id"], first["id"]]


def test_what_was_live_at_a_moment_is_exact_to_the_microsecond(api, model):
    first, second = (api.deployment(api.version(model, name)) for name in ("1", "2"))
    began, changed = first["live_from"], second["live_from"]
    assert versions_live(api, at=moved(began, -INSTANT)) == {}
    assert versions_live(api, at=began) == {"org/bert": "1"}
    assert versions_live(api, at=moved(changed, -INSTANT)) == {"org/bert": "1"}
    assert versions_live(api, at=changed) == {"org/bert": "2"}
    assert versions_live(api, at="2099-01-01T00:00:00Z") == {"org/bert": "2"}
    assert versions_live(api, "Production", at=changed.replace("Z", "%2B00:00")) == {"org/bert": "2"}


def test_what_was_live_is_told_of_what_was_deleted_since(api, model):
    version = api.version(model, "1")
    gone = api.deployment(version)
    api.deployment(api.version(model, "2"))
    api.delete(f"/api/v1/versions/{version['id']}")
    assert versions_live(api, at=gone["live_from"]) == {"org/bert": "1"}
    api.delete(f"/api/v1/models/{model['id']}?force=true")
    assert versions_live(api, at=gone["live_from"]) == {"org/bert": "1"}
    assert versions_live(api) == {}


def test_a_deleted_environment_tells_its_history(api, model):
    made = api.deployment(api.version(model))
    api.delete(f"{ENVIRONMENTS}/production?force=true")
    assert versions_live(api) == {}
    assert versions_live(api, at=made["live_from"]) == {"org/bert": "1.0.0"}


def test_an_empty_environment_is_an_empty_list_and_an_unknown_one_a_404(api):
    api.put(f"{ENVIRONMENTS}/empty", {})
    assert api.get(f"{ENVIRONMENTS}/empty/live").json == []
    assert api.get(f"{ENVIRONMENTS}/empty/live?at=2026-01-01T00:00:00Z").json == []
    for query in ("", "?at=2026-01-01T00:00:00Z"):
        assert api.get(f"{ENVIRONMENTS}/nowhere/live{query}").status_code == 404


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"])
def test_the_first_and_the_last_moment_may_be_asked(api, model, at):
    api.deployment(api.version(model))
    assert versions_live(api, at=at) == ({"org/bert": "1.0.0"} if at[0] == "9" else {})


# --- of every model


def test_a_model_is_a_row_and_an_environment_a_cell(api, model):
    version = api.version(model, is_release=True)
    staging = api.deployment(version, "staging")
    production = api.by("publisher").deployment(version)
    newest = api.version(model, "2")
    (row,) = matrix(api)
    assert set(row) == ROW
    assert (row["model_id"], row["model_name"], row["latest_version"]) == (model["id"], "org/bert", newest["version"])
    assert set(row["environments"]) == {"staging", "production"}
    cell = row["environments"]["production"]
    assert set(cell) == CELL
    assert cell == {
        "deployment_id": production["id"],
        "version_id": version["id"],
        "version": "1.0.0",
        "is_release": True,
        "live_from": production["live_from"],
        "deployed_by": "publisher-key",
        "behind": 1,
    }
    assert row["environments"]["staging"]["deployment_id"] == staging["id"]


def test_environments_stand_in_order_of_rank(api, model):
    version = api.version(model)
    for name, rank in (("zoo", 1), ("a-very-long-name", 2), ("b", 3)):
        api.put(f"{ENVIRONMENTS}/{name}", {"rank": rank})
    for name in ("b", "a-very-long-name", "zoo"):
        api.deployment(version, name)
    assert list(matrix(api)[0]["environments"]) == ["zoo", "a-very-long-name", "b"]
    api.put(f"{ENVIRONMENTS}/zoo", {"rank": 9})
    assert list(matrix(api)[0]["environments"]) == ["a-very-long-name", "b", "zoo"]


def test_an_environment_has_one_name_whatever_each_deployment_wrote(api, model):
    api.deployment(api.version(api.model("org/other")), "Production")
    api.deployment(api.version(model), "PRODUCTION")
    assert {place for row in matrix(api) for place in row["environments"]} == {"Production"}


def test_behind_counts_what_was_registered_after_without_archived_and_deleted_ones(api, model):
    made = {name: api.version(model, name) for name in ("1", "2", "3", "4", "5")}
    api.deployment(made["2"], "staging")
    api.deployment(made["5"], "production")
    api.deployment(made["1"], "dev")
    assert cells(api)["org/bert"] == {"staging": ("2", 3), "production": ("5", 0), "dev": ("1", 4)}
    api.put(f"/api/v1/versions/{made['3']['id']}", {"status": "archived"})
    api.delete(f"/api/v1/versions/{made['4']['id']}")
    assert cells(api)["org/bert"] == {"staging": ("2", 1), "production": ("5", 0), "dev": ("1", 2)}


def test_behind_is_told_beyond_a_hundred(api, model, sql):
    api.deployment(api.version(model, "0"))
    sql(
        "INSERT INTO versions (id, model_id, version, number, tag, digest, platform, status, created_by)"
        " SELECT gen_random_uuid(), :model, 'v' || n, n + 1, 'v', 'a:b', 'linux/amd64', 'active', 'x'"
        " FROM generate_series(1, 150) AS n",
        model=model["id"],
    )
    assert cells(api)["org/bert"] == {"production": ("0", 150)}


def test_models_of_which_nothing_is_live_are_left_out(api, model):
    api.version(model)
    other = api.model("org/other")
    api.deployment(api.version(other), status="pending")
    assert matrix(api) == []
    gone = api.model("org/gone")
    api.deployment(api.version(gone))
    assert list(cells(api)) == ["org/gone"]
    api.delete(f"/api/v1/models/{gone['id']}?force=true")
    assert matrix(api) == []


def test_a_page_of_the_matrix_takes_few_statements(api, statements):
    for n in range(5):
        version = api.version(api.model(f"org/m{n}"))
        for place in ("dev", "staging", "production"):
            api.deployment(version, place)
    matrix(api)
    with statements() as sent:
        assert len(matrix(api)) == 5
    assert len(sent) <= 3, sent
