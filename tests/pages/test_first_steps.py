"""The steps to the first release, on the overview of a registry in which nothing was live yet."""

import pytest
from markup import Page
from stage import counted

KEY, MODEL, VERSION, RELEASE, DEPLOYMENT = NAMES = ["key", "model", "version", "release", "deployment"]


def steps(response):
    """Return the names of the steps that are done, and of those that show their sample."""
    items = [item for item in Page(response).all("li") if (item.get("id") or "").startswith("step-")]
    assert [item.get("id") for item in items] in ([f"step-{name}" for name in NAMES], [])
    states = {item.get("id").removeprefix("step-"): item.get("class") for item in items}
    return [[name for name in states if states[name] == state] for state in ("done", "open")]


@pytest.fixture
def new(sql):
    """A registry with the key of whoever looks, and no other."""
    sql("UPDATE api_keys SET revoked_at = now() WHERE role <> 'admin'")


def test_a_step_ticks_by_what_the_database_holds_and_the_next_one_opens(new, browser, api):
    assert steps(browser.get("/")) == [[], [KEY]]
    api.make("/api/v1/api-keys", {"name": "training", "role": "releaser"})
    assert steps(browser.get("/")) == [[KEY], [MODEL]]
    model = api.model()
    assert steps(browser.get("/")) == [[KEY, MODEL], [VERSION]]
    version = api.version(model)
    assert steps(browser.get("/")) == [[KEY, MODEL, VERSION], [RELEASE]]
    api.post(f"/api/v1/versions/{version['id']}/promote")
    assert steps(browser.get("/")) == [[KEY, MODEL, VERSION, RELEASE], [DEPLOYMENT]]
    api.deployment(version, status="failed")
    assert steps(browser.get("/")) == [[KEY, MODEL, VERSION, RELEASE], [DEPLOYMENT]]
    api.deployment(version)
    assert steps(browser.get("/")) == [[], []]


def test_a_step_that_is_left_out_hides_no_other(new, browser, api):
    version = api.version(api.model())
    assert steps(browser.get("/")) == [[MODEL, VERSION], [KEY, RELEASE]]
    api.deployment(version)
    assert steps(browser.get("/")) == [[], []]


@pytest.mark.parametrize("end", ["revoked_at = now()", "expires_at = now()", "asks_name = true"])
def test_a_key_that_no_job_can_use_ticks_nothing(new, browser, api, sql, end):
    api.make("/api/v1/api-keys", {"name": "training"})
    sql(f"UPDATE api_keys SET {end} WHERE name = 'training'")
    assert steps(browser.get("/")) == [[], [KEY]]


def test_a_person_s_key_is_no_job_s(new, browser, api):
    person = api.make("/api/v1/people", {"name": "Dana Ortiz"})
    api.make("/api/v1/api-keys", {"name": "laptop", "role": "viewer", "person_id": person["id"]})
    assert steps(browser.get("/")) == [[], [KEY]]


def test_a_registry_that_retired_everything_is_not_a_new_one(browser, api):
    deployment = api.deployment(api.version(api.model()))
    body = {"model_name": deployment["model_name"], "reason": "Replaced"}
    assert api.post("/api/v1/environments/production/retire", body).status_code == 200
    response = browser.get("/")
    assert steps(response) == [[], []]
    assert "Nothing is live now." in response.text


NEW_KEY = "/new/key?name=training&role=releaser"
"""The form of a key that may take every step."""


def test_only_an_admin_is_offered_a_new_key(browser, sql):
    viewer = browser.by("viewer")
    sql("UPDATE api_keys SET revoked_at = now() WHERE role IN ('publisher', 'releaser')")
    sql("UPDATE api_keys SET asks_name = true WHERE role = 'admin'")
    assert NEW_KEY not in Page(browser.get("/")).links  # the viewer's key is a service's
    response = viewer.get("/")
    assert steps(response) == [[], [KEY]]
    assert "ask an administrator" in response.text
    assert NEW_KEY not in Page(response).links
    sql("UPDATE api_keys SET revoked_at = now() WHERE role = 'viewer'")
    assert NEW_KEY in Page(browser.get("/")).links
    chosen = [it.text for it in Page(browser.get(NEW_KEY)).all("option", selected="")]
    assert "releaser" in chosen


def test_the_samples_are_in_the_language_that_is_asked_for(new, browser):
    for address in ("/", "/?language=curl", "/?language=%3Cb%3E"):
        assert Page(browser.get(address)).one("a", **{"aria-current": "true"}).text == "curl"
    assert Page(browser.get("/?language=python")).one("a", **{"aria-current": "true"}).text == "Python"


def test_the_steps_take_one_statement(app, new, browser, api):
    browser.get("/")
    with counted(app) as without:
        browser.get("/")
    assert len([statement for statement in without if "FROM api_keys WHERE" in statement.replace("\n", "")]) == 1
    assert len(without) <= 10
