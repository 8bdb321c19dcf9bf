"""What pages cost where there is much: rows that are read, statements that are sent, and bytes.

`tests/test_statements.py` counts the statements of pages where there is little.
"""

import gzip
import json
import re
from html import unescape
from urllib.parse import quote

import pytest
from filled import HEAVY, filled_database, read, run, scanned, wasted

# A page is 50 rows and one, with 20 points beside each of them, or 200 points and 200 deployments.
WASTED, READ, MOST_STATEMENTS = 300, 2_500, 11
MOST_BYTES, MOST_COMPRESSED = 300_000, 40_000
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
    *(
        "/versions",
        "/versions?filter=is_release",
        "/versions?filter=model_name+%3D+%22org18/model-18%22&sort=-metadata.accuracy",
    ),
    *(
        "/versions/-/completions?filter=acc",
        f"{MODEL}?filter=metadata.accuracy+<+0.95",
    ),
    *(
        f"/versions/-/completions?filter={field}+%3D+%22{start}"
        for field, start in (("model_name", "org18/m"), ("tag", "v1.3"), ("version", "1.1"), ("digest", "sha256:a"))
    ),
    *(f"{MODEL}/-/deployments", f"{MODEL}/-/gates", f"{MODEL}/-/activity", f"{EMPTY}/-/activity"),
    *(f"{MODEL}/-/settings", f"{MODEL}/-/delete", f"{MODEL}/versions/1.0.0", f"{RELEASED}/versions/1.300.0"),
    *(f"{MODEL}/versions/1.0.0/-/edit", f"{MODEL}/versions/1.0.0/-/delete", f"{MODEL}/compare"),
    *(f"{MODEL}/compare?v=1.0.0&v=1.1.0&v=1.3.0&v=1.4.0&v=1.6.0&v=1.7.0", "/environments"),
    *("/environments?days=90&lanes=all", "/environments?environment=canary&days=7&at={long_ago}"),
    *("/environments/production", "/environments/Canary", "/environments/canary?at={long_ago}"),
    *("/environments/Canary/-/history", "/environments/canary/-/delete"),
    "/environments/canary/-/retire?model_name=org18/model-18",
    *("/environments/canary/-/rollback?model_name=org18/model-18", "/deployments/{deployment}", "/gates", "/inbox"),
    *("/new/gate", "/deployments", "/deployments?environment=Staging", "/deployments?status=failed"),
    *("/deployments?live=true", "/deployments?model_name=org18/model-18", "/audit", "/audit?action=version.create"),
    *("/audit?resource_type=model", "/audit?api_key_name=key-7", "/audit?resource_id={version}"),
    *(
        "/audit?since={lately}&until={lately}",
        "/keys",
        "/people",
        "/webhooks",
        "/registries",
        "/trusted-keys",
        "/jobs",
        "/me",
        "/search",
        "/search?q=model-47",
        "/search?q=1.3",
    ),
    *("/search?q=v1.7", "/search?q=sha256:6f49", "/search?q=6F4922F4", "/search?q=nothing+such"),
    *("/search?q=model-1+1.3", "/search?q=model+1", "/search?q=org18/model-18:1.399.0", "/search?q=reviews+4711"),
    *(
        f"{path}={words}"
        for path in ("/search?q", "/models?search")
        for words in ("q", "zq", "o", "e", "se", "sentiment")
    ),
    "/me/views/new?address=/versions",
    "/new/model",
    "/new/version",
    "/new/deployment",
    *("/docs", "/docs/guides/", "/docs/guides/operations", "/docs/errors/", "/docs/errors/conflict"),
    "/new/deployment?model=org18/model-18&version=1.0.0&environment=canary",
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
        if counts_models(statement) or counts_a_week(statement):
            continue
        plan = filled.plan(statement, parameters)
        said = f"{statement}\n{json.dumps(plan, indent=1)[:6_000]}"
        assert not scanned(plan), said
        assert wasted(plan) <= WASTED, f"{wasted(plan)} rows for nothing: {said}"
        assert read(plan) <= READ, f"{read(plan)} rows: {said}"


