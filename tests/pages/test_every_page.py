"""What holds on every page: blocks for HTMX, paging, polls, roles, other sites, and text that never becomes markup."""

import re

import pytest
import stage
from markup import Page, is_whole

MODEL, VERSION = "/models/org/bert", "/models/org/bert/versions/1.1.0"
EVIL = "<script>alert(1)</script>\"'&amp;"
DEPLOYMENT = {"model": "org/bert", "version": "1.0.0", "environment": "staging"}
GATE = {"model": "*", "target": "release", "kind": "released"}


@pytest.fixture
def things(api):
    """A release that is live in staging, a candidate that waits for an approval, a running deployment, a key: their ids."""
    model = api.model("org/bert")
    release = api.version(model, "1.0.0", is_release=True, metadata={"accuracy": 0.9})
    api.deployment(release, "staging")
    api.by("publisher").version(model, "1.1.0", metadata={"accuracy": 0.95})
    running = api.deployment(release, "lab", status="running")
    gate = api.make("/api/v1/gates", {"model": "other/*", "target": "release", "kind": "approved", "count": 1})
    key = api.make("/api/v1/api-keys", {"name": "training"})
    return {"deployment": running["id"], "gate": gate["id"], "key": key["id"]}


# --- blocks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "target", "begins"),
    [
        *(("/", part, f'<section class="card" id="{part}"') for part in ("live", "ready", "activity")),
        *((path, "list", '<section class="card" id="list"') for path in ("/models?search=bert", "/gates", "/keys")),
        *((path, "list", '<section class="card" id="list"') for path in ("/deployments?live=true", "/audit")),
        *((f"{MODEL}{tab}", "tab", '<div class="stack" id="tab"') for tab in ("", "/-/deployments", "/-/gates")),
        *((f"{MODEL}{tab}", "tab", '<div class="stack" id="tab"') for tab in ("/-/activity", "/-/settings")),
        (f"{MODEL}?show=releases", "versions", '<div class="stack" id="versions"'),
        (f"{MODEL}/compare?v=1.0.0&v=1.1.0", "comparison", "<section"),
        ("/environments", "board", '<div id="board"'),
        ("/environments/staging", "tab", '<div class="stack" id="tab"'),
        ("/environments/staging?at=2100-01-01T00:00", "tab", '<div class="stack" id="tab"'),
        ("/environments/staging/-/history", "tab", '<div class="stack" id="tab"'),
        ("/inbox", "waiting", '<section class="card" id="waiting"'),
        ("/search?q=bert", "hits", "<h2>"),
        *((f"/new/{noun}", "dialog-body", '<form class="card" id="form"') for noun in ("model", "version", "key")),
        *((f"/new/{noun}", "dialog-body", '<form class="card" id="form"') for noun in ("deployment", "gate")),
        (f"{VERSION}/-/edit", "dialog-body", '<form class="card" id="form"'),
    ],
)
def test_htmx_gets_a_block_and_everybody_else_the_page(browser, things, path, target, begins):
    block, page = browser.get(path, htmx=target), browser.get(path)
    back = browser.get(path, htmx=target, headers={"HX-History-Restore-Request": "true"})
    assert block.text.lstrip().startswith(begins)
    assert '<nav class="nav"' not in block.text
    assert (is_whole(block), is_whole(page), is_whole(back)) == (False, True, True)
    assert block.headers["Vary"] == page.headers["Vary"] == "HX-Request, Accept-Encoding"


@pytest.mark.parametrize(
    ("path", "part"), [("/", "live"), ("/", "ready"), ("/", "activity"), ("/environments", "board")]
)
def test_a_part_that_polls_requests_itself_and_says_that_nobody_asked(browser, things, path, part):
    element = Page(browser.get(path)).one(id=part)
    assert (element["hx-headers"], element.get("data-poll")) == ('{"X-Poll": "1"}', "")
    answer = browser.get(element["hx-get"], htmx=part, headers={"X-Poll": "1"})
    assert [it["id"] for it in Page(answer).elements if it.get("data-poll") is not None] == [part]


# --- paging -----------------------------------------------------------------------------------------------------------

