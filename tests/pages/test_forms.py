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
    """What a browser would send of the form as it stands, with the line ends that browsers send."""
    fields = page.all("input") + page.all("textarea")
    kept = [
        field for field in fields if field.get("name") not in (None, "q", "theme") and field.get("type") != "checkbox"
    ]
    return {field["name"]: field.value.replace("\n", "\r\n") for field in kept}


# --- registering ------------------------------------------------------------------------------------------------------


def test_a_model_is_registered_and_its_page_opens(browser, api, trail):
    data = {
        **NEW_MODEL,
        "description": "One\r\nTwo",
        "tags": "nlp\r\n a b \r\n\r\n",
        "metadata": '{"owner": "team", "n": 1.50}',
    }
    answer = browser.by("publisher").post("/new/model", data)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/models/org/new")
    [model] = api.get("/api/v1/models").json
    assert (model["description"], model["tags"], model["metadata"]) == (
        "One\nTwo",
        ["nlp", "a b"],
        {"owner": "team", "n": 1.5},
    )
    assert trail("model.create")[0]["api_key_name"] == "publisher-key"


def test_a_version_is_registered_and_its_page_opens(browser, api, model, trail):
    data = {
        **NEW_VERSION,
        "size_bytes": "123",
        "platform": "",
        "metadata": '{"accuracy": 0.95}',
        "release_notes": "a\r\nb",
    }
    answer = browser.by("publisher").post("/new/version", data)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/models/org/bert/versions/1.0.0")
    [version] = api.get("/api/v1/versions").json
    assert (version["size_bytes"], version["platform"], version["release_notes"]) == (123, "linux/amd64", "a\nb")
    assert version["metadata"] == {"accuracy": 0.95}
    assert trail("version.create")[0]["api_key_name"] == "publisher-key"


def test_htmx_goes_on_without_a_new_page_and_with_a_toast(browser, model):
    answer = browser.post("/new/model", NEW_MODEL, htmx="form")
    assert (answer.status_code, answer.text) == (204, "")
    assert json.loads(answer.headers["HX-Location"])["path"] == "/models/org/new"
    assert "org/new" in json.loads(answer.headers["HX-Trigger"])["toast"]["text"]


def test_the_form_for_a_version_knows_its_model(browser, model):
    assert Page(browser.get("/new/version?model_name=org/bert")).field("model_name").value == "org/bert"


@pytest.mark.parametrize("path", ["/new/model", "/new/version", "/new/deployment"])
def test_a_form_is_a_page_and_in_a_dialog_a_part(browser, path):
    page, part = browser.get(path), browser.get(path, htmx="dialog-body")
    assert (is_whole(page), is_whole(part)) == (True, False)
    assert part.text.lstrip().startswith("<form")
    assert page.headers["Vary"] == part.headers["Vary"] == "HX-Request, Accept-Encoding"
    assert is_whole(browser.get(path, htmx="dialog-body", headers={"HX-History-Restore-Request": "true"}))


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "bad"),
    [
        ({"name": ""}, ["name"]),
        ({"name": "a b"}, ["name"]),
        ({"name": "org/versions"}, ["name"]),
        ({"name": "x" * 256}, ["name"]),
        ({"name": "a\x00b"}, ["name"]),
        ({"storage_path": ""}, ["storage_path"]),
        ({"storage_path": "x" * 1025}, ["storage_path"]),
        ({"description": "x" * 10_001}, ["description"]),
        ({"tags": "\n".join(f"t{number}" for number in range(51))}, ["tags"]),
        ({"tags": "x" * 129}, ["tags"]),
        ({"metadata": "{"}, ["metadata"]),
        ({"metadata": "[1]"}, ["metadata"]),
        ({"metadata": '{"a": NaN}'}, ["metadata"]),
        ({"metadata": '{"a": 1e999}'}, ["metadata"]),
        ({"metadata": '{"a": 1, "a": 2}'}, ["metadata"]),
        ({"metadata": json.dumps({"a": "x" * 70_000})}, ["metadata"]),
        ({"metadata": json.dumps({str(key): 1 for key in range(600)})}, ["metadata"]),
        ({"metadata": "[" * 5_000}, ["metadata"]),
        ({"name": "a b", "metadata": "{", "tags": "x" * 129}, ["name", "tags", "metadata"]),
    ],
)
@pytest.mark.parametrize("htmx", [None, "form"])
def test_a_model_that_is_refused_is_shown_again_as_it_was_typed(browser, sql, htmx, changed, bad):
    typed = {**NEW_MODEL, "description": EVIL, "tags": "nlp", "metadata": '{ "kept" :1}', **changed}
    answer = browser.post("/new/model", typed, htmx=htmx)
    page = Page(answer)
    assert answer.status_code == 422
    assert is_whole(answer) is (htmx is None)
    assert page.invalid == bad
    for name, text in typed.items():
        if "\x00" not in text:
            assert page.field(name).value == text
    for name in bad:
        said = page.one(id=page.field(name)["aria-describedby"].split()[-1])
        assert said.get("class") == "fault"
        assert said.text
    assert "<script>alert" not in answer.text
    assert sql("SELECT 1 FROM models") == []