def counts_models(statement):
    """The number beside `Models`: counted up to 10,000, and estimated from there on."""
    return "reltuples" in statement and statement.count("FROM models") == 1


def counts_a_week(statement):
    """The figures of this week and of one that is over since a day at most: `tests/test_week_figures.py` has their plan."""
    return "week_figures" in statement


@pytest.mark.parametrize("path", PAGES)
def test_a_page_reads_what_it_shows_by_an_index(filled, path):
    response, sent = filled.page(path)
    assert 1 < len([one for one in sent if "INTO week_figures" not in one[0]]) <= MOST_STATEMENTS  # once in a week
    check(filled, sent)
    assert len(response.data) <= MOST_BYTES
    assert len(gzip.compress(response.data)) <= MOST_COMPRESSED


@pytest.mark.parametrize(
    ("path", "part"),
    [("/", "live"), ("/?all=1", "live"), ("/", "ready"), ("/", "activity"), ("/environments", "places")],
)
def test_what_polls_reads_what_it_shows_by_an_index(filled, path, part):
    response, sent = filled.page(path, part)
    assert f'id="{part}"' in response.text
    assert not [statement for statement, _ in sent if counts_models(statement)]
    check(filled, sent)


OLDER = """
INSERT INTO deployments (id, release_id, model_id, environment, status, deployed_by, deployed_at, live_from, ended_at)
SELECT gen_random_uuid(), md5('version17')::uuid, md5('model18')::uuid, 'canary', 'success', 'ci', at, at,
       at + interval '1 minute'
FROM generate_series(1, 20000) AS n, LATERAL (SELECT now() - interval '1 year' - make_interval(mins => n) AS at) AS t"""


def test_the_timeline_reads_no_more_however_much_there_was_before_its_days(filled):
    path = "/environments?environment=canary&days=90&lanes=all"

    def lanes():
        _, sent = filled.page(path)
        [statement] = [one for one in sent if "WITH bar AS" in one[0]]
        check(filled, sent)
        return read(filled.plan(*statement))

    before = lanes()
    run(filled.url, OLDER, "ANALYZE deployments")
    assert before > 100
    assert lanes() <= before + 2  # the one before the window


def test_a_search_for_a_word_that_every_model_has_throws_nothing_away(filled):
    _, sent = filled.page("/models?search=sentiment&sort=name")
    of_models = [one for one in sent if not counts_models(one[0]) and "FROM sessions" not in one[0]]
    plans = [filled.plan(*one) for one in of_models]
    assert sum(map(wasted, plans)) == 0
    assert not [table for plan in plans for table in scanned(plan)]


@pytest.mark.parametrize(
    ("path", "pages"),
    [
        *((f"/models?sort={sort}", 10) for sort in ("newest", "updated", "name")),
        *((path, 3) for path in (MODEL, "/deployments", "/audit")),
    ],
)
def test_a_later_page_of_a_list_costs_what_the_first_does(filled, path, pages):
    for _ in range(pages):
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
    path, pages, costs = f"{MODEL}/-/activity", [], []
    while path and len(pages) < 100:
        response, sent = filled.page(path)
        path = more(response)
        pages.append(response.text)
        costs.append(sent)
    for sent in (costs[0], costs[-1]):
        check(filled, sent)
    assert "77.0.0" in pages[0]
    assert "1.1.0" not in pages[0]
    assert "1.3000.0" in pages[-1]


def test_what_happened_last_is_read_by_an_index_however_many_sign_ins_are_newer(filled):
    refused = ENTRIES.format("'auth.refused'", "'api_key'", "NULL", "now() + make_interval(secs => n)", 3_000)
    run(filled.url, refused, "ANALYZE audit_logs")
    response, sent = filled.page("/", "activity")
    assert response.text.count("<li") == 8
    check(filled, sent)


GATES = """
INSERT INTO gates (id, model, target, kind, path, op, value, created_by)
SELECT gen_random_uuid(), 'org*', 'release', 'metric', 'accuracy', '>=', n, 'x' FROM generate_series(1, 50) AS n;
INSERT INTO gates (id, model, target, kind, count, role, created_by)
SELECT gen_random_uuid(), 'org*', 'canary', 'approved', 1, 'viewer', 'x' FROM generate_series(1, 50) AS n"""


