import csv
import io
import json
import re

import pytest
from stage import Api

from catapult.pages.audit_logs import cell, csv_line, said

EVIL = "<script>alert(\"x\")</script> 'quoted' שלום"
ENTRY = re.compile(r'<tr id="entry-([0-9a-f-]{36})"')


def entries(response):
    return ENTRY.findall(response.text)


def many(sql, count, **columns):
    """So many entries, newest last; some of them share a time, which paging must not trip over."""
    said = {"action": "demo.thing", "kind": "thing", "who": "demo", "details": "{}", "after": 0, **columns}
    sql(
        "INSERT INTO audit_logs (id, action, resource_type, api_key_name, details, created_at)"
        " SELECT gen_random_uuid(), :action, :kind, :who, cast(:details AS jsonb),"
        " now() - interval '1 day' + (:after + i / 3) * interval '1 second'"
        " FROM generate_series(1, :count) i",
        count=count,
        **said,
    )


def test_an_entry_says_when_who_what_on_what_and_from_where(browser, api):
    made = api.by("publisher").request(
        "POST",
        "/api/v1/models",
        {"name": "org/bert", "storage_path": "x"},
        headers={"X-Request-ID": "run-42"},
        environ_overrides={"REMOTE_ADDR": "192.0.2.7"},
    )
    page = browser.by("viewer").get(f"/audit?resource_id={made.json['id']}").text
    for told in ("publisher-key", "model.create", 'href="/models/org/bert"', "192.0.2.7", "run-42", "<time datetime="):
        assert told in page


def test_a_version_is_linked_and_one_that_was_deleted_is_not(browser, api):
    version = api.version(api.model())
    linked = 'href="/models/org/bert/versions/1.0.0"'
    assert linked in browser.get("/audit?action=version.create").text
    api.delete(f"/api/v1/versions/{version['id']}")
    assert linked not in browser.get("/audit?action=version.delete").text


def test_an_update_shows_the_old_and_the_new_value_of_each_field(browser, api):
    model = api.model(description="old words", metadata={"accuracy": 0.95312345})
    api.put(f"/api/v1/models/{model['id']}", {"description": "new words", "metadata": {"accuracy": 0.95312349}})
    page = browser.get("/audit?action=model.update").text
    assert page.index("<del>old words</del>") < page.index("<ins>new words</ins>")
    assert "0.95312345" in page
    assert "0.95312349" in page


def test_what_people_typed_is_never_markup(browser, api):
    model = api.model(description="plain")
    api.put(f"/api/v1/models/{model['id']}", {"description": EVIL})
    page = browser.get("/audit").text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt; &#39;quoted&#39; שלום" in page


def test_a_keys_name_keeps_to_itself_whatever_its_direction(browser, api):
    api.make("/api/v1/api-keys", {"name": "\u202eneddih<b>"})
    assert "<bdi>\u202eneddih&lt;b&gt;</bdi>" in browser.get("/audit?action=api_key.create").text


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("action=model.create", {"model.create"}),
        ("resource_type=version", {"version.create", "version.promote"}),
        ("api_key_name=releaser-key&action=version.promote", {"version.promote"}),
        ("api_key_name=releaser-key&action=model.create", set()),
        ("resource_type=version&since=2099-01-01T00:00", set()),
        ("resource_type=version&until=2001-01-01T00:00", set()),
        ("resource_type=version&since=2001-01-01T00:00&until=2099-01-01T00:00", {"version.create", "version.promote"}),
        ("action=&resource_type=model&since=&until=", {"model.create"}),
    ],
)
def test_filters_stand_in_the_address(browser, api, query, found):
    version = api.version(api.model())
    api.by("releaser").post(f"/api/v1/versions/{version['id']}/promote")
    shown = set(re.findall(r"<summary><code>([a-z_.]+)</code>", browser.get(f"/audit?{query}").text))
    assert shown == found


def test_a_minute_is_one_of_utc_and_the_end_is_not_in_it(browser, sql):
    sql(
        "INSERT INTO audit_logs (id, action, resource_type, created_at)"
        " VALUES (gen_random_uuid(), 'x.y', 'x', '2020-05-03T10:15:00Z'), (gen_random_uuid(), 'x.y', 'x', '2020-05-03T10:16:00Z')"
    )
    assert len(entries(browser.get("/audit?since=2020-05-03T10:15&until=2020-05-03T10:16"))) == 1
    assert len(entries(browser.get("/audit?since=2020-05-03T12:15:00%2B02:00&until=2020-05-03T10:17"))) == 2


