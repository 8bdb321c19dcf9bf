"""What pages cost where there is much: rows that are read, statements that are sent, and bytes."""

import json
import re
from html import unescape
from urllib.parse import quote

import pytest
from filled import HEAVY, filled_database, read, run, scanned, wasted

# A page is 50 rows and one, with 20 points beside each of them, or 200 points and 200 deployments.
WASTED, READ = 300, 2_500
MOST_BYTES = 300_000
MODEL_LINK = r'<a class="strong"\s+href="/models/([^"/]+/[^"/]+)"'

MODEL, RELEASED, EMPTY = "/models/org18/model-18", "/models/org3/model-3", "/models/org0/model-4000"
PAGES = [
    "/",
    "/?all=1",
    "/models",
    *(
        f"/models?sort={sort}{narrowed}"
        for sort in ("newest", "updated", "name")
        for narrowed in (
            *("", "&search=number+4711", "&search=model-47", "&search=nothing+such", "&tag=tag-27", "&tag=none"),
        )
    ),
    "/models?sort=name&tag=all",
    "/models?sort=updated&tag=tag-27&search=number+4711",
    MODEL,
    f"{MODEL}?show=releases",
    f"{MODEL}?show=archived",
    f"{MODEL}?metric=accuracy&c=accuracy",
    RELEASED,
    f"{RELEASED}?show=releases",
    EMPTY,
    *(f"{MODEL}/-/deployments", f"{MODEL}/-/gates", f"{MODEL}/-/activity", f"{EMPTY}/-/activity"),
    *(f"{MODEL}/-/settings", f"{MODEL}/-/delete", f"{MODEL}/versions/1.0.0", f"{RELEASED}/versions/1.300.0"),
    *(f"{MODEL}/versions/1.0.0/-/edit", f"{MODEL}/versions/1.0.0/-/delete", f"{MODEL}/compare"),
    *(f"{MODEL}/compare?v=1.0.0&v=1.1.0&v=1.3.0&v=1.4.0&v=1.6.0&v=1.7.0", "/environments"),
    *("/environments/production", "/environments/Canary", "/environments/canary?at={long_ago}"),
    *("/environments/Canary/-/history", "/environments/canary/-/delete"),
    *("/environments/canary/-/rollback?model_name=org18/model-18", "/deployments/{deployment}", "/gates", "/inbox"),
    *("/new/gate", "/deployments", "/deployments?environment=Staging", "/deployments?status=failed"),
    *("/deployments?live=true", "/deployments?model_name=org18/model-18", "/audit", "/audit?action=version.create"),
    *("/audit?resource_type=model", "/audit?api_key_name=key-7", "/audit?resource_id={version}"),
    *("/audit?since={lately}&until={lately}", "/keys", "/search", "/search?q=model-47", "/search?q=1.3"),
    *("/search?q=v1.7", "/search?q=sha256:6f49", "/search?q=6F4922F4", "/search?q=nothing+such"),
    *(
        f"{path}={words}"
        for path in ("/search?q", "/models?search")
        for words in ("q", "zq", "o", "e", "se", "sentiment")
    ),
    "/new/model",
    "/new/version",
    "/new/deployment",
]


@pytest.fixture(scope="module")
def filled(make_database):
    with filled_database(make_database()) as filled:
        yield filled


@pytest.fixture(scope="module")
def heavy(make_database):
    with filled_database(make_database(), HEAVY) as heavy:
        yield heavy


def check(filled, sent):
    for statement, parameters in sent:
        if counts_models(statement):
            continue
        plan = filled.plan(statement, parameters)
        said = f"{statement}\n{json.dumps(plan, indent=1)[:6_000]}"
        assert not scanned(plan), said
        assert wasted(plan) <= WASTED, f"{wasted(plan)} rows for nothing: {said}"
        assert read(plan) <= READ, f"{read(plan)} rows: {said}"


def counts_models(statement):
    """The number beside `Models`: counted up to 10,000, and estimated from there on."""
    return "reltuples" in statement and statement.count("FROM models") == 1


@pytest.mark.parametrize("path", PAGES)
def test_a_page_reads_what_it_shows_by_an_index(filled, path):
    response, sent = filled.page(path)
    assert len(sent) > 1
    check(filled, sent)
    assert len(response.data) <= MOST_BYTES


