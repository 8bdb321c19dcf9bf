"""What holds on every page: blocks for HTMX, paging, polls, other sites, and text that never becomes markup."""

import re

import pytest
import stage
from markup import Page, is_whole
from rolecases import CASES, filled, set_up
from rows import ENTRIES, MODELS

MODEL, VERSION = "/models/org/bert", "/models/org/bert/versions/1.1.0"
EVIL = "<script>alert(1)</script>\"'&amp;"


@pytest.fixture
def things(api):
    """A release that is live in staging, a candidate, a running deployment, a gate, a key and a person."""
    model = api.model("org/bert")
    release = api.version(model, "1.0.0", is_release=True, metadata={"accuracy": 0.9})
    api.deployment(release, "staging")
    api.version(model, "1.1.0", metadata={"accuracy": 0.95})
    api.deployment(release, "lab", status="running")
    api.make("/api/v1/gates", {"model": "other/*", "target": "release", "kind": "approved", "count": 1})
    api.make("/api/v1/api-keys", {"name": "training"})
    api.make("/api/v1/people", {"name": "Dana Ortiz", "role": "releaser"})


# --- blocks -----------------------------------------------------------------------------------------------------------

LISTED = ["/models?search=bert", "/gates", "/keys", "/people", "/me", "/deployments?live=true", "/audit"]
TABS = [
    *(f"{MODEL}{tab}" for tab in ("", "/-/deployments", "/-/card", "/-/gates", "/-/activity", "/-/settings")),
    *(f"/environments/staging{tab}" for tab in ("", "?at=2100-01-01T00:00", "/-/history")),
]
FORMS = [f"{VERSION}/-/edit", *(f"/new/{noun}" for noun in ("model", "version", "key", "deployment", "gate", "person"))]


@pytest.mark.parametrize(
    ("path", "target", "begins"),
    [
        *(("/", part, f'<section class="card" id="{part}"') for part in ("live", "ready", "activity")),
        *((path, "list", '<section class="card" id="list"') for path in LISTED),
        *((path, "tab", '<div class="stack" id="tab"') for path in TABS),
        (f"{MODEL}?show=releases", "versions", '<div class="stack" id="versions"'),
        ("/versions", "versions", '<section class="card" id="versions"'),
        (f"{MODEL}/compare?v=1.0.0&v=1.1.0", "comparison", "<section"),
        ("/environments", "places", '<div id="places"'),
        ("/inbox", "waiting", '<section class="card" id="waiting"'),
        ("/search?q=e", "hits", "<h2>"),
        *((path, "dialog-body", '<form class="card" id="form"') for path in FORMS),
    ],
)
def test_htmx_gets_a_block_and_everybody_else_the_page(browser, things, path, target, begins):
    block, page = browser.get(path, htmx=target), browser.get(path)
    back = browser.get(path, htmx=target, headers={"HX-History-Restore-Request": "true"})
    assert block.text.lstrip().startswith(begins)
    assert 'id="rail"' not in block.text
    assert (is_whole(block), is_whole(page), is_whole(back)) == (False, True, True)
    assert page.headers["Vary"] == "HX-Request, Accept-Encoding"
    assert block.headers["Vary"] in (page.headers["Vary"], "HX-Request")  # a short block is not compressed


POLLING = ["/", "/inbox", "/deployments", "/deployments/{deployment}", "/models/org/bert"]
POLLING += ["/models/org/bert/-/deployments", "/models/org/bert/versions/1.0.0"]
POLLING += ["/environments", "/environments/staging", "/environments/staging/-/history"]


@pytest.mark.parametrize("path", POLLING)
def test_a_page_that_polls_requests_one_block_and_says_that_nobody_asked(browser, api, things, path):
    path = path.format(deployment=api.get("/api/v1/deployments").json[0]["id"])
    element = Page(browser.get(path)).one(id="updated")
    assert (element["hx-headers"], element.get("data-poll")) == ('{"X-Poll": "1"}', "")
    answer = browser.get(element["hx-get"] or path, htmx="main", headers={"X-Poll": "1"})
    assert not is_whole(answer)
    assert [it["id"] for it in Page(answer).elements if it.get("data-poll") is not None] == ["updated"]


