from markup import Page
from rows import live_everywhere
from stage import environments

from catapult.queries.live import MODELS


def live(response):
    """`{model: {environment: what the cell says}}`."""
    rows, row = {}, None
    for element in Page(response).elements:
        if element.tag == "tr" and (element.get("id") or "").startswith("live-"):
            row = rows.setdefault(element.text.split()[0], {})
        elif element.tag == "td" and element.get("data-label") and row is not None:
            row[element["data-label"]] = element.text
    return rows


def ready(response):
    page = Page(response)
    return [item.text for item in page.all("li") if (item.get("id") or "").startswith("ready-")]


def test_what_is_live_is_a_row_a_model_and_a_column_an_environment(browser, api, sql):
    sql(environments("dev", "staging", "production"))
    bert, gpt = api.model("org/bert", description="Reads reviews"), api.model("org/gpt")
    old, new = api.version(bert, "1.0.0", is_release=True), api.version(bert, "1.1.0")
    api.deployment(old, "Production")
    api.deployment(new, "staging")
    api.deployment(api.version(gpt, "0.1.0"), "dev")
    response = browser.get("/")
    rows = live(response)
    assert list(rows) == ["org/gpt", "org/bert"]
    assert list(rows["org/bert"]) == ["dev", "staging", "production", "Production is behind"]
    bert = rows["org/bert"]
    assert bert["dev"] == "—"
    assert bert["staging"].startswith("1.1.0")
    assert bert["production"].startswith("1.0.0 release")
    assert bert["Production is behind"] == "1 version"
    assert rows["org/gpt"]["Production is behind"] == "—"
    assert "2 models in 3 environments" in Page(response).one("section", id="live").text


def test_an_environment_of_a_slip_of_the_hand_is_neither_the_end_of_the_way_nor_what_comes_next(browser, api):
    model = api.model()
    old, new = api.version(model, "1.0.0"), api.version(model, "1.1.0")
    api.put("/api/v1/environments/staging", {"rank": 1})
    api.put("/api/v1/environments/production", {"rank": 2, "protected": True})
    api.deployment(new, "staging")
    api.deployment(old, "production")
    api.deployment(old, "stagin")
    row = live(browser.get("/"))["org/bert"]
    assert list(row) == ["staging", "production", "stagin", "Production is behind"]
    assert row["Production is behind"] == "1 version"
    links = [link for link in Page(browser.get("/environments")).links if link.startswith("/new/deployment")]
    assert links == ["/new/deployment?model=org/bert&version=1.1.0&environment=production"]


def test_many_environments_do_not_hide_that_there_are_more_models(browser, sql):
    live_everywhere(sql, models=14, environments=45)
    few = browser.get("/")
    assert list(live(few)) == [f"org/m{number}" for number in range(14, 14 - MODELS, -1)]
    assert "/?all=1" in Page(few).links
    every = browser.get("/?all=1")
    assert list(live(every)) == [f"org/m{number}" for number in range(14, 1, -1)]
    assert "The 13 most recently deployed models." in every.text


# --- ready to promote -------------------------------------------------------------------------------------------------


def test_ready_are_the_newest_versions_that_are_ahead_of_the_release(browser, api):
    bert = api.model("org/bert")
    api.version(bert, "1.0.0", is_release=True, metadata={"accuracy": 0.5})
    api.version(bert, "1.1.0", metadata={"accuracy": 0.6})
    api.deployment(api.version(bert, "1.2.0", metadata={"accuracy": 0.75, "loss": 1}), "staging")
    api.version(api.model("org/done"), "1.0.0", is_release=True)
    fresh = api.version(api.model("org/fresh"), "0.1.0")
    archived = api.version(api.model("org/old"), "0.1.0")
    api.put(f"/api/v1/versions/{archived['id']}", {"status": "archived"})
    [first, second] = ready(browser.get("/"))
    assert first.startswith("org/fresh 0.1.0")
    assert second.startswith("org/bert 1.2.0 accuracy 0.75 +0.25")
    assert "in staging" in second
    api.delete(f"/api/v1/versions/{fresh['id']}")
    assert len(ready(browser.get("/"))) == 1


def test_the_newest_is_ready_though_an_older_version_was_archived_after_it(browser, api):
    model = api.model()
    api.version(model, "1.0.0")
    api.put(f"/api/v1/versions/{api.version(model, '1.1.0')['id']}", {"status": "archived"})
    assert ready(browser.get("/"))[0].startswith("org/bert 1.0.0")


# --- parts ------------------------------------------------------------------------------------------------------------


def test_activity_tells_what_people_did_and_not_who_came_and_went(browser, api):
    api.by("releaser").get("/api/v1/models")
    api.by(None).get("/api/v1/models", headers={"X-API-Key": "wrong"})
    version = api.by("publisher").version(api.by("publisher").model())
    api.by("releaser").post(f"/api/v1/versions/{version['id']}/promote", {"reason": "beats the old one"})
    lines = Page(browser.get("/", htmx="activity")).texts("li")
    assert [line.rsplit(" just now", 1)[0] for line in lines] == [
        "releaser-key promoted org/bert 1.0.0 “beats the old one”",
        "publisher-key registered org/bert 1.0.0",
        "publisher-key registered the model org/bert",
    ]