@pytest.mark.parametrize(
    ("path", "part"),
    [("/", "live"), ("/?all=1", "live"), ("/", "ready"), ("/", "activity"), ("/environments", "board")],
)
def test_what_polls_reads_what_it_shows_by_an_index(filled, path, part):
    response, sent = filled.page(path, part)
    assert f'id="{part}"' in response.text
    assert not [statement for statement, _ in sent if counts_models(statement)]
    check(filled, sent)


def test_a_search_for_a_word_that_every_model_has_throws_nothing_away(filled):
    _, sent = filled.page("/models?search=sentiment&sort=name")
    plans = [filled.plan(*one) for one in sent if not counts_models(one[0])]
    assert sum(map(wasted, plans)) == 0
    assert not [table for plan in plans for table in scanned(plan)]


@pytest.mark.parametrize("sort", ["newest", "updated", "name"])
def test_the_tenth_page_of_models_costs_what_the_first_does(filled, sort):
    path = f"/models?sort={sort}"
    for _ in range(10):
        response, sent = filled.page(path)
        path = more(response)
    check(filled, sent)


@pytest.mark.parametrize("path", [MODEL, "/deployments", "/audit"])
def test_the_third_page_of_a_list_costs_what_the_first_does(filled, path):
    for _ in range(3):
        response, sent = filled.page(path)
        path = more(response)
    check(filled, sent)


def test_a_promotion_and_its_row_read_what_they_change(filled):
    version = f"{MODEL}/versions/1.7.0"
    headers = {"HX-Request": "true", "HX-Target": "version-x", "Sec-Fetch-Site": "same-origin"}
    for verb in ("promote", "demote"):
        with filled.sending() as sent:
            assert filled.browser.post(f"{version}/-/{verb}", headers=headers).status_code == 200
        check(filled, [one for one in sent if one[0].startswith(("SELECT", "UPDATE"))])


ENTRIES = """
INSERT INTO audit_logs (id, action, resource_type, resource_id, details, created_at)
SELECT gen_random_uuid(), {}, {}, {}, jsonb_build_object('model', 'org18/model-18', 'version', '1.' || n || '.0'), {}
FROM generate_series(1, {}) AS n"""
VERSION = "(SELECT id FROM versions WHERE model_id = md5('model18')::uuid ORDER BY created_at LIMIT 1)"


def test_the_history_of_a_model_is_complete_and_read_by_an_index(filled):
    made = filled.api.version({"id": filled.values["model"]}, "77.0.0")
    assert filled.api.delete(f"/api/v1/versions/{made['id']}").status_code == 204
    oldest = ENTRIES.format(
        "'version.update'", "'version'", VERSION, "now() - make_interval(days => 9, secs => n)", 3_000
    )
    of_another = ENTRIES.format("'version.update'", "'version'", "md5('version1')::uuid", "now()", 1)
    run(filled.url, oldest, of_another, "ANALYZE audit_logs")
    path, pages = f"{MODEL}/-/activity", []
    while path and len(pages) < 100:
        response, sent = filled.page(path)
        check(filled, sent)
        path = more(response)
        pages.append(response.text)
    assert "77.0.0" in pages[0]
    assert "1.1.0" not in pages[0]
    assert "1.3000.0" in pages[-1]


def test_what_happened_last_is_read_by_an_index_however_many_sign_ins_are_newer(filled):
    refused = ENTRIES.format("'auth.refused'", "'api_key'", "NULL", "now() + make_interval(secs => n)", 3_000)
    run(filled.url, refused, "ANALYZE audit_logs")
    response, sent = filled.page("/", "activity")
    assert response.text.count("<li") == 8
    check(filled, sent)


# --- statements -------------------------------------------------------------------------------------------------------

