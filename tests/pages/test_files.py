"""Every table is a file of comma-separated values, too."""

import csv
import io

import pytest
from markup import Page


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


def file_of(browser, path, query=""):
    """The rows of the file that the page links to."""
    [address] = [link for link in Page(browser.get(path + query)).links if link.startswith(f"{path}.csv")]
    answer = browser.get(address)
    assert answer.content_type == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(answer.text)))


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


def test_a_file_of_keys_has_no_key_and_no_formula(browser, things):
    first = file_of(browser, "/keys")[0]
    assert (first["name"], first["models"], first["role"]) == ("'=ci", "nlp/* cv/*", "publisher")
    assert not [name for name in first if "hash" in name or name == "key"]
    assert browser.by("releaser").get("/keys.csv").status_code == 403


def test_a_file_of_people_has_addresses_for_admins_alone(browser, things):
    assert [row["email"] for row in file_of(browser.by("viewer"), "/people")] == [""]


def test_a_filter_that_cannot_be_read_is_refused_and_no_file(browser, things):
    assert browser.get("/deployments.csv?status=gone").status_code == 422
