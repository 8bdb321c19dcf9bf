import json

import pytest
from markup import Page

NEW_MODEL = {"name": "org/new", "storage_path": "docker.io/org/new"}
NEW_VERSION = {"model_name": "org/bert", "version": "1.0.0", "tag": "v1.0.0", "digest": "sha256:" + "a" * 64}
SETTINGS, EDIT = "/models/org/bert/-/settings", "/models/org/bert/versions/1.0.0/-/edit"


@pytest.fixture
def model(api):
    return api.model(description="One\nTwo", tags=["nlp", "a b"], metadata={"owner": "team", "n": 12.50})


@pytest.fixture
def version(api, model):
    return api.version(
        model,
        "1.0.0",
        release_notes="One\n\nTwo",
        metadata={"accuracy": 0.5, "big": 12345678901234567890123},
        quantization="int8",
    )


# --- registering ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("noun", "data", "stored"),
    [
        (
            "model",
            {**NEW_MODEL, "description": "One\r\nTwo", "tags": "nlp\r\n a b \r\n\r\n", "metadata": '{"n": 1.50}'},
            {"description": "One\nTwo", "tags": ["nlp", "a b"], "metadata": {"n": 1.5}},
        ),
        (
            "version",
            {**NEW_VERSION, "size_bytes": "123", "platform": "", "metadata": '{"n": 1}', "release_notes": "a\r\nb"},
            {"size_bytes": 123, "platform": "linux/amd64", "metadata": {"n": 1}, "release_notes": "a\nb"},
        ),
    ],
)
def test_what_is_registered_is_stored_and_its_page_opens(browser, api, model, trail, noun, data, stored):
    answer = browser.by("publisher").post(f"/new/{noun}", data)
    assert answer.status_code == 303
    assert browser.get(answer.headers["Location"]).status_code == 200
    made = api.get(f"/api/v1/{noun}s").json[0]
    assert {name: made[name] for name in stored} == stored
    assert trail(f"{noun}.create")[0]["api_key_name"] == "publisher-key"


def test_htmx_goes_on_without_a_new_page_and_with_a_toast(browser, model):
    answer = browser.post("/new/model", NEW_MODEL, htmx="form")
    assert (answer.status_code, answer.text) == (204, "")
    assert json.loads(answer.headers["HX-Location"])["path"] == "/models/org/new"
    assert "org/new" in json.loads(answer.headers["HX-Trigger"])["toast"]["text"]


# --- changing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [SETTINGS, EDIT])
def test_saving_a_form_as_it_was_shown_changes_nothing_and_writes_no_entry(browser, version, sql, trail, path):
    tables = {table: sql(f"SELECT * FROM {table}") for table in ("models", "versions")}
    entries = len(trail())
    answer = browser.post(path, Page(browser.get(path)).form)
    assert answer.status_code == 303
    assert len(trail()) == entries
    assert {table: sql(f"SELECT * FROM {table}") for table in tables} == tables


def test_only_what_is_different_is_changed_and_audited(browser, version, trail):
    shown = Page(browser.get(EDIT)).form
    browser.by("publisher").post(EDIT, {**shown, "release_notes": "One\r\nThree"})
    entry = trail("version.update")[0]
    assert entry["details"]["changes"] == {"release_notes": {"old": "One\n\nTwo", "new": "One\nThree"}}
    assert entry["api_key_name"] == "publisher-key"


def test_an_empty_field_is_cleared(browser, api, version):
    browser.post(SETTINGS, {**Page(browser.get(SETTINGS)).form, "description": "", "tags": " ", "metadata": "\r\n"})
    model = api.get("/api/v1/models").json[0]
    assert (model["description"], model["tags"], model["metadata"]) == (None, [], {})
    browser.post(EDIT, {**Page(browser.get(EDIT)).form, "release_notes": "", "quantization": "", "metadata": ""})
    changed = api.get(f"/api/v1/versions/{version['id']}").json
    assert (changed["release_notes"], changed["quantization"], changed["metadata"]) == (None, None, {})


def test_a_form_cannot_change_what_never_changes(browser, api, version):
    browser.post(SETTINGS, {**Page(browser.get(SETTINGS)).form, "name": "org/other"})
    fixed = {"version": "9", "is_release": "true", "status": "archived", "digest": "a:b"}
    browser.post(EDIT, {**Page(browser.get(EDIT)).form, **fixed})
    now = api.get(f"/api/v1/versions/{version['id']}").json
    names = ("model_name", "version", "is_release", "status", "digest")
    assert [now[name] for name in names] == [version[name] for name in names]


def test_metadata_is_shown_as_it_is_stored_to_the_last_digit(browser, version):
    text = Page(browser.get(EDIT)).field("metadata").value
    assert "12345678901234567890123" in text
    assert "12.5" in Page(browser.get(SETTINGS)).field("metadata").value


def test_a_tag_with_a_comma_stays_one(browser, api, model, trail):
    api.put(f"/api/v1/models/{model['id']}", {"tags": ["a,b", "c, d", '"e"']})
    shown = Page(browser.get(SETTINGS)).form
    browser.post(SETTINGS, {**shown, "description": "changed"})
    assert "tags" not in trail("model.update")[0]["details"]["changes"]
    browser.post(SETTINGS, {**Page(browser.get(SETTINGS)).form, "tags": shown["tags"] + "\r\nnew"})
    assert api.get(f"/api/v1/models/{model['id']}").json["tags"] == ["a,b", "c, d", '"e"', "new"]


@pytest.mark.parametrize(
    "text",
    ["</textarea><script>alert(1)</script>", "&lt;&amp;&#34;&quot;&&&<<", "&copy &notit; &#x26; <!--", "<", "\nOne"],
)
def test_a_text_comes_back_from_a_form_as_it_is(browser, api, model, text):
    api.version(model, "2.0.0", release_notes=text)
    page = browser.get("/models/org/bert/versions/2.0.0/-/edit")
    assert Page(page).field("release_notes").value == text
    assert page.text.count("</textarea>") == 2


# --- deleting ---------------------------------------------------------------------------------------------------------


def test_what_is_live_is_deleted_only_where_that_was_said(browser, api, version, sql):
    api.deployment(version)
    path = "/models/org/bert/-/delete"
    answer = browser.post(path, {"confirm": "org/bert"}, htmx="form")
    page = Page(answer)
    assert answer.status_code == 409
    assert "live in production" in page.one(role="alert").text
    assert page.field("confirm").value == "org/bert"
    assert browser.post("/models/org/bert/versions/1.0.0/-/delete", {"confirm": "1.0.0"}).status_code == 409
    assert browser.post(path, {"confirm": "org/bert", "force": "on"}).status_code == 303
    assert sql("SELECT 1 FROM deployments WHERE live_from IS NOT NULL AND ended_at IS NULL") == []
