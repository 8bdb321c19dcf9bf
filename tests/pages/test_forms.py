import json

import pytest
from markup import Page, is_whole

NEW_MODEL = {"name": "org/new", "storage_path": "docker.io/org/new"}
NEW_VERSION = {"model_name": "org/bert", "version": "1.0.0", "tag": "v1.0.0", "digest": "sha256:" + "a" * 64}
SETTINGS, EDIT = "/models/org/bert/-/settings", "/models/org/bert/versions/1.0.0/-/edit"
EVIL = "<script>alert(1)</script>\"' שלום"


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


def as_shown(page):
    """What a browser would send of the form as it is, with the line ends that browsers send."""
    fields = [field for field in page.all("input") + page.all("textarea") if field.get("type") != "checkbox"]
    named = [field for field in fields if field.get("name") not in (None, "q", "theme")]
    return {field["name"]: field.value.replace("\n", "\r\n") for field in named}


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


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("htmx", [None, "form"])
@pytest.mark.parametrize(
    ("changed", "bad"),
    [
        ({"name": ""}, ["name"]),
        ({"name": "org/versions"}, ["name"]),
        ({"name": "a\x00b"}, ["name"]),
        ({"storage_path": "x" * 1025}, ["storage_path"]),
        ({"description": "x" * 10_001}, ["description"]),
        ({"tags": "x" * 129}, ["tags"]),
        ({"metadata": "[1]"}, ["metadata"]),
        ({"metadata": '{"a": NaN}'}, ["metadata"]),
        ({"metadata": '{"a": 1, "a": 2}'}, ["metadata"]),
        ({"metadata": "[" * 5_000}, ["metadata"]),
        ({"name": "a b", "metadata": "{", "tags": "x" * 129}, ["name", "tags", "metadata"]),
        ({"size_bytes": "many"}, ["size_bytes"]),
        ({"size_bytes": "9" * 25}, ["size_bytes"]),
        ({"size_bytes": "1.5"}, ["size_bytes"]),
        ({"version": ".."}, ["version"]),
        ({"model_name": ""}, ["model_name"]),
        ({"digest": "none", "metadata": '{"a": "\\u0000"}'}, ["digest", "metadata"]),
    ],
)
def test_what_is_refused_is_shown_again_as_it_was_typed(browser, model, sql, htmx, changed, bad):
    is_version = set(changed) & {"size_bytes", "version", "model_name", "digest"}
    before = {**NEW_VERSION, "release_notes": EVIL} if is_version else {**NEW_MODEL, "description": EVIL, "tags": "nlp"}
    typed = {**before, "metadata": '{ "typed" :1}', **changed}
    answer = browser.post("/new/version" if is_version else "/new/model", typed, htmx=htmx)
    page = Page(answer)
    assert (answer.status_code, is_whole(answer), page.invalid) == (422, htmx is None, bad)
    assert all(page.field(name).value == text for name, text in typed.items() if "\x00" not in text)
    for name in bad:
        fault = page.one(id=page.field(name)["aria-describedby"].split()[-1])
        assert (fault.get("class"), bool(fault.text)) == ("fault", True)
    assert "<script>alert" not in answer.text
    assert [len(sql("SELECT 1 FROM models")), len(sql("SELECT 1 FROM versions"))] == [1, 0]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{"a": 1,\n "b": }', "line 2, column 7"),
        ("{'a': 1}", "line 1, column 2"),
        ('{"a": 1} x', "line 1, column 10"),
        ("{", "line 1, column 2"),
    ],
)
@pytest.mark.parametrize("path", ["/new/model", SETTINGS, EDIT])
def test_bad_json_is_told_with_its_line_and_column(browser, version, text, place, path):
    data = NEW_MODEL if path == "/new/model" else as_shown(Page(browser.get(path)))
    page = Page(browser.post(path, {**data, "metadata": text}))
    assert page.invalid == ["metadata"]
    assert place in page.one(id="field-metadata-fault").text.lower()
    assert page.field("metadata").value == text


@pytest.mark.parametrize(
    ("noun", "typed", "field", "message"),
    [
        ("model", {**NEW_MODEL, "name": "ORG/Bert", "description": "mine"}, "description", "already exists"),
        ("version", {**NEW_VERSION, "release_notes": "mine"}, "release_notes", "already has that version"),
    ],
)
def test_a_name_that_is_taken_is_named_and_nothing_typed_is_lost(browser, version, noun, typed, field, message):
    answer = browser.post(f"/new/{noun}", typed, htmx="form")
    page = Page(answer)
    assert (answer.status_code, page.field(field).value) == (409, "mine")
    assert message in page.one(role="alert").text
    assert "HX-Reswap" not in answer.headers


def test_a_version_of_no_model_is_told_at_its_field(browser):
    answer = browser.post("/new/version", NEW_VERSION)
    assert answer.status_code in (409, 422)
    assert Page(answer).invalid == ["model_name"]
    assert Page(answer).field("version").value == "1.0.0"