@pytest.mark.parametrize("name", ["resource_id", "since", "until"])
def test_a_bad_filter_is_marked_and_what_was_typed_stays(browser, api, name):
    api.model()
    page = browser.get(f"/audit?{name}=yesterday&api_key_name=alice")
    assert page.status_code == 422
    field = re.search(rf'<input id="filter-{name}"[^>]*>', page.text)[0]
    assert 'aria-invalid="true"' in field
    assert f'aria-describedby="filter-{name}-fault"' in field
    assert 'type="text" value="yesterday"' in field
    assert f'id="filter-{name}-fault"' in page.text
    assert 'value="alice"' in page.text
    assert not entries(page)
    assert page.text.count("aria-invalid") == 1


def test_a_character_that_no_text_can_hold_is_a_fault_too(browser):
    page = browser.get("/audit?action=a%00b")
    assert page.status_code == 422
    assert "U+0000" in page.text


def test_a_fault_comes_to_htmx_with_the_filters_and_goes_with_them(browser):
    bad = browser.get("/audit?since=never", htmx="list")
    assert bad.status_code == 422
    assert bad.headers["HX-Retarget"] == "#filtered"
    assert 'hx-target="#filtered"' in bad.text
    good = browser.get("/audit?since=2020-01-01T00:00", htmx="filtered")
    assert "HX-Retarget" not in good.headers
    assert "aria-invalid" not in good.text
    assert 'hx-target="#list"' in good.text


def test_htmx_gets_the_list_and_a_browser_without_it_the_page(browser, api):
    api.model()
    part, page = browser.get("/audit", htmx="list"), browser.get("/audit")
    assert part.text.lstrip().startswith("<section")
    assert "<form" not in part.text
    assert page.text.startswith("<!doctype html>")
    assert entries(part) == entries(page)
    assert part.headers["Vary"] == page.headers["Vary"] == "HX-Request, Accept-Encoding"


def test_the_address_bar_gets_the_filters_and_no_empty_ones(browser):
    assert browser.get("/audit?action=a.b&since=&until=", htmx="list").headers["HX-Push-Url"] == "/audit?action=a.b"
    assert "HX-Push-Url" not in browser.get("/audit?action=a.b", htmx="more").headers


@pytest.mark.parametrize("htmx", [None, "more"])
def test_loading_more_neither_skips_nor_repeats_an_entry(browser, sql, htmx):
    many(sql, 120)
    ordered = sql("SELECT id FROM audit_logs WHERE action = 'demo.thing' ORDER BY created_at DESC, id DESC")
    found, address = [], "/audit?action=demo.thing"
    while address:
        response = browser.get(address, htmx=htmx)
        found += entries(response)
        more = re.search(r'<tr id="more">.*?href="([^"]+)"', response.text, re.DOTALL)
        address = more and more[1].replace("&amp;", "&")
        assert not address or address.startswith("/audit?action=demo.thing&cursor=")
        many(sql, 1, after=3600)  # others write meanwhile
    assert found == [str(row["id"]) for row in ordered]


def test_a_cursor_of_another_filter_is_refused(browser, sql):
    many(sql, 60)
    cursor = re.search(r"cursor=([^\"&]+)", browser.get("/audit?action=demo.thing").text)[1]
    assert browser.get(f"/audit?resource_type=thing&cursor={cursor}").status_code == 422


def test_nothing_matches_is_another_text_than_nothing_yet(browser, app):
    assert "Nothing matches" in browser.get("/audit?action=no.such").text
    page = browser.get("/audit?since=never").text
    assert "Nothing matches" not in page
    assert "Nothing was looked up" in page


def test_fifty_entries_take_no_more_statements_than_five(browser, sql, statement_count):
    many(sql, 5, action="few.things", details='{"model": "org/bert", "version": "1"}')
    many(sql, 50, action="many.things", details='{"model": "org/bert", "version": "1"}')
    browser.get("/audit")
    few = statement_count(lambda: browser.get("/audit?action=few.things"))
    assert statement_count(lambda: browser.get("/audit?action=many.things")) == few


@pytest.mark.parametrize("path", ["/audit", "/audit/export.csv", "/audit/export.jsonl"])
def test_who_is_not_signed_in_goes_to_the_sign_in_and_back(browser, path):
    response = browser.by(None).get(path)
    assert response.status_code == 303
    assert response.headers["Location"].startswith("/login?next=/audit")