@pytest.mark.parametrize(
    ("changed", "bad"),
    [
        ({"version": ""}, ["version"]),
        ({"version": "a/b"}, ["version"]),
        ({"version": ".."}, ["version"]),
        ({"tag": "-x"}, ["tag"]),
        ({"digest": "none"}, ["digest"]),
        ({"size_bytes": "many"}, ["size_bytes"]),
        ({"size_bytes": "-1"}, ["size_bytes"]),
        ({"size_bytes": "9" * 19}, []),
        ({"size_bytes": "9" * 25}, ["size_bytes"]),
        ({"size_bytes": "1.5"}, ["size_bytes"]),
        ({"platform": "x" * 129}, ["platform"]),
        ({"model_name": ""}, ["model_name"]),
        ({"metadata": '{"a": "\\u0000"}'}, ["metadata"]),
    ],
)
def test_a_version_that_is_refused_is_shown_again_as_it_was_typed(browser, model, sql, changed, bad):
    typed = {**NEW_VERSION, "release_notes": EVIL, "metadata": "", **changed}
    answer = browser.post("/new/version", typed)
    if changed == {"size_bytes": "9" * 19}:
        assert answer.status_code in (303, 422)
        return
    page = Page(answer)
    assert (answer.status_code, page.invalid) == (422, bad or page.invalid)
    assert all(page.field(name).value == text for name, text in typed.items())
    assert sql("SELECT 1 FROM versions") == []


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


def test_a_name_that_is_taken_is_told_and_nothing_typed_is_lost(browser, model, api):
    for typed in ({**NEW_MODEL, "name": "ORG/Bert", "description": "mine"},):
        answer = browser.post("/new/model", typed, htmx="form")
        page = Page(answer)
        assert answer.status_code == 409
        assert "there already" in page.one(role="alert").text
        assert page.field("description").value == "mine"
        assert "HX-Reswap" not in answer.headers
    assert [one["name"] for one in api.get("/api/v1/models").json] == ["org/bert"]


def test_a_version_that_is_there_is_told(browser, version):
    answer = browser.post("/new/version", {**NEW_VERSION, "release_notes": "mine"})
    assert answer.status_code == 409
    assert "already has that version" in Page(answer).one(role="alert").text
    assert Page(answer).field("release_notes").value == "mine"


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


def test_what_has_to_be_there_is_not_cleared(browser, model, api):
    answer = browser.post(SETTINGS, {**as_shown(Page(browser.get(SETTINGS))), "storage_path": ""})
    assert (answer.status_code, Page(answer).invalid) == (422, ["storage_path"])


def test_a_form_cannot_change_what_never_changes(browser, api, version):
    browser.post(SETTINGS, {**as_shown(Page(browser.get(SETTINGS))), "name": "org/other"})
    browser.post(
        EDIT,
        {
            **as_shown(Page(browser.get(EDIT))),
            "version": "9",
            "is_release": "true",
            "status": "archived",
            "digest": "a:b",
        },
    )
    now = api.get(f"/api/v1/versions/{version['id']}").json
    assert (now["model_name"], now["version"], now["is_release"], now["digest"]) == (
        "org/bert",
        "1.0.0",
        False,
        version["digest"],
    )


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


def test_text_that_begins_with_a_line_end_keeps_it(browser, api, model):
    version = api.version(model, "2.0.0", release_notes="\nOne")
    path = "/models/org/bert/versions/2.0.0/-/edit"
    assert Page(browser.get(path)).field("release_notes").value == "\nOne"
    assert version["release_notes"] == "\nOne"


def test_a_tag_with_a_comma_stays_one(browser, api, model, trail):
    api.put(f"/api/v1/models/{model['id']}", {"tags": ["a,b", "c, d", '"e"']})
    shown = as_shown(Page(browser.get(SETTINGS)))
    browser.post(SETTINGS, {**shown, "description": "changed"})
    assert "tags" not in trail("model.update")[0]["details"]["changes"]
    browser.post(SETTINGS, {**as_shown(Page(browser.get(SETTINGS))), "tags": shown["tags"] + "\r\nnew"})
    assert api.get(f"/api/v1/models/{model['id']}").json["tags"] == ["a,b", "c, d", '"e"', "new"]


@pytest.mark.parametrize(
    "text", ["</textarea><script>alert(1)</script>", "&lt;&amp;&#34;&quot;&&&<<", "&copy &notit; &#x26; <!--", "<"]
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