def test_no_page_sends_statements_for_every_gate(filled):
    run(filled.url, GATES)
    for path in ("/", "/inbox", "/gates", f"{MODEL}/-/gates", f"{MODEL}/versions/1.7.0", "/new/deployment"):
        _, sent = filled.page(path)
        assert len(sent) <= MOST_STATEMENTS, path


# --- bytes ------------------------------------------------------------------------------------------------------------


def long(text, length, filling="x"):
    return text.ljust(length, filling)


HEAVY_MODEL = f"/models/{long('org/heavy-1-', 255)}"
KEYS = "&".join(f"c={long(f'key-{number}-', 100, 'k')}" for number in range(1, 7))


# `test_bytes.py` has the pages of versions, their forms and their comparisons.
HEAVY_PAGES = {
    "overview": "/",
    "overview, all": "/?all=1",
    "models": "/models",
    "versions of all models": "/versions",
    "versions by a number": f"/versions?sort={quote('metadata.' + long('key-1-', 100, 'k'))}",
    "models by name": "/models?sort=name",
    "models found": "/models?search=heavy&tag=" + quote(long("tag-1", 128, "ש")),
    "model": HEAVY_MODEL,
    "model, six columns": f"{HEAVY_MODEL}?{KEYS}",
    "releases": f"{HEAVY_MODEL}?show=releases",
    "model's deployments": f"{HEAVY_MODEL}/-/deployments",
    "model's activity": f"{HEAVY_MODEL}/-/activity",
    "model's settings": f"{HEAVY_MODEL}/-/settings",
    "compare none": f"{HEAVY_MODEL}/compare",
    "environments": "/environments",
    "environments, all lanes": "/environments?lanes=all&days=90",
    "environments then": "/environments?at=2100-01-01T00:00&lanes=all",
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
    "deployment to a place": f"/new/deployment?model={long('org/heavy-1-', 255)}&environment={long('env-1', 63)}",
}


@pytest.mark.parametrize("name", HEAVY_PAGES)
def test_no_page_is_over_40_kilobytes_compressed_however_heavy_its_rows(heavy, name):
    response, _ = heavy.page(HEAVY_PAGES[name])
    assert len(response.data) <= 5 * MOST_BYTES
    assert len(gzip.compress(response.data)) <= MOST_COMPRESSED


@pytest.mark.parametrize(
    ("path", "row", "count"),
    [
        ("/models", MODEL_LINK, 60),
        ("/deployments", r'href="/models/org/heavy-([^"]+)/versions', 3_000),
        (f"/environments/{long('env-1', 63)}", r'<article class="card place" id="live-([^"]+)"', 60),
    ],
)
def test_the_pages_of_heavy_rows_hold_every_one(heavy, path, row, count):
    found, pages, here = [], 0, path
    while here and pages < 40:
        response, _ = heavy.page(here)
        rows = re.findall(row, response.text)
        assert 0 < len(rows) <= 50
        found, pages, here = found + rows, pages + 1, more(response)
    assert pages > 1
    assert here or len(found) == count
    assert path == "/deployments" or len(set(found)) == len(found)


@pytest.mark.parametrize(
    ("path", "shown", "count"),
    [(MODEL, r'<tr id="version-', 50), (MODEL, r'class="point', 200), ("/models", MODEL_LINK, 50)],
    ids=["versions", "points of the chart", "models"],
)
def test_of_ordinary_rows_a_page_is_full(filled, path, shown, count):
    assert len(re.findall(shown, filled.page(path)[0].text)) == count


def more(response):
    """The address of what comes after the page's rows; None at the end."""
    found = re.search(
        r'<a class="button"[^>]* href="([^"]*[?&]cursor=[^"]+)"|href="([^"]*[?&;]cursor=[^"]+)"', response.text
    )
    return unescape(found[1] or found[2]) if found else None