# --- paging -----------------------------------------------------------------------------------------------------------

VERSIONS = """
INSERT INTO versions (id, model_id, version, number, tag, digest, platform, status, released_at, released_by, created_by,
    created_at)
SELECT gen_random_uuid(), id, '2.' || i, 1000 + i, 'v1', 'sha256:x', 'linux/amd64', CASE WHEN i % 3 = 0 THEN 'archived' ELSE 'active' END,
       CASE WHEN i % 2 = 0 THEN now() END, CASE WHEN i % 2 = 0 THEN 'x' END, 'x', now() + i / 7 * interval '1 second'
FROM models, generate_series(:first, :last) AS i WHERE name = 'org/bert'"""
DEPLOYMENTS = """
INSERT INTO deployments (id, release_id, model_id, environment, status, deployed_by, deployed_at)
SELECT gen_random_uuid(), id, model_id, 'lab', 'failed', 'ci', now() + i / 3 * interval '1 second'
FROM versions, generate_series(:first, :last) AS i WHERE version = '1.1.0'"""
KEYS = """
INSERT INTO api_keys (id, name, role, prefix, key_hash, salt_mark, created_by, created_at)
SELECT gen_random_uuid(), 'k', 'viewer', 'cat_' || lpad(i::text, 8, '0'), decode(repeat('00', 32), 'hex'), 'x', 'me',
       now() + i / 3 * interval '1 second' FROM generate_series(:first, :last) AS i"""
PEOPLE = """
INSERT INTO people (id, name, role, created_by, created_at)
SELECT gen_random_uuid(), 'Somebody', 'viewer', 'me', now() + i / 3 * interval '1 second'
FROM generate_series(:first, :last) AS i"""
GATES = """
INSERT INTO gates (id, model, target, kind, created_by, created_at)
SELECT gen_random_uuid(), '*', 'staging', 'released', 'me', now() + i / 3 * interval '1 second'
FROM generate_series(:first, :last) AS i"""
LISTS = [
    (MODEL, VERSIONS, "versions ORDER BY created_at DESC, id DESC"),
    (f"{MODEL}?show=releases", VERSIONS, "versions WHERE released_at IS NOT NULL ORDER BY created_at DESC, id DESC"),
    (f"{MODEL}?show=archived", VERSIONS, "versions WHERE status = 'archived' ORDER BY created_at DESC, id DESC"),
    ("/deployments?environment=lab", DEPLOYMENTS, "deployments WHERE place = 'lab' ORDER BY deployed_at DESC, id DESC"),
    ("/environments/lab/-/history", DEPLOYMENTS, "deployments WHERE place = 'lab' ORDER BY deployed_at DESC, id DESC"),
    ("/audit?api_key_name=demo", ENTRIES, "audit_logs WHERE api_key_name = 'demo' ORDER BY created_at DESC, id DESC"),
    ("/keys", KEYS, "api_keys ORDER BY created_at DESC, id DESC"),
    ("/people", PEOPLE, "people ORDER BY created_at DESC, id DESC"),
    ("/gates", GATES, "gates ORDER BY created_at DESC, id DESC"),
    ("/models?sort=newest", MODELS, "models ORDER BY created_at DESC, id DESC"),
    ("/models?sort=updated", MODELS, "models ORDER BY updated_at DESC, id DESC"),
    ("/models?sort=name", MODELS, "models ORDER BY lower(name)"),
    ("/models?sort=name&tag=many&search=org", MODELS, "models WHERE tags = '{many}' ORDER BY lower(name)"),
]


