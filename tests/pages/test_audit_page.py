"""`/audit`: the entries, their filters and their export; and the sentence that every action has."""

import ast
import csv
import json
import re
from html import unescape
from pathlib import Path

import pytest
from flask import render_template_string
from markup import Page
from rows import ENTRIES
from sealing import Log

from catapult import audit, tables
from catapult.pages.audit_logs import as_text
from catapult.pages.parts.csv_files import cell, line
from catapult.rules import file_signatures
from catapult.tables import Action, EventType, Kind, Role

ENTRY = re.compile(r'<li id="entry-([0-9a-f-]{36})"')
SENTENCE = '{% from "audit_logs/_feed.html" import sentence with context %}{{ sentence(entry) }}'


def entries(response):
    return ENTRY.findall(response.text)


def actions(response):
    """The actions on the page, newest first."""
    return [element.text for element in Page(response).all("code") if re.fullmatch(r"[a-z_]+\.[a-z_]+", element.text)]


# --- every action -----------------------------------------------------------------------------------------------------


@pytest.fixture
def one_of_each(sql):
    for action in Action:
        sql(
            "INSERT INTO audit_logs (id, action, resource_type, details)"
            " VALUES (gen_random_uuid(), :action, 'model', '{\"name\": \"org/bert\"}')",
            action=action,
        )


@pytest.mark.parametrize("action", Action)
def test_every_action_has_a_sentence(app, action):
    entry = {"action": action, "resource_type": "version", "api_key_name": "ci", "details": "{}"}
    with app.test_request_context():
        text = re.sub(r"<[^>]+>", "", render_template_string(SENTENCE, entry=entry))
    assert text.startswith("ci ")
    assert action not in text


def test_every_action_and_every_kind_is_offered_and_can_be_filtered_by(browser, api, one_of_each):
    page = Page(browser.get("/audit"))
    offered = [option["value"] for option in page.all("option") if option.get("value")]
    assert offered == list(Action)
    assert [option.text for option in page.all("option") if option.text] == ["any", *Kind]
    for action in Action:
        assert set(actions(browser.get(f"/audit?action={action}"))) == {action}
        assert {entry["action"] for entry in api.get(f"/api/v1/audit-logs?action={action}").json} == {action}
    described = str(api.get("/openapi.json").json["paths"]["/api/v1/audit-logs"]["get"]["parameters"])
    assert not [name for name in (*Action, *Kind) if name not in described]


def test_the_code_writes_these_actions_and_no_others():
    written = set()
    for path in Path(tables.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())) if path.name != "tables.py" else ():
            if isinstance(node, ast.Constant) and re.fullmatch(r"[a-z_]+\.[a-z_]+", str(node.value)):
                written.add(node.value)
            elif isinstance(node, ast.Attribute) and ast.unparse(node.value).endswith("Action"):
                written.add(str(Action[node.attr]))
    written -= {*(set(EventType) - set(Action)), file_signatures.PATH}
    prefixes = {action.partition(".")[0] for action in Action} | set(Kind)
    assert {name for name in written if name.partition(".")[0] in prefixes} == set(Action)


def test_an_unknown_action_is_not_recorded():
    with pytest.raises(ValueError, match=r"is not a valid Action"):
        audit.entry("model.paint", tables.RegisteredModel())
    with pytest.raises(ValueError, match=r"is not a valid Action"):
        audit.refused(audit.Actor("x", Role.VIEWER), "auth.maybe", {})


# --- the list ---------------------------------------------------------------------------------------------------------


def test_an_entry_says_when_who_what_on_what_and_from_where(browser, api):
    made = api.by("publisher").request(
        "POST",
        "/api/v1/models",
        {"name": "org/bert", "storage_path": "x"},
        headers={"X-Request-ID": "run-42"},
        environ_overrides={"REMOTE_ADDR": "192.0.2.7"},
    )
    page = browser.by("viewer").get(f"/audit?resource_id={made.json['id']}").text
    for text in ("publisher-key", "model.create", 'href="/models/org/bert"', "192.0.2.7", "run-42"):
        assert text in page
    (entry,) = Page(browser.get(f"/audit?resource_id={made.json['id']}")).all("li", id=f"entry-{entry_id(page)}")
    assert re.fullmatch(r"publisher-key registered the model org/bert .* \d\d:\d\d", entry.text)


def entry_id(page):
    return ENTRY.search(page)[1]


