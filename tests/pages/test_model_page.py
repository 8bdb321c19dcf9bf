import pytest
from markup import Page

MODEL = "/models/org/bert"


@pytest.fixture
def model(api):
    return api.model(description="Reads reviews", tags=["nlp"])


def promote(browser, version, verb="promote", **kwargs):
    address = f"/models/{version['model_name']}/versions/{version['version']}/-/{verb}"
    return browser.post(address, htmx=f"version-{version['id']}", **kwargs)


def versions(response):
    return [box["value"] for box in Page(response).all("input", name="v")]


# --- what it shows ----------------------------------------------------------------------------------------------------


def test_the_heading_says_what_the_model_is(browser, api, model):
    api.version(model)
    page = Page(browser.get(MODEL))
    assert page.one("h1").text == "org/bert"
    assert "/models?tag=nlp" in page.links
    assert "Reads reviews" in page.has_class("lead")[0].text
    assert page.texts("nav", class_="tabs") == ["Versions 1 Deployments 0 Gates Activity Settings"]
    assert page.one("a", id="tab-versions").get("aria-current") == "page"


def test_a_row_says_what_a_version_is(browser, api, model):
    version = api.version(model, "1.0.0", metadata={"accuracy": 0.9123456, "loss": 12}, is_release=True)
    api.deployment(version, "production")
    row = Page(browser.get(MODEL)).all("tr")[1].text
    for said in ("1.0.0", "release", "sha256:aaaa…aaaa", "0.912346", "12", "production", "admin-key"):
        assert said in row


def test_a_digest_that_no_registry_takes_is_marked(browser, api, model):
    api.version(model, "1.0.0", digest="sha256:short")
    assert "digest malformed" in browser.get(MODEL).text


def test_names_know_no_case_and_names_with_slashes_are_whole(browser, api, model):
    api.model("a/b/c")
    assert Page(browser.get("/models/ORG/Bert")).one("h1").text == "org/bert"
    assert Page(browser.get("/models/a/b/c")).one("h1").text == "a/b/c"


def test_numbers_are_columns_and_a_chart_as_the_address_asks(browser, api, model):
    api.version(model, "1.0.0", metadata={"accuracy": 0.5, "b": 1, "a": {"x": 2}, "name": "text"})
    api.version(model, "1.1.0", metadata={"accuracy": 0.6, "b": 3})
    page = Page(browser.get(MODEL))
    assert [cell["data-label"] for cell in page.all("td", class_="number")][:2] == ["accuracy", "a.x"]
    assert page.one("h2", id="chart-name").text == "accuracy"
    chosen = Page(browser.get(f"{MODEL}?c=b&c=name&c=nothing&metric=b"))
    assert [cell["data-label"] for cell in chosen.all("td", class_="number")] == ["b", "b"]
    assert chosen.one("h2", id="chart-name").text == "b"
    assert [link.get("aria-label") for link in chosen.all("a") if (link.get("aria-label") or "").startswith("1.")] == [
        "1.0.0: 1",
        "1.1.0: 3",
    ]
    assert "name" not in [option.text for option in chosen.all("option")]


# --- parts ------------------------------------------------------------------------------------------------------------


def test_activity_tells_of_versions_and_deployments_and_of_what_was_deleted(browser, api, model):
    other = api.model("org/other")
    gone = api.version(model, "1.0.0")
    api.make("/api/v1/gates", {"model": "*", "target": "release", "kind": "approved"})
    for version in (api.version(other, "9.9.9"), gone):
        api.by("releaser").make(f"/api/v1/versions/{version['id']}/approvals", {"target": "release"})
    api.deployment(gone, "lab", status="failed")
    api.delete(f"/api/v1/versions/{gone['id']}")
    feed = Page(browser.get(f"{MODEL}/-/activity")).one("ul", class_="feed").text
    told = [
        "deleted org/bert 1.0.0",
        "deployed org/bert 1.0.0 to lab (failed)",
        "approved",
        "registered org/bert 1.0.0",
        "the model org/bert",
    ]
    assert [feed.index(text) for text in told] == sorted(feed.index(text) for text in told)
    assert "9.9.9" not in feed


# --- promoting in place -----------------------------------------------------------------------------------------------


def test_promoting_answers_with_the_row_the_counter_the_chart_and_a_toast(browser, api, model, trail):
    version = api.version(model, metadata={"accuracy": 0.5})
    answer = promote(browser.by("releaser"), version, data={"c": "accuracy", "metric": "accuracy"})
    page = Page(answer)
    assert answer.text.lstrip().startswith(f'<tr id="version-{version["id"]}"')
    assert page.all("span", class_="chip release")
    assert f"{MODEL}/versions/1.0.0/-/demote" in page.actions
    assert {element["id"] for element in page.all(hx_swap_oob="true")} == {"release-count", "drawing"}
    assert page.one(id="release-count").text == "1 release"
    assert "1.0.0: 0.5, release" in [link.get("aria-label") for link in page.all("a")]
    assert page.one(hx_swap_oob="beforeend:#toasts")
    assert "org/bert 1.0.0" in page.has_class("toast")[0].text
    [entry] = trail("version.promote")
    assert entry["api_key_name"] == "releaser-key"