def shown(response):
    """The ids of the page's rows; in the list of models their names."""
    rows = re.findall(r'<(?:tr|li) id="\w+-([0-9a-f-]{36})"', response.text)
    links = Page(response).all("a", class_="strong")
    return rows or [link.text for link in links if "/versions/" not in link["href"]]


@pytest.mark.parametrize("htmx", [None, "more"])
@pytest.mark.parametrize(("path", "insert", "ordered"), LISTS, ids=[path for path, *_ in LISTS])
def test_loading_more_neither_skips_nor_repeats_a_row_while_others_arrive(
    browser, sql, things, path, insert, ordered, htmx
):
    sql(insert, first=1, last=120)
    column = "name" if insert is MODELS else "id"
    there = [str(row[column]) for row in sql(f"SELECT {column} FROM {ordered}")]
    found, address, arriving = [], path, 1_000
    while address:
        response = browser.get(address, htmx=htmx)
        assert 0 < len(shown(response)) <= 50
        found += shown(response)
        address = Page(response).more
        sql(insert, first=arriving, last=arriving + 5)
        arriving += 6
    assert len(found) == len(set(found))
    assert [row for row in found if row in there] == [row for row in there if row in found]
    assert set(there) <= set(found) or "sort=updated" in path


@pytest.mark.parametrize("path", ["/", "/environments", "/inbox", "/models/org/bert"])
def test_a_poll_brings_what_others_froze_and_what_waits_now(browser, api, things, path):
    assert "frozen" not in Page(browser.get(path)).one(id="state").text
    api.put("/api/v1/environments/staging", {"frozen": True, "frozen_reason": "Holidays."})
    answer = Page(browser.get(path, htmx="main", headers={"X-Poll": "1"}))
    state = answer.one(id="state")
    assert state["hx-swap-oob"] == "true"
    assert "staging frozen" in state.text
    assert answer.one(id="inbox-count")["hx-swap-oob"] == "true"
    if path != "/inbox":
        assert not Page(browser.by("viewer").get(path, htmx="main", headers={"X-Poll": "1"})).all(id="inbox-count")


# --- nothing there, nothing found, nothing that can be looked for ------------------------------------------------------

HOST = "http://localhost/api/v1"


@pytest.mark.parametrize(
    ("path", "filtered", "texts"),
    [
        ("/", None, ["Five steps to the first release", f"{HOST}/models", "flask demo"]),
        ("/models", "/models?search=zzz&tag=zzz", ["No models yet", f"{HOST}/models", "create_model("]),
        (MODEL, f"{MODEL}?show=releases", ["No versions yet", f"{HOST}/versions", "create_version(&#34;org/bert&#34;"]),
        ("/deployments", "/deployments?environment=nowhere", ["No deployments yet", f"{HOST}/deployments"]),
        ("/environments", None, ["Nothing is live yet", "registry.deploy("]),
        ("/gates", None, ["No gates yet", f"{HOST}/gates", "/new/gate"]),
        ("/inbox", None, ["No gate requires approvals", "/new/gate?kind=approved"]),
        ("/search", "/search?q=zzz", ["Type a part of"]),
        ("/audit", "/audit?action=no.such", []),
    ],
)
def test_nothing_yet_says_what_to_do_next_and_is_another_text_than_no_matches(browser, api, path, filtered, texts):
    if path == MODEL:
        api.model()
    empty = browser.get(path).text
    assert all(text in empty for text in texts)
    assert "No matches" not in empty
    assert not [link for link in Page(browser.by("viewer").get(path)).links if link.startswith("/new/")]
    if filtered:
        (model,) = api.get("/api/v1/models").json or [api.model()]
        api.deployment(api.version(model))
        found = browser.get(filtered).text
        assert "No matches" in found
        assert not texts or texts[0] not in found


