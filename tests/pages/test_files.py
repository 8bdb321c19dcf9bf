"""Every table is a file of comma-separated values, too."""

import codecs
import csv
import json
import re
from contextvars import copy_context

import pytest
from markup import Page

from catapult.web import slots


@pytest.fixture
def things(api):
    version = api.version(api.model(), metadata={"accuracy": 0.9})
    for environment in ("staging", "production"):
        api.deployment(version, environment)
    api.make(
        "/api/v1/gates", {"model": "*", "target": "release", "kind": "metric", "path": "f1", "op": ">=", "value": 1}
    )
    api.make("/api/v1/people", {"name": "Dana Ortiz", "email": "dana@example.com"})
    api.make("/api/v1/api-keys", {"name": "=ci", "models": ["nlp/*", "cv/*"]})


def test_what_is_live_is_a_line_a_model_with_a_column_an_environment(browser, things):
    assert file_of(browser, "/environments") == [{"model": "org/bert", "staging": "1.0.0", "production": "1.0.0"}]


def file_of(browser, path, query=""):
    """The rows of the file that the page links to."""
    [address] = [link for link in Page(browser.get(path + query)).links if link.startswith(f"{path}.csv")]
    answer = browser.get(address)
    assert answer.content_type == "text/csv; charset=utf-8"
    return list(csv.DictReader(answer.csv))


@pytest.mark.parametrize(
    ("path", "query", "expected"),
    [
        (
            "/deployments",
            "",
            [{"environment": "production", "live": "True"}, {"environment": "staging", "live": "True"}],
        ),
        ("/deployments", "?environment=staging", [{"model_name": "org/bert", "version": "1.0.0", "status": "success"}]),
        ("/gates", "", [{"model": "*", "target": "release", "kind": "metric", "rule": "f1 ≥ 1"}]),
        ("/people", "", [{"name": "Dana Ortiz", "email": "dana@example.com", "active": "True"}]),
    ],
)
def test_a_list_is_a_file_with_its_filters(browser, things, path, query, expected):
    rows = file_of(browser, path, query)
    assert [{name: row[name] for name in one} for row, one in zip(rows, expected, strict=True)] == expected


def test_a_spreadsheet_reads_every_file_as_utf_8(browser, api, things, tmp_path):
    """As Excel does: by the mark at the beginning, or else in the encoding of its machine."""
    api.make("/api/v1/people", {"name": "Zoë Größe 鍵"})
    for path in ("/models", "/versions", "/deployments", "/gates", "/keys", "/people", "/audit/export"):
        file = tmp_path / "file.csv"
        file.write_bytes(browser.get(f"{path}.csv").data)
        assert file.read_bytes().startswith(codecs.BOM_UTF8)
        with file.open(encoding="utf-8-sig", newline="") as text:
            heads, *rows = csv.reader(text)
        assert heads[0].isascii()
        assert heads[0].isidentifier()
        assert rows
        if path == "/people":
            assert "Zoë Größe 鍵" in [value for row in rows for value in row]


def test_a_file_of_keys_tells_no_bounds_from_bounds_that_hold_nothing(browser, api):
    api.make("/api/v1/api-keys", {"name": "nothing", "models": [], "environments": ["staging"]})
    rows = {row["name"]: (row["models"], row["environments"]) for row in file_of(browser, "/keys")}
    assert rows["nothing"] == ("none", "staging")
    assert rows["viewer-key"] == ("all", "all")


def test_a_file_of_keys_has_no_key_and_no_formula(browser, things):
    first = file_of(browser, "/keys")[0]
    assert (first["name"], first["models"], first["role"]) == ("'=ci", "nlp/* cv/*", "publisher")
    assert not [name for name in first if "hash" in name or name == "key"]
    assert browser.by("releaser").get("/keys.csv").status_code == 403


def test_a_file_of_people_has_addresses_for_admins_alone(browser, things):
    assert [row["email"] for row in file_of(browser.by("viewer"), "/people")] == [""]


def test_a_filter_that_cannot_be_read_is_refused_and_no_file(browser, things):
    assert browser.get("/deployments.csv?status=gone").status_code == 422


class Reading:
    """A file that somebody has begun to read, in a context of its own as in a thread of the server."""

    def __init__(self, browser, path):
        self.context = copy_context()
        self.answer = self.context.run(browser.get, path)

    def read(self):
        return self.context.run(self.answer.get_data, as_text=True)

    def leave(self):
        self.context.run(self.answer.close)


def test_few_files_are_read_at_once_and_a_slot_is_free_when_one_is_read_or_left(browser, api):
    viewer, publisher = browser.by("viewer"), browser.by("publisher")
    reading = [Reading(viewer, "/audit/export.jsonl"), Reading(viewer, "/audit/export.csv")]
    refused = viewer.get("/audit/export.csv")
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "2")
    assert "This key reads 2 files already. Wait for them." in refused.words
    reading.append(Reading(browser, "/models.csv"))
    assert [each.answer.status_code for each in reading] == [200, 200, 200]
    assert "The server is busy with 3 files. Try again in 2 s." in publisher.get("/models.csv").words
    assert json.loads(reading[0].read().splitlines()[0])["action"]
    assert [publisher.get("/models.csv").status_code for _ in range(3)] == [200, 200, 200]
    reading[1].leave()
    assert viewer.get("/audit/export.jsonl").status_code == 200
    reading[2].leave()
    assert browser.client.head("/models.csv").status_code == 200
    assert slots.FILES._taken.total() == 0


def test_every_file_of_a_table_takes_a_slot(app, browser, api):
    model = api.model()
    files = {rule.rule for rule in app.url_map.iter_rules() if rule.rule.endswith((".csv", ".jsonl"))}
    assert len(files) >= 9
    reading = [Reading(browser, "/audit/export.jsonl") for _ in range(2)]
    answers = {rule: browser.get(re.sub("<[^>]*>", model["name"], rule)).status_code for rule in files}
    for each in reading:
        each.leave()
    assert answers == dict.fromkeys(files, 503)