# --- changing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [SETTINGS, EDIT])
def test_saving_a_form_as_it_was_shown_changes_nothing_and_writes_no_entry(browser, version, sql, trail, path):
    tables = {table: sql(f"SELECT * FROM {table}") for table in ("models", "versions")}
    entries = len(trail())
    answer = browser.post(path, as_shown(Page(browser.get(path))))
    assert answer.status_code == 303
    assert len(trail()) == entries
    assert {table: sql(f"SELECT * FROM {table}") for table in tables} == tables


def test_only_what_is_different_is_changed_and_audited(browser, version, trail):
    shown = as_shown(Page(browser.get(EDIT)))
    browser.by("publisher").post(EDIT, {**shown, "release_notes": "One\r\nThree"})
    entry = trail("version.update")[0]
    assert entry["details"]["changes"] == {"release_notes": {"old": "One\n\nTwo", "new": "One\nThree"}}
    assert entry["api_key_name"] == "publisher-key"


def test_an_empty_field_is_cleared(browser, api, version):
    browser.post(
        SETTINGS, {**as_shown(Page(browser.get(SETTINGS))), "description": "", "tags": " ", "metadata": "\r\n"}
    )
    model = api.get("/api/v1/models").json[0]
    assert (model["description"], model["tags"], model["metadata"]) == (None, [], {})
    browser.post(EDIT, {**as_shown(Page(browser.get(EDIT))), "release_notes": "", "quantization": "", "metadata": ""})
    changed = api.get(f"/api/v1/versions/{version['id']}").json
    assert (changed["release_notes"], changed["quantization"], changed["metadata"]) == (None, None, {})


def test_a_form_cannot_change_what_never_changes(browser, api, version):
    browser.post(SETTINGS, {**as_shown(Page(browser.get(SETTINGS))), "name": "org/other"})
    fixed = {"version": "9", "is_release": "true", "status": "archived", "digest": "a:b"}
    browser.post(EDIT, {**as_shown(Page(browser.get(EDIT))), **fixed})
    now = api.get(f"/api/v1/versions/{version['id']}").json
    names = ("model_name", "version", "is_release", "status", "digest")
    assert [now[name] for name in names] == [version[name] for name in names]


@pytest.mark.parametrize(
    ("path", "address", "field"),
    [(SETTINGS, "/api/v1/models/{model}", "description"), (EDIT, "/api/v1/versions/{version}", "release_notes")],
)
@pytest.mark.parametrize("htmx", [None, True])
def test_somebody_elses_change_is_told_with_the_name_and_nothing_is_lost(
    browser, api, version, trail, path, address, field, htmx
):
    shown = as_shown(Page(browser.get(path)))
    theirs = address.format(model=version["model_id"], version=version["id"])
    api.by("publisher").put(theirs, {field: "theirs"})
    entries = len(trail())
    typed = {**shown, field: "mine"}
    for _ in range(2):  # sending it again does not write over it either
        answer = browser.post(path, typed, htmx=htmx and ("tab" if path == SETTINGS else "form"))
        page = Page(answer)
        assert answer.status_code == 412
        assert is_whole(answer) is (htmx is None)
        assert "publisher-key" in page.one(role="alert").text
        assert page.field(field).value == "mine"
        assert path in page.links
        typed = as_shown(page)
    assert len(trail()) == entries
    assert api.get(theirs).json[field] == "theirs"
    reloaded = Page(browser.get(path))
    assert reloaded.field(field).value == "theirs"
    assert browser.post(path, {**as_shown(reloaded), field: "mine"}).status_code == 303


def test_metadata_is_shown_as_it_is_stored_to_the_last_digit(browser, version):
    text = Page(browser.get(EDIT)).field("metadata").value
    assert "12345678901234567890123" in text
    assert "12.5" in Page(browser.get(SETTINGS)).field("metadata").value
    assert "שלום" not in text


def test_a_tag_with_a_comma_stays_one(browser, api, model, trail):
    api.put(f"/api/v1/models/{model['id']}", {"tags": ["a,b", "c, d", '"e"']})
    shown = as_shown(Page(browser.get(SETTINGS)))
    browser.post(SETTINGS, {**shown, "description": "changed"})
    assert "tags" not in trail("model.update")[0]["details"]["changes"]
    browser.post(SETTINGS, {**as_shown(Page(browser.get(SETTINGS))), "tags": shown["tags"] + "\r\nnew"})
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


@pytest.mark.parametrize(
    ("path", "name"), [("/models/org/bert/-/delete", "org/bert"), ("/models/org/bert/versions/1.0.0/-/delete", "1.0.0")]
)
def test_deleting_takes_the_typed_name(browser, api, version, trail, path, name):
    page = Page(browser.get(path))
    assert name in page.one("main").text
    for typed in ("", "x", name.upper() + "x", name[:-1]):
        answer = browser.post(path, {"confirm": typed}, htmx="form")
        assert (answer.status_code, Page(answer).invalid) == (422, ["confirm"])
        assert Page(answer).field("confirm").value == typed
    assert trail("model.delete") == trail("version.delete") == []
    answer = browser.post(path, {"confirm": name})
    assert answer.status_code == 303
    assert browser.get(answer.headers["Location"]).status_code == 200
    assert browser.get(path).status_code == 404
    assert browser.post(path, {"confirm": name}).status_code == 404


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
