import pytest
from markup import Page, is_whole
from stage import environments

from catapult.queries.live import MODELS

PARTS = ("live", "ready", "activity")


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


def test_how_far_production_is_behind_leaves_archived_and_deleted_versions_out(browser, api):
    model = api.model()
    api.deployment(api.version(model, "1.0.0"), "production")
    for number in range(1, 4):
        version = api.version(model, f"1.{number}.0")
        if number == 1:
            api.put(f"/api/v1/versions/{version['id']}", {"status": "archived"})
        if number == 2:
            api.delete(f"/api/v1/versions/{version['id']}")
    assert live(browser.get("/"))["org/bert"]["Production is behind"] == "1 version"


def test_what_has_ended_or_failed_is_not_live(browser, api):
    version = api.version(api.model())
    api.deployment(version, "production", status="failed")
    assert "Nothing is live yet" in browser.get("/").text
    assert live(browser.get("/")) == {}


def test_an_empty_registry_says_what_to_do_next(browser):
    text = browser.get("/").text
    for said in (
        "Nothing is live yet",
        "http://localhost/api/v1/models",
        "create_version(",
        "flask demo",
        "newest version is its release",
    ):
        assert said in text


def test_some_models_are_shown_and_the_others_by_a_link(browser, api):
    for number in range(12):
        api.deployment(api.version(api.model(f"org/m{number}")), "production")
    few = browser.get("/")
    assert list(live(few)) == [f"org/m{number}" for number in range(11, 11 - MODELS, -1)]
    assert "/?all=1" in Page(few).links
    every = browser.get("/?all=1")
    assert len(live(every)) == 12
    assert Page(every).one("section", id="live")["hx-get"] == "/?all=1"


def test_many_environments_do_not_hide_that_there_are_more_models(browser, sql):
    sql(
        "INSERT INTO models (id, name, storage_path) SELECT md5('m' || n)::uuid, 'org/m' || n, 'x' FROM generate_series(1, 14) AS n"
    )
    sql(
        "INSERT INTO versions (id, model_id, version, tag, digest, platform, status, created_by)"
        " SELECT md5('m' || n)::uuid, md5('m' || n)::uuid, '1', 't', 'a:b', 'p', 'active', 'x' FROM generate_series(1, 14) AS n"
    )
    sql(environments(numbered=45))
    sql(
        "INSERT INTO deployments (id, release_id, model_id, environment, status, deployed_by, deployed_at, live_from)"
        " SELECT gen_random_uuid(), md5('m' || n)::uuid, md5('m' || n)::uuid, 'env-' || e, 'success', 'x', now() + n * interval '1 s', now()"
        " FROM generate_series(1, 14) AS n, generate_series(1, 45) AS e"
    )
    few = browser.get("/")
    assert list(live(few)) == [f"org/m{number}" for number in range(14, 14 - MODELS, -1)]
    assert "/?all=1" in Page(few).links
    every = browser.get("/?all=1")
    assert list(live(every)) == [f"org/m{number}" for number in range(14, 1, -1)]
    assert "The 13 models that were deployed last" in every.text


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


def test_six_are_ready_at_most_the_newest_first(browser, api):
    for number in range(8):
        api.version(api.model(f"org/m{number}"), "1.0.0")
    assert [line.split()[0] for line in ready(browser.get("/"))] == [f"org/m{number}" for number in range(7, 1, -1)]


def test_promoting_answers_with_what_is_still_ready_and_undo(browser, api, trail):
    api.version(api.model("org/bert"))
    api.version(api.model("org/gpt"))
    answer = browser.by("releaser").post("/models/org/bert/versions/1.0.0/-/promote", htmx="ready")
    page = Page(answer)
    assert answer.text.lstrip().startswith('<section class="card" id="ready"')
    assert [line.split()[0] for line in ready(answer)] == ["org/gpt"]
    [undo] = [form for form in page.all("form", method="post") if form["action"].endswith("/demote")]
    assert undo["hx-target"] == "#ready"
    assert trail("version.promote")[0]["api_key_name"] == "releaser-key"
    assert [line.split()[0] for line in ready(browser.post(undo["action"], htmx="ready"))] == ["org/gpt", "org/bert"]


def test_promoting_what_somebody_promoted_meanwhile_shows_what_is_true(browser, api, trail):
    api.version(api.model())
    for somebody in (browser.by("releaser"), browser):
        answer = somebody.post("/models/org/bert/versions/1.0.0/-/promote", htmx="ready")
        assert ready(answer) == []
    assert "releaser-key" in Page(answer).has_class("toast")[0].text
    assert len(trail("version.promote")) == 1


# --- parts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", PARTS)
def test_each_part_asks_for_itself_and_says_that_it_is_no_use(browser, api, part):
    api.deployment(api.version(api.model()))
    section = Page(browser.get("/")).one("section", id=part)
    assert (section["hx-headers"], section.get("data-poll")) == ('{"X-Poll": "1"}', "")
    answer = browser.get(section["hx-get"], htmx=part, headers={"X-Poll": "1"})
    assert answer.text.lstrip().startswith("<section")
    assert [element["id"] for element in Page(answer).all("section")] == [part]
    assert answer.headers["Vary"] == "HX-Request, Accept-Encoding"
    assert is_whole(browser.get("/", htmx=part, headers={"HX-History-Restore-Request": "true"}))


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


def test_what_people_typed_is_never_markup(browser, api):
    evil = "<script>alert(1)</script>"
    version = api.version(api.model(description=evil), metadata={evil: 1})
    api.deployment(version)
    api.post(f"/api/v1/versions/{version['id']}/promote", {"reason": evil})
    text = browser.get("/").text
    assert "<script>alert" not in text
    assert "&lt;script&gt;" in text