ROWS = """
INSERT INTO environments (id, name, rank, created_by)
SELECT gen_random_uuid(), 'env-' || n, n, 'x' FROM generate_series(:first, :last) AS n;
INSERT INTO environments (id, name, rank, created_by) VALUES (gen_random_uuid(), 'production', 9, 'x') ON CONFLICT DO NOTHING;
INSERT INTO models (id, name, storage_path, tags, version_count, latest_version)
SELECT md5('model' || n)::uuid, 'org/m' || n, 'x', ARRAY['all'], 1, '1.' || n FROM generate_series(:first, :last) AS n;
INSERT INTO versions (id, model_id, version, tag, digest, platform, status, released_at, released_by, created_by, metadata)
SELECT md5('version' || n)::uuid, md5('model1')::uuid, '1.' || n, 'v1.' || n, 'sha256:' || n, 'linux/amd64', 'active',
       CASE WHEN n = 2 THEN now() END, CASE WHEN n = 2 THEN 'x' END, 'x', '{"accuracy": 1, "loss": 2}'
FROM generate_series(:first, :last) AS n;
INSERT INTO versions (id, model_id, version, tag, digest, platform, status, created_by)
SELECT md5('own' || n)::uuid, md5('model' || n)::uuid, '1.' || n, 'v1', 'sha256:' || n, 'linux/amd64', 'active', 'x'
FROM generate_series(:first, :last) AS n WHERE n > 1;
INSERT INTO metrics (version_id, model_id, path, value)
SELECT md5('version' || n)::uuid, md5('model1')::uuid, path, n
FROM generate_series(:first, :last) AS n, unnest(ARRAY['accuracy', 'loss']) AS path;
INSERT INTO deployments (id, release_id, model_id, environment, status, deployed_by, live_from)
SELECT gen_random_uuid(), md5('version' || n)::uuid, md5('model1')::uuid, 'env-' || n, 'success', 'x', now()
FROM generate_series(:first, :last) AS n;
INSERT INTO deployments (id, release_id, model_id, environment, status, deployed_by, live_from)
SELECT gen_random_uuid(), md5('own' || n)::uuid, md5('model' || n)::uuid, 'production', 'success', 'x', now()
FROM generate_series(:first, :last) AS n WHERE n > 1;
INSERT INTO audit_logs (id, action, resource_type, resource_id, api_key_name, details)
SELECT gen_random_uuid(), 'version.create', 'version', md5('version' || n % 3)::uuid, 'x', '{"model": "org/m1"}' FROM generate_series(:first, :last) AS n;
INSERT INTO gates (id, model, target, kind, path, op, value, created_by)
SELECT gen_random_uuid(), 'org/m*', 'release', 'metric', 'accuracy', '>=', n, 'x' FROM generate_series(:first, :last) AS n;
INSERT INTO gates (id, model, target, kind, count, role, created_by)
SELECT gen_random_uuid(), 'org/*', 'env-' || n, 'approved', 1, 'viewer', 'x' FROM generate_series(:first, :last) AS n;
INSERT INTO api_keys (id, name, role, prefix, key_hash, salt_mark, created_by)
SELECT gen_random_uuid(), 'key-' || n, 'viewer', 'cat_x' || lpad(n::text, 7, '0'), sha256('x'), 'x', 'x'
FROM generate_series(:first, :last) AS n;
"""
COUNTED = [
    "/",
    "/?all=1",
    *(
        f"/models?sort={sort}{more}"
        for sort in ("newest", "updated", "name")
        for more in ("", "&tag=all", "&search=org")
    ),
    *("/models/org/m1", "/models/org/m1?show=releases", "/models/org/m1/-/deployments"),
    *("/models/org/m1/-/activity", "/models/org/m1/-/settings", "/models/org/m1/versions/1.1"),
    *("/models/org/m1/versions/1.1/-/edit", "/models/org/m1/compare?v=1.1&v=1.2", "/environments"),
    *("/environments/production", "/gates", "/inbox", "/deployments", "/audit", "/keys", "/search?q=org"),
    *("/search?q=1", "/new/version", "/new/deployment"),
]
MOST_STATEMENTS = 10


def test_a_page_sends_no_more_statements_for_hundreds_of_rows_than_for_three(browser, sql, statement_count):
    def counts():
        return {path: statement_count(lambda path=path: browser.get(path)) for path in COUNTED}

    fill(sql, 1, 3)
    browser.get("/")  # the key's last use is written
    few = counts()
    fill(sql, 4, 300)
    assert {path: count for path, count in counts().items() if count > few[path]} == {}
    assert max(few.values()) <= MOST_STATEMENTS, few


def fill(sql, first, last):
    for statement in ROWS.strip().split(";\n"):
        sql(statement.rstrip(";"), first=first, last=last)


# --- bytes ------------------------------------------------------------------------------------------------------------


def long(text, length, filling="x"):
    return text.ljust(length, filling)


HEAVY_MODEL = f"/models/{long('org/heavy-1-', 255)}"
KEYS = "&".join(f"c={long(f'key-{number}-', 100, 'k')}" for number in range(1, 8))