VERSIONS = """
INSERT INTO versions (id, model_id, version, tag, digest, platform, status, released_at, released_by, created_by, created_at)
SELECT gen_random_uuid(), id, '2.' || i, 'v1', 'sha256:x', 'linux/amd64', CASE WHEN i % 3 = 0 THEN 'archived' ELSE 'active' END,
       CASE WHEN i % 2 = 0 THEN now() END, CASE WHEN i % 2 = 0 THEN 'x' END, 'x', now() + i / 7 * interval '1 second'
FROM models, generate_series(:first, :last) AS i WHERE name = 'org/bert'"""
DEPLOYMENTS = """
INSERT INTO deployments (id, release_id, model_id, environment, status, deployed_by, deployed_at)
SELECT gen_random_uuid(), id, model_id, 'lab', 'failed', 'ci', now() + i / 3 * interval '1 second'
FROM versions, generate_series(:first, :last) AS i WHERE version = '1.1.0'"""
ENTRIES = """
INSERT INTO audit_logs (id, action, resource_type, api_key_name, created_at)
SELECT gen_random_uuid(), 'version.update', 'version', 'demo', now() + i / 3 * interval '1 second'
FROM generate_series(:first, :last) AS i"""
KEYS = """
INSERT INTO api_keys (id, name, role, prefix, key_hash, salt_mark, created_by, created_at)
SELECT gen_random_uuid(), 'k', 'viewer', 'cat_' || lpad(i::text, 8, '0'), decode(repeat('00', 32), 'hex'), 'x', 'me',
       now() + i / 3 * interval '1 second' FROM generate_series(:first, :last) AS i"""
GATES = """
INSERT INTO gates (id, model, target, kind, created_by, created_at)
SELECT gen_random_uuid(), '*', 'staging', 'released', 'me', now() + i / 3 * interval '1 second'
FROM generate_series(:first, :last) AS i"""
MODELS = """
INSERT INTO models (id, name, storage_path, tags, created_at, updated_at)
SELECT gen_random_uuid(), 'org/' || chr((65 + i % 2 * 32 + i % 26)::int) || '-' || i, 'x', ARRAY['many'],
       now() + i / 7 * interval '1 second', now() + i % 40 * interval '1 second'
FROM generate_series(:first, :last) AS i"""
LISTS = [
    (MODEL, VERSIONS, "versions ORDER BY created_at DESC, id DESC"),
    (f"{MODEL}?show=releases", VERSIONS, "versions WHERE released_at IS NOT NULL ORDER BY created_at DESC, id DESC"),
    (f"{MODEL}?show=archived", VERSIONS, "versions WHERE status = 'archived' ORDER BY created_at DESC, id DESC"),
    ("/deployments?environment=lab", DEPLOYMENTS, "deployments WHERE place = 'lab' ORDER BY deployed_at DESC, id DESC"),
    ("/environments/lab/-/history", DEPLOYMENTS, "deployments WHERE place = 'lab' ORDER BY deployed_at DESC, id DESC"),
    ("/audit?api_key_name=demo", ENTRIES, "audit_logs WHERE api_key_name = 'demo' ORDER BY created_at DESC, id DESC"),
    ("/keys", KEYS, "api_keys ORDER BY created_at DESC, id DESC"),
    ("/gates", GATES, "gates ORDER BY created_at DESC, id DESC"),
    ("/models?sort=newest", MODELS, "models ORDER BY created_at DESC, id DESC"),
    ("/models?sort=updated", MODELS, "models ORDER BY updated_at DESC, id DESC"),
    ("/models?sort=name", MODELS, "models ORDER BY lower(name)"),
    ("/models?sort=name&tag=many&search=org", MODELS, "models WHERE tags = '{many}' ORDER BY lower(name)"),
]


def shown(response):
    """The ids of the page's rows; in the list of models their names."""
    rows = re.findall(r'<tr id="\w+-([0-9a-f-]{36})"', response.text)
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


# --- roles and other sites --------------------------------------------------------------------------------------------