def test_the_csv_has_every_column_oldest_first(browser, api):
    api.by("publisher").model("org/bert", description="x")
    api.by("publisher").model("org/late")
    response = browser.by("viewer").get("/audit/export.csv?action=model.create")
    rows = list(csv.DictReader(io.StringIO(response.text, newline="")))
    assert response.headers["Content-Disposition"] == 'attachment; filename="catapult-audit.csv"'
    assert response.mimetype == "text/csv"
    assert list(rows[0]) == [
        "id", "created_at", "api_key_name", "action", "resource_type", "resource_id", "ip_address", "request_id", "details",
    ]  # fmt: skip
    assert [json.loads(row["details"])["name"] for row in rows] == ["org/bert", "org/late"]
    assert rows[0]["created_at"].endswith("Z")
    assert rows[0]["created_at"] < rows[1]["created_at"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝"])
def test_a_cell_that_a_spreadsheet_would_run_is_text(start):
    assert cell(f"{start}1+1") == f"'{start}1+1"
    assert cell(f"a{start}1") == f"a{start}1"


def test_other_cells_stay_as_they_are():
    assert cell(None) == ""
    assert cell("O'Brien") == "O'Brien"
    assert csv_line(["a,b", 'say "x"', "=1"]) == '"a,b","say ""x""",\'=1\r\n'


def test_no_formula_reaches_the_csv_by_a_name_or_a_request_id(browser, api):
    name = '=HYPERLINK("http://evil.example")'
    key = api.make("/api/v1/api-keys", {"name": name})["key"]
    body, sent_by = {"name": "org/bert", "storage_path": "x"}, {"X-API-Key": key, "X-Request-ID": "@SUM(1)"}
    api.make("/api/v1/models", body, headers=sent_by)
    (row,) = csv.DictReader(io.StringIO(browser.get("/audit/export.csv?action=model.create").text, newline=""))
    assert row["api_key_name"] == f"'{name}"
    assert row["request_id"] == "'@SUM(1)"
    assert row["details"].startswith("{")


def test_json_lines_are_those_of_the_command(browser, api, app):
    api.version(api.model(metadata={"digits": 123456789012345678901234567890}))
    lines = browser.get("/audit/export.jsonl?resource_type=version").text.splitlines()
    told = app.test_cli_runner().invoke(args=["audit", "export"]).output.splitlines()
    assert lines
    assert set(lines) < set(told)
    assert set(json.loads(lines[0])) > {"api_key_id", "details", "created_at"}


def test_an_export_has_every_entry_once_over_its_portions(browser, sql):
    many(sql, 250)
    rows = [json.loads(line) for line in browser.get("/audit/export.jsonl?action=demo.thing").text.splitlines()]
    order = [(row["created_at"], row["id"]) for row in rows]
    assert len({row["id"] for row in rows}) == 250
    assert order == sorted(order)


def test_an_export_is_read_while_it_is_sent(browser, sql, statements):
    many(sql, 450)
    with statements() as sent:
        response = browser.get("/audit/export.jsonl?action=demo.thing", buffered=False)
        begun = sum("audit_logs" in one for one in sent)
        assert len(response.text.splitlines()) == 450
    assert begun == 1
    assert sum("audit_logs" in one for one in sent) >= 5


def test_a_bad_filter_gives_no_file(browser):
    response = browser.get("/audit/export.csv?since=never")
    assert response.status_code == 422
    assert "Content-Disposition" not in response.headers


def test_the_export_links_carry_the_filters(browser, api):
    api.model()
    page = browser.get("/audit?action=model.create&since=2020-01-01T00:00", htmx="list").text
    assert 'href="/audit/export.csv?action=model.create&amp;since=2020-01-01T00:00"' in page


def test_a_value_that_is_no_text_is_json():
    assert [said(one) for one in ("null", None, "", 0.1, True)] == ["null", "null", '""', "0.1", "true"]
    assert said({"a": [1]}) == '{\n  "a": [\n    1\n  ]\n}'


def test_the_api_sees_what_the_page_sees(browser, app, keys):
    Api(app, keys).model()
    shown = entries(browser.get("/audit?resource_type=model"))
    assert shown == [entry["id"] for entry in Api(app, keys).get("/api/v1/audit-logs?resource_type=model").json]