def test_undo_takes_it_back_in_the_same_row(browser, api, model, sql):
    version = api.version(model, metadata={"accuracy": 1, "loss": 2})
    shown = {"c": "loss", "metric": "loss"}
    [undo] = [
        form
        for form in Page(promote(browser, version, data=shown)).all("form")
        if form.get("hx-target") and "?" in form["action"]
    ]
    assert undo["hx-target"] == f"#version-{version['id']}"
    answer = browser.post(undo["action"], htmx=undo["hx-target"][1:])
    page = Page(answer)
    assert [cell["data-label"] for cell in page.all("td", class_="number")] == ["loss"]
    assert page.one("title", id="chart-title").text == "loss by version of org/bert"
    assert page.one(id="release-count").text == "0 releases"
    assert f"{MODEL}/versions/1.0.0/-/promote" in page.actions
    assert sql("SELECT 1 FROM versions WHERE released_at IS NOT NULL") == []


def test_a_row_shows_the_columns_that_are_beside_it(browser, api, model):
    version = api.version(model, metadata={"accuracy": 1, "loss": 2, "wer": 3})
    page = browser.get(f"{MODEL}?c=loss&c=wer&metric=wer")
    sent = [(box["name"], box["value"]) for box in Page(page).all("input", type="hidden")]
    assert {("c", "loss"), ("c", "wer"), ("metric", "wer")} <= set(sent)
    [form] = Page(page).all("form", action=f"{MODEL}/versions/1.0.0/-/promote")
    assert form["hx-include"] == "#shown"
    answer = Page(promote(browser, version, data={"c": ["loss", "wer"], "metric": "wer"}))
    assert [cell["data-label"] for cell in answer.all("td", class_="number")] == ["loss", "wer"]
    assert answer.one("title", id="chart-title").text == "wer by version of org/bert"
    plain = Page(promote(browser, version, "demote"))
    assert plain.all("td", class_="number") == plain.all(id="drawing") == []


@pytest.mark.parametrize("name", ["c", "metric"])
def test_a_number_that_no_version_could_have_is_none(browser, api, model, name):
    version = api.version(model, metadata={"accuracy": 1})
    assert browser.get(f"{MODEL}?{name}=a%00b").status_code == 200
    assert promote(browser, version, data={name: "a\x00b"}).status_code == 200


def test_of_hundreds_of_numbers_any_can_be_asked_for_and_old_ones_are_none(browser, api, model, sql):
    api.version(model, "0.1.0", metadata={"old": 1})
    api.version(model, "1.0.0", metadata={f"k{number:03}": number for number in range(400)} | {"wer": 1})
    sql("UPDATE versions SET deleted_at = now() WHERE version = '0.1.0'")
    page = Page(browser.get(f"{MODEL}?c=k399&c=old&metric=k398"))
    assert [cell["data-label"] for cell in page.all("td", class_="number")] == ["k399"]
    assert page.one("h2", id="chart-name").text == "k398"
    assert page.one("select", id="metric").text.startswith("wer k000 k001")


def test_promoting_a_release_again_writes_no_entry_and_shows_what_is_true(browser, api, model, trail):
    version = api.version(model)
    for somebody in (browser.by("releaser"), browser):
        page = Page(promote(somebody, version))
        assert page.all("span", class_="chip release")
    assert "releaser-key" in page.has_class("toast")[0].text
    assert "Undo" not in page.texts("button")
    assert len(trail("version.promote")) == 1


def test_a_version_that_is_gone_meanwhile_says_so_in_its_row(browser, api, model):
    version = api.version(model)
    api.delete(f"/api/v1/versions/{version['id']}")
    answer = promote(browser, version)
    assert answer.status_code == 404
    assert answer.text.lstrip().startswith(f'<tr id="version-{version["id"]}"')
    assert "deleted" in Page(answer).one("tr").text
    assert "HX-Reswap" not in answer.headers


@pytest.mark.parametrize(
    ("referrer", "to"),
    [
        ("http://localhost/models/org/bert?show=releases", "http://localhost/models/org/bert?show=releases"),
        ("https://evil.test/", f"{MODEL}/versions/1.0.0"),
        ("http://localhost.evil.test/", f"{MODEL}/versions/1.0.0"),
        (None, f"{MODEL}/versions/1.0.0"),
    ],
)
def test_without_htmx_one_comes_back_to_where_one_was(browser, api, model, sql, referrer, to):
    api.version(model)
    answer = browser.post(f"{MODEL}/versions/1.0.0/-/promote", headers={"Referer": referrer} if referrer else {})
    assert (answer.status_code, answer.headers["Location"]) == (303, to)
    assert len(sql("SELECT 1 FROM versions WHERE released_at IS NOT NULL")) == 1


@pytest.mark.parametrize("verb", ["promote", "demote", "archive", "activate", "delete"])
def test_no_link_changes_anything(browser, api, model, verb):
    api.version(model)
    answer = browser.get(f"{MODEL}/versions/1.0.0/-/{verb}")
    assert answer.status_code == (200 if verb == "delete" else 405)