def test_a_version_is_linked_and_a_deleted_one_is_not(browser, api):
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


def test_a_key_s_name_is_isolated_whatever_its_direction(browser, api):
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
        ("resource_type=model", {"model.create"}),
    ],
)
def test_filters_are_in_the_address(browser, api, query, found):
    version = api.version(api.model())
    api.by("releaser").post(f"/api/v1/versions/{version['id']}/promote")
    assert set(actions(browser.get(f"/audit?{query}"))) == found


def test_names_and_actions_lead_to_the_entries_that_have_them(browser, api):
    api.by("publisher").model()
    page = browser.get("/audit?resource_type=model")
    for address in ("/audit?api_key_name=publisher-key", "/audit?action=model.create"):
        assert f'href="{address}"' in page.text
        assert set(actions(browser.get(address))) == {"model.create"}


def test_entries_stand_below_their_day_and_a_next_page_goes_on_with_it(browser, sql):
    sql(ENTRIES, first=1, last=60)
    first = browser.get("/audit?api_key_name=demo")
    heads = [head.text for head in Page(first).all("h3")]
    assert heads
    address, after = re.search(
        r'hx-get="([^"]+)"\s+hx-target="#more"[^>]*"X-After-Day": "([^"]+)"', first.text
    ).groups()
    assert after == heads[-1]
    headers = {"X-After-Day": after}
    rest = browser.get(unescape(address), htmx="more", headers=headers)
    assert len(entries(first)) + len(entries(rest)) == 60
    assert after not in [head.text for head in Page(rest).all("h3")]
    assert after in [head.text for head in Page(browser.get(unescape(address))).all("h3")]


def test_the_histogram_has_a_bar_a_day_that_leads_to_its_entries(browser, api, sql):
    sql(
        "INSERT INTO audit_logs (id, action, resource_type, created_at) SELECT gen_random_uuid(), 'x.y', 'x',"
        " date_trunc('day', now(), 'UTC') - interval '3 days' + n * interval '1 minute' FROM generate_series(0, 6) AS n"
    )
    bars = day_bars(browser.get("/audit"))
    assert len(bars) == 30
    day = bars[-4]
    assert day["aria-label"].endswith(": 7 entries")
    assert bars[0]["aria-label"].endswith(": 0 entries")
    of_day = browser.get(day["href"])
    assert len(entries(of_day)) == 7
    (chosen,) = Page(of_day).all("a", aria_current="true")
    assert chosen["href"] == day["href"]
    assert "histogram" not in browser.get("/audit", htmx="list").text


def day_bars(response):
    return [link for link in Page(response).all("a") if re.search("entr(y|ies)$", link.get("aria-label") or "")]


def test_the_histogram_counts_so_many_entries_of_a_day_and_says_so(browser, sql):
    sql(ENTRIES, first=1, last=700)
    assert "500+ entries" in browser.get("/audit").text


def test_a_minute_is_in_utc_and_the_end_is_excluded(browser, sql):
    sql(
        "INSERT INTO audit_logs (id, action, resource_type, created_at)"
        " SELECT gen_random_uuid(), 'x.y', 'x', time FROM unnest(ARRAY[timestamptz '2020-05-03T10:15:00Z',"
        " '2020-05-03T10:16:00Z']) AS time"
    )
    assert len(entries(browser.get("/audit?since=2020-05-03T10:15&until=2020-05-03T10:16"))) == 1
    assert len(entries(browser.get("/audit?since=2020-05-03T12:15:00%2B02:00&until=2020-05-03T10:17"))) == 2


def test_htmx_gets_an_invalid_filter_with_the_filters_and_the_mark_goes_with_them(browser):
    bad = browser.get("/audit?since=never", htmx="list")
    assert (bad.status_code, bad.headers["HX-Retarget"]) == (422, "#filtered")
    assert 'hx-target="#filtered"' in bad.text
    good = browser.get("/audit?since=2020-01-01T00:00", htmx="filtered")
    assert "HX-Retarget" not in good.headers
    assert "aria-invalid" not in good.text
    assert 'hx-target="#list"' in good.text


def test_the_address_bar_gets_the_filters_without_empty_ones(browser):
    assert browser.get("/audit?action=a.b&since=&until=", htmx="list").headers["HX-Push-Url"] == "/audit?action=a.b"
    assert "HX-Push-Url" not in browser.get("/audit?action=a.b", htmx="more").headers


