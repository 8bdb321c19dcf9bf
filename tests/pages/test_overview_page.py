import re
from datetime import UTC, datetime, timedelta

import pytest
from markup import Page
from rows import live_everywhere
from stage import environments

from catapult.queries.live import MODELS


def live(response):
    """`{model: {environment: what the cell says}}`."""
    rows, row = {}, None
    for element in Page(response).elements:
        if element.tag == "tr" and (element.get("id") or "").startswith("live-"):
            row = rows.setdefault(element.text.split()[1], {})  # after the letter of its tile
        elif element.tag == "td" and element.get("data-label") and row is not None:
            row[element["data-label"]] = re.sub(r"\b\d s\b", "0 s", element.text)
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
    assert rows["org/bert"] == {
        "dev": "—",
        "staging": "1.1.0 0 s 1 ahead of production",
        "production": "1.0.0 release 0 s",
    }
    assert rows["org/gpt"] == {"dev": "0.1.0 0 s", "staging": "—", "production": "—"}
    assert "2 models" in Page(response).one("section", id="live").text


def test_an_environment_of_a_slip_of_the_hand_is_neither_the_end_of_the_way_nor_what_comes_next(browser, api):
    model = api.model()
    old, new = api.version(model, "1.0.0"), api.version(model, "1.1.0")
    api.put("/api/v1/environments/staging", {"rank": 1})
    api.put("/api/v1/environments/production", {"rank": 2, "protected": True})
    api.deployment(new, "staging")
    api.deployment(old, "production")
    api.deployment(old, "stagin")
    row = live(browser.get("/"))["org/bert"]
    assert list(row) == ["staging", "production", "stagin"]
    assert row["staging"].endswith("1 ahead of production")
    assert "ahead" not in row["production"] + row["stagin"]
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
    assert first.startswith("org/fresh 0.1.0 No release yet registered just now")
    assert second.startswith("org/bert 1.2.0 Newer than 1.0.0 0 s in staging")
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
    assert all(re.search(r" \d\d:\d\d$", line) for line in lines)
    assert [line.rsplit(" ", 1)[0] for line in lines] == [
        "releaser-key promoted org/bert 1.0.0 “beats the old one”",
        "publisher-key registered org/bert 1.0.0",
        "publisher-key registered the model org/bert",
    ]


def test_activity_is_by_day(browser, api, sql):
    for number in range(3):
        api.model(f"org/m{number}")
    sql("ALTER TABLE audit_logs DISABLE TRIGGER audit_logs_append_only")
    days = (("org/m1", 1), ("org/m2", 4))
    for name, ago in days:
        sql(
            "UPDATE audit_logs SET created_at = created_at - make_interval(days => :ago) WHERE details ->> 'name' = :name",
            ago=ago,
            name=name,
        )
    sql("ALTER TABLE audit_logs ENABLE TRIGGER audit_logs_append_only")
    page = Page(browser.get("/", htmx="activity"))
    old = datetime.now(UTC) - timedelta(days=4)
    assert [text.partition(" 202")[0] for text in page.texts("h3")] == ["Today", "Yesterday", f"{old:%a %-d %b}"]
    assert len(page.has_class("feed")) == 3


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        ("success", "admin-key deployed org/bert 1.0.0 to lab"),
        ("failed", "admin-key failed to deploy org/bert 1.0.0 to lab"),
        ("running", "admin-key began to deploy org/bert 1.0.0 to lab"),
    ],
)
def test_activity_says_how_a_deployment_began(browser, api, status, sentence):
    api.deployment(api.version(api.model()), "lab", status=status)
    assert Page(browser.get("/", htmx="activity")).texts("li")[0].startswith(sentence)


def test_a_person_has_initials_and_a_key_has_none(browser, api):
    api.model("org/by-key")
    person = api.make("/api/v1/people", {"name": "Aiko van Tanaka", "role": "publisher"})
    key = api.make("/api/v1/api-keys", {"name": "laptop", "person_id": person["id"], "role": "publisher"})
    api.post("/api/v1/models", {"name": "org/new", "storage_path": "x"}, headers={"X-API-Key": key["key"]})
    page = Page(browser.get("/", htmx="activity"))
    assert [disc.text for disc in page.has_class("disc")] == ["AT", "", ""]
    assert [disc.text for disc in page.has_class("disc") if "square" not in disc["class"].split()] == ["AT"]


# --- figures ----------------------------------------------------------------------------------------------------------


def test_figures_are_hidden_until_something_was_deployed(browser, api):
    assert Page(browser.get("/")).one("section", id="figures").get("hidden") is not None
    api.deployment(api.version(api.model()))
    page = Page(browser.get("/"))
    assert page.one("section", id="figures").get("hidden") is None
    labels = [image["aria-label"] for image in page.all("svg", role="img")]
    assert [label.partition(",")[0] for label in labels][:1] == ["Deployments a week"]
    assert labels[0].endswith(": 1")
    assert len(labels[0].split(", by week: ")[1].split(", ")) == 12


def test_the_overview_keeps_a_week_that_is_over_and_its_pages_say_the_same_after(browser, api, sql):
    api.deployment(api.version(api.model()))
    sql("UPDATE deployments SET deployed_at = deployed_at - interval '3 weeks'")
    before = browser.get("/", htmx="figures").text
    assert [row["deployments"] for row in sql("SELECT deployments FROM week_figures")] == [1]
    assert browser.get("/", htmx="figures").text == before


def test_a_registry_without_anything_that_waits_says_so(browser, api):
    api.version(api.model("org/bert"), is_release=True)
    assert "Nothing waits for you" in browser.get("/").text


def test_the_overview_is_shown_though_a_week_cannot_be_kept(browser, api, sql):
    api.deployment(api.version(api.model()))
    sql("UPDATE deployments SET deployed_at = deployed_at - interval '3 weeks'")
    sql("ALTER TABLE week_figures ADD CONSTRAINT closed CHECK (false)")
    try:
        assert browser.get("/").status_code == 200
    finally:
        sql("ALTER TABLE week_figures DROP CONSTRAINT closed")
    assert sql("SELECT * FROM week_figures") == []