ROLES = ("viewer", "publisher", "releaser", "admin")
CHANGES = [
    ("/models", "/new/model", {"name": "org/new", "storage_path": "x"}, "publisher"),
    (MODEL, "/new/version?model_name=org/bert", {"model_name": "org/bert"}, "publisher"),
    (f"{MODEL}/-/settings", f"{MODEL}/-/settings", {"description": "new"}, "publisher"),
    (f"{MODEL}/-/settings", f"{MODEL}/-/delete", {"confirm": "org/bert"}, "admin"),
    (MODEL, f"{VERSION}/-/promote", {}, "releaser"),
    (MODEL, f"{MODEL}/versions/1.0.0/-/demote", {}, "releaser"),
    ("/", f"{VERSION}/-/promote", {}, "releaser"),
    (VERSION, f"{VERSION}/-/promote", {}, "releaser"),
    (VERSION, f"{VERSION}/-/archive", {}, "publisher"),
    (VERSION, f"{VERSION}/-/edit", {"release_notes": "new"}, "publisher"),
    (VERSION, f"{VERSION}/-/delete", {"confirm": "1.1.0"}, "admin"),
    (VERSION, "/new/deployment?model=org/bert&version=1.1.0", DEPLOYMENT, "publisher"),
    ("/deployments", "/new/deployment", DEPLOYMENT, "publisher"),
    ("/deployments/{deployment}", "/deployments/{deployment}/-/failed", {}, "publisher"),
    ("/environments", "/environments/staging/-/rollback?model_name=org/bert", {"model_name": "org/bert"}, "releaser"),
    ("/environments/staging", "/environments/staging/-/freeze", {"frozen_reason": "x"}, "admin"),
    ("/environments/staging", "/environments/staging/-/settings", {"rank": "7"}, "admin"),
    ("/environments/staging", "/environments/staging/-/delete", {"confirm": "staging", "force": "true"}, "admin"),
    ("/environments", "/new/environment", {"name": "edge"}, "admin"),
    ("/gates", "/new/gate", GATE, "admin"),
    ("/gates", "/gates/{gate}/edit", GATE, "admin"),
    ("/gates", "/gates/{gate}/delete", {}, "admin"),
    ("/keys", "/new/key", {"name": "mine", "role": "admin"}, "admin"),
    ("/keys", "/keys/{key}/revoke", {"confirm": "training"}, "admin"),
    (None, f"{VERSION}/-/approve", {"target": "release"}, "publisher"),
    (None, f"{VERSION}/-/override", {"reason": "x"}, "admin"),
    (None, "/environments/staging/-/thaw", {}, "admin"),
]


def entries(trail):
    return [entry for entry in trail() if not entry["action"].startswith("auth.")]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(("page", "at", "data", "least"), CHANGES, ids=[f"{at} on {page}" for page, at, *_ in CHANGES])
def test_the_role_decides_what_a_page_offers_and_the_server_decides_again(
    browser, things, trail, page, at, data, least, role
):
    at, somebody, may = at.format(**things), browser.by(role), ROLES.index(role) >= ROLES.index(least)
    if page:
        shown = Page(somebody.get(page.format(**things)))
        save = at.endswith("/-/settings") and page.startswith("/models")
        assert ("Save" in shown.texts("button") if save else at in [*shown.links, *shown.actions]) is may
    if may:
        assert somebody.post(at, data).status_code != 403
        return
    before = entries(trail)
    for htmx in (None, "form"):
        answer = somebody.post(at, data, htmx=htmx)
        assert (answer.status_code, is_whole(answer)) == (403, htmx is None)
        assert f"needs the role {least}" in answer.text
    assert entries(trail) == before


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize(("at", "data"), [(at, data) for _, at, data, _ in CHANGES])
def test_another_site_changes_nothing(browser, things, trail, at, data, site):
    before = entries(trail)
    assert browser.post(at.format(**things), data, headers={"Sec-Fetch-Site": site}).status_code == 403
    assert entries(trail) == before


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
    api.make("/api/v1/api-keys", {"name": EVIL})
    escaped = "&lt;script&gt;alert(1)&lt;/script&gt;&#34;&#39;&amp;amp;"
    paths = ["/", "/models", MODEL, f"{MODEL}/-/activity", VERSION, f"/deployments/{made['id']}", "/environments"]
    for path in [*paths, "/environments/staging", "/gates", f"{MODEL}/-/gates", "/audit", "/keys"]:
        text = browser.get(path).text
        assert "<script>alert" not in text, path
        assert escaped in text, path
    query = EVIL.replace("&", "%26")
    for path in (f"/search?q={query}", f"/models?search={query}", f"/new/gate?model={query}", f"/audit?action={query}"):
        assert "<script>alert" not in browser.get(path).text, path


# --- nouns ------------------------------------------------------------------------------------------------------------


def test_every_noun_has_a_folder_of_templates_with_its_name(app):
    from catapult.pages import NOUNS

    folders = set(stage.Path(app.root_path, "templates").iterdir())
    assert {noun.__name__.rpartition(".")[2] for noun in NOUNS} <= {folder.name for folder in folders}