# --- files ------------------------------------------------------------------------------------------------------------


def test_the_csv_has_every_column_oldest_first(browser, api):
    api.by("publisher").model("org/bert", description="x")
    api.by("publisher").model("org/late")
    response = browser.by("viewer").get("/audit/export.csv?action=model.create")
    rows = list(csv.DictReader(response.csv))
    columns = "id created_at api_key_name action resource_type resource_id ip_address request_id details person_name seq leaf text"
    assert response.headers["Content-Disposition"] == 'attachment; filename="catapult-audit.csv"'
    assert response.mimetype == "text/csv"
    assert list(rows[0]) == columns.split()
    assert [json.loads(row["details"])["name"] for row in rows] == ["org/bert", "org/late"]
    assert rows[0]["created_at"].endswith("Z")
    assert rows[0]["created_at"] < rows[1]["created_at"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝"])
def test_a_cell_that_a_spreadsheet_would_run_is_text_and_no_other_is_changed(start):
    texts = (f"{start}1+1", f"a{start}1", None, "O'Brien")
    assert [cell(text) for text in texts] == [f"'{start}1+1", f"a{start}1", "", "O'Brien"]
    assert line(["a,b", 'say "x"', "=1"]) == '"a,b","say ""x""",\'=1\r\n'


def test_no_formula_reaches_the_csv_by_a_name_or_a_request_id(browser, api):
    name = '=HYPERLINK("http://evil.example")'
    key = api.make("/api/v1/api-keys", {"name": name})["key"]
    body, headers = {"name": "org/bert", "storage_path": "x"}, {"X-API-Key": key, "X-Request-ID": "@SUM(1)"}
    api.make("/api/v1/models", body, headers=headers)
    (row,) = csv.DictReader(browser.get("/audit/export.csv?action=model.create").csv)
    assert (row["api_key_name"], row["request_id"]) == (f"'{name}", "'@SUM(1)")
    assert row["details"].startswith("{")


def test_json_lines_are_those_of_the_command(browser, api, app):
    api.version(api.model(metadata={"digits": 123456789012345678901234567890}))
    lines = browser.get("/audit/export.jsonl?resource_type=version").text.splitlines()
    exported = app.test_cli_runner().invoke(args=["audit", "export"]).output.splitlines()
    assert lines
    assert set(lines) < set(exported)
    assert set(json.loads(lines[0])) > {"api_key_id", "details", "created_at"}


def test_an_export_is_read_while_it_is_sent_and_has_every_entry_once(browser, sql, statements):
    sql(ENTRIES, first=1, last=450)
    with statements() as sent:
        response = browser.get("/audit/export.jsonl?api_key_name=demo", buffered=False)
        begun = sum("audit_logs" in statement for statement in sent)
        rows = [json.loads(line) for line in response.text.splitlines()]
    order = [(row["created_at"], row["id"]) for row in rows]
    assert len({row["id"] for row in rows}) == 450
    assert order == sorted(order)
    assert begun == 1
    assert sum("audit_logs" in statement for statement in sent) >= 5


def test_an_invalid_filter_gives_no_file(browser):
    response = browser.get("/audit/export.csv?since=never")
    assert response.status_code == 422
    assert "Content-Disposition" not in response.headers


def test_the_export_links_have_the_filters(browser, api):
    api.model()
    page = browser.get("/audit?action=model.create&since=2020-01-01T00:00", htmx="list").text
    assert 'href="/audit/export.csv?action=model.create&amp;since=2020-01-01T00:00"' in page


def test_a_value_that_is_not_text_is_json():
    assert [as_text(value) for value in ("null", None, "", 0.1, True)] == ["null", "null", '""', "0.1", "true"]
    assert as_text({"a": [1]}) == '{\n  "a": [\n    1\n  ]\n}'


def test_the_page_says_how_far_the_log_is_sealed_and_an_entry_has_its_number(browser, api, app, tmp_path):
    api.model()
    assert "Sealed up to" not in browser.get("/audit").text
    log = Log(app, tmp_path)
    log.seal()
    last = log.export()[-1]
    api.model("org/late")
    page = browser.get("/audit").text
    assert f"Sealed up to entry {last['seq']}, " in page
    assert f"entry {last['seq']}, <code" in page
    assert last["leaf"] in page
    assert page.count("<dt>sealed</dt>") == last["seq"] + 1
