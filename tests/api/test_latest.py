"""The latest version of a model: by when it was created or by SemVer, live in an environment, or a release."""

import pytest
from stage import refusal

LATEST = "/api/v1/versions/latest"


@pytest.fixture
def model(api):
    return api.model("org/Bert")


def latest(api, query=""):
    found = api.get(f"{LATEST}?model_name=org/bert{query}")
    assert found.status_code == 200, found.text
    return found.json["version"]


def test_the_latest_version_is_the_one_created_last(api, model):
    api.version(model, "2.0.0")
    newest = api.version(model, "1.0.0")
    api.version(api.model("org/other"), "3.0.0")
    assert api.get(f"{LATEST}?model_name=ORG/bert").json == newest
    assert latest(api, "&order=created") == "1.0.0"


@pytest.mark.parametrize(
    "query",
    [
        "model_name=org/none",
        "model_name=org/bert&environment=production",
        "model_name=org/bert&is_release=true",
        "model_name=org/bert&environment=staging&is_release=true",
        "model_name=org/empty",
        "model_name=",
    ],
)
def test_no_such_version_is_a_404(api, model, query):
    api.model("org/empty")
    api.deployment(api.version(model), "staging")
    assert refusal(api.get(f"{LATEST}?{query}")) == "not-found"


def test_the_version_that_is_live_in_an_environment(api, model):
    first, second = api.version(model, "1.0.0"), api.version(model, "2.0.0")
    api.deployment(second, "staging")
    api.deployment(first, "Production")
    api.version(model, "3.0.0")
    assert latest(api, "&environment=PRODUCTION") == "1.0.0"
    assert latest(api, "&environment=staging") == "2.0.0"
    assert latest(api, "&environment=production&order=semver") == "1.0.0"


def test_a_deployment_that_ended_is_not_live(api, model):
    first, second = api.version(model, "1.0.0"), api.version(model, "2.0.0")
    api.deployment(second)
    api.deployment(first)
    api.deployment(second, status="failed")
    assert latest(api, "&environment=production") == "1.0.0"


def test_the_latest_release(api, model):
    api.version(model, "1.0.0", is_release=True)
    api.version(model, "2.0.0")
    assert latest(api, "&is_release=true") == "1.0.0"
    assert latest(api, "&is_release=false") == "2.0.0"
    assert latest(api) == "2.0.0"


@pytest.mark.parametrize(("method", "body"), [("PUT", {"status": "archived"}), ("DELETE", None)])
def test_archived_and_deleted_versions_are_left_out(api, model, method, body):
    api.version(model, "1.0.0", is_release=True)
    newer = api.version(model, "2.0.0", is_release=True)
    assert api.request(method, f"/api/v1/versions/{newer['id']}", body).status_code in (200, 204)
    assert latest(api) == latest(api, "&is_release=true") == latest(api, "&order=semver") == "1.0.0"


ORDERED = [
    "no-semver", "0.9.9", "1.0.0-1", "1.0.0-2", "1.0.0-10", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta",
    "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "v1.0.0", "1.0.1", "v1.2.0", "1.10.0", "2.0.0", "10.0.0",
]  # fmt: skip


def test_order_by_semver(api, model):
    for version in ORDERED[::2] + ORDERED[1::2]:
        api.version(model, version, tag="x")
    assert latest(api) == ORDERED[1::2][-1]
    for highest in reversed(ORDERED):
        found = api.get(f"{LATEST}?model_name=org/bert&order=semver").json
        assert found["version"] == highest
        api.delete(f"/api/v1/versions/{found['id']}")


@pytest.mark.parametrize(
    "ordered",
    [
        ["2025.12.1", "2026.01.15", "2026.02.3"],
        ["v9", "v10", "V11"],
        ["1.9", "1.10", "1.11.0-rc1", "1.11"],
        ["20261101", "20261129"],
        ["1.2.3-rc1", "1.2.3", "1.2.3.4", "1.2.3.10", "1.2.4"],
    ],
)
def test_dotted_numbers_have_an_order_among_semver(api, model, ordered):
    for version in ordered[1::2] + ordered[::2]:
        api.version(model, version, tag="x")
    for sort, expected in (("version", ordered), ("-version", ordered[::-1])):
        rows = api.get(f"/api/v1/versions?model_name=org/bert&sort={sort}").json
        assert [row["version"] for row in rows] == expected
    for highest in reversed(ordered):
        found = api.get(f"{LATEST}?model_name=org/bert&order=semver").json
        assert found["version"] == highest
        api.delete(f"/api/v1/versions/{found['id']}")


def test_the_answer_says_how_many_have_no_number(api, model):
    for version in ("nightly", "weekly", "1.0", "2026-11-29"):
        api.version(model, version, is_release=version == "weekly")
    gone = api.version(model, "gone")
    api.delete(f"/api/v1/versions/{gone['id']}")
    asked = {
        query: api.get(f"{LATEST}?model_name=org/bert{query}").headers
        for query in ("", "&order=semver", "&order=created")
    }
    assert [headers.get("X-Set-Aside") for headers in asked.values()] == [None, "3", None]
    releases = api.get(f"{LATEST}?model_name=org/bert&order=semver&is_release=true")
    assert (releases.json["version"], releases.headers["X-Set-Aside"]) == ("weekly", "1")
    tag = asked["&order=semver"]["ETag"]
    assert api.get(f"{LATEST}?model_name=org/bert&order=semver", headers={"If-None-Match": tag}).status_code == 304


def test_a_clock_that_is_set_back_changes_no_order(api, model, sql):
    first = api.version(model, "1.0.0")
    sql("UPDATE versions SET created_at = created_at + interval '1 hour', updated_at = updated_at + interval '1 hour'")
    sql("UPDATE models SET newest_at = newest_at + interval '1 hour'")
    second = api.version(model, "0.9.0")
    assert second["created_at"] > api.get(f"/api/v1/versions/{first['id']}").json["created_at"]
    assert latest(api) == api.get(f"/api/v1/models/{model['id']}").json["latest_version"] == "0.9.0"
    assert [row["version"] for row in api.get("/api/v1/versions").json] == ["0.9.0", "1.0.0"]


def test_what_is_no_number_comes_last_and_newest_first_among_itself(api, model):
    for version in ("nightly", "1.0-beta"):
        api.version(model, version)
    assert latest(api, "&order=semver") == "1.0-beta"
    api.version(model, "0.0.1-alpha")
    api.version(model, "zzz")
    assert latest(api, "&order=semver") == "0.0.1-alpha"


def test_of_two_that_semver_calls_equal_the_newer_is_the_latest(api, model):
    for version in ("1.0.0+b", "v1.0.0", "1.0.0+a"):
        api.version(model, version, tag="x")
    assert latest(api, "&order=semver") == "1.0.0+a"


def test_the_highest_release(api, model):
    api.version(model, "2.0.0")
    api.version(model, "1.10.0", is_release=True)
    api.version(model, "1.9.0", is_release=True)
    assert latest(api, "&order=semver&is_release=true") == "1.10.0"
    assert latest(api, "&order=semver&is_release=false") == "2.0.0"