@pytest.mark.parametrize(
    ("path", "name", "value", "other"),
    [
        *(("/audit", name, "yesterday", "api_key_name") for name in ("resource_id", "since", "until")),
        ("/audit", "action", "a%00", "api_key_name"),
        ("/deployments", "status", "great", "model_name"),
        ("/deployments", "live", "maybe", "model_name"),
        ("/deployments", "environment", "a%00", "model_name"),
    ],
)
def test_an_invalid_filter_is_marked_and_what_was_typed_stays(browser, things, path, name, value, other):
    answer = browser.get(f"{path}?{name}={value}&{other}=org/%3Cbert")
    page = Page(answer)
    field = page.one(id=f"filter-{name}")
    assert (answer.status_code, page.invalid) == (422, [name])
    assert page.one(id=field["aria-describedby"]).text
    assert field.tag == "select" or (field["type"], field["value"]) == ("text", value.replace("%00", "\0"))
    assert page.one("input", id=f"filter-{other}")["value"] == "org/<bert"
    assert "Invalid filters" in answer.text
    assert "No matches" not in answer.text
    assert not shown(answer)


# --- other sites ---------------------------------------------------------------------------------------------------------


def test_another_site_changes_nothing(browser, api, trail):
    ids = set_up(api)
    before = [entry for entry in trail() if entry["action"] != "auth.forbidden"]
    for form in (case.page for case in CASES if case.page):
        address, cross_site = filled(form.address, ids), {"Sec-Fetch-Site": "cross-site"}
        assert browser.post(address, filled(form.form, ids), headers=cross_site).status_code == 403, address
    assert [entry for entry in trail() if entry["action"] != "auth.forbidden"] == before


# --- text -------------------------------------------------------------------------------------------------------------


def test_what_people_typed_is_never_markup(browser, api):
    """`tests/browser/test_hostile_text.py` tries more of it in a browser."""
    model = api.model("org/bert", description=EVIL, tags=[EVIL])
    metadata = {EVIL: EVIL, "list": [EVIL], "long": EVIL * 20}
    version = api.version(model, "1.1.0", metadata=metadata, release_notes=EVIL, quantization=EVIL)
    api.post(f"/api/v1/versions/{version['id']}/promote", {"reason": EVIL})
    made = api.deployment(version, "staging", metadata=metadata)
    api.put("/api/v1/environments/staging", {"description": EVIL, "frozen": True, "frozen_reason": EVIL})
    api.make("/api/v1/gates", {"model": "*", "target": "staging", "kind": "metadata_present", "paths": [EVIL]})
    person = api.make("/api/v1/people", {"name": EVIL, "role": "admin"})
    api.make("/api/v1/api-keys", {"name": EVIL, "person_id": person["id"]})
    decision = api.get(f"/api/v1/deployments/{made['id']}").json["decision_id"]
    escaped = "&lt;script&gt;alert(1)&lt;/script&gt;&#34;&#39;&amp;amp;"
    paths = ["/", "/models", MODEL, f"{MODEL}/-/activity", VERSION, f"/deployments/{made['id']}", "/environments"]
    for path in [*paths, "/environments/staging", "/gates", f"{MODEL}/-/gates", "/audit", "/keys", "/people"]:
        text = browser.get(path).text
        assert "<script>alert" not in text, path
        assert escaped in text, path
    for path in (f"/decisions/{decision}", f"/people/{person['id']}/edit", "/new/key"):
        assert "<script>alert" not in browser.get(path).text, path
    query = EVIL.replace("&", "%26")
    for path in (f"/search?q={query}", f"/models?search={query}", f"/new/gate?model={query}", f"/audit?action={query}"):
        assert "<script>alert" not in browser.get(path).text, path


# --- nouns ------------------------------------------------------------------------------------------------------------


def test_every_noun_has_a_folder_of_templates_with_its_name(app):
    from catapult.pages import NOUNS

    folders = set(stage.Path(app.root_path, "templates").iterdir())
    assert {noun.__name__.rpartition(".")[2] for noun in NOUNS} <= {folder.name for folder in folders}