def heavy_version(number):
    return quote(long(f"1.{number}.0-", 128))


HEAVY_PAGES = {
    "overview": "/",
    "overview, all": "/?all=1",
    "models": "/models",
    "models by name": "/models?sort=name",
    "models found": "/models?search=heavy&tag=" + quote(long("tag-1", 128, "ש")),
    "model": HEAVY_MODEL,
    "model, six columns": f"{HEAVY_MODEL}?{KEYS}",
    "releases": f"{HEAVY_MODEL}?show=releases",
    "model's deployments": f"{HEAVY_MODEL}/-/deployments",
    "model's activity": f"{HEAVY_MODEL}/-/activity",
    "model's settings": f"{HEAVY_MODEL}/-/settings",
    "version of 512 keys": f"{HEAVY_MODEL}/versions/{heavy_version(2)}",
    "version of one text": f"{HEAVY_MODEL}/versions/{heavy_version(1)}",
    "release": f"{HEAVY_MODEL}/versions/{heavy_version(3)}",
    "edit 512 keys": f"{HEAVY_MODEL}/versions/{heavy_version(2)}/-/edit",
    "edit one text": f"{HEAVY_MODEL}/versions/{heavy_version(1)}/-/edit",
    "compare none": f"{HEAVY_MODEL}/compare",
    "compare six, mixed": f"{HEAVY_MODEL}/compare?" + "&".join(f"v={heavy_version(n)}" for n in range(1, 7)),
    "compare six of 512 keys": f"{HEAVY_MODEL}/compare?" + "&".join(f"v={heavy_version(n)}" for n in range(2, 13, 2)),
    "environments": "/environments",
    "environment": f"/environments/{long('env-1', 63)}",
    "environment then": f"/environments/{long('env-1', 63)}?at=2100-01-01T00:00",
    "environment's history": f"/environments/{long('env-1', 63)}/-/history",
    "rollback": f"/environments/{long('env-1', 63)}/-/rollback?model_name={long('org/heavy-1-', 255)}",
    "deployments": "/deployments",
    "audit": "/audit",
    "search for models": "/search?q=heavy",
    "search for versions": "/search?q=1.",
    "search for tags": "/search?q=v1",
    "search for digests": "/search?q=sha256:1",
    "new deployment": "/new/deployment",
}


@pytest.mark.parametrize("name", HEAVY_PAGES)
def test_no_page_is_over_300_kilobytes_however_heavy_its_rows(heavy, name):
    response, _ = heavy.page(HEAVY_PAGES[name])
    assert len(response.data) <= MOST_BYTES


@pytest.mark.parametrize(
    ("path", "row", "count"),
    [
        ("/models", MODEL_LINK, 60),
        ("/deployments", r'href="/models/org/heavy-([^"]+)/versions', 3_000),
        (f"{HEAVY_MODEL}/-/deployments", r"<td data-label=\"Environment\">(env-\d+)x*</td>", 50),
        (f"/environments/{long('env-1', 63)}", r'<article class="card place" id="live-([^"]+)"', 60),
    ],
)
def test_a_page_that_is_full_early_leaves_the_others_to_the_next(heavy, path, row, count):
    found, pages, here = [], 0, path
    while here and pages < 40:
        response, _ = heavy.page(here)
        rows = re.findall(row, response.text)
        assert 0 < len(rows) <= 50
        found, pages, here = found + rows, pages + 1, more(response)
    assert pages > 1
    assert here or len(found) == count
    assert path == "/deployments" or len(set(found)) == len(found)


def test_of_ordinary_versions_a_page_shows_fifty_and_the_chart_two_hundred(filled):
    response, _ = filled.page(MODEL)
    assert len(re.findall(r'<tr id="version-', response.text)) == 50
    assert len(re.findall(r'class="point', response.text)) == 200


def test_of_ordinary_models_a_page_shows_fifty(filled):
    assert len(re.findall(MODEL_LINK, filled.page("/models")[0].text)) == 50


def more(response):
    """The address of what comes after the page's rows; None at the end."""
    found = re.search(
        r'<a class="button"[^>]* href="([^"]*[?&]cursor=[^"]+)"|href="([^"]*[?&;]cursor=[^"]+)"', response.text
    )
    return unescape(found[1] or found[2]) if found else None
